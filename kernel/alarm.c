/*
 * alarm: one time per process, looked at on every tick that one is due by.
 */
#include "alarm.h"

#include "errno.h"
#include "user_copy.h"
#include "signal.h"
#include "timer.h"

#define ITIMER_REAL  0
#define MICROSECONDS 1000000 /* in a second */
#define NS_A_US      1000

struct timeval {
	int64_t seconds, microseconds;
};

struct itimerval {
	struct timeval every, value;
};

static uint64_t next = UINT64_MAX; /* no alarm is due before */

void alarm_tick(void)
{
	uint64_t now = timer_now();

	if (now < next)
		return;
	next = UINT64_MAX;
	for_each_proc(p) {
		if (!p->alarm_at)
			continue;
		if (p->alarm_at <= now) {
			signal_send(p, SIGALRM,
				    &(struct signal_info){ .code = SI_KERNEL });
			p->alarm_at = p->alarm_every ? now + p->alarm_every : 0;
		}
		if (p->alarm_at && p->alarm_at < next)
			next = p->alarm_at;
	}
}

static void set(uint64_t after, uint64_t every)
{
	struct proc *p = proc_current();

	p->alarm_at = after ? timer_now() + after : 0;
	p->alarm_every = every;
	if (p->alarm_at && p->alarm_at < next)
		next = p->alarm_at;
}

/* Nanoseconds to the alarm; never 0 while there is one. */
static uint64_t left(void)
{
	uint64_t at = proc_current()->alarm_at, now = timer_now();

	return !at ? 0 : at > now ? at - now : NS_A_US;
}

long sys_alarm(uint32_t seconds)
{
	uint64_t before = left();

	set(seconds * (uint64_t)NANOSECONDS, 0);
	if (before && before < NANOSECONDS)
		return 1; /* 0 would say that there was none */
	return (before + NANOSECONDS / 2) / NANOSECONDS;
}

static struct timeval to_timeval(uint64_t ns)
{
	return (struct timeval){ ns / NANOSECONDS, ns % NANOSECONDS / NS_A_US };
}

static bool is_valid(const struct timeval *t)
{
	return t->seconds >= 0 && t->microseconds >= 0 &&
	       t->microseconds < MICROSECONDS;
}

static uint64_t to_ns(const struct timeval *t)
{
	uint64_t seconds = t->seconds > INT32_MAX ? INT32_MAX : t->seconds;

	return seconds * NANOSECONDS + t->microseconds * NS_A_US;
}

long sys_getitimer(int which, uint64_t value)
{
	struct itimerval now = {
		.every = to_timeval(proc_current()->alarm_every),
		.value = to_timeval(left()),
	};

	if (which != ITIMER_REAL)
		return -EINVAL;
	return copyout(value, &now, sizeof(now));
}

long sys_setitimer(int which, uint64_t value, uint64_t old)
{
	struct itimerval new = { 0 };
	long error;

	if (value && copyin(&new, value, sizeof(new)) < 0)
		return -EFAULT;
	if (which != ITIMER_REAL || !is_valid(&new.value) ||
	    !is_valid(&new.every))
		return -EINVAL;
	error = old ? sys_getitimer(which, old) : 0;
	if (error == 0)
		set(to_ns(&new.value), to_ns(&new.every));
	return error;
}
