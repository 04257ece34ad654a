/*
 * tty: lines from a person. Collects what is typed at the console, shows it,
 * lets it be corrected, and hands it on a line at a time.
 */
#ifndef TTY_H
#define TTY_H

#include "x86.h"

/* Takes over COM1's input. */
void tty_init(void);

/* COM1 has interrupted. */
void tty_interrupt(void);

/* Copies the next line, or as much of it as fits, to the user; sleeps until
 * there is one. Returns the bytes copied, 0 for Ctrl-D on an empty line, or
 * -EFAULT. */
long tty_read(uint64_t user_buffer, size_t size);

#endif
