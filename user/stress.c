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
#include <user.h>

#define WORKERS      3
#define MAX_CHILDREN 6  /* of a worker, ended or not */
#define TICKETS      15 /* the shared file: the last number a process has */

#define PLAYGROUND   "/tmp/stress"
#define PATH_ROOM    5000 /* bytes; the kernel takes 4096 */
#define NAME_ROOM    256  /* and a name of one less */

#define SIGNALS      64
#define MASK_SIZE    8         /* bytes of a set of signals */
#define SEND_MAX     (1 << 20) /* bytes of one sendfile: it may be from zero */
#define F_SETFL      4
#define PIDS_MAX     (1 << 20) /* so many processes are never started */

#define AREA         ((char *)0x10000000) /* what workers map and unmap */
#define AREA_PAGES   64

struct call {
	long number;
	long arguments[6];
};

/*
 * The calls, and a letter for each argument: f file number, b buffer, s path,
 * w path in the playground, y target of a link, F flags of open, n size, a address
 * of a page, p protection, m mapping flags, i small number, o options, mostly none,
 * t time, T times of a timer, v table of pieces, l list of names, r result of pipe,
 * c child, k whom to signal, g signal, A what to do about one, S size of a set of
 * them, x code of arch_prctl.
 */
static const struct {
	long number;
	const char *shape;
} table[] = {
	{ SYS_read, "fbn" },
	{ SYS_write, "fbn" },
	{ SYS_open, "sFi" },
	{ SYS_close, "f" },
	{ SYS_fstat, "fb" },
	{ SYS_lseek, "fno" },
	{ SYS_mmap, "anpmfa" },
	{ SYS_mprotect, "anp" },
	{ SYS_munmap, "an" },
	{ SYS_mremap, "anno" },
	{ SYS_brk, "a" },
	{ SYS_rt_sigprocmask, "ibbS" },
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
	{ SYS_openat, "fsFi" },
	{ SYS_newfstatat, "fsbo" },
	{ SYS_pipe2, "ro" },
	{ SYS_stat, "sb" },
	{ SYS_lstat, "sb" },
	{ SYS_access, "si" },
	{ SYS_readlink, "sbn" },
	{ SYS_statfs, "sb" },
	{ SYS_open, "wFi" },
	{ SYS_open, "wFi" },
	{ SYS_creat, "wi" },
	{ SYS_mkdir, "wi" },
	{ SYS_rmdir, "w" },
	{ SYS_unlink, "w" },
	{ SYS_link, "ww" },
	{ SYS_symlink, "yw" },
	{ SYS_rename, "ww" },
	{ SYS_renameat2, "fwfwo" },
	{ SYS_truncate, "wn" },
	{ SYS_ftruncate, "fn" },
	{ SYS_fsync, "f" },
	{ SYS_pread64, "fbnn" },
	{ SYS_pwrite64, "fbnn" },
	{ SYS_readv, "fvi" },
	{ SYS_sendfile, "ffbn" },
	{ SYS_sendfile, "ffon" },
	{ SYS_dup3, "ffF" },
	{ SYS_fcntl, "fiF" },
	{ SYS_kill, "kg" },
	{ SYS_rt_sigaction, "gAbS" },
	{ SYS_rt_sigpending, "bS" },
	{ SYS_sigaltstack, "bb" },
	{ SYS_alarm, "i" },
	{ SYS_setitimer, "oTb" },
	{ SYS_getitimer, "ob" },
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

static const int64_t timers[][4] = { /* every and next: seconds, microseconds */
				     { 0, 0, 0, 0 },
				     { 0, 1000, 0, 1 },
				     { 1, 0, 0, 20000 },
				     { 0, -1, 0, 1000000 }
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
	"",          "/dev",       "//bin//ls", "/bin", "/dev/zero",
};

/* Paths in the playground, as the worker has made them up for one call. */
static char made_up[2][PATH_ROOM];

static bool is_made_up(long path)
{
	return path == (long)made_up[0] || path == (long)made_up[1];
}

static char *append(char *end, const char *text)
{
	size_t length = strlen(text);

	memcpy(end, text, length + 1);
	return end + length;
}

/* No way leads out of the playground: ".." stands at the end only. */
static char *append_name(char *end, uint64_t *state)
{
	static const char *const odd[] = { ".", "", "...", " ", "\377\n" };
	uint64_t r = random_next(state);

	end = append(end, "/");
	if (r % 64 == 0) { /* as long as it may be, or one more */
		memset(end, 'n', NAME_ROOM);
		end[NAME_ROOM - 1 + r / 64 % 2] = '\0';
		return end + strlen(end);
	}
	if (r % 16 == 1)
		return append(end, odd[r / 16 % COUNT(odd)]);
	*end++ = (char)('a' + r / 16 % 4);
	*end = '\0';
	return end;
}

static const char *playground_path(uint64_t *state)
{
	static const char *const roots[] = { PLAYGROUND, "//tmp/./stress/",
					     PLAYGROUND "/../stress" };
	static const char *const ends[] = { "/", "/.", "/..", "//./" };
	static unsigned next;
	uint64_t r = random_next(state);
	char *path = made_up[next++ % COUNT(made_up)];
	char *end = append(path, roots[r % 8 < 2 ? r % 8 + 1 : 0]);

	r /= 8;
	if (r % 32 == 0) /* some are longer than any path may be */
		for (uint64_t i = r / 32 % 2100; i > 0; i--)
			end = append(end, "/.");
	r /= 32;
	for (uint64_t i = 0; i <= r % 3; i++)
		end = append_name(end, state);
	r /= 3;
	if (r % 8 == 0)
		append(end, ends[r / 8 % COUNT(ends)]);
	return path;
}

/* They lead nowhere, in circles, or to what is in the playground, too. */
static const char *link_target(uint64_t *state)
{
	static const char *const targets[] = {
		"a",     "b/c",      "../stress/c",     "./././d", PLAYGROUND,
		"a/b/c", "/no/such", PLAYGROUND "/b/d", "",
	};

	return targets[random_next(state) % COUNT(targets)];
}

static const char *path(uint64_t *state)
{
	uint64_t r = random_next(state);

	return r % 3 ? paths[r / 3 % COUNT(paths)] : playground_path(state);
}

/* ---- signals ---- */

/* What workers do about signals; made by the first of them all. */
static struct sigaction actions[8];

/* Whoever goes on after a fault has it again. */
static void handle(int signal)
{
	if (signal == SIGSEGV || signal == SIGBUS || signal == SIGILL ||
	    signal == SIGFPE || signal == SIGTRAP)
		exit(0);
}

static void make_actions(void)
{
	static const uint64_t flags[] = { 0, SA_RESTART,
					  SA_NODEFER | SA_RESTART, SA_ONSTACK,
					  SA_SIGINFO | SA_RESTART };
	const uintptr_t handlers[] = { (uintptr_t)handle, (uintptr_t)handle,
				       SIG_IGN, SIG_DFL };

	for (size_t i = 0; i < COUNT(actions); i++) {
		on_signal(SIGUSR1, handlers[i % COUNT(handlers)],
			  flags[i % COUNT(flags)]);
		syscall4(SYS_rt_sigaction, SIGUSR1, 0, (long)&actions[i],
			 MASK_SIZE);
	}
	on_signal(SIGUSR1, SIG_DFL, 0);
}

/* Half of them end nobody. */
static long signal_number(uint64_t r)
{
	static const int harmless[] = { 0, SIGUSR1, SIGCHLD, SIGCONT };

	return r % 2 ? (long)(r / 2 % (SIGNALS + 2))
		     : harmless[r / 2 % COUNT(harmless)];
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

/* One in four is of those that open has no name for. */
static long open_flags(uint64_t r)
{
	static const int flags[] = { O_CREAT,     O_CREAT,    O_EXCL,
				     O_TRUNC,     O_APPEND,   O_NONBLOCK,
				     O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC };
	long result = (long)(r % 4);

	for (size_t i = 0; i < COUNT(flags); i++)
		if (r >> (4 + 2 * i) & 1 && r >> (5 + 2 * i) & 1)
			result |= flags[i];
	return r >> 32 & 3 ? result : result | 1L << (r >> 34) % 32;
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
	case 'w':
		return (long)playground_path(state);
	case 'y':
		return (long)link_target(state);
	case 'F':
		return open_flags(r);
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
	case 'T':
		return (long)timers[r % COUNT(timers)];
	case 'k':
		return r % 4 ? 0 : wild(state);
	case 'g':
		return signal_number(r);
	case 'A':
		return r % 8 ? (long)&actions[r / 8 % COUNT(actions)] : 0;
	case 'S':
		return r % 8 ? MASK_SIZE : (long)(r / 8 % 16);
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

/* What is outside of the playground is only read. */
static void keep_files(struct call *call)
{
	long *a = call->arguments;
	size_t path = call->number == SYS_openat ? 1 : 0;

	if (call->number != SYS_open && call->number != SYS_openat)
		return;
	if (!is_made_up(a[path]))
		a[path + 1] &= ~(O_ACCMODE | O_CREAT | O_TRUNC);
}

/* Signals go to the worker and its children. The others that stop a process may
 * stop one of these and not another, which would wait for it. */
static void keep_signals(struct call *call)
{
	long *a = call->arguments;
	int whom = (int)a[0], signal = (int)a[1];

	if (call->number != SYS_kill)
		return;
	if (whom > -PIDS_MAX && whom < PIDS_MAX)
		a[0] = 0;
	if (signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU)
		a[1] = SIGSTOP;
}

/* Take out of a call what would make it wait for ever, or take the worker's
 * own means away: the tickets, and code that stays as it was compiled. */
static void tame(struct call *call, const char *shape)
{
	long *a = call->arguments;

	for (size_t i = 0; i < 2; i++)
		if (shape[0] == 'f' && shape[i] == 'f' && (int)a[i] == TICKETS)
			a[i] = 3;
	if (call->number == SYS_pipe2)
		a[1] |= O_NONBLOCK;
	if (call->number == SYS_fcntl && (int)a[1] == F_SETFL)
		a[2] |= O_NONBLOCK;
	if (call->number == SYS_sendfile)
		a[3] %= SEND_MAX;
	if (call->number == SYS_mprotect && (char *)a[0] < AREA)
		a[2] &= ~PROT_WRITE;
	if (call->number == SYS_mmap && (char *)a[0] < AREA)
		a[3] &= ~MAP_FIXED;
	keep_files(call);
	keep_signals(call);
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

/* ---- the files ---- */

/* The first name in a directory but "." and "..", as getdents64 has it in buffer. */
static const char *first_name(const char *directory, char *buffer, size_t size)
{
	int fd = (int)open(directory, O_RDONLY | O_DIRECTORY);
	const struct dirent *entry = (const struct dirent *)buffer;
	long end = getdents64(fd, buffer, size);

	close(fd);
	while ((char *)entry < buffer + end && entry->name[0] == '.' &&
	       (!entry->name[1] || strcmp(entry->name, "..") == 0))
		entry = (const void *)((char *)entry + entry->length);
	return (char *)entry < buffer + end ? entry->name : NULL;
}

/* Workers may have moved directories into each other as deep as they like. */
static void clear_playground(void)
{
	char buffer[1024] __attribute__((aligned(8)));
	const char *name;
	long deep = 0;

	if (chdir(PLAYGROUND) < 0)
		return;
	for (;;) {
		name = first_name(".", buffer, sizeof(buffer));
		if (!name && deep-- == 0)
			break;
		if (!name)
			chdir("..");
		else if (unlink(name) < 0 && rmdir(name) < 0)
			deep += chdir(name) == 0;
	}
	chdir("/");
	rmdir(PLAYGROUND);
}

/* A number that no other bytes are likely to have; of whole words. */
static uint64_t sum_of(uint64_t sum, const void *bytes, size_t size)
{
	const uint64_t *words = bytes;

	for (size_t i = 0; i < (size + 7) / 8; i++) {
		sum ^= words[i];
		sum = random_next(&(uint64_t){ sum });
	}
	return sum;
}

static uint64_t sum_of_file(uint64_t sum, const char *path)
{
	static uint64_t words[PAGE_SIZE / 8];
	int fd = (int)open(path, O_RDONLY);

	for (long n = 1; n > 0; sum = sum_of(sum, words, (size_t)n)) {
		memset(words, 0, sizeof(words));
		n = read(fd, words, sizeof(words));
		n = n < 0 ? 0 : n;
	}
	close(fd);
	return sum;
}

static uint64_t sum_of_files(uint64_t sum, char *path, char *end);

static uint64_t sum_of_entry(uint64_t sum, char *path, char *end,
			     const char *name)
{
	struct stat about;
	char *name_end;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return sum;
	name_end = append(append(end, "/"), name);
	memset(name_end, 0, 8);
	syscall2(SYS_lstat, (long)path, (long)&about);
	sum = sum_of(sum, path, (size_t)(name_end - path));
	sum = sum_of(sum, &about.links, 2 * 8); /* and the mode */
	if ((about.mode & S_IFMT) == S_IFREG)
		return sum_of_file(sum, path);
	if ((about.mode & S_IFMT) == S_IFDIR && strcmp(path, "/proc") != 0)
		return sum_of_files(sum, path, name_end);
	return sum;
}

/* Of all names, types, modes and bytes below a directory. */
static uint64_t sum_of_files(uint64_t sum, char *path, char *end)
{
	char buffer[1024] __attribute__((aligned(8)));
	int fd = (int)open(*path ? path : "/", O_RDONLY | O_DIRECTORY);
	long size;

	while ((size = getdents64(fd, buffer, sizeof(buffer))) > 0)
		for (long at = 0; at < size;) {
			struct dirent *entry = (struct dirent *)(buffer + at);

			at += entry->length;
			sum = sum_of_entry(sum, path, end, entry->name);
		}
	close(fd);
	return sum;
}

static uint64_t sum_of_all_files(void)
{
	char path[PATH_ROOM] __attribute__((aligned(8))) = "";

	return sum_of_files(0, path, path);
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
