/*
 * clock: three clocks under ten numbers: the date, the time since the start, and
 * the processor's time that the process has used.
 */
#include "clock.h"

#include "errno.h"
#include "user_copy.h"
#include "sched.h"
#include "timer.h"

#define REALTIME         0
#define MONOTONIC        1
#define PROCESS_CPUTIME  2
#define THREAD_CPUTIME   3
#define MONOTONIC_RAW    4
#define REALTIME_COARSE  5
#define MONOTONIC_COARSE 6
#define BOOTTIME         7
#define TAI              11

#define TIMER_ABSTIME    1
#define NS_A_US          1000
#define SECONDS_MAX      (INT64_MAX / NANOSECONDS)

struct timespec {
	int64_t seconds, nanoseconds;
};

/* Nanoseconds by a clock. Returns 0, or -EINVAL where no clock has the number. */
static int read_clock(int clock, uint64_t *ns)
{
	const struct usage *usage = &proc_current()->usage;

	switch (clock) {
	case REALTIME:
	case REALTIME_COARSE:
	case TAI: /* nobody has said how many leap seconds there were */
		*ns = timer_unix_time();
		return 0;
	case MONOTONIC:
	case MONOTONIC_RAW:
	case MONOTONIC_COARSE:
	case BOOTTIME:
		*ns = timer_now();
		return 0;
	case PROCESS_CPUTIME:
	case THREAD_CPUTIME:
		*ns = usage->user + usage->system;
		return 0;
	}
	return -EINVAL;
}

static int give_timespec(uint64_t to, uint64_t ns)
{
	return copyout(to,
		       &(struct timespec){ ns / NANOSECONDS, ns % NANOSECONDS },
		       sizeof(struct timespec));
}

long sys_clock_gettime(int clock, uint64_t result)
{
	uint64_t ns;
	int error = read_clock(clock, &ns);

	return error < 0 ? error : give_timespec(result, ns);
}

long sys_clock_getres(int clock, uint64_t result)
{
	uint64_t ns;
	int error = read_clock(clock, &ns);

	if (error < 0 || !result)
		return error;
	return give_timespec(result, timer_period());
}

/* There is no time zone here, as there is none in Linux. */
long sys_gettimeofday(uint64_t time, uint64_t zone)
{
	static const int32_t none[2];
	uint64_t now = timer_unix_time();
	uint64_t timeval[2] = { now / NANOSECONDS,
				now % NANOSECONDS / NS_A_US };

	if (time && copyout(time, timeval, sizeof(timeval)) < 0)
		return -EFAULT;
	return zone ? copyout(zone, none, sizeof(none)) : 0;
}

long sys_time(uint64_t result)
{
	int64_t seconds = timer_unix_time() / NANOSECONDS;

	if (result && copyout(result, &seconds, sizeof(seconds)) < 0)
		return -EFAULT;
	return seconds;
}

static int take_timespec(uint64_t from, uint64_t *ns)
{
	struct timespec time;
	int error = copyin(&time, from, sizeof(time));

	if (error < 0)
		return error;
	if (time.seconds < 0 || time.nanoseconds < 0 ||
	    time.nanoseconds >= NANOSECONDS)
		return -EINVAL;
	if (time.seconds >= SECONDS_MAX)
		time.seconds = SECONDS_MAX - 1;
	*ns = time.seconds * NANOSECONDS + time.nanoseconds;
	return 0;
}

/* The part of a sleep that a signal has cut off. */
static long cut_short(uint64_t end, uint64_t remaining)
{
	uint64_t now = timer_now(), left = end > now ? end - now : 0;

	if (remaining && give_timespec(remaining, left) < 0)
		return -EFAULT;
	proc_current()->sleep_end = end;
	return -ERESTART_UNLESS_HANDLED;
}

long sys_nanosleep(uint64_t request, uint64_t remaining)
{
	uint64_t length, end = proc_current()->sleep_end;
	int error = take_timespec(request, &length);

	if (error < 0)
		return error;
	if (!end) /* else it was stopped in its sleep, and goes on */
		end = timer_now() + length;
	proc_current()->sleep_end = 0;
	return timer_sleep_until(end) < 0 ? cut_short(end, remaining) : 0;
}

/* Until a time of the clock's. What is made again after a stop ends at the same
 * time: nothing is to be remembered. */
static long sleep_until(uint64_t now, uint64_t request)
{
	uint64_t end;
	int error = take_timespec(request, &end);

	if (error < 0)
		return error;
	end = end > now ? timer_now() + (end - now) : 0;
	return timer_sleep_until(end) < 0 ? -ERESTART_UNLESS_HANDLED : 0;
}

long sys_clock_nanosleep(int clock, int flags, uint64_t request,
			 uint64_t remaining)
{
	uint64_t now;
	int error = read_clock(clock, &now);

	if (error < 0)
		return error;
	if (clock != REALTIME && clock != MONOTONIC && clock != BOOTTIME &&
	    clock != TAI)
		return -EOPNOTSUPP;
	return flags & TIMER_ABSTIME ? sleep_until(now, request)
				     : sys_nanosleep(request, remaining);
}
