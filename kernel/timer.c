/*
 * timer: the 8254 PIT, and the CMOS clock for the date, as every PC has them.
 * Source: Intel 8254 data sheet; Motorola MC146818 data sheet (the CMOS clock).
 */
#include "timer.h"

#include "panic.h"
#include "boot_info.h"
#include "sched.h"

#define PIT_CHANNEL0       0x40
#define PIT_MODE           0x43
#define PIT_RATE_GENERATOR 0x34 /* channel 0, both bytes, mode 2 */
#define PIT_HZ             1193182

#define HZ_DEFAULT         100
#define HZ_MIN             19 /* the divisor has 16 bits */
#define HZ_MAX             20000

#define CMOS_INDEX         0x70
#define CMOS_DATA          0x71

static uint64_t ticks, hz, boot_time; /* boot_time: seconds since 1970 */

/* A register of the CMOS clock, which counts in decimal digits. */
static int cmos(uint8_t index)
{
	uint8_t value;

	outb(CMOS_INDEX, index);
	value = inb(CMOS_DATA);
	return (value >> 4) * 10 + (value & 15);
}

/* Days from 1970 to the first of March of year, then on to the date: in years
 * that begin in March the leap day comes last. */
static uint64_t cmos_time(void)
{
	int month = cmos(8), year = cmos(9) + 2000 - (month < 3);
	int from_march = (month + 9) % 12;
	int64_t days = 365 * (year - 1970) + year / 4 - year / 100 +
		       year / 400 - 477 + 59 + (153 * from_march + 2) / 5 +
		       cmos(7) - 1;

	return days * 86400 + cmos(4) * 3600 + cmos(2) * 60 + cmos(0);
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
	outb(PIT_CHANNEL0, divisor >> 8);
}

void timer_tick(void)
{
	ticks++;
	wakeup(&ticks);
}

uint64_t timer_now(void)
{
	return ticks * (NANOSECONDS / hz);
}

uint64_t timer_unix_time(void)
{
	return boot_time * NANOSECONDS + timer_now();
}

void timer_sleep_until(uint64_t when)
{
	while (timer_now() < when)
		sleep(&ticks);
}
