/*
 * What lab 5's probes share. They print nothing: the grader has a breakpoint at
 * fact() and reads there, from the machine, who says what.
 */
#ifndef FORK_H
#define FORK_H

#include <registers.h>

/* The grader stops here: RDI holds the name, eight letters at most, and RSI the
 * number. */
__attribute__((noipa, used)) static void fact(unsigned long name, long number)
{
	asm volatile("nop" : : "D"(name), "S"(number) : "memory");
}

#define FACT(name, number)                                         \
	do {                                                       \
		unsigned long letters_;                            \
                                                                   \
		__builtin_memcpy(&letters_, name "\0\0\0\0\0\0\0", \
				 sizeof(letters_));                \
		fact(letters_, number);                            \
	} while (0)

/* fork, where it must not fail: then there is nothing to test. */
__attribute__((unused)) static long fork_or_end(void)
{
	long pid = fork();

	if (pid < 0) {
		FACT("refused", pid);
		exit(0);
	}
	return pid;
}

__attribute__((unused)) static uint64_t seed_of(int argc, char **argv)
{
	uint64_t seed = 1;

	if (argc > 1)
		parse_number(argv[1], &seed);
	return seed;
}

#endif
