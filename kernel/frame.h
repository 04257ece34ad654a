/*
 * frame: lab 4. The user's registers as the entry stub saved them, under names
 * that C can use.
 *
 * syscall_entry writes every field on the way in, and restores every register
 * from them on the way out; in between, whoever changes a field changes what
 * the user will find in that register.
 */
#ifndef FRAME_H
#define FRAME_H

#include "syscall_entry.h"
#include "x86.h"

struct syscall_frame;

/* LAB 4: Define struct syscall_frame: the sixteen words that syscall_entry
 * pushes, in an order that, laid over RSP after the last push, gives each its
 * register. Then assert the place of each: FRAME_R9 to FRAME_RSP. */

struct syscall_frame {
	uint64_t r9;  /* argument 6 */
	uint64_t r8;  /* argument 5 */
	uint64_t r10; /* argument 4 */
	uint64_t rdx; /* argument 3 */
	uint64_t rsi; /* argument 2 */
	uint64_t rdi; /* argument 1 */
	uint64_t r15;
	uint64_t r14;
	uint64_t r13;
	uint64_t r12;
	uint64_t rbx;
	uint64_t rbp;
	uint64_t r11; /* the user's RFLAGS */
	uint64_t rcx; /* the user's RIP, behind the SYSCALL */
	uint64_t rax; /* the call's number; on the way out its result */
	uint64_t rsp; /* the user's */
};

#define FRAME_ASSERT(field, offset)                                       \
	_Static_assert(offsetof(struct syscall_frame, field) == (offset), \
		       "syscall_entry pushes " #field " elsewhere")
FRAME_ASSERT(r9, FRAME_R9);
FRAME_ASSERT(r8, FRAME_R8);
FRAME_ASSERT(r10, FRAME_R10);
FRAME_ASSERT(rdx, FRAME_RDX);
FRAME_ASSERT(rsi, FRAME_RSI);
FRAME_ASSERT(rdi, FRAME_RDI);
FRAME_ASSERT(r15, FRAME_R15);
FRAME_ASSERT(r14, FRAME_R14);
FRAME_ASSERT(r13, FRAME_R13);
FRAME_ASSERT(r12, FRAME_R12);
FRAME_ASSERT(rbx, FRAME_RBX);
FRAME_ASSERT(rbp, FRAME_RBP);
FRAME_ASSERT(r11, FRAME_R11);
FRAME_ASSERT(rcx, FRAME_RCX);
FRAME_ASSERT(rax, FRAME_RAX);
FRAME_ASSERT(rsp, FRAME_RSP);
_Static_assert(sizeof(struct syscall_frame) == FRAME_SIZE, "sixteen words");

/* END LAB 4 */

/* Returns the current process's frame while it is inside a system call, also
 * when it has slept there and others made calls of their own; else NULL: in an
 * interrupt of user code, in the idle process, after exec and exit. */
struct syscall_frame *get_syscall_frame(void);

/* Return the user's RSP, and the RIP that the user will go on at, of the
 * current process's call; or 0 outside one. */
uint64_t get_saved_user_rsp(void);
uint64_t get_saved_user_rip(void);

#endif
