/*
 * random: SplitMix64, with the time stamp counter stirred in at every step.
 */
#include "random.h"

#include "x86.h"
#include "errno.h"
#include "user_copy.h"

/* 2^64 by the golden ratio, and two odd numbers with bits all over. */
#define GOLDEN_RATIO  0x9e3779b97f4a7c15
#define MIXER1        0xbf58476d1ce4e5b9
#define MIXER2        0x94d049bb133111eb

#define GRND_NONBLOCK 1
#define GRND_RANDOM   2
#define GRND_INSECURE 4
#define GETRANDOM_MAX 65536 /* bytes a call: a short count is allowed */

uint64_t random_next(void)
{
	static uint64_t state;
	uint64_t x = state += GOLDEN_RATIO ^ rdtsc();

	x = (x ^ x >> 30) * MIXER1;
	x = (x ^ x >> 27) * MIXER2;
	return x ^ x >> 31;
}

long sys_getrandom(uint64_t buffer, size_t size, uint32_t flags)
{
	size_t done = 0, piece;

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) ||
	    (flags & GRND_RANDOM && flags & GRND_INSECURE))
		return -EINVAL;
	if (size > GETRANDOM_MAX)
		size = GETRANDOM_MAX;
	for (; done < size; done += piece) {
		uint64_t word = random_next();

		piece = size - done < sizeof(word) ? size - done : sizeof(word);
		if (copyout(buffer + done, &word, piece) < 0)
			return done ? (long)done : -EFAULT;
	}
	return done;
}
