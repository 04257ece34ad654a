/*
 * per_cpu: what belongs to one CPU. While the kernel runs, GS_BASE is the
 * address of this block; while ring 3 runs, KERNEL_GS_BASE is, and SWAPGS
 * changes over. The entry stub has no other way to find a stack.
 */
#ifndef PER_CPU_H
#define PER_CPU_H

#include "gdt.h"

/* Offsets for the entry stub, which cannot say offsetof(). */
#define PER_CPU_KERNEL_RSP 0
#define PER_CPU_USER_RSP   8

struct proc;
struct vm;

struct per_cpu_data {
	uint64_t kernel_rsp;  /* top of the current process's kernel stack;
				   * set_kernel_stack writes, the stub reads */
	uint64_t user_rsp;    /* the stub's scratch, for two instructions */
	struct proc *current; /* who runs; schedule() writes */
	struct proc *idle;    /* who runs when nobody else can */
	struct proc *first, *last; /* those who could run, in turn */
	struct vm *vm;             /* whose page tables are loaded */
	struct segments segments;
};

_Static_assert(offsetof(struct per_cpu_data, kernel_rsp) == PER_CPU_KERNEL_RSP,
	       "the entry stub reads it here");
_Static_assert(offsetof(struct per_cpu_data, user_rsp) == PER_CPU_USER_RSP,
	       "the entry stub writes it here");

extern struct per_cpu_data per_cpu;

/* Returns this CPU's block. With a second CPU there would be an array, and this
 * would read the block's own address through GS. */
static inline struct per_cpu_data *per_cpu_data_ptr(void)
{
	return &per_cpu;
}

/* Makes top (16-aligned) the stack on which the kernel is entered from ring 3:
 * by SYSCALL through kernel_rsp and by an interrupt through TSS.RSP0. One
 * function sets both, so that they never differ. */
void set_kernel_stack(uint64_t top);

#endif
