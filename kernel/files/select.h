/*
 * select: poll's older sister: the files are bits of three sets.
 */
#ifndef SELECT_H
#define SELECT_H

#include <stddef.h>
#include <stdint.h>

/* man 2 of each. */
long sys_select(int count, uint64_t readers, uint64_t writers,
		uint64_t exceptions, uint64_t limit);
long sys_pselect6(int count, uint64_t readers, uint64_t writers,
		  uint64_t exceptions, uint64_t limit, uint64_t mask);

#endif
