/*
 * Files that are written: made, opened in every way, cut, named twice, moved and
 * removed. One line for each call. All is asked from within the directory named.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define TELL(call) tell(#call, call)

static long tell(const char *what, long result)
{
	printf("%s: %ld error %d\n", what, result, result < 0 ? errno : 0);
	return result;
}

static void show(const char *path)
{
	char text[64];
	struct stat about;
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -errno : read(fd, text, sizeof text - 1);

	if (lstat(path, &about) < 0) {
		printf("%s: error %d\n", path, errno);
		return;
	}
	text[n > 0 ? n : 0] = 0;
	printf("%s: mode %o, %ld links, read %zd \"%s\"\n", path, about.st_mode,
	       (long)about.st_nlink, n, text);
	if (!S_ISDIR(about.st_mode))
		printf("  size %ld\n", (long)about.st_size);
	close(fd);
}

static int make(const char *path, int flags, const char *text)
{
	int fd = open(path, flags, 0666);
	long n;

	if (fd < 0) {
		printf("open %s %o: error %d\n", path, flags, errno);
		return -1;
	}
	n = write(fd, text, strlen(text));
	printf("open %s %o: write %ld\n", path, flags, n);
	close(fd);
	return 0;
}

static void opening(void)
{
	make("a", O_WRONLY, "no");
	make("a", O_WRONLY | O_CREAT, "first\n");
	make("a", O_WRONLY | O_CREAT | O_EXCL, "no");
	make("a", O_WRONLY, "FI");
	show("a");
	make("a", O_WRONLY | O_APPEND, "second\n");
	show("a");
	make("a", O_RDONLY, "no");
	make("a", O_WRONLY | O_TRUNC, "short\n");
	show("a");
	make("a/", O_WRONLY, "no");
	make("b/", O_WRONLY | O_CREAT, "no");
	make("none/b", O_WRONLY | O_CREAT, "no");
	make("a/b", O_WRONLY | O_CREAT, "no");
	make(".", O_WRONLY, "no");
	make(".", O_RDONLY | O_CREAT, "no");
	make("a", O_RDONLY | O_DIRECTORY, "no");
	make("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, "gone");
	TELL(umask(077));
	make("secret", O_RDWR | O_CREAT, "mine");
	show("secret");
	TELL(umask(022));
	TELL(chmod("secret", 0751));
	show("secret");
	TELL(unlink("secret"));
	show("secret");
}

static void sizes(void)
{
	char byte = 'x', text[10];
	int fd = open("big", O_RDWR | O_CREAT, 0644);
	struct stat about;

	TELL(pwrite(fd, "end", 3, 100000));
	TELL(lseek(fd, 0, SEEK_CUR));
	TELL(pread(fd, text, 10, 99995));
	printf("zeros before: %d %.3s\n", text[0] + text[4], text + 5);
	TELL(ftruncate(fd, 50));
	TELL(ftruncate(fd, 200000));
	TELL(pread(fd, &byte, 1, 100001));
	printf("byte %d\n", byte);
	TELL(lseek(fd, 5000000, SEEK_SET));
	TELL(write(fd, "far", 3));
	fstat(fd, &about);
	printf("size %ld\n", (long)about.st_size);
	TELL(truncate("big", 4096 * 6 + 1));
	TELL(lseek(fd, 0, SEEK_END));
	TELL(truncate("big", -1));
	TELL(write(fd, "", 0));
	TELL(unlink("big"));
	TELL(pwrite(fd, "still", 5, 0));
	TELL(pread(fd, text, 5, 0));
	fstat(fd, &about);
	printf("links %ld\n", (long)about.st_nlink);
	close(fd);
}

static void directories(void)
{
	TELL(mkdir("d", 0777));
	TELL(mkdir("d", 0777));
	TELL(mkdir("a", 0777));
	TELL(mkdir("a/x", 0777));
	TELL(mkdir("none/x", 0777));
	TELL(mkdir("d/e/", 0700));
	TELL(mkdir("d/e/f", 0700));
	show("d");
	make("d/e/f/file", O_WRONLY | O_CREAT, "deep");
	TELL(rmdir("d/e/f"));
	TELL(rmdir("d/e/f/file"));
	TELL(unlink("d/e/f"));
	TELL(unlink("d/e/f/file"));
	TELL(rmdir("d/e/f/."));
	TELL(rmdir("d/e/f/.."));
	TELL(rmdir("/"));
	TELL(chdir("d/e/f"));
	TELL(rmdir("../f"));
	make("x", O_WRONLY | O_CREAT, "no");
	TELL(getcwd((char[1]){ 0 }, 1) == NULL);
	TELL(access(".", F_OK));
	TELL(chdir("../../.."));
	TELL(rmdir("d"));
	TELL(rmdir("d/e/"));
	TELL(rmdir("d"));
	TELL(rmdir("d"));
}

static void links(void)
{
	char text[64] = "";

	TELL(link("a", "b"));
	TELL(link("a", "b"));
	TELL(link("none", "c"));
	TELL(link(".", "c"));
	TELL(link("a", "none/c"));
	show("b");
	make("b", O_WRONLY | O_APPEND, "more\n");
	show("a");
	TELL(unlink("a"));
	show("b");
	TELL(symlink("b", "s"));
	TELL(symlink("b", "s"));
	TELL(symlink("", "t"));
	show("s");
	TELL(readlink("s", text, sizeof text));
	printf("to %s\n", text);
	TELL(readlink("s", text, 0));
	TELL(readlink("b", text, sizeof text));
	TELL(symlink("loop2", "loop1"));
	TELL(symlink("loop1", "loop2"));
	make("loop1", O_RDONLY, "no");
	make("s", O_RDONLY | O_NOFOLLOW, "no");
	make("s/", O_RDONLY, "no");
	TELL(symlink("not/yet", "dangling"));
	make("dangling", O_RDONLY, "no");
	make("dangling", O_WRONLY | O_CREAT, "no");
	make("dangling", O_WRONLY | O_CREAT | O_EXCL, "no");
	TELL(mkdir("not", 0755));
	make("dangling", O_WRONLY | O_CREAT, "through");
	show("not/yet");
	TELL(symlink("../not", "not/here"));
	show("not/here/here/here/yet");
	TELL(unlink("not/here/"));
	TELL(rmdir("not/here"));
	TELL(unlink("not/here"));
	/* A slash at the end of what a link says counts, too. */
	TELL(symlink("dangling/", "slashed"));
	TELL(symlink("loop1/", "looped"));
	TELL(symlink("slashed", "twice"));
	make("slashed", O_WRONLY | O_CREAT, "no");
	make("slashed", O_WRONLY | O_CREAT | O_EXCL, "no");
	make("slashed", O_WRONLY | O_CREAT | O_NOFOLLOW, "no");
	make("slashed", O_RDONLY, "no");
	make("looped", O_WRONLY | O_CREAT, "no");
	make("looped", O_RDONLY, "no");
	make("twice", O_WRONLY | O_CREAT, "no");
	TELL(unlink("not/yet"));
	make("slashed", O_WRONLY | O_CREAT, "no");
	make("twice", O_RDONLY | O_CREAT, "no");
	TELL(symlink("not/", "to-a-directory"));
	make("to-a-directory", O_RDONLY | O_CREAT, "no");
	make("to-a-directory", O_RDONLY, "no");
	TELL(unlink("slashed"));
	TELL(unlink("looped"));
	TELL(unlink("twice"));
	TELL(unlink("to-a-directory"));
	make("dangling", O_WRONLY | O_CREAT, "through");
	TELL(unlink("dangling"));
	TELL(unlink("loop1"));
	TELL(unlink("loop2"));
}

static void moves(void)
{
	TELL(rename("b", "c"));
	TELL(rename("b", "c"));
	TELL(rename("c", "c"));
	TELL(rename("c", "not"));
	TELL(rename("not", "c"));
	TELL(rename("c", "x/"));
	TELL(rename("not", "not/yet"));
	TELL(rename("not", "not/inside"));
	TELL(rename("not", "was/"));
	TELL(rename("was/yet", "yet"));
	TELL(rename("was/.", "x"));
	TELL(rename("yet", "c"));
	show("c");
	TELL(mkdir("into", 0755));
	TELL(rename("was", "into"));
	TELL(rename("into", "into"));
	TELL(mkdir("into/sub", 0755));
	TELL(mkdir("other", 0755));
	TELL(rename("into/sub", "other/moved"));
	TELL(rename("other", "into"));
	show("into");
	show("into/moved/..");
	TELL(rmdir("into/moved"));
	TELL(rmdir("into"));
	TELL(unlink("s"));
}

static void times(void)
{
	struct timespec when[2] = { { 1000, 5 }, { 2000, 6 } };
	struct stat about;

	TELL(utimensat(AT_FDCWD, "c", when, 0));
	stat("c", &about);
	printf("times %ld %ld\n", (long)about.st_atime, (long)about.st_mtime);
	when[0].tv_nsec = UTIME_OMIT;
	when[1].tv_nsec = 2000000000;
	TELL(utimensat(AT_FDCWD, "c", when, 0));
	TELL(utimensat(AT_FDCWD, "none", NULL, 0));
	make("c", O_WRONLY, "x");
	stat("c", &about);
	printf("new %d\n", about.st_mtime > 2000);
	TELL(unlink("c"));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void listing(void)
{
	struct dirent **entries;
	int count;

	TELL(mkdir("many", 0755));
	for (int i = 0; i < 200; i++) {
		char name[64];

		sprintf(name, "many/%d-of-two-hundred", i);
		close(open(name, O_CREAT | O_WRONLY, 0644));
	}
	count = scandir("many", &entries, NULL, by_name);
	printf("%d entries, %s, %s, %s\n", count, entries[0]->d_name,
	       entries[1]->d_name, entries[count - 1]->d_name);
	/* What is listed can be removed on the way. */
	DIR *directory = opendir("many");
	struct dirent *entry;
	int removed = 0;
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			removed += unlinkat(dirfd(directory), entry->d_name,
					    0) == 0;
	closedir(directory);
	printf("removed %d\n", removed);
	TELL(rmdir("many"));
}

static void descriptors(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0644), high;
	struct iovec vector[2] = { { "one ", 4 }, { "two", 3 } };
	struct iovec bad[2] = { { "three", 5 }, { "", -1 } };

	TELL(fcntl(fd, F_GETFD));
	TELL(fcntl(fd, F_SETFD, 0));
	TELL(fcntl(fd, F_GETFD));
	TELL(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND));
	TELL(fcntl(fd, F_SETFL, O_APPEND));
	TELL(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND));
	high = TELL(fcntl(fd, F_DUPFD_CLOEXEC, 20));
	TELL(fcntl(high, F_GETFD));
	TELL(dup3(fd, fd, 0));
	TELL(dup3(fd, 30, O_CLOEXEC));
	TELL(fcntl(30, F_GETFD));
	TELL(fcntl(99, F_GETFD));
	TELL(writev(fd, vector, 2));
	TELL(writev(fd, bad, 2));
	TELL(writev(-1, bad, 0));
	show("f");
	close(30);
	close(high);
	close(fd);
	TELL(unlink("f"));
}

/* What F_GETFL tells, where the C library does not add to what is asked for. */
static void told_flags(void)
{
	static const int flags[] = {
		O_RDONLY,  O_WRONLY, O_RDWR,   O_APPEND,   O_NONBLOCK,
		O_SYNC,    O_DSYNC,  O_NOCTTY, O_NOFOLLOW, O_NOATIME,
		O_CLOEXEC, O_TRUNC,  O_CREAT,  1 << 27,
	};
	int ends[2];

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		int fd = syscall(SYS_open, "told", flags[i] | O_CREAT, 0600);

		printf("opened %#o: %#o\n", flags[i], fcntl(fd, F_GETFL));
		close(fd);
	}
	TELL(unlink("told"));
	TELL(fcntl(syscall(SYS_open, ".", O_DIRECTORY), F_GETFL));
	pipe2(ends, O_NONBLOCK | O_CLOEXEC);
	TELL(fcntl(ends[0], F_GETFL));
	TELL(fcntl(ends[1], F_GETFL));
}

static void a_copy(const char *program)
{
	int fd = open(program, O_RDONLY), copy, status;
	char buffer[5000];
	ssize_t n;

	copy = open("copy", O_WRONLY | O_CREAT, 0755);
	while ((n = read(fd, buffer, sizeof buffer)) > 0)
		write(copy, buffer, n);
	close(fd);
	close(copy);
	fflush(stdout);
	if (fork() == 0) {
		execl("copy", "copy", NULL);
		_exit(99);
	}
	wait(&status);
	printf("a copy runs: %x\n", status);
	TELL(chmod("copy", 0644));
	TELL(execl("copy", "copy", NULL));
	TELL(unlink("copy"));
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 7;
	if (chdir(argv[1]) < 0)
		return 2;
	umask(022);
	opening();
	sizes();
	directories();
	links();
	moves();
	times();
	listing();
	descriptors();
	told_flags();
	a_copy(argv[0]);
	return 0;
}
