/*
 * sendfile: pread and write, again and again. Both know the caller's memory only,
 * so a page of it is there for as long as the call lasts.
 */
#include "files/sendfile.h"

#include "errno.h"
#include "user_copy.h"
#include "timer.h"
#include "sched.h"
#include "files/file.h"
#include "files/pipe.h"
#include "files/calls.h"

/* Puts a page of zeros where nothing is. Returns its address, or 0. */
static uint64_t add_page(struct vm *vm)
{
	struct area area = { .prot = PROT_READ | PROT_WRITE };

	area.start = area_gap(&vm->areas, PAGE_SIZE);
	area.end = area.start + PAGE_SIZE;
	return area.start && area_add(&vm->areas, &area) == 0 ? area.start : 0;
}

/* As much as one page of the file holds. */
static long send_piece(int to, int from, int64_t position, size_t size,
		       uint64_t page)
{
	size_t piece = PAGE_SIZE - position % PAGE_SIZE;
	long n = sys_pread64(from, page, piece < size ? piece : size, position);

	return n > 0 ? sys_write(to, page, n) : n;
}

/* Would another piece have room at once? */
static bool takes_more(int to)
{
	const struct file *file = fd_file(to);

	return !file->node.ops->ready ||
	       file->node.ops->ready(file) & READY_TO_WRITE;
}

/* Sleeps for the first piece only. One that does not reach the end of its page was
 * not there, or not taken, as a whole. */
static long send(int to, int from, int64_t *position, size_t size,
		 uint64_t page)
{
	size_t done = 0;
	long n;

	do {
		n = send_piece(to, from, *position, size - done, page);
		if (n <= 0)
			break;
		done += n;
		*position += n;
		timer_give_way();
	} while (done < size && *position % PAGE_SIZE == 0 && takes_more(to) &&
		 !signal_waits(proc_current()));
	return done ? (long)done : n;
}

/* The same through a page of the caller's that was not there before. */
static long send_through_page(int to, int from, int64_t *position, size_t size)
{
	struct vm *vm = &proc_current()->vm;
	uint64_t page = add_page(vm);
	long result;

	if (!page)
		return -ENOMEM;
	result = send(to, from, position, size, page);
	vm_remove(vm, page, page + PAGE_SIZE);
	return result;
}

/* Where it begins: the caller's position, or the file's. */
static int find_position(const struct file *from, uint64_t user_position,
			 int64_t *position)
{
	if (user_position &&
	    copyin(position, user_position, sizeof(*position)) < 0)
		return -EFAULT;
	if (!from || !from->readable)
		return -EBADF;
	if (!user_position)
		*position = from->offset;
	else if (!from->node.ops->seekable)
		return -ESPIPE;
	return 0;
}

/* What Linux refuses: a target that is written at its end, wherever that is by
 * then; a pipe that nobody reads; then a source that is no row of bytes with places
 * in it. For room in a pipe it waits before it looks at the source. */
static int check(struct file *to, const struct file *from, int64_t position,
		 int64_t size)
{
	int64_t end;
	int error = 0;

	if (position < 0 || size < 0 ||
	    __builtin_add_overflow(position, size, &end))
		return -EINVAL;
	if (!to || !to->writable)
		return -EBADF;
	if (to->node.pipe)
		error = pipe_await_room(to);
	else if (to->flags & O_APPEND)
		error = -EINVAL;
	if (error == 0 && (!from->node.ops->seekable || from->node.ops->list))
		error = -EINVAL;
	return error;
}

long sys_sendfile(int to, int from, uint64_t user_position, size_t size)
{
	struct file *source = fd_file(from);
	int64_t position;
	long result = find_position(source, user_position, &position);

	if (result == 0)
		result = check(fd_file(to), source, position, size);
	if (result < 0)
		return result;
	result = send_through_page(to, from, &position,
				   size < RW_MAX ? size : RW_MAX);
	if (!user_position)
		source->offset = position;
	else if (copyout(user_position, &position, sizeof(position)) < 0)
		return -EFAULT;
	return result;
}
