/*
 * Two processes that make no call at all after the fork: each has a pattern in
 * every register and counts RCX down. The timer alone changes over.
 *
 * usage: fork_turns SEED
 */
#include "fork.h"

#define FOREVER (1ul << 40)

int main(int argc, char **argv)
{
	uint64_t seed = seed_of(argc, argv);
	long pid = fork_or_end();

	registers_fill(seed + (pid == 0));
	registers_before.rcx = FOREVER;
	registers_spin();
	return 0;
}
