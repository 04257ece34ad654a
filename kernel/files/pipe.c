/*
 * pipe: a ring in a page of its own.
 */
#include "files/pipe.h"

#include "errno.h"
#include "page.h"
#include "user_copy.h"
#include "sched.h"
#include "initrd.h"

struct pipe {
	/* Bytes so far; the difference is in the ring. */
	uint64_t read, written;
	int readers, writers;
	char ring[];
};

#define MODE      (S_IFIFO | 0600)
#define RING_SIZE (PAGE_SIZE - sizeof(struct pipe))

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static struct pipe *pipe_create(void)
{
	uint64_t page = page_alloc();
	struct pipe *pipe = pa_to_va(page);

	if (!page)
		return NULL;
	*pipe = (struct pipe){ .readers = 1, .writers = 1 };
	return pipe;
}

int pipe_open(struct file *ends[2], int flags)
{
	const struct node node = { .ops = &pipe_ops };
	struct pipe *pipe;

	ends[0] = file_alloc(&node, O_RDONLY | flags);
	ends[1] = file_alloc(&node, O_WRONLY | flags);
	pipe = ends[0] && ends[1] ? pipe_create() : NULL;
	for (int i = 0; i < 2; i++) {
		if (!ends[i])
			continue;
		ends[i]->node.pipe = pipe;
		if (!pipe)
			file_release(ends[i]);
	}
	if (pipe)
		return 0;
	return ends[0] && ends[1] ? -ENOMEM : -ENFILE;
}

/* The last end of all frees the pipe. */
static void pipe_close(struct file *file)
{
	struct pipe *pipe = file->node.pipe;

	if (!pipe)
		return; /* pipe_open could not make one */
	if (file->writable)
		pipe->writers--;
	else
		pipe->readers--;
	wakeup(pipe);
	if (pipe->readers == 0 && pipe->writers == 0)
		page_unref(va_to_pa(pipe));
}

/* Takes what is there, up to size bytes; sleeps while it is empty and has a
 * writer. */
static long pipe_read(struct file *file, uint64_t buffer, size_t size)
{
	struct pipe *pipe = file->node.pipe;
	uint64_t count = 0;

	while (pipe->read == pipe->written) {
		if (size == 0 || pipe->writers == 0)
			return 0;
		if (file->no_sleep)
			return -EAGAIN;
		sleep(pipe);
	}
	while (count < size && pipe->read != pipe->written) {
		uint64_t at = pipe->read % RING_SIZE;
		uint64_t piece = smaller(
			size - count,
			smaller(pipe->written - pipe->read, RING_SIZE - at));

		if (copyout(buffer + count, pipe->ring + at, piece) < 0)
			return count ? (long)count : -EFAULT;
		pipe->read += piece;
		count += piece;
	}
	wakeup(pipe);
	return count;
}

/* Puts in size bytes; sleeps while it is full. */
static long pipe_write(struct file *file, uint64_t buffer, size_t size)
{
	struct pipe *pipe = file->node.pipe;
	uint64_t count = 0;

	while (count < size) {
		uint64_t at = pipe->written % RING_SIZE;
		uint64_t room = RING_SIZE - (pipe->written - pipe->read);
		uint64_t piece =
			smaller(size - count, smaller(room, RING_SIZE - at));

		if (pipe->readers == 0)
			return count ? (long)count : -EPIPE;
		if (room == 0) {
			if (file->no_sleep)
				return count ? (long)count : -EAGAIN;
			sleep(pipe);
			continue;
		}
		if (copyin(pipe->ring + at, buffer + count, piece) < 0)
			return count ? (long)count : -EFAULT;
		pipe->written += piece;
		count += piece;
		wakeup(pipe);
	}
	return count;
}

static void pipe_stat(const struct node *node, struct stat *stat)
{
	(void)node;
	stat->mode = MODE;
}

const struct file_ops pipe_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.stat = pipe_stat,
	.close = pipe_close,
};
