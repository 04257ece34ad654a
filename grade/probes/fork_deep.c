/*
 * A fork from the bottom of a deep recursion whose every level keeps numbers in
 * the registers that a function must preserve, and one from a function inside a
 * function, whose access to the outer one's variables is in R10. Both sides
 * must find their way back through all levels, with the numbers.
 *
 * usage: fork_deep SEED deep|nested
 */
#include "fork.h"

#define LEVELS 500

static uint64_t seed;
static long pid;

static uint64_t mix(uint64_t a, uint64_t b)
{
	a = (a ^ b) * 0x9e3779b97f4a7c15;
	return a ^ a >> 29;
}

/* Six numbers live across the call below, so the compiler keeps some of them
 * in RBX, RBP and R12 to R15; the last ones are put there by hand. */
__attribute__((noipa)) static uint64_t descend(uint64_t level)
{
	uint64_t a = mix(seed, level), b = mix(a, 1), c = mix(b, 2),
		 d = mix(c, 3), e = mix(d, 4), f = mix(e, 5), below;

	asm volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	if (level == 0) {
		pid = fork_or_end();
		below = 0;
	} else {
		below = descend(level - 1);
	}
	asm volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	return mix(mix(mix(mix(mix(mix(below, a), b), c), d), e), f);
}

static uint64_t nest(void)
{
	volatile uint64_t outer = mix(seed, 77);

	__attribute__((noipa)) uint64_t inner(uint64_t a, uint64_t b)
	{
		uint64_t before = mix(outer, a);

		pid = fork_or_end();
		outer = mix(outer, b);
		return mix(before, outer);
	}

	return inner(mix(seed, 5), mix(seed, 6));
}

int main(int argc, char **argv)
{
	uint64_t sum;

	seed = seed_of(argc, argv);
	sum = argc > 2 && strcmp(argv[2], "nested") == 0 ? nest()
							 : descend(LEVELS);
	if (pid == 0) {
		FACT("child", (long)sum);
		exit(0);
	}
	FACT("parent", (long)sum);
	wait_for(pid);
	return 0;
}
