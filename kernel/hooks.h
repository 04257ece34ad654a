/*
 * hooks: where the labs' challenges plug in. All functions are weak: who takes
 * a challenge defines one in a file of its own, and the room that calls it asks
 * first whether it is there.
 */
#ifndef HOOKS_H
#define HOOKS_H

#include <stdint.h>

/* Lab 1: uses up the kernel stack of the process that overflow= on the kernel's
 * command line names, when it is about to enter ring 3. hooks.c has it; the
 * challenge is to say what happened. */
void overflow(void) __attribute__((weak));

/* Lab 2: looks at what labs 1 and 2 have told the CPU. Panics with a sentence
 * that begins with "audit: " if a machine stricter than QEMU would not run on
 * it. Nothing in this tree defines it; who takes the challenge writes
 * kernel/audit.c, and main() calls it before the first program. */
void audit(void) __attribute__((weak));

/* Lab 4: says on the console what the current process's call was that has just
 * come to this result. Nothing in this tree defines it; who takes the challenge
 * writes kernel/strace.c. syscall_handler calls it, if strace=1 stands on the
 * kernel's command line, while the frame is still as the call found it. */
void strace(long result) __attribute__((weak));

/* The same in the form of Linux's program strace, unless there is a strace():
 * decode/ has it, which is not in the labs' releases. It looks for strace=1
 * itself. A call that does not come back calls it from its own room, at the last
 * moment at which the frame and what the arguments point to are there. */
void decode_call(long result) __attribute__((weak));

/* Lab 5: counts what copy-on-write spares. Nothing in this tree reads or writes
 * it; who takes the challenge does both in vm.c. */
extern struct vm_sharing {
	uint64_t shared; /* pages that forks gave to children uncopied */
	uint64_t copied; /* copies that had to be made of such pages later */
} vm_sharing;

#endif
