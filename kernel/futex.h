/*
 * futex: sleeping until somebody says that a word has changed; what locks in
 * shared memory are made of.
 */
#ifndef FUTEX_H
#define FUTEX_H

#include <stdint.h>

#define FUTEX_WAIT    0
#define FUTEX_WAKE    1
#define FUTEX_PRIVATE 128 /* nobody else has the page: no difference here */

/* FUTEX_WAIT and FUTEX_WAKE, with Linux's arguments and results: man 2 of it.
 * All others are -ENOSYS. */
long sys_futex(uint64_t word, int operation, uint32_t value, uint64_t timeout);

#endif
