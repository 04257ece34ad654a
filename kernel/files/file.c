/*
 * file: the table of open files, and the processes' descriptors.
 */
#include "files/file.h"

#include "errno.h"
#include "string.h"
#include "sched.h"
#include "pool.h"

#define FILES 4096 /* all that are open */

/* What F_GETFL tells: not what mattered while it was opened only, nor what is the
 * descriptor's. */
#define TOLD_FLAGS                                                  \
	(O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_LARGEFILE | \
	 O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_PATH)

static struct pool files = { .size = sizeof(struct file) };
static int open_files;

void node_stat(const struct node *node, struct stat *stat)
{
	if (node->ops->stat)
		node->ops->stat(node, stat);
	else
		inode_stat(node->inode, stat);
}

struct file *file_alloc(const struct node *node, int flags)
{
	struct file *file = open_files < FILES ? pool_alloc(&files) : NULL;

	if (!file)
		return NULL;
	open_files++;
	*file = (struct file){
		.node = *node,
		.holders = 1,
		.readable = (flags & O_ACCMODE) != O_WRONLY,
		.writable = (flags & O_ACCMODE) != O_RDONLY,
		.flags = flags & TOLD_FLAGS,
	};
	if (node->inode)
		inode_hold(node->inode);
	return file;
}

struct file *file_share(struct file *file)
{
	file->holders++;
	return file;
}

void file_release(struct file *file)
{
	if (--file->holders > 0)
		return;
	if (file->node.ops->close)
		file->node.ops->close(file);
	inode_release(file->node.inode);
	pool_free(&files, file);
	open_files--;
}

struct file *fd_any(int fd)
{
	if (fd < 0 || fd >= NFILE_PER_PROC)
		return NULL;
	return proc_current()->files[fd];
}

struct file *fd_file(int fd)
{
	struct file *file = fd_any(fd);

	return file && !(file->flags & O_PATH) ? file : NULL;
}

void fd_put(int fd, struct file *file, int flags)
{
	struct proc *p = proc_current();

	p->files[fd] = file;
	fd_set_cloexec(fd, flags & O_CLOEXEC);
	if (fd >= p->files_end)
		p->files_end = fd + 1;
}

struct file *fd_take(int fd)
{
	struct proc *p = proc_current();
	struct file *file = fd_any(fd);

	if (!file)
		return NULL;
	p->files[fd] = NULL;
	while (p->files_end > 0 && !p->files[p->files_end - 1])
		p->files_end--;
	return file;
}

int fd_install_from(int least, struct file *file, int flags)
{
	for (int fd = least; fd < NFILE_PER_PROC; fd++)
		if (!fd_any(fd)) {
			fd_put(fd, file, flags);
			return fd;
		}
	file_release(file);
	return -EMFILE;
}

int fd_install(struct file *file, int flags)
{
	return fd_install_from(0, file, flags);
}

bool fd_is_cloexec(int fd)
{
	return proc_current()->cloexec[fd / WORD_BITS] >> fd % WORD_BITS & 1;
}

void fd_set_cloexec(int fd, bool cloexec)
{
	uint64_t *bits = &proc_current()->cloexec[fd / WORD_BITS];
	uint64_t bit = 1ul << fd % WORD_BITS;

	*bits = cloexec ? *bits | bit : *bits & ~bit;
}

void fd_close_on_exec(void)
{
	for (int fd = 0; fd < proc_current()->files_end; fd++)
		if (fd_any(fd) && fd_is_cloexec(fd))
			file_release(fd_take(fd));
}

void fd_inherit(struct proc *child)
{
	const struct proc *parent = proc_current();

	for (int fd = 0; fd < parent->files_end; fd++)
		if (parent->files[fd])
			child->files[fd] = file_share(parent->files[fd]);
	child->files_end = parent->files_end;
	memcpy(child->cloexec, parent->cloexec, sizeof(child->cloexec));
}

void fd_release_all(struct proc *p)
{
	for (int fd = 0; fd < p->files_end; fd++)
		if (p->files[fd])
			file_release(p->files[fd]);
	p->files_end = 0;
}
