/*
 * times: the calls about clocks and timers, and about the time that was used.
 */
#include "decode/decode.h"

#include "print.h"

CONSTANT(clock, clocks)
CONSTANT(timer, timers)
FLAGS(until, timer_flags)
CONSTANT(whose_usage, usages)

void put_timespec(const uint64_t time[2])
{
	kprintf("{tv_sec=%ld, tv_nsec=%lu}", time[0], time[1]);
}

static void put_timeval(const uint64_t time[2])
{
	kprintf("{tv_sec=%ld, tv_usec=%lu}", time[0], time[1]);
}

void as_timespec(const struct call *c, uint64_t from)
{
	uint64_t time[2];

	(void)c;
	if (fetch(time, from, sizeof(time)))
		put_timespec(time);
}

static void timeval(const struct call *c, uint64_t from)
{
	uint64_t time[2];

	(void)c;
	if (fetch(time, from, sizeof(time)))
		put_timeval(time);
}

/* A structure that begins with two times. */
static void put_two(uint64_t from, const char *first, const char *second,
		    const char *rest)
{
	uint64_t times[4];

	if (!fetch(times, from, sizeof(times)))
		return;
	kprintf("{%s=", first);
	put_timeval(times);
	kprintf(", %s=", second);
	put_timeval(times + 2);
	kprintf("%s}", rest);
}

static void interval(const struct call *c, uint64_t from)
{
	(void)c;
	put_two(from, "it_interval", "it_value", "");
}

void as_usage(const struct call *c, uint64_t from)
{
	(void)c;
	put_two(from, "ru_utime", "ru_stime", ", ...");
}

static void clock_ticks(const struct call *c, uint64_t from)
{
	uint64_t t[4];

	(void)c;
	if (fetch(t, from, sizeof(t)))
		kprintf("{tms_utime=%lu, tms_stime=%lu, tms_cutime=%lu, "
			"tms_cstime=%lu}",
			t[0], t[1], t[2], t[3]);
}

const struct row time_rows[] = {
	CALL(nanosleep, as_number, as_timespec, as_address),
	CALL(clock_nanosleep, as_number, clock, until, as_timespec, as_address),
	CALL(clock_gettime, as_number, clock, when_done, as_timespec),
	CALL(clock_getres, as_number, clock, when_done, as_timespec),
	CALL(gettimeofday, as_number, when_done, timeval, as_address),
	CALL(time, as_offset, when_done, as_long_at),
	CALL(times, as_offset, when_done, clock_ticks),
	CALL(getrusage, as_number, whose_usage, when_done, as_usage),
	CALL(alarm, as_number, as_unsigned),
	CALL(getitimer, as_number, timer, when_done, interval),
	CALL(setitimer, as_number, timer, interval, when_done, interval),
	{ .name = NULL },
};
