/*
 * switch: the context switch, which leaves one kernel stack for another, and
 * the first step to ring 3.
 */
#ifndef SWITCH_H
#define SWITCH_H

#include "x86.h"

/* What a process that is not running keeps at the top of its stack: the
 * registers that C expects a function to preserve, and where to go on. */
struct context {
	uint64_t r15, r14, r13, r12, rbx, rbp;
	uint64_t rip;
};

/* What ring 3 sees of the segments: four selectors, and the bases of two, which
 * need not be those of the selectors. */
struct user_segments {
	uint16_t ds, es, fs, gs;
	uint64_t fs_base, gs_base;
};

/* From the CPU, and into it; in ring 0 after the entry's SWAPGS. */
void user_segments_save(struct user_segments *segments);
void user_segments_load(const struct user_segments *segments);

/* Saves the caller's context on its stack and that stack's RSP in *save, then
 * goes on with the context at load. Returns when somebody switches back. */
void switch_to(uint64_t *save, uint64_t load);

/* Starts a program: to ring 3 at rip with the stack at rsp, RFLAGS with only
 * IF set, every other general register zero. */
void enter_user(uint64_t rip, uint64_t rsp) __attribute__((noreturn));

#endif
