/*
 * clock: the calls that tell the time, and those that let it pass. man 2 of each.
 * All clocks move by whole ticks: timer.h.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

long sys_clock_gettime(int clock, uint64_t result);
long sys_clock_getres(int clock, uint64_t result);
long sys_gettimeofday(uint64_t time, uint64_t zone);
long sys_time(uint64_t result);
long sys_nanosleep(uint64_t request, uint64_t remaining);
long sys_clock_nanosleep(int clock, int flags, uint64_t request,
			 uint64_t remaining);

#endif
