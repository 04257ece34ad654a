/*
 * What can lie in memory besides memory of one's own: memory that a family
 * shares, and files, for oneself or for all. The argument is a directory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE  4096
#define PAGES 20 /* more than a file's inode names by itself */
#define SIZE  (PAGES * PAGE)
#define RW    (PROT_READ | PROT_WRITE)

static const char *directory;

static char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void *map(size_t size, int prot, int flags, int fd, long offset)
{
	return mmap(NULL, size, prot, flags, fd, offset);
}

static const char *error_of(void *address)
{
	return address == MAP_FAILED ? strerror(errno) : "none";
}

/* The signal that ends a child which touches the address, or 0. */
static int touch(volatile char *address, int write)
{
	int status;

	if (fork() == 0) {
		if (write)
			*address = 1;
		else
			(void)*address;
		_exit(0);
	}
	wait(&status);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* A child does it, and is waited for. */
#define IN_CHILD(...)                \
	do {                         \
		if (fork() == 0) {   \
			__VA_ARGS__; \
			_exit(0);    \
		}                    \
		wait(NULL);          \
	} while (0)

static void shared_memory(void)
{
	int *shared = map(SIZE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int *mine = map(SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	shared[0] = mine[0] = 1;
	IN_CHILD(shared[0] = 2; mine[0] = 2; shared[SIZE / 4 - 1] = 3;
		 IN_CHILD(shared[PAGE] = 4));
	printf("shared: %d %d %d, mine: %d\n", shared[0], shared[SIZE / 4 - 1],
	       shared[PAGE], mine[0]);
	mprotect(shared, PAGE, PROT_READ);
	IN_CHILD(shared[PAGE] = 5);
	printf("read-only: %d, the next page: %d\n", touch((char *)shared, 1),
	       shared[PAGE]);
	mprotect(shared, PAGE, RW);
	IN_CHILD(shared[0] = 6);
	printf("again: %d\n", shared[0]);
	munmap(shared + PAGE / 4, PAGE);
	IN_CHILD(shared[0] = 7; shared[PAGE / 2] = 8);
	printf("around a hole: %d %d, in it: %d\n", shared[0], shared[PAGE / 2],
	       touch((char *)(shared + PAGE / 4), 0));
	printf("both at once: %s\n",
	       error_of(map(PAGE, RW, MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0)));
	munmap(shared, SIZE);
	munmap(mine, SIZE);
}

/* A new file of SIZE bytes less 100, each page with its number. */
static int make_file(void)
{
	static char bytes[SIZE];
	int fd = open(path_of("mapped"), O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (int i = 0; i < SIZE; i++)
		bytes[i] = i / PAGE + 1;
	write(fd, bytes, SIZE - 100);
	return fd;
}

static char read_at(int fd, long offset)
{
	char c = -1;

	pread(fd, &c, 1, offset);
	return c;
}

static void private_files(int fd)
{
	char *all = map(SIZE, RW, MAP_PRIVATE, fd, 0);
	char *part = map(2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 9 * PAGE);

	printf("all: %d %d %d, part: %d %d\n", all[0], all[7 * PAGE],
	       all[SIZE - 101], part[0], part[PAGE]);
	printf("after the end: %d %d\n", all[SIZE - 100], all[SIZE - 1]);
	all[0] = all[8 * PAGE] = 99;
	IN_CHILD(all[PAGE] = 98);
	printf("written: %d %d %d, in the file: %d %d\n", all[0], all[8 * PAGE],
	       all[PAGE], read_at(fd, 0), read_at(fd, 8 * PAGE));
	pwrite(fd, "!", 1, 8 * PAGE + 1);
	printf("a copy stays: %d\n", all[8 * PAGE + 1]);
	printf("not to be written: %d\n", touch(part, 1));
	mprotect(part, PAGE, RW);
	part[0] = 97;
	printf("now it is: %d, in the file: %d\n", part[0],
	       read_at(fd, 9 * PAGE));
	printf("forgotten: %d, ", madvise(all, PAGE, MADV_DONTNEED));
	printf("as in the file: %d\n", all[0]);
	/* The kernel writes to it like the program. */
	pread(fd, all + 2 * PAGE, 1, PAGE);
	printf("by a call: %d, in the file: %d\n", all[2 * PAGE],
	       read_at(fd, 2 * PAGE));
	munmap(all, SIZE);
	munmap(part, 2 * PAGE);
}

static void shared_files(int fd)
{
	char *one = map(SIZE, RW, MAP_SHARED, fd, 0);
	char *two = map(2 * PAGE, PROT_READ, MAP_SHARED, fd, 10 * PAGE);

	one[10 * PAGE] = 96;
	printf("the other sees: %d, the file: %d\n", two[0],
	       read_at(fd, 10 * PAGE));
	pwrite(fd, "?", 1, 10 * PAGE);
	printf("and what is written: %d %d\n", one[10 * PAGE], two[0]);
	IN_CHILD(one[11 * PAGE] = 95);
	printf("and a child's: %d\n", two[PAGE]);
	printf("msync: %d\n", msync(one, SIZE, MS_SYNC));
	close(fd);
	unlink(path_of("mapped"));
	printf("without a name: %d\n", two[0]);
	munmap(one, SIZE);
	printf("still: %d\n", two[PAGE]);
	munmap(two, 2 * PAGE);
}

static void ends(void)
{
	int fd = open(path_of("short"), O_RDWR | O_CREAT, 0600);
	char *pages = map(3 * PAGE, RW, MAP_SHARED, fd, 0);

	printf("empty: %d\n", touch(pages, 0));
	ftruncate(fd, PAGE + 1);
	printf("two pages: %d %d %d\n", touch(pages, 0), touch(pages + PAGE, 1),
	       touch(pages + 2 * PAGE, 0));
	printf("the kernel's view: %zd ", write(fd, pages + 2 * PAGE, 1));
	printf("%s\n", strerror(errno));
	pages[0] = 9;
	printf("holes: %d %d\n", read_at(fd, 0), read_at(fd, PAGE));
	unlink(path_of("short"));
}

static void refusals(void)
{
	int reading = open(path_of("text"), O_RDONLY), pipes[2];
	int writing = open(path_of("other"), O_WRONLY);
	int place = open(directory, O_RDONLY);
	char *view = map(PAGE, PROT_READ, MAP_SHARED, reading, 0);

	pipe(pipes);
	printf("to write: %s\n",
	       error_of(map(PAGE, RW, MAP_SHARED, reading, 0)));
	printf("later: %d %s\n", mprotect(view, PAGE, RW), strerror(errno));
	printf("write only: %s\n",
	       error_of(map(PAGE, PROT_WRITE, MAP_PRIVATE, writing, 0)));
	printf("a directory: %s\n",
	       error_of(map(PAGE, PROT_READ, MAP_PRIVATE, place, 0)));
	printf("a pipe: %s\n",
	       error_of(map(PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0)));
	printf("nothing: %s\n",
	       error_of(map(0, PROT_READ, MAP_PRIVATE, reading, 0)));
	printf("no kind: %s\n", error_of(map(PAGE, PROT_READ, 0, reading, 0)));
	printf("half a page: %s\n",
	       error_of(map(PAGE, PROT_READ, MAP_PRIVATE, reading, 100)));
	printf("no file: %s\n",
	       error_of(map(PAGE, PROT_READ, MAP_PRIVATE, 99, 0)));
	close(reading);
	printf("still there: %d\n", view[0] != 0);
}

static void places(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	char *there = map(4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	printf("on what is there: %s\n",
	       error_of(mmap(there + PAGE, PAGE, RW, flags, -1, 0)));
	munmap(there + PAGE, PAGE);
	printf("in a gap: %d\n",
	       mmap(there + PAGE, PAGE, RW, flags, -1, 0) == there + PAGE);
	printf("askew: %s\n",
	       error_of(mmap(there + 1, PAGE, RW, flags, -1, 0)));
	/* What lies before a hole is changed, what lies after it is not. */
	munmap(there + 2 * PAGE, PAGE);
	printf("over a hole: %d ", mprotect(there, 4 * PAGE, PROT_READ));
	printf("%s\n", strerror(errno));
	printf("before: %d, after: %d\n", touch(there, 1),
	       touch(there + 3 * PAGE, 1));
	printf("madvise over a hole: %d ",
	       madvise(there, 4 * PAGE, MADV_DONTNEED));
	printf("%s\n", strerror(errno));
	printf("madvise: %d %d %d\n", madvise(there, PAGE, MADV_WILLNEED),
	       madvise(there + 1, PAGE, MADV_NORMAL), madvise(there, PAGE, 99));
	printf("munmap of nothing: %ld %ld\n", syscall(SYS_munmap, 0, PAGE),
	       syscall(SYS_munmap, 0, 0));
	printf("mprotect: %ld %ld %ld\n",
	       syscall(SYS_mprotect, there, 0, 0x1000),
	       syscall(SYS_mprotect, there, PAGE, 0x1000),
	       syscall(SYS_mprotect, there + 1, 0, 0));
}

/* Writing or executing implies reading, whatever was touched before. */
static void implied(void)
{
	char *written =
		map(PAGE, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *run = map(PAGE, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ends[2];

	pipe(ends);
	printf("write only: %d, by a call: %zd\n", touch(written, 0),
	       write(ends[1], written, 1));
	printf("execute only, by a call: %zd\n", write(ends[1], run, 1));
}

int main(int argc, char **argv)
{
	int fd;

	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	directory = argv[1];
	shared_memory();
	fd = make_file();
	private_files(fd);
	shared_files(fd);
	ends();
	refusals();
	places();
	implied();
	return 0;
}
