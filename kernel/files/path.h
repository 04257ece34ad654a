/*
 * path: from a path to what it stands for, part by part through the tree.
 */
#ifndef PATH_H
#define PATH_H

#include "files/directory.h"

#define PATH_MAX            4096 /* bytes, with the zero byte */

#define AT_FDCWD            -100 /* in place of a directory: the working one */
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_REMOVEDIR        0x200
#define AT_SYMLINK_FOLLOW   0x400
#define AT_NO_AUTOMOUNT     0x800
#define AT_EMPTY_PATH       0x1000

/* A path and where it led. It is too large for a kernel stack: callers have a
 * static one, for nobody else runs until the call has what it looked for. What
 * is here is held by nobody: who keeps an inode longer holds it. */
struct path {
	char text[PATH_MAX];
	struct inode *start;
	/* Of the last part: where it is or could be. Directory is NULL where
	 * that was "." or "..", or the path only slashes. */
	struct inode *directory;
	const char *name;
	size_t length;
	bool slash;          /* stands after it: only a directory will do */
	struct entry *entry; /* NULL: there is none of that name */
	struct inode *inode; /* NULL: there is none */
};

/* Takes a path from the user; relative ones start at a directory. Returns 0,
 * -EFAULT, -ENAMETOOLONG, -ENOENT if it is empty, or -EBADF or -ENOTDIR for the
 * directory. */
int path_from_user(struct path *path, int directory, uint64_t user_path);

/* What becomes of a symbolic link that is the last part. */
enum follow {
	FOLLOW,
	FOLLOW_BEFORE_SLASH, /* the link itself, if no slash stands after it; */
	FOLLOW_UNLESS_SLASH, /* the link itself, if one does: in a link, too */
	FOLLOW_NEVER,        /* its name is what matters: to make or take it */
};

/* Goes the way. Returns 0 when all but the last part is there, or
 * -ENOENT, -ENAMETOOLONG, -ELOOP; -ENOTDIR, and path->inode only where the last
 * part is there but no directory, as the slash after it asks. */
int path_walk(struct path *path, enum follow follow);

/* Why there is nothing at the end: -ENOENT, or a name longer than any can be. */
int path_missing(const struct path *path);

/* Both; and path_missing() if there is nothing at the end. */
int path_find(struct path *path, int directory, uint64_t user_path,
	      enum follow follow);

/* For a path of the kernel's own. Returns its inode, or NULL with the error. */
struct inode *path_to_inode(const char *text, int *error);

/* The current process's working directory. */
struct inode *path_cwd(void);

#endif
