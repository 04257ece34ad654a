/*
 * file: the table of open files, and the processes' descriptors.
 */
#include "files/file.h"

#include "errno.h"
#include "sched.h"

#define FILES 256

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
				.no_sleep = flags & O_NONBLOCK,
			};
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
}

struct file *fd_file(int fd)
{
	if (fd < 0 || fd >= NFILE_PER_PROC)
		return NULL;
	return proc_current()->files[fd];
}

int fd_install(struct file *file)
{
	struct proc *p = proc_current();

	for (int fd = 0; fd < NFILE_PER_PROC; fd++)
		if (!p->files[fd]) {
			p->files[fd] = file;
			return fd;
		}
	file_release(file);
	return -EMFILE;
}
