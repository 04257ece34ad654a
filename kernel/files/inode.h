/*
 * inode: what a name in the tree stands for. It lives as long as it has a name or
 * somebody uses it: an open file, a working directory.
 */
#ifndef INODE_H
#define INODE_H

#include "initrd.h"

#define DIRECT_PAGES 6 /* of a file: found without a table */

struct entry;
struct file;
struct node;
struct inode;

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
	/* Fills in what is not zero. NULL: as inode_stat does. */
	void (*stat)(const struct node *node, struct stat *stat);
	/* getdents64. NULL: -ENOTDIR, for this is no directory. */
	long (*list)(struct file *file, uint64_t buffer, size_t size);
	/* How many bytes can be read now? NULL: ioctl says. */
	uint64_t (*waiting)(struct file *file);
	/* A name of this directory's is about to be looked up. NULL: its names
	 * are all there. */
	void (*look_for)(struct inode *directory, const char *name,
			 size_t length);
	/* NULL: -ENOTTY. */
	long (*ioctl)(uint32_t request, uint64_t argument);
	/* For poll: what can be done without sleep. NULL: all. */
	int (*ready)(const struct file *file);
	/* The last holder is gone. NULL: nothing is to be done. */
	void (*close)(struct file *file);
	/* The inode is about to go. NULL: nothing is to be done. */
	void (*forget)(struct inode *inode);
	bool seekable;
};

struct inode {
	uint64_t number;
	uint32_t mode; /* type and permissions */
	int links; /* names; in a directory "." and its children's ".." too */
	int users;
	const struct file_ops *ops;
	uint64_t size;                        /* bytes */
	uint64_t accessed, modified, changed; /* ns since 1970 */
	union {
		/* Of a file, and the target of a symbolic link. The pages count
		 * where archived is NULL; 0 in place of one means zeros. */
		struct {
			const uint8_t *archived;
			uint64_t direct[DIRECT_PAGES], table;
		};
		struct {
			struct inode *parent; /* which it holds */
			struct entry *first;  /* in the order of place */
			uint64_t last_place;
		};
		uint64_t device;
	};
};

/* Returns a new one with no name and one user, all its times now; or NULL. */
struct inode *inode_create(uint32_t mode, const struct file_ops *ops);

/* One user more, and one less. */
struct inode *inode_hold(struct inode *inode);
void inode_release(struct inode *inode);

/* Its bytes or its entries have changed just now. */
void inode_touch(struct inode *inode);

void inode_stat(const struct inode *inode, struct stat *stat);

/* How many pages files may take: an eighth of the memory is left to programs. May
 * they take another one? */
uint64_t files_pages_max(void);
bool files_may_grow(void);

static inline bool inode_is(const struct inode *inode, uint32_t type)
{
	return (inode->mode & S_IFMT) == type;
}

#endif
