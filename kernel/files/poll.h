/*
 * poll: waits for several files at once: poll and ppoll. What is new is looked for
 * with every tick, so that no kind of file has to know who waits for it.
 */
#ifndef POLL_H
#define POLL_H

#include "files/file.h"

/* How long a call may wait, as a program has said it. */
struct limit {
	uint64_t until; /* timer_now's; UINT64_MAX: for ever */
	uint64_t user;  /* where what is left goes; 0: nowhere */
	uint64_t unit;  /* nanoseconds of its second word: it counts in these */
};

/* Takes a struct timespec (unit 1) or timeval (unit 1000) from the user; no
 * address: no limit. Returns 0, -EFAULT, -EINVAL. */
int limit_take(struct limit *limit, uint64_t user, uint64_t unit);

/* Tells the user what is left, and gives the call's result back. */
long limit_give(const struct limit *limit, long result);

/* What a descriptor is ready for: POLLIN and its like, or POLLNVAL. */
int poll_ready(int fd);

/* Looks until look(what) is not 0, which it returns, or the time has come: 0; or
 * a signal: -ERESTART_UNLESS_HANDLED. */
long poll_wait(long (*look)(void *what), void *what, uint64_t until);

/* man 2 of each. */
long sys_poll(uint64_t files, uint64_t count, int milliseconds);
long sys_ppoll(uint64_t files, uint64_t count, uint64_t limit, uint64_t mask,
	       size_t mask_size);

#endif
