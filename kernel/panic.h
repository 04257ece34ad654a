/*
 * panic: the kernel's last words.
 */
#ifndef PANIC_H
#define PANIC_H

#include <stdint.h>

/* What leaves QEMU when the kernel cannot say what the first program said. */
#define EXIT_MAX       124 /* the largest status that travels as it is */
#define EXIT_TOO_LARGE 125 /* the program's status was larger than that */
#define EXIT_KILLED    126 /* the program was killed */
#define EXIT_PANIC     127 /* the kernel could not go on */

/* Prints the message and the calls that led to it, and leaves QEMU with
 * EXIT_PANIC. For what only a mistake in the kernel can cause. */
void panic(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* Prints the chain of callers, from a frame pointer upwards. */
void print_backtrace(uint64_t rip, uint64_t rbp);

/* Ends QEMU through its isa-debug-exit device, whose exit status becomes
 * (value << 1) | 1. On a machine without one, stops the CPU. */
void machine_exit(uint32_t value) __attribute__((noreturn));

#endif
