/*
 * timer: a tick hz times a second, and what time it is.
 */
#ifndef TIMER_H
#define TIMER_H

#include <stdint.h>

#define NANOSECONDS 1000000000 /* in a second */

/* Starts the timer. The rate is the command line's hz=, or 100. */
void timer_init(void);

/* Carries out a tick; wakes those who wait for one. */
void timer_tick(void);

/* Nanoseconds from tick to tick. */
uint64_t timer_period(void);

/* Nanoseconds since timer_init, and since 1970 (by the CMOS clock's seconds at
 * timer_init); both move by whole ticks. */
uint64_t timer_now(void);
uint64_t timer_unix_time(void);

/* Sleeps until timer_now() has reached a time; 0, or -ERESTART for a signal. */
int timer_sleep_until(uint64_t when);

/* As sleep, but no longer than until a time: then -ETIMEDOUT. */
int timer_sleep_on(const void *channel, uint64_t end);

/* For the pieces of work that a program may ask much of: lets interrupts in, and
 * when the clock has moved on, the others have a turn. */
void timer_give_way(void);

#endif
