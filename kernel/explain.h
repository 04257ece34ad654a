/*
 * explain: why a fault happened, in words.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "trap.h"

/* Prints one line about a fault of the current process, for who wrote the
 * program. vm_error is what vm_fault said, if it was a page fault. */
void explain_user_fault(const struct trap_frame *frame, int vm_error);

/* Prints all there is to say about a fault of the kernel. gs_swapped: a SWAPGS
 * has been made since. */
void explain_kernel_fault(const struct trap_frame *frame, bool gs_swapped);

#endif
