/*
 * path: one loop, whatever the path is like. A symbolic link's target takes the
 * link's place in the text, and the loop goes on.
 */
#include "files/path.h"

#include "errno.h"
#include "string.h"
#include "user_copy.h"
#include "sched.h"
#include "files/regular.h"
#include "files/tree.h"

#define LINKS_MAX 40 /* as on Linux */

struct inode *path_cwd(void)
{
	struct proc *p = proc_current();

	return p->cwd ? p->cwd : tree_root();
}

int path_from_user(struct path *path, int directory, uint64_t user_path)
{
	long length = copyinstr(path->text, user_path, sizeof(path->text));
	struct file *file;

	path->inode = NULL;
	if (length < 0)
		return length;
	if (length == 0)
		return -ENOENT;
	path->start = path_cwd();
	if (path->text[0] == '/' || directory == AT_FDCWD)
		return 0;
	file = fd_any(directory);
	if (!file)
		return -EBADF;
	if (!file->node.inode || !inode_is(file->node.inode, S_IFDIR))
		return -ENOTDIR;
	path->start = file->node.inode;
	return 0;
}

/* Puts the link's target before the rest of the path, at the text's start. */
static int put_target(struct path *path, const struct inode *link,
		      const char *rest)
{
	size_t length = strlen(rest) + 1;

	if (link->size + length > sizeof(path->text))
		return -ENAMETOOLONG;
	memmove(path->text + link->size, rest, length);
	regular_copy(link, 0, path->text, link->size);
	return 0;
}

/* "." and ".." are in every directory; no entry says so. */
static struct inode *go_by_dots(struct inode *inode, const char *part,
				size_t length)
{
	if (length == 1 && part[0] == '.')
		return inode;
	if (length == 2 && part[0] == '.' && part[1] == '.')
		return inode->parent ? inode->parent : inode;
	return NULL;
}

/* One part, which is the next of the path at path->inode. */
static int take_part(struct path *path, const char *part, size_t length)
{
	struct inode *by_dots;

	if (!inode_is(path->inode, S_IFDIR))
		return -ENOTDIR;
	if (path->inode->ops->look_for)
		path->inode->ops->look_for(path->inode, part, length);
	by_dots = go_by_dots(path->inode, part, length);
	path->directory = by_dots ? NULL : path->inode;
	path->name = part;
	path->length = length;
	path->entry =
		by_dots ? NULL : directory_find(path->inode, part, length);
	path->inode = path->entry ? path->entry->inode : by_dots;
	return 0;
}

static const char *skip_slashes(const char *at)
{
	while (*at == '/')
		at++;
	return at;
}

/* Is the link before this rest of the path where the way ends? */
static bool stops_at(const char *rest, enum follow follow)
{
	if (*skip_slashes(rest) || follow == FOLLOW)
		return false;
	return follow == FOLLOW_NEVER ||
	       (follow == FOLLOW_UNLESS_SLASH) == !!*rest;
}

int path_missing(const struct path *path)
{
	/* In a directory that was removed there is no name, however long. */
	bool removed = path->directory && path->directory->links == 0;

	return !removed && path->length > NAME_MAX ? -ENAMETOOLONG : -ENOENT;
}

int path_walk(struct path *path, enum follow follow)
{
	const char *at = path->text, *part;
	int links = 0, error;

	path->inode = *at == '/' ? tree_root() : path->start;
	path->directory = NULL;
	path->entry = NULL;
	path->slash = false;
	for (at = skip_slashes(at); *at; at = skip_slashes(at)) {
		part = at;
		while (*at && *at != '/')
			at++;
		error = take_part(path, part, at - part);
		if (error < 0) {
			path->inode = NULL;
			return error;
		}
		path->slash = *at;
		if (!path->inode)
			return *skip_slashes(at) ? path_missing(path) : 0;
		if (!inode_is(path->inode, S_IFLNK) || stops_at(at, follow))
			continue;
		if (++links > LINKS_MAX) {
			path->inode = NULL;
			return -ELOOP;
		}
		error = put_target(path, path->inode, at);
		if (error < 0) {
			path->inode = NULL;
			return error;
		}
		at = path->text;
		path->inode = *at == '/' ? tree_root() : path->directory;
	}
	return path->slash && !inode_is(path->inode, S_IFDIR) ? -ENOTDIR : 0;
}

int path_find(struct path *path, int directory, uint64_t user_path,
	      enum follow follow)
{
	int error = path_from_user(path, directory, user_path);

	if (error == 0)
		error = path_walk(path, follow);
	return error < 0 || path->inode ? error : path_missing(path);
}

struct inode *path_to_inode(const char *text, int *error)
{
	static struct path path;

	path.start = tree_root();
	if (strlcpy(path.text, text, sizeof(path.text)) >= sizeof(path.text))
		*error = -ENAMETOOLONG;
	else
		*error = path_walk(&path, FOLLOW);
	if (*error == 0 && !path.inode)
		*error = path_missing(&path);
	return *error == 0 ? path.inode : NULL;
}
