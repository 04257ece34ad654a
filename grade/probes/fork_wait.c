/*
 * What a parent learns of its children, and a child of its parent.
 *
 * usage: fork_wait SEED numbers|statuses|nobody|ring0|step|inherit
 */
#include "fork.h"

#define CHILDREN 6

static uint64_t seed;

static long fork_exit(int status)
{
	long pid = fork_or_end();

	if (pid == 0)
		exit(status);
	return pid;
}

/* Who is who. */
static void numbers(void)
{
	long pid;

	FACT("first", getpid());
	pid = fork_or_end();
	if (pid == 0) {
		FACT("getpid", getpid());
		FACT("getppid", getppid());
		exit(0);
	}
	FACT("fork", pid);
	FACT("waited", wait4(-1, NULL, 0, NULL));
	FACT("again", getpid());
}

/* Children that end in an order of their own; the statuses come from seed. */
static void statuses(void)
{
	long pids[CHILDREN];
	int status;

	for (int i = 0; i < CHILDREN; i++)
		pids[i] = fork_exit((int)(random_next(&seed) & 0xff));
	for (int i = CHILDREN - 1; i >= CHILDREN / 2; i--) {
		FACT("pid", pids[i]);
		FACT("asked", wait4(pids[i], &status, 0, NULL));
		FACT("status", status);
	}
	for (int i = 0; i < CHILDREN / 2; i++) {
		status = -1;
		FACT("any", wait4(-1, &status, 0, NULL));
		FACT("status", status);
	}
	FACT("none", wait4(-1, &status, 0, NULL));
}

/* A grandchild belongs to its own parent, and then to process 1. */
static void nobody(void)
{
	long child, orphan = 0;
	int say[2], keep_child[2], keep_orphan[2];
	char c;

	pipe(say);
	pipe(keep_child);
	pipe(keep_orphan);
	child = fork_or_end();
	if (child == 0) {
		orphan = fork_or_end();
		if (orphan == 0) {
			read(keep_orphan[0], &c, 1);
			exit(0);
		}
		write(say[1], &orphan, sizeof(orphan));
		read(keep_child[0], &c, 1);
		exit(0);
	}
	FACT("child", child);
	read(say[0], &orphan, sizeof(orphan));
	FACT("orphan", orphan);
	FACT("foreign", wait4(orphan, NULL, WNOHANG, NULL));
	FACT("running", wait4(child, NULL, WNOHANG, NULL));
	write(keep_child[1], "", 1);
	FACT("first", wait4(-1, NULL, 0, NULL));
	FACT("adopted", wait4(-1, NULL, WNOHANG, NULL));
	write(keep_orphan[1], "", 1);
	FACT("second", wait4(-1, NULL, 0, NULL));
	FACT("none", wait4(-1, NULL, 0, NULL));
}

static int halt(long unused)
{
	(void)unused;
	asm volatile("hlt");
	return 0;
}

static int disable_interrupts(long unused)
{
	(void)unused;
	asm volatile("cli");
	return 0;
}

static int read_kernel(long address)
{
	return *(volatile char *)address & 0;
}

/* What only ring 0 may do. */
static void ring0(void)
{
	FACT("hlt", run_child(halt, 0));
	FACT("cli", run_child(disable_interrupts, 0));
	FACT("kernel", run_child(read_kernel, (long)0xffffffff80100000));
}

/* A child that forks while RFLAGS.TF is set: it is killed by SIGTRAP just
 * after the SYSCALL, as its own child is. */
static int fork_single_stepped(long unused)
{
	long result;

	(void)unused;
	asm volatile("pushfq\n\t"
		     "orl $0x100, (%%rsp)\n\t"
		     "movl %1, %%eax\n\t"
		     "popfq\n\t"
		     "syscall"
		     : "=&a"(result)
		     : "i"(SYS_fork)
		     : "rcx", "r11", "memory");
	return 9;
}

static void step(void)
{
	FACT("child", run_child(fork_single_stepped, 0));
	FACT("other", wait_for(-1)); /* its child has come to process 1 */
}

/* Open files are shared, offset and all, and closed once by each. */
static void inherit(void)
{
	char letters[4] = { 0 }, c;
	int fds[2], file = (int)open("/etc/motd", O_RDONLY);
	long pid, fs = (long)&seed & -8, got = 0;

	arch_prctl(0x1002, (unsigned long)fs);
	chdir("/etc");
	pipe(fds);
	pid = fork_or_end();
	if (pid == 0) {
		arch_prctl(0x1003, (unsigned long)&got);
		FACT("fs", got - fs);
		FACT("cwd", open("motd", O_RDONLY) >= 0);
		FACT("read", read(file, letters, 3));
		FACT("wrote", write(fds[1], letters, 3));
		exit(0);
	}
	close(fds[1]);
	wait_for(pid);
	FACT("offset", lseek(file, 0, SEEK_CUR));
	FACT("heard", read(fds[0], letters, 3));
	FACT("eof", read(fds[0], &c, 1)); /* the child's end is closed, too */
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";

	seed = seed_of(argc, argv);
	if (strcmp(what, "numbers") == 0)
		numbers();
	else if (strcmp(what, "statuses") == 0)
		statuses();
	else if (strcmp(what, "nobody") == 0)
		nobody();
	else if (strcmp(what, "ring0") == 0)
		ring0();
	else if (strcmp(what, "step") == 0)
		step();
	else if (strcmp(what, "inherit") == 0)
		inherit();
	return 0;
}
