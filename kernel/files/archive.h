/*
 * archive: files and directories of the archive that was given with -initrd.
 */
#ifndef ARCHIVE_H
#define ARCHIVE_H

#include "files/file.h"

extern const struct file_ops archive_ops;
extern const struct file_ops directory_ops;

/* Returns what stands for a file of the archive. */
struct node archive_node(const struct initrd_file *archived);

#endif
