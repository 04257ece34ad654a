/*
 * found: what can be done with a file that O_PATH has found, and not opened. One
 * line for each call. All is done within the directory named.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define TELL(call) tell(#call, call)

static struct stat about;
static struct statfs system_of;
static char bytes[100];

static void tell(const char *what, long result)
{
	printf("%s: %ld error %d\n", what, result, result < 0 ? errno : 0);
}

static void a_file(void)
{
	int file = open("text", O_PATH | O_RDWR | O_TRUNC | O_APPEND);
	int real = open("text", O_RDWR);
	struct iovec piece = { bytes, 10 };
	struct pollfd polled = { file, POLLIN, 0 };

	TELL(fstat(file, &about));
	printf("a file of %ld bytes\n", (long)about.st_size);
	TELL(fstatfs(file, &system_of));
	TELL(read(file, bytes, 10));
	TELL(write(file, bytes, 10));
	TELL(readv(file, &piece, 1));
	TELL(pwrite(file, bytes, 10, 0));
	TELL(lseek(file, 0, SEEK_SET));
	TELL(ftruncate(file, 0));
	/* The library's would try again by the path. */
	TELL(syscall(SYS_fchmod, file, 0600));
	TELL(syscall(SYS_fchown, file, -1, -1));
	TELL(fsync(file));
	TELL(futimens(file, NULL));
	TELL(syscall(SYS_ioctl, file, 0x541b, bytes)); /* FIONREAD */
	TELL(mmap(NULL, 10, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED ? -1
									   : 0);
	TELL(sendfile(real, file, NULL, 10));
	TELL(sendfile(file, real, NULL, 10));
	TELL(poll(&polled, 1, 0));
	TELL(polled.revents);
	TELL(openat(file, "text", O_RDONLY));
	TELL(fchdir(file));
}

static void a_descriptor(void)
{
	int file = open("text", O_PATH | O_CLOEXEC | O_CREAT | O_EXCL);

	TELL(fcntl(file, F_GETFD));
	TELL(fcntl(file, F_SETFD, 0));
	TELL(fcntl(file, F_GETFD));
	TELL(fcntl(file, F_GETFL));
	TELL(fcntl(file, F_SETFL, O_APPEND));
	TELL(fcntl(file, 999));
	TELL(dup2(file, 50));
	TELL(read(50, bytes, 1));
	TELL(fcntl(50, F_GETFL));
	TELL(fcntl(file, F_DUPFD, 60));
	TELL(dup2(60, 60));
	TELL(close(60));
	TELL(close(60));
	TELL(open("none", O_PATH | O_CREAT, 0600));
	TELL(open("text/", O_PATH));
	TELL(open("text", O_PATH | O_DIRECTORY));
	TELL(fcntl(open("/dev/null", O_PATH), F_GETFL));
	TELL(open("/dev/null", O_PATH | O_TMPFILE | 040000) < 0 ? -1 : 0);
}

static void a_directory(void)
{
	int place = open(".", O_PATH | O_DIRECTORY);

	TELL(fcntl(place, F_GETFL));
	TELL(syscall(SYS_getdents64, place, bytes, sizeof bytes));
	TELL(mkdirat(place, "below", 0700));
	TELL(openat(place, "text", O_RDONLY) < 0 ? -1 : 0);
	TELL(fstatat(place, "", &about, AT_EMPTY_PATH));
	TELL(S_ISDIR(about.st_mode));
	TELL(unlinkat(place, "below", AT_REMOVEDIR));
	TELL(chdir("/"));
	TELL(fchdir(place));
	TELL(access("text", R_OK));
}

static void a_link(void)
{
	int link;

	TELL(symlink("text", "link"));
	TELL(open("link", O_PATH | O_NOFOLLOW | O_DIRECTORY));
	link = open("link", O_PATH | O_NOFOLLOW);
	TELL(fstat(link, &about));
	TELL(S_ISLNK(about.st_mode));
	TELL(fcntl(link, F_GETFL));
	TELL(readlinkat(link, "", bytes, sizeof bytes));
	TELL(readlinkat(link, "", bytes, 2));
	TELL(readlinkat(open(".", O_PATH), "", bytes, sizeof bytes));
	TELL(readlinkat(0, "", bytes, sizeof bytes));
	TELL(readlinkat(AT_FDCWD, "", bytes, sizeof bytes));
	TELL(readlinkat(99, "", bytes, sizeof bytes));
	TELL(fchdir(link));
	TELL(openat(link, "text", O_RDONLY));
	TELL(fstat(open("link", O_PATH), &about));
	TELL(S_ISREG(about.st_mode));
}

int main(int argc, char **argv)
{
	if (argc < 2 || chdir(argv[1]) < 0)
		return 1;
	a_file();
	a_descriptor();
	a_directory();
	a_link();
	return 0;
}
