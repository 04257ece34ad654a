/*
 * The door to the kernel: the numbers, the seven stubs, and the structs that
 * calls fill in. Numbers, layouts and errors are those of Linux on x86-64, so
 * that every program here also runs on a Linux host.
 *
 * Every call returns what the kernel returned: zero or more on success, the
 * negative of an error number otherwise. There is no errno variable.
 */
#ifndef SYSCALL_H
#define SYSCALL_H

#include <stddef.h>
#include <stdint.h>

enum {
	SYS_read = 0,
	SYS_write = 1,
	SYS_open = 2,
	SYS_close = 3,
	SYS_stat = 4,
	SYS_fstat = 5,
	SYS_lstat = 6,
	SYS_lseek = 8,
	SYS_mmap = 9,
	SYS_mprotect = 10,
	SYS_munmap = 11,
	SYS_brk = 12,
	SYS_rt_sigaction = 13,
	SYS_rt_sigprocmask = 14,
	SYS_rt_sigreturn = 15,
	SYS_ioctl = 16,
	SYS_pread64 = 17,
	SYS_pwrite64 = 18,
	SYS_readv = 19,
	SYS_writev = 20,
	SYS_access = 21,
	SYS_pipe = 22,
	SYS_sched_yield = 24,
	SYS_mremap = 25,
	SYS_dup = 32,
	SYS_dup2 = 33,
	SYS_pause = 34,
	SYS_nanosleep = 35,
	SYS_getitimer = 36,
	SYS_alarm = 37,
	SYS_setitimer = 38,
	SYS_getpid = 39,
	SYS_sendfile = 40,
	SYS_fork = 57,
	SYS_vfork = 58,
	SYS_execve = 59,
	SYS_exit = 60,
	SYS_wait4 = 61,
	SYS_kill = 62,
	SYS_uname = 63,
	SYS_fcntl = 72,
	SYS_fsync = 74,
	SYS_truncate = 76,
	SYS_ftruncate = 77,
	SYS_getcwd = 79,
	SYS_chdir = 80,
	SYS_rename = 82,
	SYS_mkdir = 83,
	SYS_rmdir = 84,
	SYS_creat = 85,
	SYS_link = 86,
	SYS_unlink = 87,
	SYS_symlink = 88,
	SYS_readlink = 89,
	SYS_sysinfo = 99,
	SYS_setpgid = 109,
	SYS_getppid = 110,
	SYS_getpgrp = 111,
	SYS_setsid = 112,
	SYS_rt_sigpending = 127,
	SYS_sigaltstack = 131,
	SYS_statfs = 137,
	SYS_arch_prctl = 158,
	SYS_gettid = 186,
	SYS_getdents64 = 217,
	SYS_set_tid_address = 218,
	SYS_clock_gettime = 228,
	SYS_exit_group = 231,
	SYS_openat = 257,
	SYS_newfstatat = 262,
	SYS_dup3 = 292,
	SYS_pipe2 = 293,
	SYS_renameat2 = 316,
};

/* Errors; a call returns them negative. */
enum {
	EPERM = 1,
	ENOENT = 2,
	ESRCH = 3,
	EINTR = 4,
	E2BIG = 7,
	ENOEXEC = 8,
	EBADF = 9,
	ECHILD = 10,
	EAGAIN = 11,
	ENOMEM = 12,
	EACCES = 13,
	EFAULT = 14,
	EEXIST = 17,
	ENOTDIR = 20,
	EISDIR = 21,
	EINVAL = 22,
	EMFILE = 24,
	ENOTTY = 25,
	ENOSPC = 28,
	ESPIPE = 29,
	EROFS = 30,
	EPIPE = 32,
	ERANGE = 34,
	ENAMETOOLONG = 36,
	ENOSYS = 38,
	ENOTEMPTY = 39,
	ELOOP = 40,
};

enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2 };
enum { O_CREAT = 0100, O_EXCL = 0200, O_TRUNC = 01000, O_APPEND = 02000 };
enum { O_ACCMODE = 3, O_NONBLOCK = 04000, O_CLOEXEC = 02000000 };
enum { O_DIRECTORY = 0200000, O_NOFOLLOW = 0400000 };
enum { SEEK_SET, SEEK_CUR, SEEK_END };
enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 32 };
enum { WNOHANG = 1, WUNTRACED = 2 };
enum { CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1 };
enum { TCGETS = 0x5401, TCSETS = 0x5402, TIOCSCTTY = 0x540e };
enum { TIOCGPGRP = 0x540f, TIOCSPGRP = 0x5410, TIOCGWINSZ = 0x5413 };
/* Linux's struct termios, and of its local flags those that programs here change. */
struct termios {
	uint32_t input, output, control, local;
	uint8_t line, characters[19];
};
enum { ISIG = 0x1, ICANON = 0x2, ECHO = 0x8, IEXTEN = 0x8000 };
enum { VTIME = 5, VMIN = 6 };
enum { ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003 };
enum { DT_DIR = 4, DT_REG = 8 };
enum { S_IFMT = 0170000, S_IFDIR = 0040000, S_IFREG = 0100000 };
enum { AT_FDCWD = -100 };

/* Signals: those by which Linux, and this kernel, say why a process was killed, and
 * those that the programs here send or wait for. */
enum {
	SIGINT = 2,
	SIGQUIT = 3,
	SIGILL = 4,
	SIGTRAP = 5,
	SIGBUS = 7,
	SIGFPE = 8,
	SIGKILL = 9,
	SIGUSR1 = 10,
	SIGSEGV = 11,
	SIGPIPE = 13,
	SIGALRM = 14,
	SIGTERM = 15,
	SIGCHLD = 17,
	SIGCONT = 18,
	SIGSTOP = 19,
	SIGTSTP = 20,
	SIGTTIN = 21,
	SIGTTOU = 22
};

/* What is done about a signal: rt_sigaction's words. The handler is a function, or
 * one of the two numbers. */
enum { SIG_DFL = 0, SIG_IGN = 1 };
enum { SIG_BLOCK, SIG_UNBLOCK };
enum { SA_SIGINFO = 4, SA_RESTORER = 0x04000000, SA_ONSTACK = 0x08000000 };
enum { SA_RESTART = 0x10000000, SA_NODEFER = 0x40000000 };
struct sigaction {
	uintptr_t handler;
	uint64_t flags;
	void (*restorer)(void); /* where the handler returns to */
	uint64_t mask;
};
_Static_assert(sizeof(struct sigaction) == 32, "the kernel reads 32 bytes");

/* A status of wait4: an exit status, or the signal that killed the process. */
#define WTERMSIG(status)    ((status)&0x7f)
#define WIFEXITED(status)   (WTERMSIG(status) == 0)
#define WIFSTOPPED(status)  (((status)&0xff) == 0x7f)
#define WEXITSTATUS(status) (((status) >> 8) & 0xff)

struct timespec {
	int64_t seconds, nanoseconds;
};

struct iovec {
	void *base;
	size_t length;
};

struct utsname {
	char sysname[65], nodename[65], release[65], version[65];
	char machine[65], domainname[65];
};

struct stat {
	uint64_t device, inode, links;
	uint32_t mode, uid, gid, pad;
	uint64_t special_device;
	int64_t size, block_size, blocks;
	struct timespec accessed, modified, changed;
	int64_t unused[3];
};
_Static_assert(sizeof(struct stat) == 144, "the kernel fills 144 bytes");

/* Memory is counted in units of mem_unit bytes. */
struct sysinfo {
	int64_t uptime;
	uint64_t loads[3], totalram, freeram, sharedram, bufferram;
	uint64_t totalswap, freeswap;
	uint16_t procs, pad;
	uint64_t totalhigh, freehigh;
	uint32_t mem_unit;
};
_Static_assert(sizeof(struct sysinfo) == 112, "the kernel fills 112 bytes");

/* getdents64 fills a buffer with these; each says its own length. */
struct dirent {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

/*
 * The stubs. SYSCALL itself overwrites RCX with the address of the next
 * instruction and R11 with RFLAGS, so the fourth argument travels in R10 and
 * both are clobbers. "memory": the kernel may read and write what a pointer
 * among the arguments points at. Everything else survives, and the compiler
 * may count on it; the program `regs` checks that it is so.
 */
static inline long syscall0(long number)
{
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(number)
		     : "rcx", "r11", "memory");
	return result;
}

static inline long syscall1(long number, long a1)
{
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(number), "D"(a1)
		     : "rcx", "r11", "memory");
	return result;
}

static inline long syscall2(long number, long a1, long a2)
{
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(number), "D"(a1), "S"(a2)
		     : "rcx", "r11", "memory");
	return result;
}

static inline long syscall3(long number, long a1, long a2, long a3)
{
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(number), "D"(a1), "S"(a2), "d"(a3)
		     : "rcx", "r11", "memory");
	return result;
}

static inline long syscall4(long number, long a1, long a2, long a3, long a4)
{
	register long r10 asm("r10") = a4;
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(number), "D"(a1), "S"(a2), "d"(a3), "r"(r10)
		     : "rcx", "r11", "memory");
	return result;
}

static inline long syscall5(long number, long a1, long a2, long a3, long a4,
			    long a5)
{
	register long r10 asm("r10") = a4;
	register long r8 asm("r8") = a5;
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(number), "D"(a1), "S"(a2), "d"(a3), "r"(r10), "r"(r8)
		     : "rcx", "r11", "memory");
	return result;
}

static inline long syscall6(long number, long a1, long a2, long a3, long a4,
			    long a5, long a6)
{
	register long r10 asm("r10") = a4;
	register long r8 asm("r8") = a5;
	register long r9 asm("r9") = a6;
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(number), "D"(a1), "S"(a2), "d"(a3), "r"(r10),
		       "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return result;
}

#endif
