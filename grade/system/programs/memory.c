/*
 * Memory as a program sees it: brk up and down, mappings split by munmap and
 * mprotect, and pages that are copied when either side of a fork writes.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE  4096
#define PAGES 64

/* The signal that ends a child which touches the address, or 0. */
static int touch(volatile char *address, int write)
{
	int status;

	fflush(stdout);
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

static char *map(size_t pages, int protection)
{
	return mmap(NULL, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
}

static void holes(void)
{
	char *area = map(PAGES, PROT_READ | PROT_WRITE);

	for (int i = 0; i < PAGES; i++)
		area[i * PAGE] = i;
	munmap(area + 10 * PAGE, 5 * PAGE);
	printf("around a hole: %d %d %d %d\n", touch(area + 9 * PAGE, 0),
	       touch(area + 10 * PAGE, 0), touch(area + 14 * PAGE, 0),
	       touch(area + 15 * PAGE, 0));
	printf("contents stay: %d %d\n", area[9 * PAGE], area[15 * PAGE]);

	char *again = mmap(area + 10 * PAGE, PAGE, PROT_READ,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	printf("in the hole: %d, zero %d\n", again == area + 10 * PAGE, *again);

	char *over = mmap(area, 2 * PAGE, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	printf("over what was there: %d %d %d\n", over == area, area[PAGE],
	       area[2 * PAGE]);
	printf("munmap of all: %d\n", munmap(area, PAGES * PAGE));
	printf("munmap of nothing there: %d\n", munmap(area, PAGES * PAGE));
}

static void protections(void)
{
	char *area = map(8, PROT_READ | PROT_WRITE);

	memset(area, 7, 8 * PAGE);
	mprotect(area + 2 * PAGE, 2 * PAGE, PROT_READ);
	mprotect(area + 5 * PAGE, PAGE, PROT_NONE);
	for (int i = 0; i < 8; i++) {
		int read = touch(area + i * PAGE, 0);
		int write = touch(area + i * PAGE, 1);
		printf("page %d: read %d, write %d\n", i, read, write);
	}
	mprotect(area, 8 * PAGE, PROT_READ | PROT_WRITE);
	printf("and back: %d %d %d\n", area[2 * PAGE], area[5 * PAGE],
	       touch(area + 5 * PAGE, 1));

	/* An instruction, ret, where it may run and where it may not. */
	unsigned char *code = (unsigned char *)map(1, PROT_READ | PROT_WRITE);
	code[0] = 0xc3;
	mprotect(code, PAGE, PROT_READ | PROT_EXEC);
	((void (*)(void))(uintptr_t)code)();
	printf("code ran, and is read-only: %d\n", touch((char *)code, 1));
}

static int set_brk(char *end)
{
	return (char *)syscall(SYS_brk, end) == end;
}

static void breaks(void)
{
	/* The C library has no brk: its heap is its own. */
	char *start = (char *)syscall(SYS_brk, 0);

	start = (char *)(((uintptr_t)start + PAGE - 1) & -PAGE);
	set_brk(start + 10 * PAGE);
	memset(start, 9, 10 * PAGE);
	printf("brk down: %d\n", set_brk(start + PAGE));
	printf("below and above: %d %d\n", touch(start, 1),
	       touch(start + 3 * PAGE, 1));
	set_brk(start + 10 * PAGE);
	printf("and up again, zero: %d %d\n", start[0], start[5 * PAGE]);
	printf("brk below its start: %d\n", set_brk((char *)PAGE));
}

static void copies(void)
{
	int *numbers = (int *)map(PAGES, PROT_READ | PROT_WRITE);
	int child_reads[2], parent_writes[2], status;
	char go = 0;

	for (int i = 0; i < PAGES * PAGE / 4; i++)
		numbers[i] = i;
	pipe(child_reads);
	pipe(parent_writes);
	fflush(stdout);
	if (fork() == 0) {
		unsigned sum = 0;
		read(child_reads[0], &go, 1); /* the parent has written */
		for (int i = 0; i < PAGES * PAGE / 4; i++) {
			sum = sum * 31 + numbers[i];
			numbers[i] = -1;
		}
		write(parent_writes[1], &sum, sizeof sum);
		_exit(0);
	}
	unsigned theirs, ours = 0;
	for (int i = 0; i < PAGES * PAGE / 4; i += 1024)
		numbers[i] = -2;
	write(child_reads[1], &go, 1);
	read(parent_writes[0], &theirs, sizeof theirs);
	wait(&status);
	for (int i = 0; i < PAGES * PAGE / 4; i++)
		ours = ours * 31 + numbers[i];
	printf("child saw %08x, parent has %08x\n", theirs, ours);
}

static int deep(int depth)
{
	volatile char frame[1024];

	memset((char *)frame, depth, sizeof frame);
	return depth == 0 ? frame[5] : deep(depth - 1) + frame[7] - frame[7];
}

int main(void)
{
	holes();
	protections();
	breaks();
	copies();
	printf("a stack of 4 MB: %d\n", deep(4096));
	return 0;
}
