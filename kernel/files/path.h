/*
 * path: from a path to what it stands for. Within the kernel a path is absolute,
 * without a slash in front, and has no "." or ".."; the root is "".
 */
#ifndef PATH_H
#define PATH_H

#include "files/file.h"

#define AT_FDCWD -100 /* in place of a directory: the working directory */

/* Copies a path from the user into path (PATH_MAX bytes) and makes it one of the
 * kernel's: relative ones start at a directory, "." and ".." are worked out.
 * Returns 0, -EFAULT, -ENAMETOOLONG, -EBADF for the directory; -ENOENT if it is
 * empty or goes through what is not there, -ENOTDIR if it goes through what is
 * no directory. */
int path_from_user(char *path, int directory, uint64_t user_path);

/* Finds what a path of the kernel's stands for. Returns 0, -ENOENT or
 * -ENOTDIR. */
int path_look_up(const char *path, struct node *node);

/* Reports whether this is a directory. */
bool node_is_directory(const struct node *node);

#endif
