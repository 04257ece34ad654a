/*
 * pipe: a ring in a page of its own.
 */
#include "files/pipe.h"

#include "errno.h"
#include "proc.h"

struct pipe {
	uint64_t read,
		written; /* bytes so far; the difference is in the ring */
	int readers, writers;
	char ring[];
};

#define RING_SIZE (PAGE_SIZE - sizeof(struct pipe))

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

struct pipe *pipe_create(void)
{
	uint64_t page = page_alloc();
	struct pipe *pipe = pa_to_va(page);

	if (!page)
		return NULL;
	*pipe = (struct pipe){ .readers = 1, .writers = 1 };
	return pipe;
}

void pipe_close(struct pipe *pipe, bool writer)
{
	if (writer)
		pipe->writers--;
	else
		pipe->readers--;
	wakeup(pipe);
	if (pipe->readers == 0 && pipe->writers == 0)
		page_unref((uint64_t)pipe - DIRECT_MAP);
}

long pipe_read(struct pipe *pipe, uint64_t user_buffer, size_t size,
	       bool no_sleep)
{
	uint64_t count = 0;

	while (pipe->read == pipe->written) {
		if (size == 0 || pipe->writers == 0)
			return 0;
		if (no_sleep)
			return -EAGAIN;
		sleep(pipe);
	}
	while (count < size && pipe->read != pipe->written) {
		uint64_t at = pipe->read % RING_SIZE;
		uint64_t piece = smaller(
			size - count,
			smaller(pipe->written - pipe->read, RING_SIZE - at));

		if (copyout(user_buffer + count, pipe->ring + at, piece) < 0)
			return count ? (long)count : -EFAULT;
		pipe->read += piece;
		count += piece;
	}
	wakeup(pipe);
	return count;
}

long pipe_write(struct pipe *pipe, uint64_t user_buffer, size_t size,
		bool no_sleep)
{
	uint64_t count = 0;

	while (count < size) {
		uint64_t at = pipe->written % RING_SIZE;
		uint64_t room = RING_SIZE - (pipe->written - pipe->read);
		uint64_t piece =
			smaller(size - count, smaller(room, RING_SIZE - at));

		if (pipe->readers == 0)
			return count ? (long)count : -EPIPE;
		if (room == 0) {
			if (no_sleep)
				return count ? (long)count : -EAGAIN;
			sleep(pipe);
			continue;
		}
		if (copyin(pipe->ring + at, user_buffer + count, piece) < 0)
			return count ? (long)count : -EFAULT;
		pipe->written += piece;
		count += piece;
		wakeup(pipe);
	}
	return count;
}
