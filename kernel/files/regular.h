/*
 * regular: a file's bytes. They are the archive's, where they lie, until the
 * first write; then pages of its own.
 */
#ifndef REGULAR_H
#define REGULAR_H

#include "area.h"
#include "files/file.h"

extern const struct file_ops regular_ops;

/* Of an area that shows a file's pages; its object is the inode. */
extern const struct backing regular_backing;

/* Copies bytes from offset on to the kernel's memory. Returns how many there
 * were. */
size_t regular_copy(const struct inode *inode, uint64_t offset, void *to,
		    size_t size);

/* Puts size bytes of the kernel's at offset; of a new inode. 0 or -ENOSPC. */
int regular_put(struct inode *inode, uint64_t offset, const void *from,
		size_t size);

/* Makes it this long: cut off, or with zeros at the end. Returns 0, -EFBIG or
 * -ENOSPC. */
int regular_resize(struct inode *inode, uint64_t size);

#endif
