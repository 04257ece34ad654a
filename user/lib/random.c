/*
 * Random numbers that can be had again: splitmix64 (Steele, Lea and Flood,
 * "Fast splittable pseudorandom number generators", 2014). Any seed is good,
 * 0 and 1 too, and neighbouring seeds give unlike sequences.
 */
#include "user.h"

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}
