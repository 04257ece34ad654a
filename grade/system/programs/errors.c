/*
 * One line per call with a mistake in it, and the error that comes back. The
 * Linux host prints the same lines.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* The C library would check some of these itself, so each goes straight to
 * the kernel. */
#define TRY(what, ...) tell(what, syscall(__VA_ARGS__))

#define BAD            ((void *)8)
#define KERNEL         ((void *)0xffffffff80100000)
#define HOLE           ((void *)0x800000000000) /* the first address not canonical */

static void tell(const char *what, long result)
{
	if (result < 0)
		printf("%s: error %d\n", what, errno);
	else
		printf("%s: fine\n", what);
}

int main(int argc, char **argv)
{
	int fd[2];
	char byte;
	const char *file = argv[1], *directory = argv[2];

	if (argc != 3)
		return 2;
	pipe(fd);
	int regular = open(file, O_RDONLY);

	TRY("read from no file", SYS_read, 99, &byte, 1);
	TRY("read from -1", SYS_read, -1, &byte, 1);
	TRY("write to no file", SYS_write, 99, &byte, 1);
	TRY("read from a pipe's end for writing", SYS_read, fd[1], &byte, 1);
	TRY("write to a pipe's end for reading", SYS_write, fd[0], &byte, 1);
	TRY("write to a file open for reading", SYS_write, regular, &byte, 1);
	TRY("read into page 0", SYS_read, regular, BAD, 1);
	TRY("read into the kernel", SYS_read, regular, KERNEL, 1);
	TRY("read into the hole", SYS_read, regular, HOLE, 1);
	TRY("write from page 0", SYS_write, fd[1], BAD, 1);
	TRY("write from the kernel", SYS_write, fd[1], KERNEL, 1);
	TRY("close what is not open", SYS_close, 99);
	TRY("open what is not there", SYS_open, "/no/such/file", O_RDONLY, 0);
	TRY("open with a bad path", SYS_open, BAD, O_RDONLY, 0);
	TRY("open an empty path", SYS_open, "", O_RDONLY, 0);
	TRY("open below a file", SYS_open, "/dev/null/x", O_RDONLY, 0);
	TRY("openat in no directory", SYS_openat, 99, "x", O_RDONLY, 0);
	TRY("lseek in a pipe", SYS_lseek, fd[0], 0, SEEK_SET);
	TRY("lseek before the start", SYS_lseek, regular, -5, SEEK_SET);
	TRY("lseek from nowhere", SYS_lseek, regular, 0, 77);
	TRY("lseek in no file", SYS_lseek, 99, 0, SEEK_SET);
	TRY("fstat of no file", SYS_fstat, 99, &byte);
	TRY("fstat into page 0", SYS_fstat, regular, BAD);
	TRY("getdents64 of a file", SYS_getdents64, regular, &byte, 1);
	TRY("dup of no file", SYS_dup, 99);
	TRY("dup2 of no file", SYS_dup2, 99, 5);
	TRY("dup2 to -1", SYS_dup2, regular, -1);
	TRY("dup2 to itself", SYS_dup2, regular, regular);
	TRY("pipe into page 0", SYS_pipe, BAD);
	TRY("pipe2 with unknown flags", SYS_pipe2, fd, 0x12345);
	TRY("ioctl of a file", SYS_ioctl, regular, TCGETS, &byte);
	TRY("ioctl of no file", SYS_ioctl, 99, TCGETS, &byte);
	TRY("mmap of nothing", SYS_mmap, 0, 0, PROT_READ,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY("munmap of half a page", SYS_munmap, 0x10000800, 4096);
	TRY("munmap of nothing", SYS_munmap, 0x10000000, 0);
	TRY("munmap of the kernel", SYS_munmap, KERNEL, 4096);
	TRY("mprotect of half a page", SYS_mprotect, 0x10000800, 4096, 1);
	TRY("mprotect of what is not there", SYS_mprotect, 0x10000000, 4096, 1);
	TRY("nanosleep from page 0", SYS_nanosleep, BAD, 0);
	TRY("nanosleep of too many nanoseconds", SYS_nanosleep,
	    &((struct timespec){ 0, 1000000000 }), 0);
	TRY("nanosleep of a negative time", SYS_nanosleep,
	    &((struct timespec){ -1, 0 }), 0);
	TRY("clock_gettime of no clock", SYS_clock_gettime, 99, &byte);
	TRY("clock_gettime into page 0", SYS_clock_gettime, 0, BAD);
	TRY("execve of what is not there", SYS_execve, "/no/such/file", 0, 0);
	TRY("execve of a directory", SYS_execve, directory, 0, 0);
	TRY("execve with a bad path", SYS_execve, BAD, 0, 0);
	TRY("execve with bad arguments", SYS_execve, argv[0], BAD, 0);
	TRY("wait4 without a child", SYS_wait4, -1, 0, 0, 0);
	TRY("wait4 for a stranger", SYS_wait4, 12345, 0, 0, 0);
	TRY("chdir to a file", SYS_chdir, file);
	TRY("chdir to what is not there", SYS_chdir, "/no/such/place");
	TRY("getcwd into one byte", SYS_getcwd, &byte, 1);
	TRY("uname into page 0", SYS_uname, BAD);
	TRY("writev of a bad vector", SYS_writev, fd[1], BAD, 1);
	TRY("writev of -1 parts", SYS_writev, fd[1], &byte, -1);
	TRY("arch_prctl of no code", SYS_arch_prctl, 0x7777, 0);
	TRY("arch_prctl of a kernel address", SYS_arch_prctl, 0x1002, KERNEL);
	TRY("call 9999", 9999);
	TRY("call -2", -2);
	TRY("call 2^31", 0x80000000);

	if (fork() == 0)
		_exit(0);
	TRY("wait4 into page 0", SYS_wait4, -1, BAD, 0, 0);
	return 0;
}
