/*
 * Files until there is no room for more: what was taken is there, what was not is
 * said, and all of it is given back. Not for a host, whose disk it would fill.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE      4096
#define FILES     100
#define FILE_SIZE 1000003L /* at most; no multiple of anything */
#define ARCHIVED  "/etc/motd"

static char bytes[10007], read_back[10007];
static int failed;

static void check(const char *what, bool held)
{
	printf("%s: %s\n", what, held ? "ok" : "WRONG");
	failed += !held;
}

static unsigned long free_memory(void)
{
	struct sysinfo info;

	sysinfo(&info);
	return info.freeram * info.mem_unit;
}

static char *name_of(int number)
{
	static char name[32];

	sprintf(name, "/tmp/full%d", number);
	return name;
}

/* Each file's bytes are its own. */
static char byte_of(int number, long at)
{
	return (char)(number * 31 + at % 251);
}

/* How many bytes of a file were taken; the error that ended it, or 0. */
static long fill(int number, int *error)
{
	int fd = open(name_of(number), O_WRONLY | O_CREAT | O_EXCL, 0600);
	long done = 0, n = 0;

	while (fd >= 0 && done < FILE_SIZE) {
		for (long i = 0; i < (long)sizeof(bytes); i++)
			bytes[i] = byte_of(number, done + i);
		n = write(fd, bytes, sizeof(bytes));
		if (n < 0)
			break;
		done += n;
	}
	*error = fd < 0 || n < 0 ? errno : 0;
	close(fd);
	return done;
}

static int in_a_child(int (*body)(void));

static bool is_as_written(int number, long size)
{
	int fd = open(name_of(number), O_RDONLY);
	long done = 0, n;
	bool right = true;

	while ((n = read(fd, read_back, sizeof(read_back))) > 0) {
		for (long i = 0; i < n; i++)
			right &= read_back[i] == byte_of(number, done + i);
		done += n;
	}
	close(fd);
	return right && done == size;
}

/* With no page to be had, what would take one fails, and has changed nothing. */
static void try_more(int last, int empty)
{
	int fd = open(name_of(last), O_RDWR), archived;
	long size = lseek(fd, 0, SEEK_END), n;
	struct stat before, after;
	struct statfs space;

	check("a hole needs no page", ftruncate(fd, size + 10 * PAGE) == 0);
	check("a byte in it does",
	      pwrite(fd, "x", 1, size + 5 * PAGE) == -1 && errno == ENOSPC);
	check("the hole goes", ftruncate(fd, size) == 0);

	archived = open(ARCHIVED, O_RDWR);
	n = read(archived, bytes, sizeof(bytes));
	stat(ARCHIVED, &before);
	check("a file of the archive's that has no page yet",
	      pwrite(archived, "x", 1, 0) == -1 && errno == ENOSPC);
	stat(ARCHIVED, &after);
	check("it is as it was",
	      before.st_size == after.st_size &&
		      pread(archived, read_back, sizeof(read_back), 0) == n &&
		      memcmp(bytes, read_back, (size_t)n) == 0);

	lseek(archived, 0, SEEK_SET);
	check("a new file", open("/tmp/new", O_WRONLY | O_CREAT, 0600) == -1 &&
				    errno == ENOSPC);
	check("sendfile",
	      sendfile(empty, archived, NULL, 1) == -1 && errno == ENOSPC);
	check("and has read nothing", lseek(archived, 0, SEEK_CUR) == 0);
	check("statfs knows",
	      statfs("/tmp", &space) == 0 && space.f_bfree == 0);
	close(archived);
	close(fd);
}

/* An eighth of the memory is not for files. */
static int become_true(void)
{
	execl("/bin/true", "true", NULL);
	return 1;
}

static void try_programs(void)
{
	check("programs start", in_a_child(become_true) == 0);
}

/* What is cut off makes room: for the program's own pages, too. The first file is
 * one of the long ones. */
static void try_again(void)
{
	int fd = open(name_of(0), O_RDWR), other;
	long size = lseek(fd, 0, SEEK_END);

	check("cut by some pages", ftruncate(fd, size - 50 * PAGE) == 0);
	other = open("/tmp/other", O_WRONLY | O_CREAT, 0600);
	check("there is room for one", write(other, "x", 1) == 1);
	close(other);
	unlink("/tmp/other");
	close(fd);
}

/* As a program of its own, so that its own memory goes with it. */
static int fill_all(void)
{
	long sizes[FILES];
	int last, error = 0;
	int empty = open("/tmp/empty", O_WRONLY | O_CREAT, 0600);
	bool right = true;

	for (last = -1; error == 0 && last + 1 < FILES;) {
		last++;
		sizes[last] = fill(last, &error);
	}
	printf("%d files\n", last + 1);
	check("it is said", error == ENOSPC);
	try_more(last, empty);
	try_programs();
	for (int i = 0; i <= last; i++)
		right &= is_as_written(i, sizes[i]);
	check("all that was taken is there", right);
	try_again();
	for (int i = 0; i <= last; i++)
		unlink(name_of(i));
	close(empty);
	unlink("/tmp/empty");
	return failed;
}

static int in_a_child(int (*body)(void))
{
	int status = -1;

	fflush(stdout);
	if (fork() == 0) {
		int result = body();

		fflush(stdout);
		_exit(result > 0);
	}
	wait(&status);
	return status;
}

static int nothing(void)
{
	return 0;
}

int main(void)
{
	struct utsname name;
	unsigned long before;

	if (uname(&name) < 0 || strcmp(name.sysname, "Threshold") != 0)
		return 2;
	check("a child that does nothing", in_a_child(nothing) == 0);
	before = free_memory();
	check("one that fills the disk", in_a_child(fill_all) == 0);
	check("all is given back", free_memory() == before);
	return failed > 0;
}
