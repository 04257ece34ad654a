/*
 * One call, two returns. The child is the parent's copy: all registers, flags
 * and XMM registers are as they were at the call, on both sides. One word
 * differs, RAX: the child's number in the parent, 0 in the child.
 *
 * usage: forktest [SEED]
 */
#include <registers.h>

static uint64_t seed = 1;

/* What a child has to say is its exit status: 0 if all was right. */
static bool child_is_right(long pid)
{
	return pid > 0 && wait_for(pid) == 0;
}

/* Fork with patterns everywhere; the child's, too, is checked. */
static bool fork_with_patterns(const char *who)
{
	bool right;

	registers_fill_call(random_next(&seed), SYS_fork, NULL, 0);
	registers_call();
	if (forked_or_exit((long)registers_after.rax) == 0)
		exit(registers_report_call("the child") != 0);
	right = registers_report_call(who) == 0;
	return child_is_right((long)registers_after.rax) && right;
}

static void check_registers(void)
{
	for (int i = 0; i < 5; i++)
		check(fork_with_patterns("the parent"),
		      "the registers of both, pattern %d", i + 1);
	sleep_ms(20);
	check(fork_with_patterns("the parent"), "the registers, after a sleep");
}

static int fork_once_more(long deeper)
{
	bool right = fork_with_patterns("a child that forks");

	if (deeper > 0)
		right &= run_child(fork_once_more, deeper - 1) == 0;
	return !right;
}

/* The numbers: what fork gave the parent is what getpid says in the child. */
static void check_numbers(void)
{
	long parent = getpid(), said[2] = { 0 }, child;
	int fds[2];

	pipe(fds);
	child = fork_or_exit();
	if (child == 0) {
		long mine[] = { getpid(), getppid() };

		write(fds[1], mine, sizeof(mine));
		exit(0);
	}
	read(fds[0], said, sizeof(said));
	check(child_is_right(child), "the child ends");
	check(said[0] == child, "fork's result is the child's getpid");
	check(said[1] == parent, "the child's getppid is the parent");
	check(child != parent && getpid() == parent, "the parent is the same");
	close(fds[0]);
	close(fds[1]);
}

static int code_and_stack_selectors(void)
{
	unsigned cs, ss;

	asm volatile("movl %%cs, %0\n\tmovl %%ss, %1" : "=r"(cs), "=r"(ss));
	return cs == 0x33 && ss == 0x2b;
}

/* Ring 3 on both sides: the selectors say so, and HLT is refused. */
static int child_in_ring_3(long stop)
{
	if (stop)
		asm volatile("hlt");
	return !code_and_stack_selectors();
}

/* Sums 1 to n on the way back up from n calls, having forked at the bottom:
 * the whole chain of frames and saved registers must be there twice. */
__attribute__((noinline)) static long sum_over_fork(long n, long *pid)
{
	long below;

	if (n == 0) {
		*pid = fork_or_exit();
		return 0;
	}
	below = sum_over_fork(n - 1, pid);
	asm volatile("" : : : "rbx", "rbp", "r12", "r13", "r14", "r15");
	return below + n;
}

static void check_deep(void)
{
	long pid, sum = sum_over_fork(1000, &pid);

	if (pid == 0)
		exit(sum != 500500);
	check(sum == 500500 && child_is_right(pid),
	      "a fork 1000 calls deep returns through them twice");
}

int main(int argc, char **argv)
{
	if (argc > 2 || (argc == 2 && !parse_number(argv[1], &seed))) {
		printf("usage: forktest [SEED]\n");
		return 2;
	}
	check_registers();
	check(run_child(fork_once_more, 2) == 0, "children that fork");
	check_numbers();
	check(code_and_stack_selectors(), "the parent has CS 0x33, SS 0x2b");
	check(run_child(child_in_ring_3, 0) == 0,
	      "the child has CS 0x33, SS 0x2b");
	check(WTERMSIG(run_child(child_in_ring_3, 1)) == SIGSEGV,
	      "hlt kills the child");
	check_deep();
	return check_done();
}
