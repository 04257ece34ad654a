/*
 * trap: everything that enters the kernel but SYSCALL: exceptions and
 * interrupts, 256 vectors.
 * Source: AMD APM vol. 2 chapter 8.
 */
#ifndef TRAP_H
#define TRAP_H

#define VECTOR_DE  0
#define VECTOR_DB  1
#define VECTOR_NMI 2
#define VECTOR_BP  3
#define VECTOR_OF  4
#define VECTOR_UD  6
#define VECTOR_DF  8
#define VECTOR_GP  13
#define VECTOR_PF  14
#define VECTOR_MF  16
#define VECTOR_AC  17
#define VECTOR_MC  18
#define VECTOR_XM  19
#define VECTOR_IRQ 0x20 /* and the 15 after it: the interrupt controller's */
#define VECTORS    256
#define EXCEPTIONS 32 /* vectors that only the CPU itself has a use for */

/* Those after whose frame the CPU pushes an error code, as bits: 8, 10 to 14,
 * 17, 21, 29 and 30. AMD APM vol. 2 section 8.2, table 8-1. */
#define VECTORS_WITH_ERROR_CODE 0x60227d00

#define IRQ_TIMER               0
#define IRQ_COM1                4
#define IRQS                    16

/* Where trap_entry.S finds CS: 15 registers, vector, error code, RIP. */
#define TRAP_FRAME_CS 144

#ifndef __ASSEMBLER__
#include "x86.h"

/* What a trap leaves on the stack, lowest address first. The CPU pushes from
 * ss down to rip, and for some vectors an error code; trap_entry.S the rest. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

_Static_assert(offsetof(struct trap_frame, cs) == TRAP_FRAME_CS,
	       "trap_entry.S looks here for the ring that was interrupted");

/* Where each of the 256 vectors arrives. */
extern const uint64_t trap_entries[VECTORS];

/* The C side of every trap, with interrupts off. gs_swapped: ring 0 was
 * interrupted with the user's GS, and trap_entry.S has changed it. Returns when
 * the interrupted code is to go on. */
void trap_handler(struct trap_frame *frame, bool gs_swapped);

/* Moves the frame of a trap that came from ring 3 off its interrupt stack, to
 * where an ordinary trap would have put it, and returns its new place. */
struct trap_frame *trap_leave_ist(struct trap_frame *frame);

/* Goes to ring 3 with the frame's registers, all of them. */
void trap_return(struct trap_frame *frame) __attribute__((noreturn));
#endif

#endif
