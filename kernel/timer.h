/*
 * timer: a tick hz times a second, and the interrupt controller it comes by.
 */
#ifndef TIMER_H
#define TIMER_H

#include "x86.h"

/* Starts the timer and routes it and COM1 to VECTOR_IRQ; masks all others. The
 * rate is the command line's hz=, or 100. */
void timer_init(void);

/* Carries out a tick; wakes those who wait for one. */
void timer_tick(void);

/* Tells the interrupt controller that its interrupt irq (0 to 15) was seen. */
void timer_acknowledge(int irq);

/* Nanoseconds since timer_init, and since 1970 (by the CMOS clock's seconds at
 * timer_init); both move by whole ticks. */
uint64_t timer_now(void);
uint64_t timer_unix_time(void);

/* Sleeps until timer_now() has reached a time. */
void timer_sleep_until(uint64_t when);

#endif
