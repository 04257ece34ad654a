/*
 * audit: the challenge of lab 2. Nothing in this tree defines audit(); who takes
 * the challenge writes kernel/audit.c, and main() calls it before the first
 * program.
 */
#ifndef AUDIT_H
#define AUDIT_H

/* Looks at what labs 1 and 2 have told the CPU. Panics with a sentence that
 * begins with "audit: " if a machine stricter than QEMU would not run on it. */
void audit(void) __attribute__((weak));

#endif
