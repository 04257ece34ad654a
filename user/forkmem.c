/*
 * After fork, memory is shared until somebody writes, and nobody may notice.
 * What one process writes never shows in another: whoever writes first, in
 * data, heap, stack or mapped memory, with two processes or three, and also
 * when it is the kernel that writes, for read(2).
 */
#include <user.h>

#define PAGES 300 /* of the large array: its ends lie in different tables */

static long data = 1;                     /* in .data */
static long large[PAGES * PAGE_SIZE / 8]; /* in .bss */
static long *heap, *mapped;

/* A pipe to say "your turn" by. */
static int to_child[2], to_parent[2];

static void tell(int *turn)
{
	write(turn[1], "", 1);
}

static void await(int *turn)
{
	char c;

	read(turn[0], &c, 1);
}

/* The places to look at; the last is on the stack. */
#define PLACES 6

static void find_places(long **places, long *on_stack)
{
	long *all[PLACES] = {
		&data, &large[0], &large[PAGES * PAGE_SIZE / 8 - 1],
		heap,  mapped,    on_stack
	};

	memcpy(places, all, sizeof(all));
}

static void set_all(long **places, long value)
{
	for (int i = 0; i < PLACES; i++)
		*places[i] = value + i;
}

static bool all_are(long **places, long value)
{
	bool right = true;

	for (int i = 0; i < PLACES; i++)
		right &= *places[i] == value + i;
	return right;
}

static void check_parent_first(void)
{
	long *places[PLACES], on_stack;
	long pid;

	find_places(places, &on_stack);
	set_all(places, 100);
	pid = fork_or_exit();
	if (pid == 0) {
		await(to_child);
		exit(!all_are(places, 100));
	}
	set_all(places, 200);
	tell(to_child);
	check(wait_for(pid) == 0, "the parent writes, the child sees nothing");
	check(all_are(places, 200), "and the parent has what it wrote");
}

static void check_child_first(void)
{
	long *places[PLACES], on_stack;
	long pid;

	find_places(places, &on_stack);
	set_all(places, 300);
	pid = fork_or_exit();
	if (pid == 0) {
		set_all(places, 400);
		tell(to_parent);
		await(to_child);
		exit(!all_are(places, 400));
	}
	await(to_parent);
	check(all_are(places, 300),
	      "the child writes, the parent sees nothing");
	set_all(places, 500);
	tell(to_child);
	check(wait_for(pid) == 0, "and the child has what it wrote");
}

/* A page of three has one owner left only when two have written or ended. */
static void check_three(void)
{
	long *places[PLACES], on_stack;
	long first, second;

	find_places(places, &on_stack);
	set_all(places, 600);
	first = fork_or_exit();
	if (first == 0) {
		await(to_child);
		exit(!all_are(places, 600));
	}
	second = fork_or_exit();
	if (second == 0) {
		set_all(places, 700);
		exit(!all_are(places, 700));
	}
	check(wait_for(second) == 0, "three share; the second writes and ends");
	set_all(places, 800);
	tell(to_child);
	check(wait_for(first) == 0,
	      "then the parent writes, the first is safe");
	check(all_are(places, 800), "and the parent has what it wrote");
}

/* The page that read(2) fills is the child's own from then on. */
static void check_kernel_writes(void)
{
	static char text[64] = "the parent's";
	int fds[2];
	long pid;

	pipe(fds);
	write(fds[1], "the child's", 12);
	pid = fork_or_exit();
	if (pid == 0) {
		read(fds[0], text, sizeof(text));
		exit(strcmp(text, "the child's") != 0);
	}
	check(wait_for(pid) == 0, "read(2) fills the child's memory");
	check(strcmp(text, "the parent's") == 0, "and not the parent's");
	close(fds[0]);
	close(fds[1]);
}

/* Every page of the array, written by turns on both sides. */
static int count_wrong(long value)
{
	int wrong = 0;

	for (long i = 0; i < PAGES; i++)
		wrong += large[i * PAGE_SIZE / 8] != value + i;
	return wrong != 0;
}

static void fill(long value)
{
	for (long i = 0; i < PAGES; i++)
		large[i * PAGE_SIZE / 8] = value + i;
}

static int fill_and_count(long value)
{
	int wrong = count_wrong(1000);

	fill(value);
	return wrong | count_wrong(value);
}

static void check_many_pages(void)
{
	fill(1000);
	check(run_child(fill_and_count, 2000) == 0,
	      "300 pages: the child has its own");
	check(count_wrong(1000) == 0, "300 pages: the parent's are untouched");
}

/* What a child may do with its memory, it does not do to its parent's. */
static int change_mappings(long new_end)
{
	munmap(mapped, PAGE_SIZE);
	mprotect(heap, PAGE_SIZE, PROT_READ);
	return brk((void *)new_end) != new_end;
}

static int write_to(long address)
{
	*(volatile char *)address = 1;
	return 0;
}

static void check_mappings(void)
{
	long end = brk(NULL);
	char *constant = map_pages(1);

	mprotect(constant, PAGE_SIZE, PROT_READ);
	*mapped = *heap = 5;
	check(run_child(change_mappings, end + PAGE_SIZE) == 0,
	      "the child changes its mappings");
	check(++*mapped == 6 && ++*heap == 6 && brk(NULL) == end,
	      "and not the parent's");
	check(WTERMSIG(run_child(write_to, (long)constant)) == SIGSEGV,
	      "what is read-only is read-only in the child");
}

int main(void)
{
	long end = (brk(NULL) + PAGE_SIZE - 1) & -PAGE_SIZE;

	if (brk((void *)(end + PAGE_SIZE)) != end + PAGE_SIZE)
		return 1;
	heap = (long *)end;
	mapped = map_pages(1);
	if (!mapped || pipe(to_child) < 0 || pipe(to_parent) < 0)
		return 1;
	check_parent_first();
	check_child_first();
	check_three();
	check_kernel_writes();
	check_many_pages();
	check_mappings();
	return check_done();
}
