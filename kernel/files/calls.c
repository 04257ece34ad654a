/*
 * calls: the calls that take a descriptor or a path.
 */
#include "files/calls.h"

#include "layout.h"
#include "errno.h"
#include "string.h"
#include "print.h"
#include "user_copy.h"
#include "sched.h"
#include "files/pipe.h"
#include "files/path.h"

#define AT_EMPTY_PATH 0x1000
#define WRITEV_MAX    1024 /* pieces */

#define SEEK_SET      0
#define SEEK_CUR      1
#define SEEK_END      2

/* Is [buffer, buffer + size) in the user's half? */
static bool is_user_range(uint64_t buffer, size_t size)
{
	return buffer < USER_END && size <= USER_END - buffer;
}

/* Puts a path's node into *node. */
static int find_node(struct node *node, int directory, uint64_t user_path)
{
	char path[PATH_MAX];
	int error = path_from_user(path, directory, user_path);

	return error < 0 ? error : path_look_up(path, node);
}

long sys_openat(int directory, uint64_t user_path, int flags)
{
	char path[PATH_MAX];
	struct node node;
	struct file *file;
	int error = path_from_user(path, directory, user_path);

	if (error < 0)
		return error;
	error = path_look_up(path, &node);
	if (error == -ENOENT && flags & O_CREAT)
		return -EROFS;
	if (error == 0 && node.ops->open)
		error = node.ops->open(flags);
	if (error < 0)
		return error;
	if (flags & O_DIRECTORY && !node_is_directory(&node))
		return -ENOTDIR;
	file = file_alloc(&node, flags);
	return file ? fd_install(file) : -ENFILE;
}

long sys_open(uint64_t path, int flags)
{
	return sys_openat(AT_FDCWD, path, flags);
}

long sys_read(int fd, uint64_t buffer, size_t size)
{
	struct file *file = fd_file(fd);

	if (!file || !file->readable)
		return -EBADF;
	if (!is_user_range(buffer, size))
		return -EFAULT;
	return file->node.ops->read(file, buffer, size);
}

long sys_write(int fd, uint64_t buffer, size_t size)
{
	struct file *file = fd_file(fd);

	if (!file || !file->writable)
		return -EBADF;
	if (!is_user_range(buffer, size))
		return -EFAULT;
	return file->node.ops->write(file, buffer, size);
}

long sys_writev(int fd, uint64_t vector, int count)
{
	struct {
		uint64_t base, size;
	} piece;
	long written = 0;

	if (count < 0 || count > WRITEV_MAX)
		return -EINVAL;
	for (int i = 0; i < count; i++) {
		long n;

		if (copyin(&piece, vector + i * sizeof(piece), sizeof(piece)))
			n = -EFAULT;
		else
			n = sys_write(fd, piece.base, piece.size);
		if (n < 0)
			return written ? written : n;
		written += n;
		if ((uint64_t)n < piece.size)
			break;
	}
	return written;
}

long sys_close(int fd)
{
	struct file *file = fd_file(fd);

	if (!file)
		return -EBADF;
	proc_current()->files[fd] = NULL;
	file_release(file);
	return 0;
}

static long give_stat(const struct node *node, uint64_t buffer)
{
	struct stat stat = { .links = 1, .block_size = PAGE_SIZE };

	node->ops->stat(node, &stat);
	return copyout(buffer, &stat, sizeof(stat));
}

long sys_fstat(int fd, uint64_t buffer)
{
	struct file *file = fd_file(fd);

	return file ? give_stat(&file->node, buffer) : -EBADF;
}

long sys_newfstatat(int directory, uint64_t path, uint64_t buffer, int flags)
{
	struct node node;
	char first;
	int error;

	if (copyin(&first, path, 1) == 0 && !first && flags & AT_EMPTY_PATH)
		return sys_fstat(directory, buffer);
	error = find_node(&node, directory, path);
	return error < 0 ? error : give_stat(&node, buffer);
}

long sys_stat(uint64_t path, uint64_t buffer)
{
	return sys_newfstatat(AT_FDCWD, path, buffer, 0);
}

long sys_lseek(int fd, long offset, int whence)
{
	struct file *file = fd_file(fd);
	struct stat stat = { 0 };

	if (!file)
		return -EBADF;
	if (!file->node.ops->seekable)
		return -ESPIPE;
	file->node.ops->stat(&file->node, &stat);
	const int64_t from[] = {
		[SEEK_SET] = 0,
		[SEEK_CUR] = file->offset,
		[SEEK_END] = stat.size,
	};
	if (whence < SEEK_SET || whence > SEEK_END ||
	    __builtin_add_overflow(from[whence], offset, &offset) || offset < 0)
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

long sys_ioctl(int fd, uint32_t request, uint64_t argument)
{
	struct file *file = fd_file(fd);

	if (!file)
		return -EBADF;
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
		fds[i] = fd_install(ends[i]);
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
	struct file *file = fd_file(fd);

	return file ? fd_install(file_share(file)) : -EBADF;
}

long sys_dup2(int from, int to)
{
	struct file *file = fd_file(from);

	if (!file || to < 0 || to >= NFILE_PER_PROC)
		return -EBADF;
	if (from == to)
		return to;
	file_share(file);
	sys_close(to);
	proc_current()->files[to] = file;
	return to;
}

long sys_getcwd(uint64_t buffer, size_t size)
{
	char path[PATH_MAX + 1];
	size_t length =
		ksnprintf(path, sizeof(path), "/%s", proc_current()->cwd) + 1;
	int error;

	if (size < length)
		return -ERANGE;
	error = copyout(buffer, path, length);
	return error < 0 ? error : (long)length;
}

long sys_chdir(uint64_t user_path)
{
	struct node node;
	char path[PATH_MAX];
	int error = path_from_user(path, AT_FDCWD, user_path);

	if (error == 0)
		error = path_look_up(path, &node);
	if (error < 0)
		return error;
	if (!node_is_directory(&node))
		return -ENOTDIR;
	strlcpy(proc_current()->cwd, path, PATH_MAX);
	return 0;
}
