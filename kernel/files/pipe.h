/*
 * pipe: bytes from one process to another, in order, through memory.
 */
#ifndef PIPE_H
#define PIPE_H

#include "files/file.h"

extern const struct file_ops pipe_ops;

/* Makes a pipe: ends[0] to read from it, ends[1] to write to it. O_NONBLOCK in
 * flags is for both. Returns 0, -ENFILE, or -ENOMEM. */
int pipe_open(struct file *ends[2], int flags);

/* Sleeps until a page has room in the pipe that this end writes to. Returns 0, or
 * an error as a write does. */
int pipe_await_room(struct file *file);

#endif
