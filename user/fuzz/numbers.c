/*
 * numbers: those that nobody expects, and sizes.
 */
#include "fuzz/fuzz.h"

long draw_wild(uint64_t *state)
{
	static const long odd[] = { 0,
				    -1,
				    1,
				    8,
				    1L << 31,
				    1L << 32,
				    INT64_MIN,
				    INT64_MAX,
				    1L << 47,
				    (1L << 47) - PAGE_SIZE,
				    (long)0xffff800000000000,
				    (long)0xffffffff80100000,
				    (long)0xfffffffffffff000 };
	uint64_t r = random_next(state);

	if (r % 3 == 0)
		return (long)random_next(state);
	return odd[r / 3 % COUNT(odd)];
}

long draw_size(uint64_t *state)
{
	uint64_t r = random_next(state);

	switch (r % 4) {
	case 0:
		return (long)(r / 4 % 16 * PAGE_SIZE);
	case 1:
		return (long)(1UL << r / 4 % 64);
	}
	return (long)(r / 4 % 300);
}
