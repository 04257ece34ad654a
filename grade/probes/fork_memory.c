/*
 * Who sees what somebody writes after a fork? Six places: a variable with a
 * value in the program's file, the first and the last page of a long array, the
 * heap, mapped memory and the stack. Every place is written and read by both
 * sides just before the fork, so that the CPU remembers that it may.
 *
 * usage: fork_memory SEED parent|child|three|kernel|mappings|rights
 */
#include "fork.h"

#define PAGES 300 /* of the long array: its ends lie under different tables */

static uint64_t data = 1;
static uint64_t array[PAGES * PAGE_SIZE / 8];
static uint64_t *heap, *mapped, *on_stack;

static int to_first[2], to_parent[2];

static void tell(int *turn)
{
	write(turn[1], "", 1);
}

static void await(int *turn)
{
	char c;

	read(turn[0], &c, 1);
}

/* Each place has its name, by which the host asks. */
#define FOR_EACH_PLACE(DO)                           \
	DO("data", data)                             \
	DO("first", array[0])                        \
	DO("last", array[PAGES * PAGE_SIZE / 8 - 1]) \
	DO("heap", *heap)                            \
	DO("mapped", *mapped)                        \
	DO("stack", *on_stack)

#define TELL(name, place) FACT(name, *(volatile long *)&(place));

static void write_all_places(uint64_t value)
{
#define SET(name, place) *(volatile uint64_t *)&(place) = value++;
	FOR_EACH_PLACE(SET)
}

static void tell_all_places(const char *who)
{
	FACT("begin", *who);
	FOR_EACH_PLACE(TELL)
}

/* The parent writes at once, with no call in between; then the child looks. */
static void parent_first(uint64_t value)
{
	long pid;

	write_all_places(value);
	pid = fork_or_end();
	if (pid == 0) {
		await(to_first);
		tell_all_places("child");
		exit(0);
	}
	write_all_places(value + 100);
	tell(to_first);
	wait_for(pid);
	tell_all_places("parent");
}

/* The child writes; then the parent looks and writes; then the child looks. */
static void child_first(uint64_t value)
{
	long pid;

	write_all_places(value);
	pid = fork_or_end();
	if (pid == 0) {
		write_all_places(value + 200);
		tell(to_parent);
		await(to_first);
		tell_all_places("child");
		exit(0);
	}
	await(to_parent);
	tell_all_places("parent");
	write_all_places(value + 100);
	tell(to_first);
	wait_for(pid);
}

/* Two children share the parent's pages. The second writes and ends, then the
 * parent writes; the first has what there was. */
static void three(uint64_t value)
{
	long first, second;

	write_all_places(value);
	first = fork_or_end();
	if (first == 0) {
		await(to_first);
		tell_all_places("first");
		exit(0);
	}
	second = fork_or_end();
	if (second == 0) {
		write_all_places(value + 200);
		tell_all_places("second");
		exit(0);
	}
	wait_for(second);
	write_all_places(value + 100);
	tell(to_first);
	wait_for(first);
	tell_all_places("parent");
}

/* The kernel writes, for read(2), into a page that both share. */
static void kernel_writes(uint64_t value)
{
	uint64_t other = value + 200;
	long pid;

	write_all_places(value);
	write(to_first[1], &other, sizeof(other));
	pid = fork_or_end();
	if (pid == 0) {
		read(to_first[0], heap, sizeof(other));
		tell_all_places("child");
		exit(0);
	}
	wait_for(pid);
	tell_all_places("parent");
}

/* What a child does to its own address space. */
static void mappings(uint64_t value)
{
	long end = brk(NULL), pid;

	write_all_places(value);
	pid = fork_or_end();
	if (pid == 0) {
		munmap(mapped, PAGE_SIZE);
		mprotect(heap, PAGE_SIZE, PROT_READ);
		FACT("grown",
		     brk((void *)(end + PAGE_SIZE)) == end + PAGE_SIZE);
		exit(0);
	}
	FACT("status", wait_for(pid));
	FACT("end", brk(NULL) - end);
	write_all_places(value + 100);
	tell_all_places("parent");
}

static int write_to(long address)
{
	*(volatile char *)address = 1;
	return 0;
}

static int jump_to(long address)
{
	((void (*)(void))address)();
	return 0;
}

/* What may be done with a page is the same in the child: the statuses of
 * children that write, and that run it. */
static void rights(void)
{
	char *constant = map_pages(1), *fresh = map_pages(1);

	constant[0] = fresh[0] = (char)0xc3; /* ret */
	mprotect(constant, PAGE_SIZE, PROT_READ);
	FACT("constant", run_child(write_to, (long)constant));
	FACT("code", run_child(write_to, (long)write_to & -PAGE_SIZE));
	FACT("fresh", run_child(write_to, (long)fresh));
	FACT("run data", run_child(jump_to, (long)fresh));
	FACT("run code", run_child(jump_to, (long)sched_yield));
	FACT("page 0", run_child(write_to, 0));
}

int main(int argc, char **argv)
{
	uint64_t value = seed_of(argc, argv), stack_place;
	long end = (brk(NULL) + PAGE_SIZE - 1) & -PAGE_SIZE;
	const char *what = argc > 2 ? argv[2] : "";

	on_stack = &stack_place;
	heap = (uint64_t *)end;
	if (brk((void *)(end + PAGE_SIZE)) != end + PAGE_SIZE)
		return 2;
	mapped = map_pages(1);
	pipe(to_first);
	pipe(to_parent);
	if (strcmp(what, "parent") == 0)
		parent_first(value);
	else if (strcmp(what, "child") == 0)
		child_first(value);
	else if (strcmp(what, "three") == 0)
		three(value);
	else if (strcmp(what, "kernel") == 0)
		kernel_writes(value);
	else if (strcmp(what, "mappings") == 0)
		mappings(value);
	else if (strcmp(what, "rights") == 0)
		rights();
	return 0;
}
