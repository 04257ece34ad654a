/*
 * directory: names in the order in which they came, each for an inode.
 */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include "files/file.h"

#define NAME_MAX 255

struct entry {
	struct entry *next;
	struct inode *inode;
	uint64_t place;   /* grows from entry to entry; getdents64 goes by it */
	const char *name; /* the archive's, or its own; no zero byte ends it */
	uint8_t length;
	bool is_own;
};

extern const struct file_ops directory_ops;

/* Its operations, for directories whose names come from elsewhere. */
int directory_open(int flags);
long directory_read(struct file *file, uint64_t buffer, size_t size);
long directory_list(struct file *file, uint64_t buffer, size_t size);

/* Returns what has this name, or NULL. Not for "." and "..". */
struct entry *directory_find(const struct inode *directory, const char *name,
			     size_t length);

/* Gives the inode a name, one that the directory does not have yet. A name of the
 * archive's is not copied. Returns 0 or -ENOSPC. */
int directory_add(struct inode *directory, const char *name, size_t length,
		  struct inode *inode, bool copy_name);

/* Takes the name away, and its link. */
void directory_remove(struct inode *directory, struct entry *entry);

/* Makes an inode with no name that is a directory in parent. NULL: no room. */
struct inode *directory_create(struct inode *parent, uint32_t mode);

#endif
