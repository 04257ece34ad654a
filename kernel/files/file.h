/*
 * file: what a descriptor stands for. An open file knows its kind only by a
 * table of operations, one for each kind of file in this folder.
 */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define O_RDONLY    0
#define O_WRONLY    1
#define O_RDWR      2
#define O_ACCMODE   3
#define O_CREAT     0100
#define O_TRUNC     01000
#define O_NONBLOCK  04000
#define O_DIRECTORY 0200000
#define O_CLOEXEC   02000000

struct initrd_file;
struct pipe;

/* What a path or a pipe's end stands for. The operations tell which of the
 * pointers counts, if any. */
struct node {
	const struct file_ops *ops;
	union {
		const struct initrd_file *archived;
		struct pipe *pipe;
	};
};

struct file {
	struct node node;
	int holders; /* descriptors of all processes; 0: unused */
	bool readable, writable, no_sleep;
	/* Of the next read; in a directory, of the next name. */
	uint64_t offset;
};

/* struct stat as programs for Linux expect it. */
struct stat {
	uint64_t device, number, links;
	uint32_t mode, uid, gid, pad;
	uint64_t special_device;
	int64_t size, block_size, blocks;
	uint64_t accessed[2], modified[2], changed[2]; /* seconds, ns */
	int64_t unused[3];
};

_Static_assert(sizeof(struct stat) == 144, "Linux's struct stat");

/* What differs between kinds. Results are those of the calls: man 2 of each. */
struct file_ops {
	/* May it be opened with these flags? NULL: with all. */
	int (*open)(int flags);
	/* Never called on a file that was not opened for it. */
	long (*read)(struct file *file, uint64_t buffer, size_t size);
	long (*write)(struct file *file, uint64_t buffer, size_t size);
	/* Fills in what is not zero. */
	void (*stat)(const struct node *node, struct stat *stat);
	/* getdents64. NULL: -ENOTDIR, for this is no directory. */
	long (*list)(struct file *file, uint64_t buffer, size_t size);
	/* NULL: -ENOTTY. */
	long (*ioctl)(uint32_t request, uint64_t argument);
	/* The last holder is gone. NULL: nothing is to be done. */
	void (*close)(struct file *file);
	bool seekable;
};

/* Returns an open file with one holder, or NULL if there are too many. */
struct file *file_alloc(const struct node *node, int flags);

/* One holder more, and one less; the last one closes the file. */
struct file *file_share(struct file *file);
void file_release(struct file *file);

/* Returns what the current process's descriptor stands for, or NULL. */
struct file *fd_file(int fd);

/* Gives the file the current process's lowest free descriptor and returns that;
 * or releases the file and returns -EMFILE. */
int fd_install(struct file *file);

#endif
