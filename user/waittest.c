/*
 * What a parent learns from wait4: who ended and how, once for each child, and
 * about nobody else's. A child whose parent ended belongs to process 1.
 *
 * usage: waittest [N]	with N: fork and wait N times and count free pages
 */
#include <user.h>

static int exit_with(long status)
{
	return (int)status;
}

static int die_of(long signal)
{
	char *volatile nowhere = NULL;

	if (signal == SIGILL)
		asm volatile("ud2");
	if (signal == SIGFPE)
		asm volatile("divl %0" : : "r"(0), "a"(1), "d"(0));
	return *nowhere; /* SIGSEGV */
}

static void check_statuses(void)
{
	static const int exits[] = { 0, 1, 42, 127, 128, 255, 256, -1 };
	static const int signals[] = { SIGSEGV, SIGILL, SIGFPE };
	char what[48];

	for (size_t i = 0; i < COUNT(exits); i++) {
		snprintf(what, sizeof(what), "status of exit(%d)", exits[i]);
		check_equal(what, run_child(exit_with, exits[i]),
			    (exits[i] & 0xff) << 8);
	}
	for (size_t i = 0; i < COUNT(signals); i++) {
		snprintf(what, sizeof(what), "status of a child killed by %s",
			 signal_text(signals[i]));
		/* Bit 7 would say that a core file was written. */
		check_equal(what, run_child(die_of, signals[i]) & ~0x80,
			    signals[i]);
	}
}

static long fork_exit(int status)
{
	long pid = fork_or_exit();

	if (pid == 0)
		exit(status);
	return pid;
}

static void check_several(void)
{
	long pids[8], seen = 0;
	bool right = true;
	int status;

	for (int i = 0; i < 8; i++)
		pids[i] = fork_exit(i);
	for (int i = 7; i >= 0; i--)
		right &= wait_for(pids[i]) == i << 8;
	check(right, "eight children, waited for by number, last first");
	for (int i = 0; i < 8; i++)
		pids[i] = fork_exit(i);
	for (int i = 0; i < 8; i++) {
		long pid = wait4(-1, &status, 0, NULL);

		for (int j = 0; j < 8; j++)
			if (pids[j] == pid && status == j << 8)
				seen |= 1L << j;
	}
	check_equal("eight children, waited for as they come", seen, 0xff);
}

static void check_nobody(void)
{
	check_equal("no child at all", wait4(-1, NULL, 0, NULL), -ECHILD);
	check_equal("no child, and no waiting", wait4(-1, NULL, WNOHANG, NULL),
		    -ECHILD);
	check_equal("itself", wait4(getpid(), NULL, 0, NULL), -ECHILD);
	check_equal("its parent", wait4(getppid(), NULL, 0, NULL), -ECHILD);
	check_equal("a child waited for already",
		    wait4(fork_exit(0), NULL, 0, NULL) > 0
			    ? wait4(-1, NULL, 0, NULL)
			    : 0,
		    -ECHILD);
}

/* The child's end of a pipe keeps it alive until the parent lets go. */
static void check_waiting(void)
{
	int fds[2], status = -1;
	char c;
	long pid;

	pipe(fds);
	pid = fork_or_exit();
	if (pid == 0) {
		read(fds[0], &c, 1);
		exit(3);
	}
	check_equal("WNOHANG, the child still runs",
		    wait4(pid, &status, WNOHANG, NULL), 0);
	check_equal("and no status is stored", status, -1);
	write(fds[1], "", 1);
	check_equal("wait4 waits for its end", wait_for(pid), 3 << 8);
	pid = fork_exit(4);
	sleep_ms(30);
	check_equal("WNOHANG, the child has ended",
		    wait4(pid, &status, WNOHANG, NULL), pid);
	check_equal("its status was kept", status, 4 << 8);
	close(fds[0]);
	close(fds[1]);
}

/* The child forks, tells the grandchild's number and ends; the grandchild sees
 * its parent change, and tells the new one's. */
static void make_orphan(int say)
{
	long parent = getpid(), pid = fork_or_exit();

	if (pid == 0) {
		while (getppid() == parent)
			sched_yield();
		pid = getppid();
		write(say, &pid, sizeof(pid));
		exit(0);
	}
	write(say, &pid, sizeof(pid));
	exit(0);
}

static void check_orphan(void)
{
	long child, orphan = 0, adopted_by = 0;
	int fds[2];

	pipe(fds);
	child = fork_or_exit();
	if (child == 0)
		make_orphan(fds[1]);
	check_equal("the child of a parent that ends", wait_for(child), 0);
	read(fds[0], &orphan, sizeof(orphan));
	read(fds[0], &adopted_by, sizeof(adopted_by));
	check(orphan > 0 && orphan != child, "its own child lives on");
	check_equal("is nobody's here", wait4(orphan, NULL, 0, NULL), -ECHILD);
	check(on_threshold() ? adopted_by == 1 : adopted_by != child,
	      "but process 1's");
	close(fds[0]);
	close(fds[1]);
}

static void count_pages(unsigned long times)
{
	unsigned long before = 0, after;
	bool right = true;

	/* The first round is not counted: it makes what then stays. */
	for (unsigned long i = 0; i <= times; i++) {
		right &= run_child(exit_with, 5) == 5 << 8;
		if (i == 0)
			before = free_pages();
	}
	after = free_pages();
	check(right, "%lu children forked, ended, waited for", times);
	printf("waittest: free pages before %lu after %lu\n", before, after);
	check(before == after || !on_threshold(), "no page was lost");
}

static int run(long times)
{
	check_statuses();
	check_several();
	check_nobody();
	check_waiting();
	check_orphan();
	if (times > 0)
		count_pages((unsigned long)times);
	return check_done();
}

int main(int argc, char **argv)
{
	unsigned long times = 0;
	int status = 0;
	long child;

	if (argc > 2 || (argc == 2 && !parse_number(argv[1], &times))) {
		printf("usage: waittest [N]\n");
		return 2;
	}
	if (getpid() != 1)
		return run((long)times);
	/* Process 1 gets all orphans, so it lets a child do the test. */
	child = fork_or_exit();
	if (child == 0)
		exit(run((long)times));
	while (wait4(-1, &status, 0, NULL) != child)
		;
	return WEXITSTATUS(status);
}
