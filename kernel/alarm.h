/*
 * alarm: SIGALRM when a time has come.
 */
#ifndef ALARM_H
#define ALARM_H

#include <stdint.h>

/* A tick has been: sends what is due. */
void alarm_tick(void);

/* man 2 of each. Of the three timers only ITIMER_REAL is there: -EINVAL. */
long sys_alarm(uint32_t seconds);
long sys_setitimer(int which, uint64_t value, uint64_t old);
long sys_getitimer(int which, uint64_t value);

#endif
