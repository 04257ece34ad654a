/*
 * Calls of which Linux's strace and the kernel's strace=1 have to tell the same:
 * every kind of argument, of a call that succeeds, of one that fails, and of one
 * whose pointers point nowhere. It prints nothing, and leaves what it is given.
 *
 * usage: told DIRECTORY
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOWHERE         ((void *)8)
#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

/* What the kernel takes, which the C library's is not. */
struct action {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask;
};

static char name[200], other[200], buffer[5000];

static void handle(int signal)
{
	(void)signal;
}

static void strings(void)
{
	CALL(write, -1, "hello\n", 6);
	CALL(write, -1, "01234567890123456789012345678901", 32);
	CALL(write, -1, "012345678901234567890123456789012", 33);
	CALL(write, -1, "\t\"\\\v\f\r\033[m\177\303\244\0018\0\0019\0", 19);
	CALL(write, -1, "", 0L);
	CALL(write, -1, NULL, 0L);
	CALL(write, -1, NOWHERE, 5);
	CALL(write, -1, NOWHERE, 0L);
	CALL(write, -1, -4096L, 5);
	CALL(write, -1, 0xffff800000000000, 5);
	CALL(write, -1, 0x7ffffffff000, 5);
	CALL(write, -1, 0x8000000000000000, 5);
	CALL(open, NOWHERE, 0);
	CALL(open, NULL, O_RDWR);
	CALL(open, 0xffffffff80000000, O_RDWR);
	memset(buffer, 'x', sizeof(buffer));
	CALL(chdir, buffer);
	buffer[4095] = 0;
	CALL(chdir, buffer);
	buffer[300] = 0;
	CALL(chdir, buffer);
	CALL(chdir, "\"nowhere\\\n\302");
}

static void files(void)
{
	struct iovec pieces[] = { { "abc", 3 },
				  { "defghi\n", 7 },
				  { NULL, 0 } };
	struct timespec times[] = { { 5, UTIME_NOW }, { 6, 7 } };
	struct stat s;
	off_t from = 2;
	char text[40];
	int file, ends[2];

	file = CALL(openat, AT_FDCWD, name, O_CREAT | O_RDWR | O_TRUNC, 0640);
	CALL(open, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 07777);
	CALL(openat, file, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_SYNC);
	CALL(openat, AT_FDCWD, name,
	     O_DIRECTORY | O_NOFOLLOW | O_NOCTTY | O_DSYNC);
	CALL(openat, AT_FDCWD, name, 0x4);
	CALL(creat, other, 0);
	CALL(writev, file, pieces, 3);
	CALL(writev, -1, pieces, 2);
	CALL(writev, file, NOWHERE, 1);
	CALL(pwrite64, file, "Z", 1, 3);
	CALL(pwrite64, file, "Z", 1, -5L);
	CALL(pread64, file, text, 4, 2);
	CALL(pread64, file, text, 4, -1L);
	CALL(lseek, file, -8L, SEEK_CUR);
	CALL(lseek, file, 5, 99);
	CALL(read, file, text, 3);
	CALL(read, -1, text, 3);
	pieces[0] = (struct iovec){ text, 2 };
	pieces[1] = (struct iovec){ text + 10, 20 };
	CALL(readv, file, pieces, 2);
	CALL(sendfile, -1, file, &from, 4);
	CALL(sendfile, -1, file, NULL, 4);
	CALL(stat, name, &s);
	CALL(lstat, "/dev/null", &s);
	CALL(stat, NOWHERE, &s);
	CALL(fstat, file, &s);
	CALL(fstat, file, NOWHERE);
	CALL(newfstatat, AT_FDCWD, name, &s, AT_SYMLINK_NOFOLLOW);
	CALL(newfstatat, file, "", &s, AT_EMPTY_PATH);
	CALL(newfstatat, AT_FDCWD, name, &s, -1);
	CALL(access, name, R_OK | W_OK);
	CALL(access, name, F_OK);
	CALL(access, name, 0x88);
	CALL(faccessat, AT_FDCWD, "/nowhere", X_OK);
	CALL(faccessat2, AT_FDCWD, "/nowhere", R_OK, AT_EACCESS);
	CALL(chmod, name, 0);
	CALL(fchmod, file, 0644);
	CALL(fchmodat, AT_FDCWD, name, 0600);
	CALL(chown, "/nowhere", -1, 5);
	CALL(fchownat, AT_FDCWD, "/nowhere", 3, -1, AT_SYMLINK_NOFOLLOW);
	CALL(umask, 022);
	CALL(umask, 0);
	CALL(umask, 022);
	CALL(truncate, name, 3);
	CALL(ftruncate, file, -1L);
	CALL(utimensat, AT_FDCWD, name, NULL, 0);
	CALL(utimensat, AT_FDCWD, name, NOWHERE, AT_SYMLINK_NOFOLLOW);
	times[1].tv_nsec = UTIME_OMIT;
	CALL(utimensat, AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW);
	CALL(link, name, "/nowhere/x");
	CALL(linkat, AT_FDCWD, name, 99, "a", AT_SYMLINK_FOLLOW);
	CALL(unlink, other);
	CALL(symlink, "somewhere", other);
	CALL(readlink, other, text, sizeof(text));
	CALL(readlink, name, text, sizeof(text));
	CALL(readlinkat, AT_FDCWD, other, text, 4);
	CALL(unlinkat, AT_FDCWD, other, 0);
	CALL(rename, name, other);
	CALL(renameat, AT_FDCWD, other, AT_FDCWD, name);
	CALL(renameat2, AT_FDCWD, name, AT_FDCWD, name, 1);
	CALL(mkdir, other, 0700);
	CALL(mkdirat, AT_FDCWD, other, 0);
	CALL(unlinkat, AT_FDCWD, other, AT_REMOVEDIR);
	CALL(rmdir, other);
	CALL(getdents64, file, text, sizeof(text));
	CALL(getcwd, text, 1);
	CALL(getcwd, NOWHERE, 100);
	CALL(fchdir, file);
	CALL(fsync, file);
	CALL(fdatasync, -1);
	CALL(sync);
	CALL(fcntl, file, F_GETFD);
	CALL(fcntl, file, F_SETFD, FD_CLOEXEC);
	CALL(fcntl, file, F_GETFD);
	CALL(fcntl, file, F_SETFL, O_APPEND | O_NONBLOCK);
	CALL(fcntl, file, F_DUPFD, 50);
	CALL(fcntl, file, F_DUPFD_CLOEXEC, 60);
	CALL(fcntl, -1, F_GETFL);
	CALL(fcntl, file, 999, 5);
	CALL(ioctl, file, TIOCGWINSZ, text);
	CALL(ioctl, file, TCGETS, text);
	CALL(ioctl, file, TIOCGPGRP, text);
	CALL(ioctl, file, 0x1234, text);
	CALL(ioctl, file, 0x80081234, text);
	CALL(pipe, ends);
	CALL(pipe2, ends, O_CLOEXEC | O_NONBLOCK);
	CALL(fcntl, ends[0], F_GETFL);
	CALL(pipe2, NOWHERE, 0);
	CALL(dup, file);
	CALL(dup2, file, 20);
	CALL(dup3, file, 20, O_CLOEXEC);
	CALL(close, 20);
	CALL(close, 20);
	CALL(statfs, "/nowhere", text);
	CALL(fstatfs, -1, text);
	CALL(unlink, name);
}

static void waiting(void)
{
	struct timespec t[] = { { 0, 1000 }, { 1, -5 } };
	struct itimerval timer = { { 0, 0 }, { 1000, 5 } };
	struct pollfd p[3] = { { -1, POLLIN, 0 } };
	int ends[2];

	CALL(pipe, ends);
	p[1] = (struct pollfd){ ends[0], POLLIN | POLLPRI, 0 };
	p[2] = (struct pollfd){ ends[1], POLLOUT, 0 };
	CALL(poll, p, 3, 0);
	CALL(poll, p, 2, 0);
	CALL(poll, NOWHERE, 2, 0);
	CALL(ppoll, NOWHERE, 1, NULL, NULL, 8);
	CALL(select, 3, NOWHERE, NULL, NULL, NULL);
	CALL(nanosleep, t, NULL);
	CALL(nanosleep, t + 1, NULL);
	CALL(nanosleep, NOWHERE, NULL);
	CALL(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, t, NULL);
	CALL(clock_nanosleep, CLOCK_REALTIME, 0, t + 1, NULL);
	CALL(clock_gettime, CLOCK_BOOTTIME, NOWHERE);
	CALL(clock_gettime, 99, t);
	CALL(gettimeofday, NOWHERE, NULL);
	CALL(time, NOWHERE);
	CALL(setitimer, ITIMER_REAL, &timer, NULL);
	CALL(setitimer, 7, NOWHERE, NULL);
	CALL(getitimer, 7, &timer);
	CALL(alarm, 0);
	CALL(futex, NOWHERE + 1, 128, 7, NULL);
	CALL(futex, ends, 0, ~ends[0], t + 1);
	CALL(futex, ends, 129, 1);
}

static void memory(void)
{
	char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	CALL(mmap, NULL, 0, PROT_NONE, MAP_SHARED | MAP_NORESERVE, -1, 4096);
	CALL(mmap, NULL, 4096, 0x80, 0, -1, 0);
	CALL(mprotect, at, 4096, PROT_NONE);
	CALL(write, -1, at, 5);
	CALL(write, -1, at + 4090, 6);
	CALL(write, -1, at + 4096, 6);
	CALL(mprotect, at, 4096, PROT_READ | PROT_EXEC);
	CALL(mprotect, 1, 4096, 0x40);
	CALL(madvise, at, 4096, MADV_DONTNEED);
	CALL(madvise, at, 4096, 98);
	CALL(msync, at, 4096, MS_SYNC | MS_INVALIDATE);
	CALL(mremap, 8, 1, 1, MREMAP_MAYMOVE | MREMAP_FIXED, 4096);
	CALL(mremap, 8, 1, 1, 0);
	CALL(munmap, at, 8192);
	CALL(munmap, 1, 0);
	CALL(write, -1, at, 5);
	CALL(brk, 0);
}

static void signals(void)
{
	struct action old, a = { handle, SA_RESTART | SA_NODEFER | SA_ONSTACK,
				 NULL, 1 << 1 };
	unsigned long before, set = ~0UL;
	stack_t stack = { NULL, 0, 5 };

	CALL(rt_sigaction, SIGUSR2, &a, NULL, 8);
	old = a = (struct action){ SIG_IGN, 0, NULL, ~1UL };
	CALL(rt_sigaction, SIGUSR2, &a, &old, 8);
	CALL(rt_sigaction, SIGKILL, &a, NULL, 8);
	CALL(rt_sigaction, SIGUSR1, NOWHERE, NULL, 8);
	signal(SIGUSR1, handle);
	CALL(rt_sigprocmask, SIG_BLOCK, &set, NULL, 8);
	CALL(rt_sigprocmask, SIG_SETMASK, NULL, &set, 8);
	set = 1UL << (SIGUSR1 - 1) | 1UL << (SIGCHLD - 1) | 1UL << 63 |
	      1UL << 31;
	CALL(rt_sigprocmask, SIG_SETMASK, &set, NULL, 8);
	CALL(tkill, getpid(), SIGUSR1);
	CALL(rt_sigpending, &set, 8);
	set = 0;
	CALL(rt_sigprocmask, SIG_SETMASK, &set, &before, 8);
	CALL(rt_sigprocmask, 9, &set, NULL, 8);
	CALL(rt_sigprocmask, SIG_UNBLOCK, NOWHERE, NULL, 8);
	CALL(sigaltstack, NULL, &stack);
	stack = (stack_t){ NULL, 0, 5 };
	CALL(sigaltstack, &stack, NULL);
	CALL(kill, 1 << 30, SIGSTKFLT);
	CALL(kill, 1 << 30, 35);
	CALL(kill, 1 << 30, 0);
	CALL(kill, 1 << 30, 64);
	CALL(tgkill, 1 << 30, 1 << 30, SIGTERM);
}

static void process(void)
{
	struct rlimit limit;
	char text[20];
	int id[3] = { 5 };

	CALL(getuid);
	CALL(setreuid, 0, -1);
	CALL(getresuid, id, id + 1, id + 2);
	CALL(getgroups, -1, id);
	CALL(setgroups, 1, NOWHERE);
	CALL(setpgid, 1 << 30, 0);
	CALL(getpgid, 1 << 30);
	CALL(getrlimit, RLIMIT_CORE, NOWHERE);
	CALL(getrlimit, 99, &limit);
	CALL(prlimit64, 0, RLIMIT_AS, NULL, &limit);
	CALL(setrlimit, RLIMIT_NOFILE, NOWHERE);
	CALL(getrusage, RUSAGE_CHILDREN, NOWHERE);
	CALL(uname, NOWHERE);
	CALL(times, NOWHERE);
	CALL(prctl, 15, "abc");
	CALL(prctl, 16, text);
	CALL(prctl, 16, NOWHERE);
	CALL(prctl, 12345, 1, 2, 3, 4);
	CALL(arch_prctl, 0x1003, NOWHERE);
	CALL(arch_prctl, 0x77, 5);
	CALL(getrandom, NOWHERE, 5, 1);
	CALL(set_robust_list, NULL, 5);
	CALL(sched_yield);
	syscall(999, 1, 2, 3, 4, 5, 0L);
	syscall(0x123456, 0L, -1L, 3, 4, 5, 6);
}

/* Ends with each kind of status. */
static void children(void)
{
	static char *const none[] = { NULL };
	unsigned long news = 1UL << (SIGCHLD - 1);
	struct rusage usage;
	int status;
	pid_t child;

	/* Under strace it would interrupt a wait, at one time or another. */
	CALL(rt_sigprocmask, SIG_BLOCK, &news, NULL, 8);
	child = CALL(fork);
	if (child == 0)
		CALL(exit, 3);
	CALL(wait4, child, &status, 0, NULL);
	child = CALL(clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (child == 0)
		CALL(exit_group, 300);
	CALL(wait4, child, &status, __WALL, NULL);
	child = vfork(); /* a function that called it could not return */
	if (child == 0)
		_exit(0);
	CALL(wait4, child, &status, 0, NOWHERE - 8);
	child = CALL(fork);
	if (child == 0) {
		CALL(kill, getpid(), SIGSTOP);
		CALL(exit, 7);
	}
	CALL(wait4, child, &status, WUNTRACED, NULL);
	CALL(kill, child, SIGCONT);
	CALL(wait4, child, &status, 0, NULL);
	child = CALL(fork);
	if (child == 0)
		CALL(kill, getpid(), SIGKILL);
	CALL(wait4, child, &status, 0, &usage);
	CALL(wait4, -1, &status, WNOHANG | WUNTRACED, &usage);
	CALL(clone, SIGCHLD | CLONE_THREAD, 4096, NOWHERE, NOWHERE, 7);
	CALL(execve, "/nowhere", NULL, NULL);
	CALL(execve, NOWHERE, none, none);
	CALL(execve, "/nowhere", NOWHERE, NOWHERE);
}

int main(int argc, char **argv)
{
	char *const again[] = { "told", "a \"b\"", NULL };
	char *const environment[] = { "A=1", "B=2", NULL };

	if (strcmp(argv[argc - 1], "a \"b\"") == 0)
		return 5;
	snprintf(name, sizeof(name), "%s/name", argv[1]);
	snprintf(other, sizeof(other), "%s/other", argv[1]);
	strings();
	files();
	waiting();
	memory();
	signals();
	process();
	children();
	execve(argv[0], again, environment);
	return 1;
}
