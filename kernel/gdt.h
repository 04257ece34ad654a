/*
 * gdt: the segments. Long mode ignores their bases and limits; what is left of
 * them is who may run (DPL), which code is 64-bit (L), and the way to the task
 * state segment, where the CPU finds the stacks for interrupts.
 * Source: AMD APM vol. 2 sections 4.8 and 12.2.5; Intel SDM vol. 3A, "Segment
 * Descriptors" and "Task Management in 64-bit Mode".
 */
#ifndef GDT_H
#define GDT_H

#include "x86.h"

/* User data stands before user code: SYSRET loads SS from STAR's base + 8 and
 * CS from its base + 16. */
#define KERNEL_CS    0x08
#define KERNEL_DS    0x10
#define TSS_SELECTOR 0x18 /* and 0x20: a 64-bit TSS takes two entries */
#define USER_DS      0x2b /* 0x28, RPL 3 */
#define USER_CS      0x33 /* 0x30, RPL 3 */
#define GDT_ENTRIES  7

/* Stacks for the interrupts that can arrive when RSP is not to be trusted.
 * The numbers are those of a gate's IST field: 1 is tss.ist[0]. */
#define IST_DOUBLE_FAULT  1
#define IST_NMI           2
#define IST_DEBUG         3
#define IST_MACHINE_CHECK 4
#define IST_COUNT         4
#define IST_STACK_SIZE    4096

struct tss {
	uint32_t reserved0;
	uint64_t rsp0; /* RSP when an interrupt leaves ring 3 */
	uint64_t rsp1, rsp2;
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t iomap_base; /* at or past the limit: no port for ring 3 */
} __attribute__((packed));

_Static_assert(offsetof(struct tss, rsp0) == 4, "the CPU reads RSP0 here");
_Static_assert(offsetof(struct tss, ist) == 36, "the CPU reads IST1 here");
_Static_assert(sizeof(struct tss) == 104, "the TSS of long mode");

/* A CPU's segments, with the stacks that its TSS points to. */
struct segments {
	uint64_t gdt[GDT_ENTRIES];
	struct tss tss;
	uint8_t ist_stacks[IST_COUNT][IST_STACK_SIZE]
		__attribute__((aligned(16)));
};

/* Fills in the tables, and makes them this CPU's: GDTR, all six segment
 * registers, TR. To be called once, before any interrupt. */
void gdt_init(struct segments *segments);

/* Panics with a sentence if ring 3 has no code or data segment to run on. */
void gdt_check_user(void);

#endif
