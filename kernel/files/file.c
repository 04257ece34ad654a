/*
 * file: the table of open files, and the processes' descriptors.
 */
#include "files/file.h"

#include "errno.h"
#include "sched.h"

#define FILES 256

/* What matters while a file is opened only, or is the descriptor's. */
#define OF_OPENING (O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC)

static struct file file_table[FILES];

struct file *file_alloc(const struct node *node, int flags)
{
	for (struct file *file = file_table; file < file_table + FILES; file++)
		if (file->holders == 0) {
			*file = (struct file){
				.node = *node,
				.holders = 1,
				.readable = (flags & O_ACCMODE) != O_WRONLY,
				.writable = (flags & O_ACCMODE) != O_RDONLY,
				.flags = flags & ~OF_OPENING,
			};
			if (node->inode)
				inode_hold(node->inode);
			return file;
		}
	return NULL;
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
}

struct file *fd_file(int fd)
{
	if (fd < 0 || fd >= NFILE_PER_PROC)
		return NULL;
	return proc_current()->files[fd];
}

int fd_install_from(int least, struct file *file, int flags)
{
	struct proc *p = proc_current();

	for (int fd = least; fd < NFILE_PER_PROC; fd++)
		if (!p->files[fd]) {
			p->files[fd] = file;
			fd_set_cloexec(fd, flags & O_CLOEXEC);
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
	return proc_current()->cloexec >> fd & 1;
}

void fd_set_cloexec(int fd, bool cloexec)
{
	uint64_t *bits = &proc_current()->cloexec;

	*bits = (*bits & ~(1ul << fd)) | (uint64_t)cloexec << fd;
}

void fd_close_on_exec(void)
{
	struct proc *p = proc_current();

	for (int fd = 0; p->cloexec; fd++, p->cloexec >>= 1)
		if (p->cloexec & 1 && p->files[fd]) {
			file_release(p->files[fd]);
			p->files[fd] = NULL;
		}
}
