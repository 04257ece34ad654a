/*
 * usage: what a process has used of the machine, and how much it may use.
 *
 * Whoever runs when the timer ticks is charged a whole tick. Interrupts wait
 * while the kernel works, so the time of a call counts as the program's; as the
 * kernel's counts where it lets them in, at the terminal.
 */
#ifndef USAGE_H
#define USAGE_H

#include "sched.h"

/* Charges the current process a tick. */
void usage_tick(bool from_user);

/* Gives a struct rusage to the user: 0 or -EFAULT. */
int usage_give(uint64_t to, const struct usage *usage);

/* The calls; man 2 of each. */
long sys_getrusage(int who, uint64_t result);
long sys_times(uint64_t result);
long sys_getrlimit(uint32_t resource, uint64_t result);
long sys_setrlimit(uint32_t resource, uint64_t limit);
long sys_prlimit64(int pid, uint32_t resource, uint64_t limit, uint64_t old);

#endif
