/*
 * screen: the way out of the terminal: what a program writes and what is typed,
 * as a person is to see it.
 */
#ifndef SCREEN_H
#define SCREEN_H

#include "x86.h"

#define TAB_WIDTH 8

/* Writes a program's bytes; a newline becomes CR and newline where OPOST and
 * ONLCR say so. */
void screen_write(const char *bytes, size_t size);

/* Shows a typed character: a control character as ^ and its letter. */
void screen_echo(uint8_t c);

/* How many columns screen_echo takes for it, at this column. */
uint32_t screen_width(uint8_t c, uint32_t column);

/* Takes back a character that was shown in so many columns. */
void screen_rub_out(uint8_t c, uint32_t width);

/* Where the next character will stand, counted from 0. */
uint32_t screen_column(void);

#endif
