/*
 * initrd: the files. A newc cpio archive, given to QEMU with -initrd, stays
 * where the loader put it and is read in place.
 * Source: cpio(5), "New ASCII Format".
 */
#ifndef INITRD_H
#define INITRD_H

#include "x86.h"

/* The file type in a mode, as in stat. */
#define S_IFMT      0170000
#define S_IFIFO     0010000
#define S_IFCHR     0020000
#define S_IFDIR     0040000
#define S_IFREG     0100000
#define S_IFLNK     0120000
#define PERMISSIONS 07777 /* what else is in a mode; */
#define S_IRWXUGO   0777  /* of it, who may do what */

#define S_IXALL     0111 /* somebody may execute it */

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

/* Returns file number i, from 0 on in the archive's order, or NULL after the
 * last. */
const struct initrd_file *initrd_file(int i);

#endif
