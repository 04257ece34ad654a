/*
 * layout: where things lie. User space is the half of the addresses below 2^47,
 * less its last page; the kernel's half is the same in all address spaces.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#define PAGE_SIZE 4096

/* The user's half. */
#define USER_STACK_SIZE 0x800000           /* 8 MB, below USER_END */
#define MMAP_TOP        0x00007f0000000000 /* mmap gives out addresses below */
#define USER_END        0x00007ffffffff000 /* first address no user may map */

/* The kernel's half. */
#define DIRECT_MAP      0xffff800000000000 /* physical memory from 0 on: */
#define DIRECT_MAP_SIZE 0x100000000        /* the first 4 GB */
#define KSTACK_BASE     0xffffc00000000000 /* kernel stacks, one stride each */
#define KSTACK_END      0xffffc00040000000 /* (1 GB) */
#define KERNEL_BASE     0xffffffff80000000 /* the image: kernel.ld */

/* A kernel stack's lowest page is not there: a guard, met by an overflow. */
#define KSTACK_STRIDE (3 * PAGE_SIZE)

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

/* Before a function that debuggers stop at, and that seldom runs: kernel.ld. */
#define RARE __attribute__((section(".text.rare")))

/* The first address of the page that holds this one. */
static inline uint64_t page_down(uint64_t address)
{
	return address & -(uint64_t)PAGE_SIZE;
}

/* The first page boundary at or after this address. */
static inline uint64_t page_up(uint64_t address)
{
	return page_down(address + PAGE_SIZE - 1);
}

static inline bool in_kstacks(uint64_t va)
{
	return va >= KSTACK_BASE && va < KSTACK_END;
}

/* Does this address lie in the guard page of a kernel stack? */
static inline bool in_kstack_guard(uint64_t va)
{
	return in_kstacks(va) && (va - KSTACK_BASE) % KSTACK_STRIDE < PAGE_SIZE;
}
#endif

#endif
