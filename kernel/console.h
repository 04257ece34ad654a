/*
 * console: COM1, byte by byte. It is polled for output, so it works from the
 * first line of main() to the last line of a panic; for input it interrupts.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "x86.h"

/* Programs the 16550 at COM1: 115200 baud, 8N1, FIFOs on. */
void console_init(void);

/* Writes one byte as it is. */
void console_put(char c);

/* Writes size bytes; a newline becomes carriage return and newline. */
void console_write(const char *bytes, size_t size);

/* Lets COM1 interrupt when a byte has arrived. */
void console_enable_input(void);

/* Returns the next byte that has arrived, or -1 if there is none. */
int console_getc(void);

#endif
