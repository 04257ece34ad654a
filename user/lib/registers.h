/*
 * The probe: load every register with a value of its own, do one thing, and
 * read every register back. It is how the lessons see what a system call, an
 * interrupt or a fork does to registers that C code cannot name.
 *
 *	registers_fill(seed);			a pattern in each
 *	registers_before.rax = SYS_getpid;	what this call needs
 *	registers_call();			load, SYSCALL, store
 *	registers_report("getpid");		who changed?
 */
#ifndef REGISTERS_H
#define REGISTERS_H

#include "probe.h"
#include "user.h"

/* In the order of the machine's register numbers, then RFLAGS and SSE. */
struct registers {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rflags;
	uint64_t unused; /* keeps xmm 16-aligned */
	uint64_t xmm[16][2];
};

/* What the probe loads, RSP and all, and what it stored. */
extern struct registers registers_before, registers_after;

/* The instruction after the probe's SYSCALL. */
extern const char registers_next[];

/* RSP points at the middle of a stack that nobody else uses. */
#define REGISTERS_STACK_BYTES 4096
extern uint8_t registers_stack[REGISTERS_STACK_BYTES];

/*
 * Put a pattern made from seed into every register of registers_before, each
 * unlike the others, so that two exchanged registers show. RFLAGS gets a mix
 * of the free flags.
 */
void registers_fill(uint64_t seed);

/* Fill, then set RAX and as many argument registers as there are. */
void registers_fill_call(uint64_t seed, long number, const long *arguments,
			 size_t count);

/* Load, SYSCALL, store. */
void registers_call(void);

/* Load, count RCX down to 0 without a call or a memory access, store. */
void registers_spin(void);

/*
 * Compare what was stored with what was loaded, and print a line for each
 * register that differs: what it holds, and whose pattern that is. The result
 * is how many do. RAX is left to the caller. After a call RCX must be the next
 * instruction and R11 RFLAGS, or each unchanged (a return by IRETQ); after a
 * spin RCX is 0 and R11 unchanged.
 */
int registers_report_call(const char *what);
int registers_report_spin(const char *what);

#endif
