/*
 * The program behind lab 4's tests. It takes its steps from its arguments, and
 * every call it makes has a pattern of its own in every register; the host
 * reads the patterns in registers_before and looks for them in the kernel.
 *
 * usage: probe_frame SEED STEP...
 */
#include <registers.h>

static uint64_t seed;

/* RSP, too, has a value of its own, on the real stack: above 4 GiB. */
static long call(long number, long a1, long a2, long a3)
{
	const long arguments[] = { a1, a2, a3 };
	size_t count = number == SYS_nanosleep ? 1
		       : number == SYS_execve  ? 3
					       : 0;

	registers_fill_call(random_next(&seed), number, arguments, count);
	registers_before.rsp = ((uint64_t)__builtin_frame_address(0) & ~15ul) -
			       4096 - (random_next(&seed) & 0xff8);
	registers_call();
	return (long)registers_after.rax;
}

/* Ring 3 and no call, for ever; the host knows the place. */
static __attribute__((noinline)) void spin(void)
{
	asm volatile(
		".globl probe_spinning\nprobe_spinning: jmp probe_spinning");
}

int main(int argc, char **argv)
{
	static struct timespec a_while = { 0, 2000000 }, an_hour = { 3600, 0 };

	if (argc < 2 || !parse_number(argv[1], &seed))
		return 2;
	for (int i = 2; i < argc; i++) {
		const char *step = argv[i];

		if (strcmp(step, "getpid") == 0)
			call(SYS_getpid, 0, 0, 0);
		else if (strcmp(step, "getppid") == 0)
			call(SYS_getppid, 0, 0, 0);
		else if (strcmp(step, "98-others") == 0)
			for (int n = 0; n < 98; n++)
				call(n % 2 ? 9999 : SYS_sched_yield, 0, 0, 0);
		else if (strcmp(step, "sleep") == 0)
			call(SYS_nanosleep, (long)&a_while, 0, 0);
		else if (strcmp(step, "sleep-long") == 0)
			call(SYS_nanosleep, (long)&an_hour, 0, 0);
		else if (strcmp(step, "spin") == 0)
			spin();
		else if (strcmp(step, "calls") == 0)
			for (;;)
				call(SYS_getpid, 0, 0, 0);
		else if (strcmp(step, "naps") == 0)
			for (;;)
				call(random_next(&seed) % 2 ? SYS_nanosleep
							    : SYS_getpid,
				     (long)&a_while, 0, 0);
		else if (strcmp(step, "exec") == 0) {
			argv[i] = argv[1];
			argv[i - 1] = argv[0];
			call(SYS_execve, (long)"/bin/probe_frame",
			     (long)&argv[i - 1], (long)environment);
			return 3;
		} else
			return 2;
	}
	return 0;
}
