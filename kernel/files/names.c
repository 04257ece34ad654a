/*
 * names: the calls that take a path.
 *
 * A path is walked, and what is at its end is used at once: nobody else runs in
 * between, so nothing of it is held.
 */
#include "files/names.h"

#include "errno.h"
#include "string.h"
#include "user_copy.h"
#include "timer.h"
#include "sched.h"
#include "files/regular.h"
#include "files/path.h"

#define RENAME_NOREPLACE 1

#define O_ASYNC          020000
#define O_DIRECT         040000
#define O_TMPFILE        020000000
#define O_REFUSED        (O_ASYNC | O_DIRECT | O_TMPFILE)
/* What there is to say about a file that is not opened. */
#define O_PATH_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Walks to a name, that of a directory or not, which a slash after it is
 * checked against later. */
static int find_name(struct path *path, int directory, uint64_t user_path)
{
	int error = path_from_user(path, directory, user_path);

	if (error == 0)
		error = path_walk(path, FOLLOW_NEVER);
	return error == -ENOTDIR && path->inode ? 0 : error;
}

/* Not where the names are the kernel's. */
static bool may_change(const struct inode *directory)
{
	return directory->ops == &directory_ops;
}

/* Can a name be made where the path ends? */
static int check_new(const struct path *path)
{
	if (path->inode)
		return -EEXIST;
	if (path->directory->links == 0)
		return -ENOENT;
	if (!may_change(path->directory))
		return -EACCES;
	return path->length > NAME_MAX ? -ENAMETOOLONG : 0;
}

/* Walks to where something is to be made: to a place that is free. */
static int find_new(struct path *path, int directory, uint64_t user_path)
{
	int error = find_name(path, directory, user_path);

	return error == 0 ? check_new(path) : error;
}

/* Gives a new inode its name, and the caller's hold on it goes. */
static int name_new(const struct path *path, struct inode *inode)
{
	int error;

	if (!inode)
		return -ENOSPC;
	error = directory_add(path->directory, path->name, path->length, inode,
			      true);
	if (error == 0 && inode_is(inode, S_IFDIR)) {
		inode->links++;
		path->directory->links++;
	}
	inode_release(inode);
	return error;
}

static uint32_t masked(uint32_t mode)
{
	return mode & PERMISSIONS & ~proc_current()->umask;
}

/* What open does where nothing is yet. */
static int create(struct path *path, uint32_t mode)
{
	int error = check_new(path);

	if (error < 0)
		return error;
	error = name_new(path,
			 inode_create(S_IFREG | masked(mode), &regular_ops));
	if (error == 0)
		path->inode = directory_find(path->directory, path->name,
					     path->length)
				      ->inode;
	return error;
}

/* May what is there be opened so? */
static int check_open(const struct inode *inode, int flags)
{
	bool is_directory = inode_is(inode, S_IFDIR);

	if (flags & O_CREAT && flags & O_EXCL)
		return -EEXIST;
	if (flags & O_CREAT && is_directory)
		return -EISDIR;
	if (flags & O_DIRECTORY && !is_directory)
		return -ENOTDIR;
	if (flags & O_PATH)
		return 0;
	if (inode_is(inode, S_IFLNK))
		return -ELOOP;
	return inode->ops->open ? inode->ops->open(flags) : 0;
}

/* A link at the end is followed, unless it is about the name. What would be made
 * is no directory: before a slash nothing is looked for. */
static enum follow open_follow(int flags)
{
	bool by_name =
		flags & O_NOFOLLOW || (flags & O_CREAT && flags & O_EXCL);

	if (flags & O_CREAT)
		return by_name ? FOLLOW_NEVER : FOLLOW_UNLESS_SLASH;
	return by_name ? FOLLOW_BEFORE_SLASH : FOLLOW;
}

long sys_openat(int directory, uint64_t user_path, int flags, uint32_t mode)
{
	static struct path path;
	struct node node;
	struct file *file;
	int error = path_from_user(&path, directory, user_path);

	if (flags & O_PATH)
		flags &= O_PATH_FLAGS;
	else /* as if each program had said so that is made for 64 bits */
		flags |= O_LARGEFILE;
	if (flags & O_REFUSED || (flags & O_CREAT && flags & O_DIRECTORY))
		return -EINVAL;
	if (error == 0)
		error = path_walk(&path, open_follow(flags));
	/* No file is made with a slash after its name, nor found. */
	if (flags & O_CREAT && path.slash && path.directory &&
	    (error == 0 || path.inode))
		error = -EISDIR;
	if (error < 0)
		return error;
	if (!path.inode)
		error = flags & O_CREAT ? create(&path, mode)
					: path_missing(&path);
	else
		error = check_open(path.inode, flags);
	if (error == 0 && flags & O_TRUNC && path.inode->ops == &regular_ops)
		error = regular_resize(path.inode, 0);
	if (error < 0)
		return error;
	node = (struct node){ .ops = path.inode->ops, .inode = path.inode };
	file = file_alloc(&node, flags);
	return file ? fd_install(file, flags) : -ENFILE;
}

long sys_mkdirat(int directory, uint64_t user_path, uint32_t mode)
{
	static struct path path;
	int error = find_new(&path, directory, user_path);

	if (error < 0)
		return error;
	return name_new(&path, directory_create(path.directory, masked(mode)));
}

/* Takes a name away that is there, and a directory's hold on its parent's
 * links. */
static void remove_name(struct inode *directory, struct entry *entry)
{
	if (inode_is(entry->inode, S_IFDIR)) {
		entry->inode->links--;
		directory->links--;
	}
	entry->inode->changed = timer_unix_time();
	directory_remove(directory, entry);
}

static int check_rmdir(const struct path *path)
{
	bool is_dot = !path->directory && path->length == 1;

	if (path->inode->parent == NULL)
		return -EBUSY; /* the root */
	if (!path->directory)
		return is_dot ? -EINVAL : -ENOTEMPTY;
	if (!inode_is(path->inode, S_IFDIR))
		return -ENOTDIR;
	return path->inode->first ? -ENOTEMPTY : 0;
}

long sys_unlinkat(int directory, uint64_t user_path, int flags)
{
	static struct path path;
	int error = path_find(&path, directory, user_path, FOLLOW_NEVER);

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	if (error < 0)
		return error;
	if (flags & AT_REMOVEDIR && inode_is(path.inode, S_IFDIR))
		error = check_rmdir(&path);
	else if (flags & AT_REMOVEDIR)
		error = -ENOTDIR;
	else if (inode_is(path.inode, S_IFDIR))
		error = -EISDIR;
	if (error == 0 && !may_change(path.directory))
		error = -EPERM;
	if (error == 0)
		remove_name(path.directory, path.entry);
	return error;
}

static bool is_inside(const struct inode *inode, const struct inode *directory)
{
	for (; inode; inode = inode->parent)
		if (inode == directory)
			return true;
	return false;
}

/* May from become to? */
static int check_rename(const struct path *from, const struct path *to)
{
	bool is_directory;
	int error;

	if (!from->directory || !to->directory)
		return -EBUSY;
	if (!from->inode)
		return path_missing(from);
	error = to->inode ? 0 : check_new(to);
	if (error < 0)
		return error;
	if (!may_change(from->directory) || !may_change(to->directory))
		return -EPERM;
	is_directory = inode_is(from->inode, S_IFDIR);
	if (is_directory && is_inside(to->directory, from->inode))
		return -EINVAL;
	if (!is_directory && (from->slash || to->slash))
		return -ENOTDIR;
	if (to->inode && is_inside(from->directory, to->inode))
		return -ENOTEMPTY; /* from itself is in it */
	if (!to->inode || to->inode == from->inode)
		return 0;
	if (is_directory && !inode_is(to->inode, S_IFDIR))
		return -ENOTDIR;
	if (!is_directory && inode_is(to->inode, S_IFDIR))
		return -EISDIR;
	return is_directory && to->inode->first ? -ENOTEMPTY : 0;
}

/* A directory that has moved has another "..". */
static void set_parent(struct inode *inode, struct inode *parent)
{
	struct inode *old = inode->parent;

	inode->parent = inode_hold(parent);
	old->links--;
	parent->links++;
	inode_release(old);
}

long sys_renameat2(int from_directory, uint64_t user_from, int to_directory,
		   uint64_t user_to, uint32_t flags)
{
	static struct path from, to;
	struct inode *moved;
	int error = find_name(&from, from_directory, user_from);

	if (flags & ~RENAME_NOREPLACE)
		return -EINVAL;
	if (error == 0)
		error = find_name(&to, to_directory, user_to);
	if (error == 0)
		error = check_rename(&from, &to);
	if (error == 0 && flags & RENAME_NOREPLACE && to.inode)
		error = -EEXIST;
	if (error < 0 || from.inode == to.inode)
		return error;
	/* The new name first: if there is no room for it, nothing is lost. */
	moved = inode_hold(from.inode);
	if (to.entry)
		remove_name(to.directory, to.entry);
	error = directory_add(to.directory, to.name, to.length, moved, true);
	if (error == 0) {
		directory_remove(from.directory, from.entry);
		if (inode_is(moved, S_IFDIR))
			set_parent(moved, to.directory);
	}
	inode_release(moved);
	return error;
}

long sys_renameat(int from_directory, uint64_t from, int to_directory,
		  uint64_t to)
{
	return sys_renameat2(from_directory, from, to_directory, to, 0);
}

/* A link's place, whose name promises no directory. */
static int find_new_link(struct path *path, int directory, uint64_t user_path)
{
	int error = find_new(path, directory, user_path);

	return error == 0 && path->slash ? -ENOENT : error;
}

long sys_linkat(int from_directory, uint64_t user_from, int to_directory,
		uint64_t user_to, int flags)
{
	static struct path from, to;
	int error;

	if (flags & ~AT_SYMLINK_FOLLOW)
		return -EINVAL;
	error = path_find(&from, from_directory, user_from,
			  flags & AT_SYMLINK_FOLLOW ? FOLLOW
						    : FOLLOW_BEFORE_SLASH);
	if (error == 0)
		error = find_new_link(&to, to_directory, user_to);
	if (error == 0 && inode_is(from.inode, S_IFDIR))
		error = -EPERM;
	if (error < 0)
		return error;
	from.inode->changed = timer_unix_time();
	return name_new(&to, inode_hold(from.inode));
}

long sys_symlinkat(uint64_t user_target, int directory, uint64_t user_path)
{
	static struct path path;
	static char target[PATH_MAX];
	struct inode *link;
	long length = copyinstr(target, user_target, sizeof(target));
	int error = length <= 0 ? (length ? length : -ENOENT) : 0;

	if (error == 0)
		error = find_new_link(&path, directory, user_path);
	if (error < 0)
		return error;
	link = inode_create(S_IFLNK | 0777, &regular_ops);
	if (link && regular_put(link, 0, target, length) < 0) {
		inode_release(link);
		link = NULL;
	}
	return name_new(&path, link);
}

/* The link that a name leads to; of no name, the one that O_PATH has found. */
static int find_link(struct inode **link, int directory, uint64_t user_path)
{
	static struct path path;
	struct file *file = fd_any(directory);
	char first;
	int error;

	if (directory != AT_FDCWD && copyin(&first, user_path, 1) == 0 &&
	    !first) {
		*link = file ? file->node.inode : NULL;
		if (*link && inode_is(*link, S_IFLNK))
			return 0;
		return file ? -ENOENT : -EBADF;
	}
	error = path_find(&path, directory, user_path, FOLLOW_BEFORE_SLASH);
	*link = path.inode;
	return error == 0 && !inode_is(*link, S_IFLNK) ? -EINVAL : error;
}

long sys_readlinkat(int directory, uint64_t user_path, uint64_t buffer,
		    size_t size)
{
	static char target[PATH_MAX];
	struct inode *link;
	int error;

	if ((int)size <= 0)
		return -EINVAL;
	error = find_link(&link, directory, user_path);
	if (error < 0)
		return error;
	if (size > link->size)
		size = link->size;
	regular_copy(link, 0, target, size);
	error = copyout(buffer, target, size);
	return error < 0 ? error : (long)size;
}

long sys_truncate(uint64_t user_path, long size)
{
	static struct path path;
	int error = path_find(&path, AT_FDCWD, user_path, FOLLOW);

	if (size < 0)
		return -EINVAL;
	if (error < 0)
		return error;
	if (inode_is(path.inode, S_IFDIR))
		return -EISDIR;
	return path.inode->ops == &regular_ops
		       ? regular_resize(path.inode, size)
		       : -EINVAL;
}

/* The entry of a directory in its parent. */
static const struct entry *entry_of(const struct inode *directory)
{
	const struct entry *entry = directory->parent->first;

	while (entry && entry->inode != directory)
		entry = entry->next;
	return entry;
}

/* From the end to the front: the way up is the one that is known. */
long sys_getcwd(uint64_t buffer, size_t size)
{
	static char text[PATH_MAX];
	size_t at = sizeof(text) - 1, length;
	int error;

	text[at] = 0;
	for (const struct inode *i = path_cwd(); i->parent; i = i->parent) {
		const struct entry *entry = entry_of(i);

		if (!entry)
			return -ENOENT; /* it was removed */
		if (entry->length + 1ul > at)
			return -ENAMETOOLONG;
		at -= entry->length;
		memcpy(text + at, entry->name, entry->length);
		text[--at] = '/';
	}
	if (!text[at])
		text[--at] = '/';
	length = sizeof(text) - at;
	if (size < length)
		return -ERANGE;
	error = copyout(buffer, text + at, length);
	return error < 0 ? error : (long)length;
}

static long set_cwd(struct inode *directory)
{
	struct proc *p = proc_current();

	if (!inode_is(directory, S_IFDIR))
		return -ENOTDIR;
	inode_hold(directory);
	inode_release(p->cwd);
	p->cwd = directory;
	return 0;
}

long sys_chdir(uint64_t user_path)
{
	static struct path path;
	int error = path_find(&path, AT_FDCWD, user_path, FOLLOW);

	return error < 0 ? error : set_cwd(path.inode);
}

long sys_fchdir(int fd)
{
	struct file *file = fd_any(fd);

	if (!file)
		return -EBADF;
	return file->node.inode ? set_cwd(file->node.inode) : -ENOTDIR;
}

long sys_umask(uint32_t mask)
{
	uint32_t old = proc_current()->umask;

	proc_current()->umask = mask & S_IRWXUGO;
	return old;
}
