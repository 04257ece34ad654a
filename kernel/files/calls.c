/*
 * calls: the calls that take a descriptor or a path.
 */
#include "files/calls.h"

#include "layout.h"
#include "errno.h"
#include "user_copy.h"
#include "sched.h"
#include "files/pipe.h"
#include "files/regular.h"

#define VECTOR_MAX 1024 /* pieces */

#define SEEK_SET   0
#define SEEK_CUR   1
#define SEEK_END   2
#define SEEK_DATA  3
#define SEEK_HOLE  4

#define FD_CLOEXEC 1

/* ioctl's requests to every file. */
#define FIONBIO    0x5421
#define FIONCLEX   0x5450
#define FIOCLEX    0x5451
#define MAY_CHANGE (O_APPEND | O_NONBLOCK)

/* Is [buffer, buffer + size) in the user's half? */
static bool is_user_range(uint64_t buffer, size_t size)
{
	return buffer < USER_END && size <= USER_END - buffer;
}

static size_t at_most(size_t size)
{
	return size < RW_MAX ? size : RW_MAX;
}

long sys_read(int fd, uint64_t buffer, size_t size)
{
	struct file *file = fd_file(fd);

	if (!file || !file->readable)
		return -EBADF;
	if (!is_user_range(buffer, size))
		return -EFAULT;
	return file->node.ops->read(file, buffer, at_most(size));
}

long sys_write(int fd, uint64_t buffer, size_t size)
{
	struct file *file = fd_file(fd);

	if (!file || !file->writable)
		return -EBADF;
	if (!is_user_range(buffer, size))
		return -EFAULT;
	return file->node.ops->write(file, buffer, at_most(size));
}

struct piece {
	uint64_t base, size;
};

/* All of a vector is looked at before the first piece moves. */
static int check_vector(uint64_t vector, int count)
{
	struct piece piece;
	int64_t sum = 0;

	if (count < 0 || count > VECTOR_MAX)
		return -EINVAL;
	for (int i = 0; i < count; i++) {
		if (copyin(&piece, vector + i * sizeof(piece), sizeof(piece)))
			return -EFAULT;
		if (__builtin_add_overflow(sum, piece.size, &sum))
			return -EINVAL;
		if (!is_user_range(piece.base, piece.size))
			return -EFAULT;
	}
	return 0;
}

/* One piece after the other, until one is not done whole. */
static long by_pieces(long (*one)(int, uint64_t, size_t), int fd,
		      uint64_t vector, int count)
{
	struct piece piece;
	long done = 0;
	int error = check_vector(vector, count);

	if (error < 0)
		return error;
	for (int i = 0; i < count; i++) {
		long n;

		if (copyin(&piece, vector + i * sizeof(piece), sizeof(piece)))
			return done ? done : -EFAULT;
		if (piece.size == 0)
			continue;
		n = one(fd, piece.base, piece.size);
		if (n < 0)
			return done ? done : n;
		done += n;
		if ((uint64_t)n < piece.size)
			break;
	}
	return done;
}

long sys_readv(int fd, uint64_t vector, int count)
{
	struct file *file = fd_file(fd);

	if (!file || !file->readable)
		return -EBADF;
	return by_pieces(sys_read, fd, vector, count);
}

long sys_writev(int fd, uint64_t vector, int count)
{
	struct file *file = fd_file(fd);

	if (!file || !file->writable)
		return -EBADF;
	return by_pieces(sys_write, fd, vector, count);
}

/* At a place of its own: the file's offset is as before. */
static long at_offset(long (*call)(int, uint64_t, size_t), int fd,
		      uint64_t buffer, size_t size, long offset)
{
	struct file *file = fd_file(fd);
	uint64_t before;
	long result;

	if (offset < 0)
		return -EINVAL;
	if (!file)
		return -EBADF;
	if (!file->node.ops->seekable)
		return -ESPIPE;
	before = file->offset;
	file->offset = offset;
	result = call(fd, buffer, size);
	file->offset = before;
	return result;
}

long sys_pread64(int fd, uint64_t buffer, size_t size, long offset)
{
	return at_offset(sys_read, fd, buffer, size, offset);
}

long sys_pwrite64(int fd, uint64_t buffer, size_t size, long offset)
{
	return at_offset(sys_write, fd, buffer, size, offset);
}

long sys_ftruncate(int fd, long size)
{
	struct file *file = fd_file(fd);

	if (size < 0)
		return -EINVAL;
	if (!file)
		return -EBADF;
	if (!file->writable || file->node.ops != &regular_ops)
		return -EINVAL;
	return regular_resize(file->node.inode, size);
}

/* All that is written is where it stays. */
long sys_fsync(int fd)
{
	struct file *file = fd_file(fd);

	if (!file)
		return -EBADF;
	return file->node.ops == &regular_ops || file->node.ops->list ? 0
								      : -EINVAL;
}

long sys_close(int fd)
{
	struct file *file = fd_take(fd);

	if (!file)
		return -EBADF;
	file_release(file);
	return 0;
}

/* All of a file counts as data, as man 2 lseek allows; the hole is at its end. */
static long seek_data(struct file *file, long offset, int whence, int64_t size)
{
	if (offset < 0 || offset >= size)
		return -ENXIO;
	file->offset = whence == SEEK_DATA ? offset : size;
	return file->offset;
}

long sys_lseek(int fd, long offset, int whence)
{
	struct file *file = fd_file(fd);
	struct stat stat = { 0 };

	if (!file)
		return -EBADF;
	if (whence < SEEK_SET || whence > SEEK_HOLE)
		return -EINVAL;
	if (!file->node.ops->seekable)
		return -ESPIPE;
	if (inode_is(file->node.inode, S_IFCHR))
		return 0; /* it is always at its start */
	node_stat(&file->node, &stat);
	if (whence >= SEEK_DATA)
		return seek_data(file, offset, whence, stat.size);
	const int64_t from[] = {
		[SEEK_SET] = 0,
		[SEEK_CUR] = file->offset,
		[SEEK_END] = stat.size,
	};
	if (__builtin_add_overflow(from[whence], offset, &offset) || offset < 0)
		return -EINVAL;
	file->offset = offset;
	return offset;
}

long sys_getdents64(int fd, uint64_t buffer, size_t size)
{
	struct file *file = fd_file(fd);

	if (!file)
		return -EBADF;
	if (!file->node.ops->list)
		return -ENOTDIR;
	return file->node.ops->list(file, buffer, size);
}

static long set_no_sleep(struct file *file, uint64_t argument)
{
	int32_t yes;

	if (copyin(&yes, argument, sizeof(yes)) < 0)
		return -EFAULT;
	file->flags =
		yes ? file->flags | O_NONBLOCK : file->flags & ~O_NONBLOCK;
	return 0;
}

static long give_waiting(struct file *file, uint64_t argument)
{
	int32_t count = file->node.ops->waiting(file);

	return copyout(argument, &count, sizeof(count));
}

long sys_ioctl(int fd, uint32_t request, uint64_t argument)
{
	struct file *file = fd_file(fd);

	if (!file)
		return -EBADF;
	switch (request) {
	case FIOCLEX:
	case FIONCLEX:
		fd_set_cloexec(fd, request == FIOCLEX);
		return 0;
	case FIONBIO:
		return set_no_sleep(file, argument);
	case FIONREAD:
		if (file->node.ops->waiting)
			return give_waiting(file, argument);
	}
	if (!file->node.ops->ioctl)
		return -ENOTTY;
	return file->node.ops->ioctl(request, argument);
}

long sys_pipe2(uint64_t user_fds, int flags)
{
	struct file *ends[2];
	int fds[2];
	long error;

	if (flags & ~(O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	error = pipe_open(ends, flags);
	if (error < 0)
		return error;
	for (int i = 0; i < 2; i++)
		fds[i] = fd_install(ends[i], flags);
	error = fds[0] < 0 || fds[1] < 0 ? -EMFILE
					 : copyout(user_fds, fds, sizeof(fds));
	for (int i = 0; i < 2 && error < 0; i++)
		if (fds[i] >= 0)
			sys_close(fds[i]);
	return error;
}

long sys_pipe(uint64_t fds)
{
	return sys_pipe2(fds, 0);
}

long sys_dup(int fd)
{
	struct file *file = fd_any(fd);

	return file ? fd_install(file_share(file), 0) : -EBADF;
}

static long duplicate(int from, int to, int flags)
{
	struct file *file = fd_any(from);

	if (!file || to < 0 || to >= NFILE_PER_PROC)
		return -EBADF;
	file_share(file);
	sys_close(to);
	fd_put(to, file, flags);
	return to;
}

long sys_dup2(int from, int to)
{
	return from == to && fd_any(from) ? to : duplicate(from, to, 0);
}

long sys_dup3(int from, int to, int flags)
{
	if (flags & ~O_CLOEXEC || from == to)
		return -EINVAL;
	return duplicate(from, to, flags);
}

/* Or does it need the file to be open? */
static bool is_about_descriptor(int command)
{
	return command <= F_GETFL || command == F_DUPFD_CLOEXEC;
}

long sys_fcntl(int fd, int command, uint64_t argument)
{
	struct file *file = fd_any(fd);

	if (!file || (!fd_file(fd) && !is_about_descriptor(command)))
		return -EBADF;
	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		if (argument >= NFILE_PER_PROC)
			return -EINVAL;
		return fd_install_from(argument, file_share(file),
				       command == F_DUPFD ? 0 : O_CLOEXEC);
	case F_GETFD:
		return fd_is_cloexec(fd);
	case F_SETFD:
		fd_set_cloexec(fd, argument & FD_CLOEXEC);
		return 0;
	case F_GETFL:
		return file->flags;
	case F_SETFL:
		file->flags &= ~MAY_CHANGE;
		file->flags |= argument & MAY_CHANGE;
		return 0;
	}
	return -EINVAL;
}
