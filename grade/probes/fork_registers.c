/*
 * Four forks, each with a pattern of its own in every register: by the first
 * process; by it again after it has slept; by a child, while its parent waits;
 * and by the first process once more, which has made calls from elsewhere
 * meanwhile. The host reads the registers before and after each of them.
 *
 * usage: fork_registers SEED
 */
#include "fork.h"

#define FLAG_DF 0x400

static uint64_t seed;
static int forks;
static bool begun; /* lets a child that begins at the beginning end at once */

/* Forks with patterns. RSP lies on the real stack, at a place of its own. */
__attribute__((noipa)) static long fork_with_patterns(void)
{
	registers_fill_call(random_next(&seed), SYS_fork, NULL, 0);
	/* A flag that the kernel must not run with, and must not make up: DF is
	 * set in every other fork. */
	registers_before.rflags &= ~(uint64_t)FLAG_DF;
	if (forks++ % 2 == 0)
		registers_before.rflags |= FLAG_DF;
	registers_before.rsp = ((uint64_t)__builtin_frame_address(0) & ~15ul) -
			       2048 - (random_next(&seed) & 0x3f8);
	registers_call();
	if ((long)registers_after.rax < 0) {
		FACT("refused", (long)registers_after.rax);
		exit(0);
	}
	return (long)registers_after.rax;
}

/* Calls with RSP elsewhere, before the child has had a turn. */
__attribute__((noipa)) static void call_from_below(void)
{
	volatile char room[3000];

	room[0] = (char)getppid();
	sched_yield();
	room[1] = room[0];
}

static void fork_and_wait(bool child_forks)
{
	long pid = fork_with_patterns();

	if (pid == 0) {
		if (child_forks)
			fork_and_wait(false);
		exit(0);
	}
	call_from_below();
	wait_for(pid);
}

int main(int argc, char **argv)
{
	if (begun)
		exit(0);
	begun = true;
	seed = seed_of(argc, argv);
	fork_and_wait(false);
	sleep_ms(3);
	fork_and_wait(false);
	fork_and_wait(true);
	return 0;
}
