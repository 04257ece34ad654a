/*
 * Random calls with random arguments, thousands a second, from processes that
 * do not care what becomes of them. Call number n of seed S is always the same
 * call. Workers make the calls; one that exits, executes something else or
 * unmaps its own code is replaced. In the end the kernel lives and has as many
 * free pages as before.
 *
 * The calls are counted by the kernel: the workers share one open file, and
 * each moves its offset by one before a call. So every number is drawn once,
 * and none is lost with the worker that drew it.
 *
 * usage: stress SEED COUNT
 */
#include <user.h>

#define WORKERS      3
#define MAX_CHILDREN 6  /* of a worker, ended or not */
#define TICKETS      15 /* the shared file: the last number a process has */
#define O_NONBLOCK   04000

#define AREA         ((char *)0x10000000) /* what workers map and unmap */
#define AREA_PAGES   64

struct call {
	long number;
	long arguments[6];
};

/*
 * The calls, and a letter for each argument: f file number, b buffer, s name,
 * n size, a address of a page, p protection, m mapping flags, i small number,
 * o options, mostly none, t time, v table of pieces, l list of names, r result
 * of pipe, c child, x code of arch_prctl.
 */
static const struct {
	long number;
	const char *shape;
} table[] = {
	{ SYS_read, "fbn" },
	{ SYS_write, "fbn" },
	{ SYS_open, "so" },
	{ SYS_close, "f" },
	{ SYS_fstat, "fb" },
	{ SYS_lseek, "fno" },
	{ SYS_mmap, "anpmfa" },
	{ SYS_mprotect, "anp" },
	{ SYS_munmap, "an" },
	{ SYS_brk, "a" },
	{ SYS_rt_sigprocmask, "ibbi" },
	{ SYS_ioctl, "fnb" },
	{ SYS_writev, "fvi" },
	{ SYS_pipe, "r" },
	{ SYS_sched_yield, "" },
	{ SYS_dup, "f" },
	{ SYS_dup2, "ff" },
	{ SYS_nanosleep, "tb" },
	{ SYS_getpid, "" },
	{ SYS_fork, "" },
	{ SYS_vfork, "" },
	{ SYS_execve, "sll" },
	{ SYS_exit, "i" },
	{ SYS_wait4, "cbob" },
	{ SYS_uname, "b" },
	{ SYS_getcwd, "bn" },
	{ SYS_chdir, "s" },
	{ SYS_sysinfo, "b" },
	{ SYS_getppid, "" },
	{ SYS_arch_prctl, "xb" },
	{ SYS_gettid, "" },
	{ SYS_getdents64, "fbn" },
	{ SYS_set_tid_address, "b" },
	{ SYS_clock_gettime, "ob" },
	{ SYS_exit_group, "i" },
	{ SYS_openat, "fso" },
	{ SYS_newfstatat, "fsbo" },
	{ SYS_pipe2, "ro" },
};

/* What calls read and write. No pointer that is drawn leads elsewhere into the
 * worker's own memory, or it might forget how to stop. */
static char scratch[2 * PAGE_SIZE];
static char *names[] = { "/bin/true", "x", "", NULL };
static struct iovec pieces[4] = { { scratch, 10 },
				  { scratch + 100, 200 },
				  { (void *)8, 8 },
				  { scratch, 0 } };
static struct timespec times[] = {
	{ 0, 0 }, { 0, -1 }, { -1, 0 }, { 0, 1000 }
};

static unsigned long seed, count;

/* ---- drawing a call ---- */

/* One of the arguments that nobody expects. */
static long wild(uint64_t *state)
{
	static const long odd[] = { 0,
				    -1,
				    1,
				    8,
				    1L << 31,
				    1L << 32,
				    INT64_MIN,
				    INT64_MAX,
				    1L << 47,
				    (1L << 47) - PAGE_SIZE,
				    (long)0xffff800000000000,
				    (long)0xffffffff80100000,
				    (long)0xfffffffffffff000 };
	uint64_t r = random_next(state);

	if (r % 3 == 0)
		return (long)random_next(state);
	return odd[r / 3 % COUNT(odd)];
}

static long buffer(uint64_t *state)
{
	uint64_t r = random_next(state);

	switch (r % 8) {
	case 0:
		return (long)AREA + (long)(r / 8 % (AREA_PAGES * PAGE_SIZE));
	case 1: /* the end of a page of the area */
		return (long)AREA + (long)(r / 8 % AREA_PAGES) * PAGE_SIZE - 4;
	case 2: /* read-only */
		return (long)table;
	}
	return (long)scratch + (long)(r / 8 % PAGE_SIZE);
}

/* Mostly of the area; seldom of what the worker lives from. */
static long page(uint64_t *state)
{
	static const long vital[] = { 0x400000, 0x403000, 0x7ffffffff000 - 8192,
				      0x7ffffffff000 - 65536, 0 };
	uint64_t r = random_next(state);

	if (r % 256 == 0)
		return vital[r / 256 % COUNT(vital)];
	return (long)AREA + (long)(r / 256 % AREA_PAGES) * PAGE_SIZE;
}

/* Not the console: a read from it would wait for a person. */
static const char *const paths[] = {
	"/bin/true", "/",          "/etc/motd", "/no",  "/dev/null",
	"/proc/ps",  "/bin/true/", ".",         "..",   "bin/../bin/ls",
	"",          "/dev",       "//bin//ls", "/bin",
};

static const char *path(uint64_t *state)
{
	return paths[random_next(state) % COUNT(paths)];
}

static long size(uint64_t *state)
{
	uint64_t r = random_next(state);

	switch (r % 4) {
	case 0:
		return (long)(r / 4 % 16 * PAGE_SIZE);
	case 1:
		return (long)(1UL << r / 4 % 64);
	}
	return (long)(r / 4 % 300);
}

static long argument(char shape, uint64_t *state)
{
	uint64_t r = random_next(state);

	if (r % 16 == 0 && shape != 't')
		return wild(state);
	r /= 16;
	switch (shape) {
	case 'f':
		return (long)(r % 17) - 1;
	case 'b':
		return buffer(state);
	case 's':
		return r % 8 ? (long)path(state) : buffer(state);
	case 'n':
		return size(state);
	case 'a':
		return page(state);
	case 'p':
	case 'i':
		return (long)(r % 8);
	case 'm':
		return (long)(r & 0x33) | (r % 4 ? MAP_PRIVATE : 0);
	case 't':
		return r % 64 == 0 ? (long)&times[3]
		       : r % 2     ? (long)&times[r % 3]
				   : 8;
	case 'v':
		return (long)(pieces + r % 4);
	case 'l':
		return (long)(names + r % 4);
	case 'r':
		return (long)scratch;
	case 'o':
		return r % 4 ? 0 : (long)(r / 4 % 8);
	case 'c':
		return r % 2 ? -1 : (long)(r / 2 % 100);
	case 'x':
		return ARCH_SET_FS + (long)(r % 3);
	}
	return wild(state);
}

static bool ends_worker(long number)
{
	return number == SYS_execve || number == SYS_exit ||
	       number == SYS_exit_group;
}

/* Whether the first argument of the call is a file number. */
static bool takes_file(const char *shape)
{
	return shape[0] == 'f';
}

/* Take out of a call what would make it wait for ever, or take the worker's
 * own means away: the tickets, and code that stays as it was compiled. */
static void tame(struct call *call, const char *shape)
{
	long *a = call->arguments;

	if (takes_file(shape) && (int)a[0] == TICKETS)
		a[0] = 3;
	if (call->number == SYS_dup2 && (int)a[1] == TICKETS)
		a[1] = 3;
	if (call->number == SYS_pipe2)
		a[1] |= O_NONBLOCK;
	if (call->number == SYS_mprotect && (char *)a[0] < AREA)
		a[2] &= ~PROT_WRITE;
	if (call->number == SYS_mmap && (char *)a[0] < AREA)
		a[3] &= ~MAP_FIXED;
}

/* Calls that are not in the table: holes in the kernel's, and beyond it. Of
 * the small ones those of Linux that might be built one day and wait (select,
 * pause, futex and the like) are left out with their whole neighbourhood. */
static long unknown_number(uint64_t *state)
{
	uint64_t r = random_next(state);

	switch (r % 4) {
	case 0:
		return (long)(400 + r / 4 % 1000);
	case 1:
		return (long)((1 + r / 4 % 1000) << 32 | SYS_exit);
	case 2:
		return (long)(180 + r / 4 % 6);
	}
	return wild(state) | 1L << 40;
}

static void draw(struct call *call, unsigned long ticket)
{
	uint64_t state = seed * 0x100000001b3 + ticket;
	size_t i = random_next(&state) % COUNT(table);

	if (ends_worker(table[i].number) && random_next(&state) % 8)
		i = random_next(&state) % COUNT(table);
	if (ends_worker(table[i].number) && random_next(&state) % 4)
		i = 0;
	call->number = table[i].number;
	for (size_t n = 0; n < 6; n++)
		call->arguments[n] =
			n < strlen(table[i].shape)
				? argument(table[i].shape[n], &state)
				: wild(&state);
	tame(call, table[i].shape);
	if (random_next(&state) % 16 == 0)
		call->number = unknown_number(&state);
}

/* ---- making it ---- */

static long make(const struct call *call)
{
	const long *a = call->arguments;

	return syscall6(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
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
		while (wait4(-1, NULL, 0, NULL) > 0)
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

	for (int fd = 0; fd < 3; fd++)
		dup2((int)null, fd);
	close((int)null);
	mmap(AREA, AREA_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (;;) {
		long ticket = lseek(TICKETS, 1, SEEK_CUR);

		if (ticket <= 0 || (unsigned long)ticket > count)
			exit(0);
		draw(&call, (unsigned long)ticket);
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
		pid = wait4(-1, NULL, 0, NULL);
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

/* What a worker wrote stays when it has ended. */
static void empty_files(void)
{
	for (size_t i = 0; i < COUNT(paths); i++)
		syscall6(SYS_truncate, (long)paths[i], 0, 0, 0, 0, 0);
	syscall6(SYS_unlink, (long)"/no", 0, 0, 0, 0, 0);
}

int main(int argc, char **argv)
{
	unsigned long calls, workers, before, after;
	unsigned at_rest = processes();

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
	before = free_pages_at_rest(at_rest);
	count = calls;
	workers = supervise();
	empty_files();
	after = free_pages_at_rest(at_rest);
	printf("stress: seed %lu: %lu calls, %lu workers, "
	       "free pages before %lu after %lu\n",
	       seed, tickets_drawn(), workers, before, after);
	return before != after || tickets_drawn() != calls;
}
