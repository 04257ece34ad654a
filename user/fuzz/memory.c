/*
 * memory: what a pointer may lead to: the worker's own, the area, and nothing.
 */
#include "fuzz/fuzz.h"

/* What calls read and write. No pointer that is drawn leads elsewhere into the
 * worker's own memory, or it might forget how to stop. */
static char scratch[2 * PAGE_SIZE];

static char *names[] = { "/bin/true", "x", "", NULL };

static struct iovec pieces[4] = { { scratch, 10 },
				  { scratch + 100, 200 },
				  { (void *)8, 8 },
				  { scratch, 0 } };

static struct timespec times[] = {
	{ 0, 0 }, { 0, -1 }, { -1, 0 }, { 0, 1000 }
};

static const int64_t timers[][4] = { /* every and next: seconds, microseconds */
				     { 0, 0, 0, 0 },
				     { 0, 1000, 0, 1 },
				     { 1, 0, 0, 20000 },
				     { 0, -1, 0, 1000000 }
};

static const char constant[256] = { 1 };

long draw_buffer(uint64_t *state)
{
	uint64_t r = random_next(state);

	switch (r % 8) {
	case 0:
		return (long)AREA + (long)(r / 8 % (AREA_PAGES * PAGE_SIZE));
	case 1: /* the end of a page of the area */
		return (long)AREA + (long)(r / 8 % AREA_PAGES) * PAGE_SIZE - 4;
	case 2: /* read-only */
		return (long)constant;
	}
	return (long)scratch + (long)(r / 8 % PAGE_SIZE);
}

long draw_page(uint64_t *state)
{
	static const long vital[] = { 0x400000, 0x403000, 0x7ffffffff000 - 8192,
				      0x7ffffffff000 - 65536, 0 };
	uint64_t r = random_next(state);

	if (r % 256 == 0)
		return vital[r / 256 % COUNT(vital)];
	return (long)AREA + (long)(r / 256 % AREA_PAGES) * PAGE_SIZE;
}

long draw_pieces(uint64_t r)
{
	return (long)(pieces + r % 4);
}

long draw_strings(uint64_t r)
{
	return (long)(names + r % 4);
}

long draw_time(uint64_t r)
{
	return r % 64 == 0 ? (long)&times[3] : r % 2 ? (long)&times[r % 3] : 8;
}

long draw_timer(uint64_t r)
{
	return (long)timers[r % COUNT(timers)];
}

long result_buffer(void)
{
	return (long)scratch;
}
