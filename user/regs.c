/*
 * Every register, across every kind of call. Before each call all of them hold
 * patterns of their own, made from the seed; the call's arguments and number
 * replace those they need. Afterwards RAX is the result, RCX the address of
 * the next instruction, R11 is RFLAGS, and nothing else may have changed: not
 * the argument registers, not RSP, not a flag, not an XMM register. On a Linux
 * host the output is the same, for this is Linux's promise too.
 *
 * usage: regs [SEED]
 */
#include <registers.h>

#define ANY INT64_MIN /* any result that is not an error */

static uint64_t seed = 1;
static long child;

/* Make the call with patterns around it; ok if all that must survive did. */
static bool try_call(const char *name, long expected, long number,
		     const long *arguments, size_t count)
{
	long result;
	bool right;

	registers_fill_call(random_next(&seed), number, arguments, count);
	registers_call();
	result = (long)registers_after.rax;
	if (number == SYS_fork && result == 0) /* the child: a silent yes */
		exit(registers_report_call("fork, in the child"));
	if (number == SYS_fork)
		child = result;
	right = expected == ANY ? result >= 0 : result == expected;
	if (!right)
		printf("regs: %s: the result is %ld\n", name, result);
	right &= registers_report_call(name) == 0;
	return check(right, "%s", name);
}

/* TRY(name, expected result, number, arguments...) */
#define TRY(name, expected, number, ...)                          \
	try_call(name, expected, number, (long[]){ __VA_ARGS__ }, \
		 sizeof((long[]){ __VA_ARGS__ }) / sizeof(long))

static void try_identity(void)
{
	static struct utsname name;
	static struct sysinfo info;

	TRY("getpid", getpid(), SYS_getpid);
	TRY("getppid", getppid(), SYS_getppid);
	TRY("gettid", getpid(), SYS_gettid);
	TRY("uname", 0, SYS_uname, (long)&name);
	TRY("sysinfo", 0, SYS_sysinfo, (long)&info);
	TRY("uname: a bad pointer", -EFAULT, SYS_uname, 8);
}

static void try_files(void)
{
	static char buffer[4096];
	static struct stat info;
	int fds[2];
	long null = open("/dev/null", O_RDWR), root = open("/", O_RDONLY);
	struct iovec pieces[] = { { buffer, 3 }, { buffer, 4 } };

	pipe(fds);
	TRY("open", ANY, SYS_open, (long)"/dev/null", O_RDONLY);
	TRY("open: no such file", -ENOENT, SYS_open, (long)"/no", O_RDONLY);
	TRY("open: a bad pointer", -EFAULT, SYS_open, 8, O_RDONLY);
	TRY("openat", ANY, SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDONLY);
	TRY("fstat", 0, SYS_fstat, null, (long)&info);
	TRY("newfstatat", 0, SYS_newfstatat, AT_FDCWD, (long)"/", (long)&info,
	    0);
	TRY("getdents64", ANY, SYS_getdents64, root, (long)buffer, 4096);
	TRY("getdents64: not a directory", -ENOTDIR, SYS_getdents64, null,
	    (long)buffer, 4096);
	TRY("write to the null device", 100, SYS_write, null, (long)buffer,
	    100);
	TRY("write to a pipe", 8, SYS_write, fds[1], (long)buffer, 8);
	TRY("write: a closed file", -EBADF, SYS_write, 999, (long)buffer, 8);
	TRY("write: a bad pointer", -EFAULT, SYS_write, fds[1], 8, 8);
	TRY("writev to a pipe", 7, SYS_writev, fds[1], (long)pieces, 2);
	TRY("read from a pipe", 15, SYS_read, fds[0], (long)buffer, 100);
	TRY("read the end of a file", 0, SYS_read, null, (long)buffer, 100);
	TRY("read: a closed file", -EBADF, SYS_read, 999, (long)buffer, 8);
	TRY("lseek: a pipe", -ESPIPE, SYS_lseek, fds[0], 0, SEEK_SET);
	TRY("ioctl: not a terminal", -ENOTTY, SYS_ioctl, fds[0], TCGETS,
	    (long)buffer);
	TRY("pipe", 0, SYS_pipe, (long)fds);
	TRY("pipe2", 0, SYS_pipe2, (long)fds, 0);
	TRY("dup", ANY, SYS_dup, null);
	TRY("dup2", fds[0], SYS_dup2, null, fds[0]);
	TRY("close", 0, SYS_close, null);
	TRY("close: a closed file", -EBADF, SYS_close, null);
	TRY("chdir", 0, SYS_chdir, (long)"/");
	TRY("getcwd", 2, SYS_getcwd, (long)buffer, sizeof(buffer));
}

static void try_memory(void)
{
	const long rw = PROT_READ | PROT_WRITE;
	const long flags = MAP_PRIVATE | MAP_ANONYMOUS;
	long page = (long)map_pages(1);

	TRY("brk", brk(NULL), SYS_brk, 0);
	TRY("mmap", ANY, SYS_mmap, 0, 4096, rw, flags, -1, 0);
	TRY("mmap: no bytes", -EINVAL, SYS_mmap, 0, 0, rw, flags, -1, 0);
	TRY("mprotect", 0, SYS_mprotect, page, 4096, PROT_READ);
	TRY("munmap: not a page", -EINVAL, SYS_munmap, page + 8, 4096);
	TRY("munmap", 0, SYS_munmap, page, 4096);
}

static void try_time(void)
{
	static struct timespec short_time = { 0, 2000000 }, now;
	static struct timespec bad_time = { 0, -1 };

	TRY("sched_yield", 0, SYS_sched_yield);
	TRY("nanosleep", 0, SYS_nanosleep, (long)&short_time, 0);
	TRY("nanosleep: a bad time", -EINVAL, SYS_nanosleep, (long)&bad_time,
	    0);
	TRY("nanosleep: a bad pointer", -EFAULT, SYS_nanosleep, 8, 0);
	TRY("clock_gettime", 0, SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now);
}

static void try_processes(void)
{
	static unsigned long fs;
	static int status = -1;
	long none[] = { 0 };

	TRY("arch_prctl", 0, SYS_arch_prctl, ARCH_GET_FS, (long)&fs);
	TRY("set_tid_address", getpid(), SYS_set_tid_address, 0);
	TRY("fork, in the parent", ANY, SYS_fork);
	TRY("wait4", child, SYS_wait4, child, (long)&status, 0, 0);
	check_equal("fork, in the child", status, 0);
	TRY("wait4: no child", -ECHILD, SYS_wait4, -1, (long)&status, 0, 0);
	TRY("execve: no such file", -ENOENT, SYS_execve, (long)"/no",
	    (long)none, (long)none);
	TRY("execve: a bad pointer", -EFAULT, SYS_execve, 8, (long)none,
	    (long)none);
}

/* The low half of RAX is the number, so the last two are calls: getpid, and a read
 * from a file that is not open. */
static void try_unknown(void)
{
	TRY("number 9999", -ENOSYS, 9999);
	TRY("number -1", -ENOSYS, -1);
	TRY("number 2^31", -ENOSYS, 1L << 31);
	TRY("number 2^32 + getpid", getpid(), (1L << 32) + SYS_getpid);
	TRY("number 2^63", -EBADF, INT64_MIN, 999);
}

int main(int argc, char **argv)
{
	const char *number = argc > 1 ? argv[1] : "1";

	if (strncmp(number, "seed=", 5) == 0)
		number += 5;
	if (argc > 2 || !parse_number(number, &seed)) {
		printf("usage: regs [SEED]\n");
		return 2;
	}
	try_identity();
	try_files();
	try_memory();
	try_time();
	try_processes();
	try_unknown();
	return check_done();
}
