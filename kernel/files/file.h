/*
 * file: what a descriptor stands for. An open file knows its kind only by a
 * table of operations, one for each kind of file in this folder.
 */
#ifndef FILE_H
#define FILE_H

#include <stddef.h>

#include "files/inode.h"

#define FIONREAD    0x541b /* ioctl: how many bytes wait? */

#define O_RDONLY    0
#define O_WRONLY    1
#define O_RDWR      2
#define O_ACCMODE   3
#define O_CREAT     0100
#define O_EXCL      0200
#define O_TRUNC     01000
#define O_APPEND    02000
#define O_NONBLOCK  04000
#define O_LARGEFILE 0100000
#define O_DIRECTORY 0200000
#define O_NOFOLLOW  0400000
#define O_NOATIME   01000000
#define O_CLOEXEC   02000000
#define O_PATH      010000000 /* the file is found, and not opened */
#define O_SYNC      04010000  /* two bits: for times and sizes, too */

/* What a file may be ready for, in poll's bits; those that poll tells unasked; and
 * what a read, or a write, that would not sleep has. */
#define POLLIN         0x1
#define POLLPRI        0x2
#define POLLOUT        0x4
#define POLLERR        0x8
#define POLLHUP        0x10
#define POLLNVAL       0x20
#define POLLRDNORM     0x40
#define POLLWRNORM     0x100
#define POLL_ALWAYS    (POLLERR | POLLHUP | POLLNVAL)
#define READY_TO_READ  (POLLIN | POLLRDNORM)
#define READY_TO_WRITE (POLLOUT | POLLWRNORM)

struct pipe;
struct proc;

/* What is open: an inode of the tree, which is held, or a pipe's end. */
struct node {
	const struct file_ops *ops;
	struct inode *inode; /* NULL: none */
	struct pipe *pipe;   /* NULL: none */
};

/* What stat tells of it; what is zero has to be there. */
void node_stat(const struct node *node, struct stat *stat);

struct file {
	struct node node;
	int holders; /* descriptors of all processes; 0: unused */
	bool readable, writable;
	int flags; /* how it was opened, as F_GETFL tells it */
	/* Of the next read; in a directory, the last name's place. */
	uint64_t offset;
};

/* Returns an open file with one holder, or NULL if there are too many. */
struct file *file_alloc(const struct node *node, int flags);

/* One holder more, and one less; the last one closes the file. */
struct file *file_share(struct file *file);
void file_release(struct file *file);

/* Returns the open file that the current process's descriptor stands for, or NULL;
 * fd_any returns one, too, that O_PATH has only found. */
struct file *fd_file(int fd);
struct file *fd_any(int fd);

/* Gives the file the current process's lowest free descriptor from least on, and
 * returns that; or releases the file and returns -EMFILE. O_CLOEXEC in flags:
 * until the process executes something else. */
int fd_install_from(int least, struct file *file, int flags);
int fd_install(struct file *file, int flags);

/* Is it for this program only? And says so. */
bool fd_is_cloexec(int fd);
void fd_set_cloexec(int fd, bool cloexec);

/* Makes a free descriptor stand for a file; and takes what one stands for (NULL:
 * nothing) out of it. The holder stays the same. */
void fd_put(int fd, struct file *file, int flags);
struct file *fd_take(int fd);

/* Exec: closes the descriptors that were for the old program. */
void fd_close_on_exec(void);

/* Fork and exit: the child has all that the current process has; all of a process
 * are closed. */
void fd_inherit(struct proc *child);
void fd_release_all(struct proc *p);

#endif
