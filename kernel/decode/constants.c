/*
 * constants: lists, and how one is read.
 * Source: Linux's headers (include/uapi), x86-64; the errors' sentences are the
 * C library's, by which everybody knows them.
 */
#include "decode/constants.h"

#include "errno.h"
#include "print.h"
#include "signal.h"

#define SIGNALS    64
#define SIGRTMIN   32
#define SIG_LENGTH 3  /* of "SIG" */
#define MOST       42 /* two thirds: what is missing is said instead */
#define END_OF_LIST     \
	{               \
		0, NULL \
	}

#define CONSTANTS(name, unknown, ...)      \
	const struct constants name = {    \
		unknown,                   \
		(const struct constant[]){ \
			__VA_ARGS__,       \
			END_OF_LIST,       \
		},                         \
	}

CONSTANTS(access_modes, "?_OK", { 0, "F_OK" }, { 4, "R_OK" }, { 2, "W_OK" },
	  { 1, "X_OK" });
CONSTANTS(advices, "MADV_???", { 0, "MADV_NORMAL" }, { 1, "MADV_RANDOM" },
	  { 2, "MADV_SEQUENTIAL" }, { 3, "MADV_WILLNEED" },
	  { 4, "MADV_DONTNEED" }, { 8, "MADV_FREE" }, { 9, "MADV_REMOVE" },
	  { 10, "MADV_DONTFORK" }, { 11, "MADV_DOFORK" },
	  { 12, "MADV_MERGEABLE" }, { 13, "MADV_UNMERGEABLE" },
	  { 14, "MADV_HUGEPAGE" }, { 15, "MADV_NOHUGEPAGE" },
	  { 16, "MADV_DONTDUMP" }, { 17, "MADV_DODUMP" },
	  { 18, "MADV_WIPEONFORK" }, { 19, "MADV_KEEPONFORK" },
	  { 20, "MADV_COLD" }, { 21, "MADV_PAGEOUT" },
	  { 22, "MADV_POPULATE_READ" }, { 23, "MADV_POPULATE_WRITE" });
CONSTANTS(arch_codes, "ARCH_???", { 0x1001, "ARCH_SET_GS" },
	  { 0x1002, "ARCH_SET_FS" }, { 0x1003, "ARCH_GET_FS" },
	  { 0x1004, "ARCH_GET_GS" });
CONSTANTS(at_flags, "AT_???", { 0x100, "AT_SYMLINK_NOFOLLOW" },
	  { 0x200, "AT_REMOVEDIR" }, { 0x400, "AT_SYMLINK_FOLLOW" },
	  { 0x800, "AT_NO_AUTOMOUNT" }, { 0x1000, "AT_EMPTY_PATH" },
	  { 0x8000, "AT_RECURSIVE" });
CONSTANTS(clocks, "CLOCK_???", { 0, "CLOCK_REALTIME" },
	  { 1, "CLOCK_MONOTONIC" }, { 2, "CLOCK_PROCESS_CPUTIME_ID" },
	  { 3, "CLOCK_THREAD_CPUTIME_ID" }, { 4, "CLOCK_MONOTONIC_RAW" },
	  { 5, "CLOCK_REALTIME_COARSE" }, { 6, "CLOCK_MONOTONIC_COARSE" },
	  { 7, "CLOCK_BOOTTIME" }, { 8, "CLOCK_REALTIME_ALARM" },
	  { 9, "CLOCK_BOOTTIME_ALARM" }, { 11, "CLOCK_TAI" });
CONSTANTS(clone_flags, "CLONE_???", { 0x100, "CLONE_VM" },
	  { 0x200, "CLONE_FS" }, { 0x400, "CLONE_FILES" },
	  { 0x800, "CLONE_SIGHAND" }, { 0x1000, "CLONE_PIDFD" },
	  { 0x2000, "CLONE_PTRACE" }, { 0x4000, "CLONE_VFORK" },
	  { 0x8000, "CLONE_PARENT" }, { 0x10000, "CLONE_THREAD" },
	  { 0x20000, "CLONE_NEWNS" }, { 0x40000, "CLONE_SYSVSEM" },
	  { 0x80000, "CLONE_SETTLS" }, { 0x100000, "CLONE_PARENT_SETTID" },
	  { 0x200000, "CLONE_CHILD_CLEARTID" }, { 0x800000, "CLONE_UNTRACED" },
	  { 0x1000000, "CLONE_CHILD_SETTID" }, { 0x2000000, "CLONE_NEWCGROUP" },
	  { 0x4000000, "CLONE_NEWUTS" }, { 0x8000000, "CLONE_NEWIPC" },
	  { 0x10000000, "CLONE_NEWUSER" }, { 0x20000000, "CLONE_NEWPID" },
	  { 0x40000000, "CLONE_NEWNET" }, { 0x80000000, "CLONE_IO" });
CONSTANTS(descriptor_flags, "FD_???", { 1, "FD_CLOEXEC" });
CONSTANTS(eaccess_flags, "AT_???", { 0x100, "AT_SYMLINK_NOFOLLOW" },
	  { 0x200, "AT_EACCESS" }, { 0x1000, "AT_EMPTY_PATH" });
CONSTANTS(fcntl_commands, "F_???", { 0, "F_DUPFD" }, { 1, "F_GETFD" },
	  { 2, "F_SETFD" }, { 3, "F_GETFL" }, { 4, "F_SETFL" },
	  { 5, "F_GETLK" }, { 6, "F_SETLK" }, { 7, "F_SETLKW" },
	  { 1030, "F_DUPFD_CLOEXEC" });
CONSTANTS(file_types, "S_IFMT", { 0010000, "S_IFIFO" }, { 0020000, "S_IFCHR" },
	  { 0040000, "S_IFDIR" }, { 0100000, "S_IFREG" },
	  { 0120000, "S_IFLNK" });
CONSTANTS(futex_operations, "FUTEX_???", { 0, "FUTEX_WAIT" },
	  { 1, "FUTEX_WAKE" }, { 128, "FUTEX_WAIT_PRIVATE" },
	  { 129, "FUTEX_WAKE_PRIVATE" });
CONSTANTS(ioctls, NULL, { 0x5401, "TCGETS" }, { 0x5402, "TCSETS" },
	  { 0x5403, "TCSETSW" }, { 0x5404, "TCSETSF" }, { 0x5409, "TCSBRK" },
	  { 0x540e, "TIOCSCTTY" }, { 0x540f, "TIOCGPGRP" },
	  { 0x5410, "TIOCSPGRP" }, { 0x5413, "TIOCGWINSZ" },
	  { 0x5414, "TIOCSWINSZ" }, { 0x541b, "FIONREAD" },
	  { 0x5422, "TIOCNOTTY" }, { 0x5429, "TIOCGSID" },
	  { 0x802c542a, "TCGETS2" }, { 0x402c542b, "TCSETS2" },
	  { 0x402c542c, "TCSETSW2" }, { 0x402c542d, "TCSETSF2" });
CONSTANTS(map_types, "MAP_???", { 0, "MAP_FILE" }, { 1, "MAP_SHARED" },
	  { 2, "MAP_PRIVATE" }, { 3, "MAP_SHARED_VALIDATE" });
CONSTANTS(map_flags, "MAP_???", { 0x10, "MAP_FIXED" },
	  { 0x20, "MAP_ANONYMOUS" }, { 0x40, "MAP_32BIT" },
	  { 0x4000, "MAP_NORESERVE" }, { 0x8000, "MAP_POPULATE" },
	  { 0x10000, "MAP_NONBLOCK" }, { 0x100, "MAP_GROWSDOWN" },
	  { 0x800, "MAP_DENYWRITE" }, { 0x1000, "MAP_EXECUTABLE" },
	  { 0x2000, "MAP_LOCKED" }, { 0x20000, "MAP_STACK" },
	  { 0x40000, "MAP_HUGETLB" }, { 0x80000, "MAP_SYNC" },
	  { 0x100000, "MAP_FIXED_NOREPLACE" });
CONSTANTS(mremap_flags, "MREMAP_???", { 1, "MREMAP_MAYMOVE" },
	  { 2, "MREMAP_FIXED" }, { 4, "MREMAP_DONTUNMAP" });
CONSTANTS(msync_flags, "MS_???", { 4, "MS_SYNC" }, { 1, "MS_ASYNC" },
	  { 2, "MS_INVALIDATE" });
CONSTANTS(open_flags, "O_???", { 0100, "O_CREAT" }, { 0200, "O_EXCL" },
	  { 0400, "O_NOCTTY" }, { 01000, "O_TRUNC" }, { 02000, "O_APPEND" },
	  { 04000, "O_NONBLOCK" }, { 04010000, "O_SYNC" },
	  { 010000, "O_DSYNC" }, { 040000, "O_DIRECT" },
	  { 0100000, "O_LARGEFILE" }, { 0400000, "O_NOFOLLOW" },
	  { 01000000, "O_NOATIME" }, { 02000000, "O_CLOEXEC" },
	  { 010000000, "O_PATH" }, { 020200000, "O_TMPFILE" },
	  { 0200000, "O_DIRECTORY" }, { 020000, "FASYNC" });
CONSTANTS(poll_events, "POLL???", { 1, "POLLIN" }, { 2, "POLLPRI" },
	  { 4, "POLLOUT" }, { 0x40, "POLLRDNORM" }, { 0x100, "POLLWRNORM" },
	  { 0x80, "POLLRDBAND" }, { 0x200, "POLLWRBAND" }, { 8, "POLLERR" },
	  { 0x10, "POLLHUP" }, { 0x20, "POLLNVAL" }, { 0x400, "POLLMSG" },
	  { 0x2000, "POLLRDHUP" });
CONSTANTS(prctl_options, "PR_???", { 15, "PR_SET_NAME" },
	  { 16, "PR_GET_NAME" });
CONSTANTS(protections, "PROT_???", { 0, "PROT_NONE" }, { 1, "PROT_READ" },
	  { 2, "PROT_WRITE" }, { 4, "PROT_EXEC" }, { 8, "PROT_SEM" },
	  { 0x1000000, "PROT_GROWSDOWN" }, { 0x2000000, "PROT_GROWSUP" });
CONSTANTS(random_flags, "GRND_???", { 1, "GRND_NONBLOCK" },
	  { 2, "GRND_RANDOM" }, { 4, "GRND_INSECURE" });
CONSTANTS(rename_flags, "RENAME_???", { 1, "RENAME_NOREPLACE" },
	  { 2, "RENAME_EXCHANGE" }, { 4, "RENAME_WHITEOUT" });
CONSTANTS(resources, "RLIMIT_???", { 0, "RLIMIT_CPU" }, { 1, "RLIMIT_FSIZE" },
	  { 2, "RLIMIT_DATA" }, { 3, "RLIMIT_STACK" }, { 4, "RLIMIT_CORE" },
	  { 5, "RLIMIT_RSS" }, { 6, "RLIMIT_NPROC" }, { 7, "RLIMIT_NOFILE" },
	  { 8, "RLIMIT_MEMLOCK" }, { 9, "RLIMIT_AS" }, { 10, "RLIMIT_LOCKS" },
	  { 11, "RLIMIT_SIGPENDING" }, { 12, "RLIMIT_MSGQUEUE" },
	  { 13, "RLIMIT_NICE" }, { 14, "RLIMIT_RTPRIO" },
	  { 15, "RLIMIT_RTTIME" });
CONSTANTS(sigaction_flags, "SA_???", { SA_RESTORER, "SA_RESTORER" },
	  { SA_ONSTACK, "SA_ONSTACK" }, { SA_RESTART, "SA_RESTART" },
	  { 0x20000000, "SA_INTERRUPT" }, { SA_NODEFER, "SA_NODEFER" },
	  { SA_RESETHAND, "SA_RESETHAND" }, { SA_SIGINFO, "SA_SIGINFO" },
	  { SA_NOCLDSTOP, "SA_NOCLDSTOP" }, { SA_NOCLDWAIT, "SA_NOCLDWAIT" });
CONSTANTS(sigmask_hows, "SIG_???", { 0, "SIG_BLOCK" }, { 1, "SIG_UNBLOCK" },
	  { 2, "SIG_SETMASK" });
CONSTANTS(sigstack_flags, "SS_???", { 1, "SS_ONSTACK" }, { 2, "SS_DISABLE" });
CONSTANTS(special_modes, NULL, { 04000, "S_ISUID" }, { 02000, "S_ISGID" },
	  { 01000, "S_ISVTX" });
CONSTANTS(timer_flags, "TIMER_???", { 1, "TIMER_ABSTIME" });
CONSTANTS(timers, "ITIMER_???", { 0, "ITIMER_REAL" }, { 1, "ITIMER_VIRTUAL" },
	  { 2, "ITIMER_PROF" });
CONSTANTS(usages, "RUSAGE_???", { 0, "RUSAGE_SELF" },
	  { 0xffffffff, "RUSAGE_CHILDREN" }, { 1, "RUSAGE_THREAD" });
CONSTANTS(wait_flags, "W???", { 1, "WNOHANG" }, { 4, "WEXITED" },
	  { 2, "WSTOPPED" }, { 8, "WCONTINUED" }, { 0x1000000, "WNOWAIT" },
	  { 0x80000000, "__WCLONE" }, { 0x40000000, "__WALL" },
	  { 0x20000000, "__WNOTHREAD" });
CONSTANTS(whences, "SEEK_???", { 0, "SEEK_SET" }, { 1, "SEEK_CUR" },
	  { 2, "SEEK_END" }, { 3, "SEEK_DATA" }, { 4, "SEEK_HOLE" });

static const char *const signals[] = {
	"",        "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",    "SIGTRAP",
	"SIGABRT", "SIGBUS",  "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV",
	"SIGUSR2", "SIGPIPE", "SIGALRM",   "SIGTERM", "SIGSTKFLT", "SIGCHLD",
	"SIGCONT", "SIGSTOP", "SIGTSTP",   "SIGTTIN", "SIGTTOU",   "SIGURG",
	"SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH",  "SIGIO",
	"SIGPWR",  "SIGSYS",  "SIGRTMIN",
};

#define ERROR(name, sentence)                 \
	{                                     \
		name, #name " (" sentence ")" \
	}

static const struct constant errors[] = {
	ERROR(EPERM, "Operation not permitted"),
	ERROR(ENOENT, "No such file or directory"),
	ERROR(ESRCH, "No such process"),
	ERROR(EINTR, "Interrupted system call"),
	ERROR(EIO, "Input/output error"),
	ERROR(ENXIO, "No such device or address"),
	ERROR(E2BIG, "Argument list too long"),
	ERROR(ENOEXEC, "Exec format error"),
	ERROR(EBADF, "Bad file descriptor"),
	ERROR(ECHILD, "No child processes"),
	ERROR(EAGAIN, "Resource temporarily unavailable"),
	ERROR(ENOMEM, "Cannot allocate memory"),
	ERROR(EACCES, "Permission denied"),
	ERROR(EFAULT, "Bad address"),
	ERROR(EBUSY, "Device or resource busy"),
	ERROR(EEXIST, "File exists"),
	ERROR(ENODEV, "No such device"),
	ERROR(ENOTDIR, "Not a directory"),
	ERROR(EISDIR, "Is a directory"),
	ERROR(EINVAL, "Invalid argument"),
	ERROR(ENFILE, "Too many open files in system"),
	ERROR(EMFILE, "Too many open files"),
	ERROR(ENOTTY, "Inappropriate ioctl for device"),
	ERROR(EFBIG, "File too large"),
	ERROR(ENOSPC, "No space left on device"),
	ERROR(ESPIPE, "Illegal seek"),
	ERROR(EROFS, "Read-only file system"),
	ERROR(EPIPE, "Broken pipe"),
	ERROR(ERANGE, "Numerical result out of range"),
	ERROR(ENAMETOOLONG, "File name too long"),
	ERROR(ENOSYS, "Function not implemented"),
	ERROR(ENOTEMPTY, "Directory not empty"),
	ERROR(ELOOP, "Too many levels of symbolic links"),
	ERROR(EOPNOTSUPP, "Operation not supported"),
	ERROR(ETIMEDOUT, "Connection timed out"),
	{ ERESTART, "ERESTARTSYS (To be restarted if SA_RESTART is set)" },
	{ ERESTART_UNLESS_HANDLED,
	  "ERESTARTNOHAND (To be restarted if no handler)" },
	END_OF_LIST,
};

const char *constant_name(const struct constants *constants, uint64_t value)
{
	for (const struct constant *c = constants->list; c->name; c++)
		if (c->value == value)
			return c->name;
	return NULL;
}

void put_constant(const struct constants *constants, uint64_t value)
{
	const char *name = constant_name(constants, value);

	if (name)
		kprintf("%s", name);
	else
		kprintf("0x%lx /* %s */", value, constants->unknown);
}

void put_more_flags(const struct constants *constants, uint64_t flags)
{
	for (const struct constant *c = constants->list; c->name; c++)
		if (c->value && (flags & c->value) == c->value) {
			kprintf("|%s", c->name);
			flags &= ~c->value;
		}
	if (flags)
		kprintf("|0x%lx", flags);
}

void put_flags(const struct constants *constants, uint64_t flags)
{
	for (const struct constant *c = constants->list; c->name; c++)
		if (c->value && (flags & c->value) == c->value) {
			kprintf("%s", c->name);
			put_more_flags(constants, flags & ~c->value);
			return;
		}
	if (flags || constant_name(constants, 0))
		put_constant(constants, flags);
	else
		kprintf("0");
}

void put_signal(int signal)
{
	if (signal > 0 && signal <= SIGRTMIN)
		kprintf("%s", signals[signal]);
	else if (signal > SIGRTMIN && signal <= SIGNALS)
		kprintf("SIGRT_%d", signal - SIGRTMIN);
	else
		kprintf("%d", signal);
}

/* Without the "SIG" in front. */
static void put_short_signal(int signal)
{
	if (signal <= SIGRTMIN)
		kprintf("%s", signals[signal] + SIG_LENGTH);
	else
		kprintf("RT_%d", signal - SIGRTMIN);
}

static int members(uint64_t set)
{
	int count = 0;

	for (; set; set &= set - 1)
		count++;
	return count;
}

void put_signal_set(uint64_t set)
{
	const char *between = "";
	bool most = members(set) >= MOST;

	if (most)
		set = ~set;
	kprintf(most ? "~[" : "[");
	for (int signal = 1; signal <= SIGNALS; signal++)
		if (set & SIGNAL_BIT(signal)) {
			kprintf("%s", between);
			put_short_signal(signal);
			between = " ";
		}
	kprintf("]");
}

void put_error(int error)
{
	for (const struct constant *e = errors; e->name; e++)
		if (e->value == (uint64_t)error) {
			kprintf("%s", e->name);
			return;
		}
	kprintf("%d", error);
}
