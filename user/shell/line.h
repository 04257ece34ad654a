/*
 * line: a line typed at a terminal, with keys that go back in it, and in what was
 * typed before it.
 */
#ifndef LINE_H
#define LINE_H

#include <user.h>

/* Reads a line after the prompt, as read_line does. Meanwhile the terminal gives
 * its keys one by one; before this returns it has its own settings again. Control-C
 * begins another line; Control-D on an empty one is the end of the input. */
long edit_line(const char *prompt, char *line, size_t size, bool *too_long);

#endif
