/*
 * random: bytes that nobody chose. They differ from run to run, as the clock
 * does; they are no secret, and no key should be made of them.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stddef.h>
#include <stdint.h>

uint64_t random_next(void);

/* man 2 of it. */
long sys_getrandom(uint64_t buffer, size_t size, uint32_t flags);

#endif
