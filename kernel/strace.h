/*
 * strace: the challenge of lab 4. Nothing in this tree defines strace(); who
 * takes the challenge writes kernel/strace.c.
 */
#ifndef STRACE_H
#define STRACE_H

/* Says on the console what the current process's call was that has just come to
 * this result. syscall_handler calls it, if strace=1 stands on the kernel's
 * command line, while the frame is still as the call found it. */
void strace(long result) __attribute__((weak));

#endif
