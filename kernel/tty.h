/*
 * tty: what a person types. Shows it, lets a line be corrected, sends the signals
 * of the keys that send one, and hands on lines, or bytes: as termios says.
 */
#ifndef TTY_H
#define TTY_H

#include "termios.h"

/* Takes over COM1's input. */
void tty_init(void);

/* COM1 has interrupted. */
void tty_interrupt(void);

/* Copies to the user the next line, or as much of it as fits; without ICANON,
 * what there is when VMIN and VTIME say that it is enough. Sleeps until then.
 * Returns the bytes copied, 0 for Ctrl-D on an empty line; -EFAULT, -EAGAIN
 * instead of sleep, or sleep's error. */
long tty_read(uint64_t user_buffer, size_t size, bool no_sleep);

/* How many bytes wait to be read; would a read find what it waits for? */
uint32_t tty_waiting(void);
bool tty_is_ready(void);

/* Changes the settings; throws away what was typed and not read. */
void tty_set(const struct termios *settings);
void tty_forget(void);

#endif
