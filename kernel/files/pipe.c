/*
 * pipe: a ring of pages, each made when a byte first comes into it; all go when
 * the last byte is taken. What is written in one call of up to PIPE_BUF bytes
 * goes in as one piece, or not at all: POSIX, write(), "pipe or FIFO".
 */
#include "files/pipe.h"

#include "errno.h"
#include "page.h"
#include "user_copy.h"
#include "signal.h"
#include "initrd.h"

#define MODE      (S_IFIFO | 0600)
#define PIPE_BUF  4096 /* bytes */
#define PAGES     16
#define RING_SIZE (PAGES * PAGE_SIZE)

struct pipe {
	/* Bytes so far; the difference is in the ring. */
	uint64_t read, written;
	int readers, writers;
	uint64_t pages[PAGES]; /* of the ring; 0: none yet */
};

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

static void empty_ring(struct pipe *pipe)
{
	pipe->read = pipe->written = 0;
	for (int i = 0; i < PAGES; i++)
		if (pipe->pages[i]) {
			page_unref(pipe->pages[i]);
			pipe->pages[i] = 0;
		}
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
	if (pipe->readers == 0 && pipe->writers == 0) {
		empty_ring(pipe);
		page_unref(va_to_pa(pipe));
	}
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
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		if (sleep(pipe) < 0)
			return -ERESTART;
	}
	while (count < size && pipe->read != pipe->written) {
		uint64_t at = pipe->read % PAGE_SIZE;
		uint64_t page = pipe->pages[pipe->read / PAGE_SIZE % PAGES];
		uint64_t piece = smaller(
			size - count,
			smaller(pipe->written - pipe->read, PAGE_SIZE - at));

		if (copyout(buffer + count, pa_to_va(page + at), piece) < 0)
			return count ? (long)count : -EFAULT;
		pipe->read += piece;
		count += piece;
	}
	if (pipe->read == pipe->written)
		empty_ring(pipe);
	wakeup(pipe);
	return count;
}

/* Puts size bytes after those that are there, for which there is room; or fails
 * and has put in none. */
static int put_in(struct pipe *pipe, uint64_t buffer, uint64_t size)
{
	uint64_t end = pipe->written + size, piece;
	int error;

	for (uint64_t to = pipe->written; to < end; to += piece) {
		uint64_t at = to % PAGE_SIZE;
		uint64_t *page = &pipe->pages[to / PAGE_SIZE % PAGES];

		piece = smaller(end - to, PAGE_SIZE - at);
		if (!*page)
			*page = page_alloc();
		if (!*page)
			return -ENOMEM;
		error = copyin(pa_to_va(*page + at), buffer, piece);
		if (error < 0)
			return error;
		buffer += piece;
	}
	pipe->written = end;
	return 0;
}

/* Who goes on writing what nobody reads is told so, and by default ended. */
static int no_reader(void)
{
	signal_send(proc_current(), SIGPIPE,
		    &(struct signal_info){ SI_USER, proc_current()->pid, 0 });
	return -EPIPE;
}

/* Puts in size bytes; sleeps while they, or if they are many the next of them,
 * have no room. */
static long pipe_write(struct file *file, uint64_t buffer, size_t size)
{
	struct pipe *pipe = file->node.pipe;
	uint64_t count = 0, needed = size <= PIPE_BUF ? size : 1;
	int error = 0;

	while (count < size && error == 0) {
		uint64_t room = RING_SIZE - (pipe->written - pipe->read);
		uint64_t piece = smaller(smaller(size - count, PIPE_BUF), room);

		if (pipe->readers == 0) {
			error = no_reader();
		} else if (room >= needed) {
			error = put_in(pipe, buffer + count, piece);
			count += error == 0 ? piece : 0;
			wakeup(pipe);
		} else if (file->flags & O_NONBLOCK) {
			error = -EAGAIN;
		} else {
			error = sleep(pipe);
		}
	}
	return count ? (long)count : error;
}

static int pipe_ready(const struct file *file)
{
	const struct pipe *pipe = file->node.pipe;
	uint64_t held = pipe->written - pipe->read;

	if (file->writable)
		return (RING_SIZE - held >= PIPE_BUF ? READY_TO_WRITE : 0) |
		       (pipe->readers ? 0 : POLLERR);
	return (held ? READY_TO_READ : 0) | (pipe->writers ? 0 : POLLHUP);
}

int pipe_await_room(struct file *file)
{
	int error = 0;

	while (error == 0) {
		if (file->node.pipe->readers == 0)
			return no_reader();
		if (pipe_ready(file) & READY_TO_WRITE)
			return 0;
		error = file->flags & O_NONBLOCK ? -EAGAIN
						 : sleep(file->node.pipe);
	}
	return error;
}

static uint64_t pipe_waiting(struct file *file)
{
	return file->node.pipe->written - file->node.pipe->read;
}

static void pipe_stat(const struct node *node, struct stat *stat)
{
	(void)node;
	stat->mode = MODE;
}

const struct file_ops pipe_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.waiting = pipe_waiting,
	.stat = pipe_stat,
	.ready = pipe_ready,
	.close = pipe_close,
};
