/*
 * What a shell does for its jobs: a group for each, and one of them has the terminal.
 * Who reads from the background is stopped, and makes the same call again when it is
 * in front. It needs a terminal, but no keys.
 */
#include <user.h>

/* Bytes as they come; and a read does not wait for any. */
static void no_lines(const struct termios *usual)
{
	struct termios settings = *usual;

	settings.local &= ~(uint32_t)(ICANON | ECHO);
	settings.characters[VMIN] = settings.characters[VTIME] = 0;
	ioctl(0, TCSETS, &settings);
}

static long bytes_typed(void)
{
	char keys[16];

	return read(0, keys, sizeof(keys));
}

static long in_front(void)
{
	int group = 0;
	long error = ioctl(0, TIOCGPGRP, &group);

	return error < 0 ? error : group;
}

static long put_in_front(long group)
{
	int number = (int)group;

	return ioctl(0, TIOCSPGRP, &number);
}

/* A child in a group of its own, or in one that is there. Both say so, for nobody
 * knows which of them comes first. */
static long start_job(long (*body)(void), long group)
{
	long child = fork_or_exit();

	if (child == 0) {
		setpgid(0, group);
		exit(body() != 0);
	}
	setpgid(child, group ? group : child);
	return child;
}

/* Which signal has stopped it; 0: it has not stopped, it has ended. */
static int stopped_by(long pid)
{
	int status = 0;

	wait4(pid, &status, WUNTRACED, NULL);
	return WIFSTOPPED(status) ? WEXITSTATUS(status) : 0;
}

static long take_terminal(void)
{
	return put_in_front(getpgrp());
}

static long wait_for_a_signal(void)
{
	return syscall0(SYS_pause);
}

static void check_background(void)
{
	long child = start_job(bytes_typed, 0);

	check_equal("who reads in the background is stopped", stopped_by(child),
		    SIGTTIN);
	put_in_front(child);
	check_equal("now its group has the terminal", in_front(), child);
	kill(-child, SIGCONT);
	check_equal("it goes on, and its read returns", wait_for(child), 0);
}

/* This process is in the background now, as a shell is when its job has ended. */
static void check_way_back(void)
{
	on_signal(SIGTTOU, SIG_IGN, 0);
	check_equal("a shell takes the terminal back", take_terminal(), 0);
	check_equal("and has it", in_front(), getpgrp());
	on_signal(SIGTTOU, SIG_DFL, 0);
}

static void check_no_theft(void)
{
	long child = start_job(take_terminal, 0);

	check_equal("who does not refuse SIGTTOU is stopped at that",
		    stopped_by(child), SIGTTOU);
	kill(child, SIGKILL);
	wait_for(child);
}

static void check_group(void)
{
	long first = start_job(wait_for_a_signal, 0);
	long second = start_job(wait_for_a_signal, first);

	kill(-first, SIGINT);
	check(WTERMSIG(wait_for(first)) == SIGINT &&
		      WTERMSIG(wait_for(second)) == SIGINT,
	      "a signal to a group reaches all of it");
}

int main(void)
{
	struct termios usual;

	if (ioctl(0, TCGETS, &usual) < 0) {
		dprintf(2, "jobtest: the input is no terminal\n");
		return 2;
	}
	no_lines(&usual);
	check_equal("without lines, a read need not wait", bytes_typed(), 0);
	check_background();
	check_way_back();
	check_no_theft();
	check_group();
	ioctl(0, TCSETS, &usual);
	return check_done();
}
