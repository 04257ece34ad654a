/*
 * pipe: bytes from one process to another, in order, through a page of memory.
 */
#ifndef PIPE_H
#define PIPE_H

#include "x86.h"

struct pipe;

/* Returns a pipe with one reader and one writer, or NULL without memory. */
struct pipe *pipe_create(void);

/* One reader (or writer) less. The last of all frees the pipe. */
void pipe_close(struct pipe *pipe, bool writer);

/* Takes what is there, up to size bytes; sleeps while it is empty and has a
 * writer. Returns the bytes, 0 at the end, -EFAULT, or -EAGAIN where it would
 * sleep and may not. */
long pipe_read(struct pipe *pipe, uint64_t user_buffer, size_t size,
	       bool no_sleep);

/* Puts in size bytes; sleeps while it is full. Returns the bytes, -EPIPE when
 * there is no reader, -EFAULT or -EAGAIN. */
long pipe_write(struct pipe *pipe, uint64_t user_buffer, size_t size,
		bool no_sleep);

#endif
