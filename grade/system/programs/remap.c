/*
 * mremap: ranges that become larger and smaller, where they are or elsewhere, with
 * what is in them. One line for each thing seen. The argument is a directory.
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
#define RW    (PROT_READ | PROT_WRITE)
#define ANON  (MAP_PRIVATE | MAP_ANONYMOUS)
#define FIXED ((char *)0x20000000) /* where nothing else is */
#define HUGE  (1L << 46)

static char *map_at(char *place, int pages, int flags)
{
	return mmap(place, (size_t)pages * PAGE, RW, flags | MAP_FIXED, -1, 0);
}

static char *move(char *place, int pages, int more, int flags)
{
	return (char *)syscall(SYS_mremap, place, (long)pages * PAGE,
			       (long)more * PAGE, flags);
}

/* A number in each page. */
static void fill(char *place, int pages)
{
	for (int i = 0; i < pages; i++)
		*(int *)(place + i * PAGE) = i + 1;
}

static void show(const char *what, const char *place, int pages)
{
	printf("%s:", what);
	for (int i = 0; i < pages; i++)
		printf(" %d", *(const int *)(place + i * PAGE));
	printf("\n");
}

/* The signal that ends a child which reads the address, or 0. */
static int touch(volatile char *address)
{
	int status;

	fflush(stdout);
	if (fork() == 0) {
		(void)*address;
		_exit(0);
	}
	wait(&status);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void in_place(void)
{
	char *there = map_at(FIXED, 3, ANON);

	fill(there, 3);
	printf("larger: %d\n", move(there, 3, 5, 0) == there);
	show("it is there", there, 5);
	fill(there, 5);
	printf("smaller: %d\n", move(there, 5, 2, 0) == there);
	show("it is there", there, 2);
	printf("what is cut off: signal %d\n", touch(there + 2 * PAGE));
	printf("again: %d\n", move(there, 2, 3, 0) == there);
	show("with zeros", there, 3);
	printf("the same: %d\n", move(there, 3, 3, 0) == there);
	munmap(there, 3 * PAGE);
}

static void elsewhere(void)
{
	char *there = map_at(FIXED, 4, ANON), *now;

	map_at(FIXED + 4 * PAGE, 1, MAP_SHARED | MAP_ANONYMOUS);
	fill(there, 4);
	if (move(there, 4, 6, 0) == MAP_FAILED)
		printf("in the way: %s\n", strerror(errno));
	now = move(there, 4, 6, MREMAP_MAYMOVE);
	printf("moved: %d\n", now != there && now != MAP_FAILED);
	show("it is there", now, 6);
	printf("and not here: signal %d\n", touch(there));
	/* A part from the middle. */
	there = move(now + PAGE, 2, 3, MREMAP_MAYMOVE);
	show("a part", there, 3);
	printf("the hole: signal %d\n", touch(now + PAGE));
	printf("before and after: %d %d\n", *now, *(now + 3 * PAGE));
	munmap(now, 6 * PAGE);
	munmap(there, 3 * PAGE);
	munmap(FIXED, 5 * PAGE);
}

/* A child has its own copy, whoever moved it. */
static void after_fork(void)
{
	char *there = map_at(FIXED, 2, ANON);

	map_at(FIXED + 2 * PAGE, 1, MAP_SHARED | MAP_ANONYMOUS);
	fill(there, 2);
	fflush(stdout);
	if (fork() == 0) {
		char *now = move(there, 2, 3, MREMAP_MAYMOVE);

		*now = 7;
		show("the child's", now, 3);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	show("the parent's", there, 2);
	munmap(FIXED, 3 * PAGE);
}

static void of_files(const char *directory)
{
	char name[256], *there, *now;
	int fd;

	snprintf(name, sizeof(name), "%s/remapped", directory);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	unlink(name);
	ftruncate(fd, 6 * PAGE);
	for (int i = 0; i < 6; i++)
		pwrite(fd, &i, sizeof(i), i * PAGE);
	there = mmap(FIXED, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, PAGE);
	show("of a file", there, 2);
	now = move(there, 2, 4, 0);
	show("more of it", now, 4);
	map_at(FIXED + 4 * PAGE, 1, MAP_SHARED | MAP_ANONYMOUS);
	now = move(there, 4, 6, MREMAP_MAYMOVE);
	show("moved", now, 5);
	printf("beyond its end: signal %d\n", touch(now + 5 * PAGE));
	*(int *)now = 50;
	pread(fd, name, sizeof(int), PAGE);
	printf("what is written there is in the file: %d\n", *(int *)name);
	munmap(now, 6 * PAGE);
	munmap(FIXED, 5 * PAGE);
	close(fd);
}

/* What is shared without a file stays shared, and has its first size. */
static void of_a_family(void)
{
	char *there = map_at(FIXED, 2, MAP_SHARED | MAP_ANONYMOUS), *now;

	map_at(FIXED + 2 * PAGE, 1, ANON);
	now = move(there, 2, 3, MREMAP_MAYMOVE);
	fflush(stdout);
	if (fork() == 0) {
		fill(now, 2);
		_exit(0);
	}
	wait(NULL);
	show("the child wrote", now, 2);
	printf("beyond: signal %d\n", touch(now + 2 * PAGE));
	munmap(now, 3 * PAGE);
	munmap(FIXED, 3 * PAGE);
}

/* What a program's library does with a large block. */
static void of_the_library(void)
{
	int *numbers = NULL;
	long wrong = 0;

	for (int count = 1000; count < 3000000; count *= 3) {
		numbers = realloc(numbers, (size_t)count * sizeof(int));
		for (int i = count / 3; i < count; i++)
			numbers[i] = i;
	}
	for (int i = 400; i < 2000000; i++)
		wrong += numbers[i] != i;
	printf("wrong after realloc: %ld\n", wrong);
	free(numbers);
}

#define TELL(address, from, to, flags) \
	tell(#address ", " #from ", " #to ", " #flags, address, from, to, flags)

static void tell(const char *what, char *address, long from, long to, int flags)
{
	long result = syscall(SYS_mremap, address, from, to, flags);

	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "works");
}

static void errors(void)
{
	char *there = map_at(FIXED, 3, ANON);

	TELL(there + 1, PAGE, PAGE, 0);
	TELL(there, 0, PAGE, 0);
	TELL(there, 0, PAGE, MREMAP_MAYMOVE);
	TELL(there, PAGE, 0, 0);
	TELL(there, PAGE, PAGE, 8);
	TELL(there, PAGE, PAGE, MREMAP_FIXED);
	TELL(there, PAGE, 1L << 47, MREMAP_MAYMOVE);
	TELL(there, 1L << 50, PAGE, 0);
	TELL(there, PAGE, 2 * PAGE, 0);
	TELL(there, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);
	TELL((char *)PAGE, PAGE, PAGE, 0);
	TELL((char *)PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	TELL((char *)PAGE, 2 * PAGE, PAGE, MREMAP_MAYMOVE);
	TELL(there, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE);
	munmap(there + PAGE, PAGE);
	TELL(there + 2 * PAGE, PAGE, PAGE - 1, 0);
	TELL(there, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
	TELL(there, 3 * PAGE, 1, 0);
	munmap(there, 3 * PAGE);
}

/* The kernel looks at what is there, not at all that could be. */
static void much(void)
{
	char *there = mmap(NULL, HUGE, PROT_READ, ANON | MAP_NORESERVE, -1, 0),
	     *now;

	mprotect(there + HUGE / 2, PAGE, RW);
	there[HUGE / 2] = 5;
	mprotect(there + HUGE / 2, PAGE, PROT_READ);
	mmap(there + HUGE / 2 + PAGE, PAGE, PROT_READ,
	     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	now = (char *)syscall(SYS_mremap, there, HUGE / 2 + PAGE,
			      HUGE / 2 + 2 * PAGE, MREMAP_MAYMOVE);
	printf("half of all: %d, %d\n", now != MAP_FAILED,
	       now == MAP_FAILED ? 0 : now[HUGE / 2]);
}

int main(int argc, char **argv)
{
	(void)argc;
	in_place();
	elsewhere();
	after_fork();
	of_files(argv[1]);
	of_a_family();
	of_the_library();
	errors();
	much();
	return 0;
}
