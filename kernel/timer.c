/*
 * timer: the 8254 PIT, and the CMOS clock for the date, as every PC has them.
 * Source: Intel 8254 data sheet; Motorola MC146818 data sheet (the CMOS clock).
 */
#include "timer.h"

#include "errno.h"
#include "panic.h"
#include "boot_info.h"
#include "sched.h"

#define PIT_CHANNEL0       0x40
#define PIT_MODE           0x43
#define PIT_RATE_GENERATOR 0x34 /* channel 0, both bytes, mode 2 */
#define BYTE               8    /* bits */
#define PIT_HZ             1193182

#define HZ_DEFAULT         100
#define HZ_MIN             19 /* the divisor has 16 bits */
#define HZ_MAX             20000

#define CMOS_INDEX         0x70
#define CMOS_DATA          0x71
#define CMOS_SECONDS       0
#define CMOS_MINUTES       2
#define CMOS_HOURS         4
#define CMOS_DAY           7
#define CMOS_MONTH         8
#define CMOS_YEAR          9    /* its last two digits */
#define CMOS_CENTURY       2000 /* this kernel's guess at the others */

#define DECIMAL            10
#define HEX                16

#define EPOCH              1970
#define DAYS_A_YEAR        365
#define HOURS_A_DAY        24
#define MINUTES_AN_HOUR    60
#define SECONDS_A_MINUTE   60
#define FEBRUARY           2

static uint64_t ticks, hz, boot_time; /* boot_time: seconds since 1970 */

/* A register of the CMOS clock, which counts in decimal digits. */
static int cmos(uint8_t index)
{
	uint8_t value;

	outb(CMOS_INDEX, index);
	value = inb(CMOS_DATA);
	return value / HEX * DECIMAL + value % HEX;
}

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Seconds since 1970, by the CMOS clock. */
static uint64_t cmos_time(void)
{
	static const int month_days[] = { 31, 28, 31, 30, 31, 30,
					  31, 31, 30, 31, 30, 31 };
	int year = cmos(CMOS_YEAR) + CMOS_CENTURY, month = cmos(CMOS_MONTH);
	uint64_t time = cmos(CMOS_DAY) - 1; /* days, and finer below */

	for (int y = EPOCH; y < year; y++)
		time += DAYS_A_YEAR + is_leap(y);
	for (int m = 1; m < month; m++)
		time += month_days[m - 1] + (m == FEBRUARY && is_leap(year));
	time = time * HOURS_A_DAY + cmos(CMOS_HOURS);
	time = time * MINUTES_AN_HOUR + cmos(CMOS_MINUTES);
	return time * SECONDS_A_MINUTE + cmos(CMOS_SECONDS);
}

void timer_init(void)
{
	uint64_t divisor;

	hz = boot_option("hz", HZ_DEFAULT);
	if (hz < HZ_MIN || hz > HZ_MAX)
		panic("timer: hz=%lu on the command line: the timer goes from "
		      "%d to %d",
		      hz, HZ_MIN, HZ_MAX);
	boot_time = cmos_time();
	divisor = PIT_HZ / hz;
	outb(PIT_MODE, PIT_RATE_GENERATOR);
	outb(PIT_CHANNEL0, divisor);
	outb(PIT_CHANNEL0, divisor >> BYTE);
}

void timer_tick(void)
{
	ticks++;
	wakeup(&ticks);
	for_each_proc(p)
		if (p->timeout && p->timeout <= timer_now()) {
			p->timeout = 0;
			wakeup_proc(p);
		}
}

uint64_t timer_period(void)
{
	return NANOSECONDS / hz;
}

uint64_t timer_now(void)
{
	return ticks * timer_period();
}

uint64_t timer_unix_time(void)
{
	return boot_time * NANOSECONDS + timer_now();
}

int timer_sleep_until(uint64_t when)
{
	int error = 0;

	while (error == 0 && timer_now() < when)
		error = sleep(&ticks);
	return error;
}

/* Whom the time wakes has no timeout any more. */
int timer_sleep_on(const void *channel, uint64_t end)
{
	struct proc *p = proc_current();
	bool in_time;
	int error;

	if (timer_now() >= end)
		return -ETIMEDOUT;
	p->timeout = end;
	error = sleep(channel);
	in_time = p->timeout;
	p->timeout = 0;
	if (error == 0 && signal_waits(p))
		return -ERESTART;
	return error < 0 || in_time ? error : -ETIMEDOUT;
}

void timer_give_way(void)
{
	uint64_t before = ticks;

	sti_nop_cli();
	if (ticks != before)
		yield();
}
