/*
 * What a terminal makes of keys. The program says itself what is to be typed, in
 * hexadecimal after "type: ", and prints what it has read: whoever types for it does
 * so on the host's terminal and on this kernel's, and compares all that was shown.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "process_state.h"

#define TENTHS 1

static struct termios usual;
static volatile sig_atomic_t heard;

static void hear(int signal)
{
	heard = signal;
}

static void on(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigaction(signal, &action, NULL);
}

static void set_flags(tcflag_t input, tcflag_t local)
{
	struct termios settings = usual;

	settings.c_iflag = input;
	settings.c_lflag = local;
	tcsetattr(0, TCSANOW, &settings);
}

static void set_key(int index, cc_t key)
{
	struct termios settings = usual;

	settings.c_cc[index] = key;
	tcsetattr(0, TCSANOW, &settings);
}

static void set_raw(tcflag_t local, cc_t least, cc_t time)
{
	struct termios settings = usual;

	settings.c_lflag = local;
	settings.c_cc[VMIN] = least;
	settings.c_cc[VTIME] = time;
	tcsetattr(0, TCSANOW, &settings);
}

static void ask(const char *what, const char *keys)
{
	printf("%s\ntype: ", what);
	for (; *keys; keys++)
		printf("%02x", (unsigned char)*keys);
	printf("\n");
}

static long read_and_show(size_t size)
{
	char text[8192];
	long count = read(0, text, size);

	printf("\nread %ld%s:", count,
	       count < 0 ? errno == EINTR ? " EINTR"
			   : errno == EIO ? " EIO"
					  : " ?"
			 : "");
	for (long i = 0; i < count && i < 80; i++)
		printf(" %02x", (unsigned char)text[i]);
	printf("\n");
	return count;
}

static void line(const char *what, const char *keys)
{
	ask(what, keys);
	read_and_show(100);
}

/* Keys that shall meet a read which waits already: a child asks for them. */
static void line_for_a_sleeper(const char *what, const char *keys)
{
	pid_t reader = getpid(), child = fork();

	if (child == 0) {
		await_state(reader, 'S');
		ask(what, keys);
		fflush(stdout);
		_exit(0);
	}
	read_and_show(100);
	waitpid(child, NULL, 0);
}

static void lines(void)
{
	line("plain", "plain\n");
	line("the last one away", "wrony\177g\n");
	line("more than there are", "a\177\177\177b\n");
	line("all away", "throw\025keep\n");
	line("a word away", "one two.three\027\027X\n");
	line("a word and blanks", "one  two   \027Y\n");
	line("a tab away", "ab\tc\177\177\177Z\n");
	line("tabs away", "\t\tx\t\177\177y\n");
	line("control characters away", "\001\002\177\177\177z\n");
	line("return", "r\r");
	line("control characters", "a\033[A\001\n");
	line("end after text", "half\004");
	line("end", "\004");
	ask("a line in pieces", "abcdef\n");
	read_and_show(3);
	read_and_show(3);
	read_and_show(3);
	ask("as much as there is place", "abc\004");
	read_and_show(3);
	line("the end is no end of all", "d\n");
	line("eight bits", "\303\244\n");
}

static void long_line(void)
{
	static char keys[5001];

	set_flags(ICRNL, usual.c_lflag & ~ECHO);
	memset(keys, 'x', sizeof(keys) - 1);
	keys[sizeof(keys) - 2] = '\n';
	ask("a long line", keys);
	read_and_show(8192);
}

static void flags(void)
{
	set_flags(ICRNL, usual.c_lflag & ~ECHO);
	line("no echo", "secret\177x\n");
	set_flags(ICRNL, (usual.c_lflag & ~ECHO) | ECHONL);
	line("echo of newlines", "secret\n");
	set_flags(ICRNL, usual.c_lflag & ~ECHOCTL);
	line("no carets", "\002\177b\n");
	set_flags(IGNCR, usual.c_lflag);
	line("returns ignored", "a\rb\n");
	set_flags(0, usual.c_lflag);
	line("returns kept", "a\rb\n");
	set_flags(INLCR, usual.c_lflag & ~ICANON);
	line("newlines to returns", "\n");
	set_flags(ICRNL, usual.c_lflag & ~IEXTEN);
	line("no extensions", "one\027\n");
	set_key(VEOL, ';');
	line("another end of line", "ab;");
	set_key(VERASE, '#');
	line("another erase", "ab#c\177\n");
	set_key(VKILL, 0);
	line("no kill", "ab\025c\n");
}

static void bytes(void)
{
	tcflag_t raw = usual.c_lflag & ~(ICANON | ECHO | ISIG);

	set_raw(raw, 1, 0);
	line("a byte", "a");
	line("a byte that would be a signal", "\003");
	line("a byte that would be an end", "\004");
	line("a byte that would take back", "\177");
	set_raw(raw, 3, 0);
	line("three", "abc");
	ask("not more than asked for", "abcdef");
	read_and_show(2);
	read_and_show(3);
	read_and_show(1);
	set_raw(raw, 0, 0);
	line("none is enough", "");
	set_raw(raw, 0, TENTHS);
	line("none in time", "");
	line("one in time", "a");
	set_raw(raw, 5, TENTHS);
	line("no second one in time", "a");
	set_raw(usual.c_lflag & ~ICANON, 1, 0);
	line("echo of a byte", "a");
	line("echo of a newline", "\n");
	line("echo of a control character", "\001");
}

static void keys_for_signals(void)
{
	const struct {
		const char *keys;
		int signal;
	} all[] = { { "\003", SIGINT },
		    { "\034", SIGQUIT },
		    { "\032", SIGTSTP } };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		heard = 0;
		on(all[i].signal, hear, 0);
		line_for_a_sleeper("a signal", all[i].keys);
		printf("heard %d\n", heard);
	}
	/* Linux may not have shown yet what it forgets: here nothing is shown. */
	set_flags(ICRNL, usual.c_lflag & ~ECHO);
	on(SIGINT, hear, 0);
	line_for_a_sleeper("a signal after text", "ab\003");
	line("what was typed is gone", "c\n");
	on(SIGINT, hear, SA_RESTART);
	line("a read goes on", "ab\003c\n");
	set_flags(ICRNL, (usual.c_lflag & ~ECHO) | NOFLSH);
	line("what was typed is kept", "ab\003c\n");
	set_flags(ICRNL, usual.c_lflag & ~ISIG);
	line("no signals", "\003\n");
	heard = 0;
	set_raw(usual.c_lflag & ~ICANON, 1, 0);
	line("a signal among bytes", "\003x");
	printf("heard %d\n", heard);
	on(SIGINT, SIG_DFL, 0);
	on(SIGQUIT, SIG_DFL, 0);
	on(SIGTSTP, SIG_DFL, 0);
}

/* Control-C throws away what nobody has read. Whoever waits for a byte, and does
 * not hear of signals, goes on to wait: nothing read would be the end. */
static void thrown_away(void)
{
	enum { PAIRS = 40 };
	char keys[2 * PAIRS + 2] = "", c = 0;
	long nothing = 0;

	for (int i = 0; i < PAIRS; i++)
		strcat(keys, "x\003");
	strcat(keys, "q");
	on(SIGINT, SIG_IGN, 0);
	set_raw(ISIG, 1, 0);
	ask("keys that are thrown away", keys);
	while (c != 'q')
		nothing += read(0, &c, 1) == 0;
	printf("reads of nothing: %ld\n", nothing);
	on(SIGINT, SIG_DFL, 0);
}

/* Until something has been typed, that is not read. */
static int wait_for_three(void)
{
	int count = 0;

	ask("how many wait", "ab\n");
	while (count < 3) {
		usleep(10000);
		ioctl(0, FIONREAD, &count);
	}
	return count;
}

static void counts(void)
{
	int count = wait_for_three();

	printf("\nwait: %d\n", count);
	tcsetattr(0, TCSAFLUSH, &usual);
	ioctl(0, FIONREAD, &count);
	printf("after TCSAFLUSH: %d\n", count);
	wait_for_three();
	printf("\ntcflush %d", tcflush(0, TCIFLUSH));
	ioctl(0, FIONREAD, &count);
	printf(" leaves %d\n", count);
	fcntl(0, F_SETFL, O_RDWR | O_NONBLOCK);
	printf("no sleep: %ld", (long)read(0, &count, 1));
	printf(" %d\n", errno == EAGAIN);
	fcntl(0, F_SETFL, O_RDWR);
	printf("tcdrain %d\n", tcdrain(0));
	printf("another request %d", ioctl(0, 0x54ff, 0));
	printf(" %d\n", errno == ENOTTY);
}

/* With the speeds, as the newest C libraries ask: struct termios2, in words. */
static void with_speeds(void)
{
	unsigned old[11] = { 0 }, new[11] = { 0 };

	printf("TCGETS2 %d, the same but for the speeds ",
	       ioctl(0, 0x802c542a, new));
	ioctl(0, 0x5401, old);
	printf("%d %d\n", !memcmp(old, new, 36), new[9] > 0 && new[10] > 0);
	new[3] &= ~ECHO;
	new[2] = (new[2] & ~0x100f) | 0x1000; /* a speed that has no name */
	new[10] = 12345;
	for (unsigned request = 0x402c542b; request <= 0x402c542d; request++)
		printf("TCSETS2 %d\n", ioctl(0, request, new));
	ioctl(0, 0x5401, old);
	ioctl(0, 0x802c542a, new);
	printf("taken %d, %u\n", (old[3] & ECHO) == 0, new[10]);
	printf("nowhere %d\n", ioctl(0, 0x802c542a, 8));
	tcsetattr(0, TCSANOW, &usual);
}

static void settings(void)
{
	struct termios now, odd = usual;
	struct winsize window = { 33, 99, 1, 2 };

	with_speeds();
	odd.c_iflag |= IXOFF | BRKINT | IUTF8;
	odd.c_lflag |= TOSTOP;
	odd.c_cc[VLNEXT] = 'q';
	tcsetattr(0, TCSANOW, &odd);
	tcgetattr(0, &now);
	printf("kept: %x %x %x %x\n", now.c_iflag, now.c_oflag, now.c_lflag,
	       now.c_cc[VLNEXT]);
	odd.c_oflag = 0;
	tcsetattr(0, TCSANOW, &odd);
	write(1, "as\nit\nis\r\n", 10);
	tcsetattr(0, TCSANOW, &usual);
	on(SIGWINCH, hear, 0);
	heard = 0;
	ioctl(0, TIOCSWINSZ, &window);
	printf("SIGWINCH %d\n", heard == SIGWINCH);
	heard = 0;
	ioctl(0, TIOCSWINSZ, &window);
	printf("SIGWINCH again %d\n", heard == SIGWINCH);
	memset(&window, 0, sizeof(window));
	ioctl(0, TIOCGWINSZ, &window);
	printf("window %d %d %d %d\n", window.ws_row, window.ws_col,
	       window.ws_xpixel, window.ws_ypixel);
	on(SIGWINCH, SIG_DFL, 0);
}

/* ---- jobs ------------------------------------------------------------------- */

/* A child in a group of its own. */
static pid_t start(void (*body)(void))
{
	pid_t child = fork();

	if (child == 0) {
		setpgid(0, 0);
		on(SIGTTOU, SIG_DFL, 0);
		body();
		fflush(stdout);
		_exit(7);
	}
	setpgid(child, child);
	return child;
}

static void report(pid_t child, int options)
{
	int status = 0;
	pid_t pid = waitpid(child, &status, options);

	printf("the child %s, status %04x\n",
	       pid == child ? "has news" : "is gone", status);
}

static void reads(void)
{
	read_and_show(100);
}

static void writes(void)
{
	printf("from the background\n");
}

static void sets(void)
{
	printf("tcsetattr %d\n", tcsetattr(0, TCSANOW, &usual));
}

static void takes(void)
{
	printf("tcsetpgrp %d\n", tcsetpgrp(0, getpgrp()));
}

static void takes_ignoring(void)
{
	on(SIGTTOU, SIG_IGN, 0);
	takes();
}

static void reads_ignoring(void)
{
	on(SIGTTIN, SIG_IGN, 0);
	read_and_show(100);
}

static void waits(void)
{
	for (;;)
		pause();
}

static void loops(void)
{
	for (;;)
		;
}

/* Stopped in the background; it goes on in the foreground. */
static void brought_forward(const char *what, void (*body)(void),
			    const char *keys)
{
	pid_t child;

	printf("%s\n", what);
	child = start(body);
	report(child, WUNTRACED);
	tcsetpgrp(0, child);
	printf("whose turn: %s\n", tcgetpgrp(0) == child ? "the child's" : "?");
	if (keys)
		ask("in the foreground", keys);
	kill(-child, SIGCONT);
	report(child, 0);
	tcsetpgrp(0, getpgrp());
}

static void in_background(const char *what, void (*body)(void))
{
	printf("%s\n", what);
	report(start(body), 0);
	tcsetpgrp(0, getpgrp());
}

static void keys_for_a_job(const char *what, void (*body)(void))
{
	pid_t child = start(body);

	tcsetpgrp(0, child);
	ask(what, "\032");
	report(child, WUNTRACED);
	kill(-child, SIGCONT);
	report(child, WCONTINUED);
	ask(what, "\003");
	report(child, WUNTRACED);
	tcsetpgrp(0, getpgrp());
}

static void wants_output_stopped(tcflag_t flag)
{
	struct termios settings = usual;

	settings.c_lflag |= flag;
	tcsetattr(0, TCSANOW, &settings);
}

static void jobs(void)
{
	on(SIGTTOU, SIG_IGN, 0);
	brought_forward("a read from the background", reads, "hello\n");
	brought_forward("tcsetattr from the background", sets, NULL);
	brought_forward("tcsetpgrp from the background", takes, NULL);
	in_background("a write from the background", writes);
	wants_output_stopped(TOSTOP);
	brought_forward("a write that TOSTOP stops", writes, NULL);
	wants_output_stopped(0);
	in_background("tcsetpgrp without SIGTTOU", takes_ignoring);
	in_background("a read without SIGTTIN", reads_ignoring);
	keys_for_a_job("keys for one that waits", waits);
	keys_for_a_job("keys for one that runs", loops);
	on(SIGTTOU, SIG_DFL, 0);
}

/* ---- sessions --------------------------------------------------------------- */

static void result(const char *what, long value)
{
	printf("%s: %ld%s\n", what, value,
	       value >= 0        ? ""
	       : errno == EPERM  ? " EPERM"
	       : errno == EIO    ? " EIO"
	       : errno == ENXIO  ? " ENXIO"
	       : errno == ENOTTY ? " ENOTTY"
	       : errno == ESRCH  ? " ESRCH"
	       : errno == EINVAL ? " EINVAL"
				 : " ?");
}

static void in_another_session(void)
{
	int none = 0;

	result("/dev/tty", open("/dev/tty", O_RDWR));
	result("TIOCGPGRP", ioctl(0, TIOCGPGRP, &none));
	result("TIOCSPGRP", tcsetpgrp(0, getpgrp()));
	result("TIOCGSID", ioctl(0, TIOCGSID, &none));
	result("TIOCSCTTY", ioctl(0, TIOCSCTTY, 0));
	result("TIOCNOTTY", ioctl(0, TIOCNOTTY, 0));
	result("a read", read(0, &none, 0));
}

static void sessions(void)
{
	int go[2];
	pid_t child;

	result("its own session", tcgetsid(0) == getsid(0));
	result("its own group", tcgetpgrp(0) == getpgrp());
	result("/dev/tty", open("/dev/tty", O_RDWR) >= 0);
	result("TIOCSCTTY", ioctl(0, TIOCSCTTY, 0));
	result("no such group", tcsetpgrp(0, 0x7fffff));
	result("no group", tcsetpgrp(0, -1));
	pipe(go);
	child = fork();
	if (child == 0) {
		char byte;

		setsid();
		in_another_session();
		printf("that is all\n");
		close(go[0]);
		write(go[1], "", 1);
		read(0, &byte, 0);
		waits();
	}
	read(go[0], &(char){ 0 }, 1);
	result("a group of another session", tcsetpgrp(0, child));
	kill(child, SIGKILL);
	report(child, 0);
}

/* ---- orphans ---------------------------------------------------------------- */

static void goes_on(int signal)
{
	char text[] = "signal 00\n";

	text[7] += signal / 10;
	text[8] += signal % 10;
	write(1, text, sizeof(text) - 1);
}

static void until_orphaned(pid_t parent)
{
	while (getppid() == parent)
		usleep(10000);
}

/* A process in a group that nobody of the session looks after, as its parent has
 * ended; body runs there. Waits for it by the pipe that ends with it. */
static void orphan(void (*body)(pid_t parent))
{
	int end[2];
	pid_t child;

	pipe(end);
	child = fork();
	if (child == 0) {
		pid_t parent = getpid();

		setpgid(0, 0);
		if (fork() == 0) {
			close(end[0]);
			on(SIGTTOU, SIG_DFL, 0);
			body(parent);
			fflush(stdout);
			_exit(0);
		}
		close(end[1]);
		close(end[0]);
		usleep(300000);
		_exit(0);
	}
	close(end[1]);
	read(end[0], &(char){ 0 }, 1);
	close(end[0]);
	report(child, 0);
}

static void reads_alone(pid_t parent)
{
	until_orphaned(parent);
	read_and_show(10);
	result("tcsetpgrp", tcsetpgrp(0, getpgrp()));
	result("tcsetattr", tcsetattr(0, TCSANOW, &usual));
	raise(SIGTSTP);
	printf("SIGTSTP stops no orphan\n");
}

static void stops_in_time(pid_t parent)
{
	(void)parent;
	on(SIGHUP, goes_on, 0);
	on(SIGCONT, goes_on, 0);
	raise(SIGSTOP);
	printf("it goes on\n");
}

static void orphans(void)
{
	printf("an orphan\n");
	orphan(reads_alone);
	printf("an orphan that was stopped\n");
	orphan(stops_in_time);
}

int main(void)
{
	static void (*const parts[])(void) = {
		lines,       long_line, flags,    bytes, keys_for_signals,
		thrown_away, counts,    settings, jobs,  sessions,
		orphans,
	};

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	tcgetattr(0, &usual);
	usual.c_iflag = ICRNL;
	usual.c_oflag = OPOST | ONLCR;
	usual.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL |
			ECHOKE | IEXTEN;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		tcsetattr(0, TCSANOW, &usual);
		parts[i]();
	}
	tcsetattr(0, TCSANOW, &usual);
	printf("all parts done\n");
	return 0;
}
