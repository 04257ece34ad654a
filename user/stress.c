/*
 * Random calls with random arguments, thousands a second, from processes that
 * do not care what becomes of them. Call number n of seed S is always the same
 * call. Workers make the calls; one that exits, executes something else, unmaps
 * its own code or sends itself a signal too many is replaced. What they make,
 * name, write and remove lies in a directory of their own. In the end the kernel
 * lives, has as many free pages as before, and the files are those that were.
 *
 * The calls are counted by the kernel: the workers share one open file, and
 * each moves its offset by one before a call. So every number is drawn once,
 * and none is lost with the worker that drew it.
 *
 * usage: stress SEED COUNT
 */
#include "fuzz/fuzz.h"

#define WORKERS      3
#define MAX_CHILDREN 6 /* of a worker, ended or not */

static unsigned long seed, count;

/* ---- a worker ---- */

static long make(const struct call *call)
{
	const long *a = call->arguments;

	return syscall6(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Waits for a child's end; one that was stopped goes on. Its status, or an error. */
static long next_end(void)
{
	int status;
	long pid;

	while ((pid = wait4(-1, &status, WUNTRACED, NULL)) > 0 &&
	       WIFSTOPPED(status))
		if (kill(-pid, SIGCONT) < 0)
			kill(pid, SIGCONT);
	return pid;
}

/* Deal with the consequences: a second process, two more open files. */
static void follow_up(const struct call *call, long result)
{
	static int children;

	if (call->number == SYS_fork || call->number == SYS_vfork) {
		if (result == 0)
			exit(0);
		if (++children < MAX_CHILDREN)
			return;
		while (next_end() > 0)
			;
		children = 0;
	}
	/* A read from a pipe to which only this process writes would wait. */
	if (call->number == SYS_pipe && result == 0) {
		const int *fds = (const int *)call->arguments[0];

		close(fds[0]);
		close(fds[1]);
	}
}

_Noreturn static void work(void)
{
	long null = open("/dev/null", O_RDWR);
	struct call call;

	setpgid(0, 0); /* its signals are its own */
	for (int fd = 0; fd < 3; fd++)
		dup2((int)null, fd);
	close((int)null);
	mmap(AREA, AREA_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (;;) {
		long ticket = lseek(TICKETS, 1, SEEK_CUR);

		if (ticket <= 0 || (unsigned long)ticket > count)
			exit(0);
		draw_call(&call, seed, (unsigned long)ticket);
		follow_up(&call, make(&call));
	}
}

/* ---- keeping workers at work ---- */

/* Of a file, since a device is always at its start; and under one number only, or a
 * worker's lseek would find the other. */
static void open_tickets(void)
{
	int fd = (int)open("/etc/motd", O_RDONLY);

	dup2(fd, TICKETS);
	close(fd);
}

static unsigned long tickets_drawn(void)
{
	unsigned long drawn = (unsigned long)lseek(TICKETS, 0, SEEK_CUR);

	return drawn < count ? drawn : count;
}

static long start_worker(void)
{
	long pid = fork();

	if (pid == 0)
		work();
	return pid;
}

/* Until the calls are made: the number of workers that it took. Children of
 * workers that have ended come here too, if this is process 1. */
static unsigned long supervise(void)
{
	long workers[WORKERS] = { 0 }, pid = 0;
	unsigned long started = 0, quarter = 1;

	do {
		for (int i = 0; i < WORKERS; i++) {
			if (workers[i] > 0 && workers[i] != pid)
				continue;
			workers[i] = 0;
			if (tickets_drawn() == count && started > 0)
				continue;
			workers[i] = start_worker();
			started += workers[i] > 0;
		}
		if (count > 0 && quarter < 4 &&
		    tickets_drawn() >= count / 4 * quarter)
			printf("stress: %lu calls\n", count / 4 * quarter++);
		pid = next_end();
	} while (pid > 0);
	return started;
}

static unsigned processes(void)
{
	struct sysinfo info = { 0 };

	sysinfo(&info);
	return info.procs;
}

/* Free pages once no more processes run than at the start: orphans of the
 * workers may still be about to end. */
static unsigned long free_pages_at_rest(unsigned at_rest)
{
	for (int tries = 0; tries < 1000 && processes() > at_rest; tries++)
		sleep_ms(1);
	return free_pages();
}

/* ---- the run ---- */

int main(int argc, char **argv)
{
	unsigned long calls, workers, before, after;
	unsigned at_rest = processes();
	uint64_t files;

	if (argc != 3 || !parse_number(argv[1], &seed) ||
	    !parse_number(argv[2], &calls)) {
		printf("usage: stress SEED COUNT\n");
		return 2;
	}
	if (!on_threshold()) {
		printf("stress: not here: the calls might do real harm\n");
		return 2;
	}
	open_tickets();
	/* What stays is made now: here, with no calls to make, and in a program
	 * at the other end of a pipe, which gets its first line to read. */
	supervise();
	printf("stress: seed %lu: %lu calls to make\n", seed, calls);
	sleep_ms(20);
	lseek(TICKETS, 0, SEEK_SET);
	make_actions();
	files = sum_of_all_files();
	before = free_pages_at_rest(at_rest);
	mkdir(PLAYGROUND);
	count = calls;
	workers = supervise();
	clear_playground();
	after = free_pages_at_rest(at_rest);
	printf("stress: seed %lu: %lu calls, %lu workers, "
	       "free pages before %lu after %lu\n",
	       seed, tickets_drawn(), workers, before, after);
	if (sum_of_all_files() == files)
		return before != after || tickets_drawn() != calls;
	printf("stress: the files are not those that were\n");
	return 1;
}
