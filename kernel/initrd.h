/*
 * initrd: the files. A newc cpio archive, given to QEMU with -initrd, stays
 * where the loader put it and is read in place. It cannot be written to.
 * Source: cpio(5), "New ASCII Format".
 */
#ifndef INITRD_H
#define INITRD_H

#include "x86.h"

/* The file type in a mode, as in stat. */
#define S_IFMT  0170000
#define S_IFIFO 0010000
#define S_IFCHR 0020000
#define S_IFDIR 0040000
#define S_IFREG 0100000

#define S_IXALL 0111 /* somebody may execute it */

struct initrd_file {
	const char *name; /* its path, without a slash in front */
	const uint8_t *data;
	uint32_t size; /* bytes */
	uint32_t mode;
	uint32_t mtime; /* seconds since 1970 */
};

/* Checks the archive and makes its index. Panics with the offset of the first
 * thing that is wrong. */
void initrd_init(void);

/* Returns the file with this path (as initrd_file.name; "" is the root), or
 * NULL. */
const struct initrd_file *initrd_find(const char *path);

/* Returns the first file of a directory at or after number *position, and
 * moves *position past it; or NULL when there is no more. */
const struct initrd_file *initrd_list(const struct initrd_file *directory,
				      uint64_t *position);

/* Returns what names the file within its directory: its path's last part. */
const char *initrd_base_name(const struct initrd_file *file);

/* A number for stat's st_ino: from 1. */
uint64_t initrd_number(const struct initrd_file *file);

#endif
