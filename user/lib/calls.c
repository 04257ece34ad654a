/*
 * The system calls by name, one line each over the stubs of syscall.h, and a
 * few small steps that many programs take.
 */
#include "user.h"

long read(int fd, void *buffer, size_t size)
{
	return syscall3(SYS_read, fd, (long)buffer, (long)size);
}

long write(int fd, const void *buffer, size_t size)
{
	return syscall3(SYS_write, fd, (long)buffer, (long)size);
}

long open(const char *path, int flags)
{
	return syscall3(SYS_open, (long)path, flags, 0666);
}

long close(int fd)
{
	return syscall1(SYS_close, fd);
}

long fstat(int fd, struct stat *stat)
{
	return syscall2(SYS_fstat, fd, (long)stat);
}

long stat(const char *path, struct stat *stat)
{
	return syscall4(SYS_newfstatat, AT_FDCWD, (long)path, (long)stat, 0);
}

long lseek(int fd, long offset, int whence)
{
	return syscall3(SYS_lseek, fd, offset, whence);
}

long getdents64(int fd, void *buffer, size_t size)
{
	return syscall3(SYS_getdents64, fd, (long)buffer, (long)size);
}

long mmap(void *address, size_t size, int protection, int flags, int fd,
	  long offset)
{
	return syscall6(SYS_mmap, (long)address, (long)size, protection, flags,
			fd, offset);
}

long mprotect(void *address, size_t size, int protection)
{
	return syscall3(SYS_mprotect, (long)address, (long)size, protection);
}

long munmap(void *address, size_t size)
{
	return syscall2(SYS_munmap, (long)address, (long)size);
}

long brk(void *end)
{
	return syscall1(SYS_brk, (long)end);
}

long ioctl(int fd, unsigned long request, void *argument)
{
	return syscall3(SYS_ioctl, fd, (long)request, (long)argument);
}

long pipe(int fds[2])
{
	return syscall1(SYS_pipe, (long)fds);
}

long dup(int fd)
{
	return syscall1(SYS_dup, fd);
}

long dup2(int from, int to)
{
	return syscall2(SYS_dup2, from, to);
}

long sched_yield(void)
{
	return syscall0(SYS_sched_yield);
}

long nanosleep(const struct timespec *wanted, struct timespec *left)
{
	return syscall2(SYS_nanosleep, (long)wanted, (long)left);
}

long getpid(void)
{
	return syscall0(SYS_getpid);
}

long getppid(void)
{
	return syscall0(SYS_getppid);
}

long fork(void)
{
	return syscall0(SYS_fork);
}

long execve(const char *path, char *const argv[], char *const envp[])
{
	return syscall3(SYS_execve, (long)path, (long)argv, (long)envp);
}

_Noreturn void exit(int status)
{
	for (;;)
		syscall1(SYS_exit, status);
}

long wait4(long pid, int *status, int options, void *usage)
{
	return syscall4(SYS_wait4, pid, (long)status, options, (long)usage);
}

long uname(struct utsname *name)
{
	return syscall1(SYS_uname, (long)name);
}

long getcwd(char *buffer, size_t size)
{
	return syscall2(SYS_getcwd, (long)buffer, (long)size);
}

long chdir(const char *path)
{
	return syscall1(SYS_chdir, (long)path);
}

long mkdir(const char *path)
{
	return syscall2(SYS_mkdir, (long)path, 0777);
}

long rmdir(const char *path)
{
	return syscall1(SYS_rmdir, (long)path);
}

long unlink(const char *path)
{
	return syscall1(SYS_unlink, (long)path);
}

long rename(const char *from, const char *to)
{
	return syscall2(SYS_rename, (long)from, (long)to);
}

long link(const char *from, const char *to)
{
	return syscall2(SYS_link, (long)from, (long)to);
}

long symlink(const char *target, const char *path)
{
	return syscall2(SYS_symlink, (long)target, (long)path);
}

long getpgrp(void)
{
	return syscall0(SYS_getpgrp);
}

long setpgid(long pid, long group)
{
	return syscall2(SYS_setpgid, pid, group);
}

long setsid(void)
{
	return syscall0(SYS_setsid);
}

long kill(long pid, int signal)
{
	return syscall2(SYS_kill, pid, signal);
}

long alarm(unsigned seconds)
{
	return syscall1(SYS_alarm, seconds);
}

long sysinfo(struct sysinfo *info)
{
	return syscall1(SYS_sysinfo, (long)info);
}

long clock_gettime(int clock, struct timespec *now)
{
	return syscall2(SYS_clock_gettime, clock, (long)now);
}

long arch_prctl(int code, unsigned long address)
{
	return syscall2(SYS_arch_prctl, code, (long)address);
}

long wait_for(long pid)
{
	int status = 0;
	long result = wait4(pid, &status, 0, NULL);

	return result < 0 ? result : status;
}

long forked_or_exit(long result)
{
	if (result < 0) {
		printf("%s: fork makes no process: %s%s\n", program_name,
		       error_text(result), result == -ENOSYS ? " (lab 5)" : "");
		exit(1);
	}
	return result;
}

long fork_or_exit(void)
{
	return forked_or_exit(fork());
}

long run_child(int (*body)(long), long argument)
{
	long pid = fork();

	if (pid == 0)
		exit(body(argument));
	return pid < 0 ? pid : wait_for(pid);
}

void sleep_ms(unsigned long ms)
{
	struct timespec wanted = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&wanted, NULL);
}

void *map_pages(size_t pages)
{
	long result = mmap(NULL, pages * PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return result < 0 ? NULL : (void *)result;
}

unsigned long free_pages(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return 0;
	return info.freeram * info.mem_unit / PAGE_SIZE;
}

bool on_threshold(void)
{
	struct utsname name;

	return uname(&name) == 0 && strcmp(name.sysname, "Threshold") == 0;
}

long write_all(int fd, const void *buffer, size_t size)
{
	const char *next = buffer;
	size_t left = size;

	while (left > 0) {
		long written = write(fd, next, left);

		if (written < 0)
			return written;
		next += written;
		left -= (size_t)written;
	}
	return (long)size;
}

long read_line(int fd, char *line, size_t size, bool *too_long)
{
	size_t length = 0;
	char c;

	*too_long = false;
	while (read(fd, &c, 1) == 1) {
		if (c == '\n') {
			line[length] = '\0';
			return (long)length;
		}
		if (length + 1 < size)
			line[length++] = c;
		else
			*too_long = true;
	}
	line[length] = '\0';
	return length > 0 ? (long)length : -1;
}
