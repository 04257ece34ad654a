/*
 * Until there is no more room: a fork that cannot be made says so, and nothing
 * stays behind.
 *
 * usage: fork_limits table|memory|many COUNT
 */
#include "fork.h"

/* Forks children that wait at a pipe until one is refused, then lets all go. */
static void fill_table(void)
{
	int fds[2];
	long pid, count = 0, gone = 0;
	char c;

	pipe(fds);
	while ((pid = fork()) > 0 && count < 500)
		count++;
	if (pid == 0) {
		close(fds[1]);
		read(fds[0], &c, 1);
		exit(0);
	}
	FACT("made", count);
	FACT("refusal", pid);
	close(fds[1]);
	while (gone <= count && wait4(-1, NULL, 0, NULL) > 0)
		gone++;
	FACT("gone", gone);
	close(fds[0]);
}

static void table(void)
{
	for (int i = 0; i < 3; i++) {
		fill_table();
		FACT("free", (long)free_pages());
	}
}

/* fork, and wait4 in the parent, with no access to memory in between, neither
 * by the parent nor by the child: where there is no page left, a write to a
 * shared one could not be served. */
__attribute__((noipa)) static long fork_and_wait(void)
{
	long result;

	asm volatile("movl %1, %%eax\n\t"
		     "syscall\n\t"
		     "movq %%rax, %%rbx\n\t"
		     "movq %%rax, %%rdi\n\t"
		     "testq %%rax, %%rax\n\t"
		     "js 2f\n\t"
		     "jnz 1f\n\t"
		     "movl %2, %%eax\n\t" /* the child: exit(0) */
		     "syscall\n"
		     "1:\tmovl %3, %%eax\n\t"
		     "xorl %%esi, %%esi\n\t"
		     "xorl %%edx, %%edx\n\t"
		     "xorl %%r10d, %%r10d\n\t"
		     "syscall\n"
		     "2:\tmovq %%rbx, %0"
		     : "=r"(result)
		     : "i"(SYS_fork), "i"(SYS_exit), "i"(SYS_wait4)
		     : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r10", "r11",
		       "memory");
	return result;
}

/* What became of the forks with little memory; the host reads it. Until then
 * each word is -1. */
static struct {
	long before, result, after;
} results[64];

/* Leaves fewer and fewer pages free, and forks. Pages come when they are
 * touched; a page table, too, must be had for 512 of them. */
static void memory(void)
{
	unsigned long all = free_pages(), touched = 0;
	long count = 0;
	volatile char *more = map_pages(all);

	memset(results, 0xff, sizeof(results)); /* its pages come now */
	FACT("at first", fork_and_wait());
	/* One page in 256 goes to the tables of the others, and a few more. */
	while (touched < all - all / 256 - 60)
		more[touched++ * PAGE_SIZE] = 1;
	while (free_pages() > 26) /* a fork takes fifteen */
		more[touched++ * PAGE_SIZE] = 1;
	for (; count < 60; count++) {
		results[count].before = (long)free_pages();
		FACT("try", results[count].before);
		results[count].result = fork_and_wait();
		results[count].after = (long)free_pages();
		if (results[count].before <= 1)
			break;
		more[touched++ * PAGE_SIZE] = 1;
	}
	munmap((void *)more, all * PAGE_SIZE);
	FACT("at last", fork_and_wait());
	FACT("try", 0); /* the last result is there */
}

/* Fork, end, wait, many times. The first rounds are not counted: they make
 * what then stays. */
static void many(unsigned long times)
{
	unsigned long before = 0;
	long right = 0;

	for (unsigned long i = 0; i < times + 2; i++) {
		long pid = fork_or_end();

		if (pid == 0)
			exit((int)(i & 0x7f));
		right += wait_for(pid) == (long)(i & 0x7f) << 8;
		if (i == 1)
			before = free_pages();
	}
	FACT("right", right - 2);
	FACT("before", (long)before);
	FACT("after", (long)free_pages());
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned long times = 0;

	if (argc > 2)
		parse_number(argv[2], &times);
	if (strcmp(what, "table") == 0)
		table();
	else if (strcmp(what, "memory") == 0)
		memory();
	else if (strcmp(what, "many") == 0)
		many(times);
	return 0;
}
