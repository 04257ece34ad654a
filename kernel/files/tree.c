/*
 * tree: filled once. A file's bytes and its name stay where the archive has them.
 */
#include "files/tree.h"

#include "errno.h"
#include "string.h"
#include "panic.h"
#include "timer.h"
#include "files/regular.h"
#include "files/directory.h"
#include "files/terminal.h"
#include "files/null.h"
#include "files/ps.h"
#include "files/processes.h"

#define DEVICE(major, minor) ((major) << 8 | (minor))
#define DIRECTORY_MODE       0755

/* Files that the kernel itself makes; the archive need not hold them. */
static const struct {
	const char *path;
	const struct file_ops *ops;
	uint32_t mode;
	uint64_t device;
} kernel_files[] = {
	{ "dev/console", &terminal_ops, S_IFCHR | 0620, DEVICE(5, 1) },
	{ "dev/tty", &tty_ops, S_IFCHR | 0666, DEVICE(5, 0) },
	{ "dev/null", &null_ops, S_IFCHR | 0666, DEVICE(1, 3) },
	{ "dev/zero", &zero_ops, S_IFCHR | 0666, DEVICE(1, 5) },
	{ "proc/ps", &ps_ops, S_IFREG | 0444, 0 },
	{ "proc/meminfo", &meminfo_ops, S_IFREG | 0444, 0 },
	{ "proc/uptime", &uptime_ops, S_IFREG | 0444, 0 },
	{ "proc/loadavg", &loadavg_ops, S_IFREG | 0444, 0 },
	{ "proc/stat", &cpu_ops, S_IFREG | 0444, 0 },
	{ "proc/mounts", &mounts_ops, S_IFREG | 0444, 0 },
	{ "tmp", &directory_ops, S_IFDIR | 01777, 0 },
};

static struct inode *root;

struct inode *tree_root(void)
{
	return root;
}

static void enter(struct inode *directory, const char *name, size_t length,
		  struct inode *inode)
{
	if (!inode || directory_add(directory, name, length, inode, false) < 0)
		panic("tree: no memory for the files (-m 64)");
	if (inode_is(inode, S_IFDIR)) {
		inode->links++;
		directory->links++;
	}
	inode_release(inode);
}

/* The directory of this name, made if it is not there. NULL: it is a file. */
static struct inode *subdirectory(struct inode *directory, const char *name,
				  size_t length)
{
	struct entry *entry = directory_find(directory, name, length);

	if (!entry) {
		enter(directory, name, length,
		      directory_create(directory, DIRECTORY_MODE));
		entry = directory_find(directory, name, length);
	}
	return inode_is(entry->inode, S_IFDIR) ? entry->inode : NULL;
}

/* Makes a path's directories and then the last part. A later file of the same
 * name counts, as when cpio unpacks. Returns it; NULL where it has no place. */
static struct inode *add(const char *path, uint32_t mode,
			 const struct file_ops *ops)
{
	struct inode *directory = root, *made;
	struct entry *old;
	const char *slash;
	size_t length;

	for (; directory && (slash = strchr(path, '/')); path = slash + 1)
		if (slash > path)
			directory = subdirectory(directory, path, slash - path);
	length = strlen(path);
	if (!directory || length == 0 || length > NAME_MAX)
		return NULL;
	old = directory_find(directory, path, length);
	if (old && inode_is(old->inode, S_IFDIR)) {
		if ((mode & S_IFMT) == S_IFDIR)
			old->inode->mode = mode;
		return NULL;
	}
	if (old)
		directory_remove(directory, old);
	made = ops == &directory_ops
		       ? directory_create(directory, mode & PERMISSIONS)
		       : inode_create(mode, ops);
	enter(directory, path, length, made);
	return made;
}

static void add_archived(const struct initrd_file *file)
{
	bool is_directory = (file->mode & S_IFMT) == S_IFDIR;
	struct inode *inode = add(file->name, file->mode,
				  is_directory ? &directory_ops : &regular_ops);

	if (!inode)
		return;
	inode->modified = inode->changed = inode->accessed =
		file->mtime * (uint64_t)NANOSECONDS;
	if (is_directory)
		return;
	inode->archived = file->data;
	inode->size = file->size;
}

void tree_init(void)
{
	const struct initrd_file *file;
	struct entry *proc;

	root = directory_create(NULL, DIRECTORY_MODE);
	if (!root)
		panic("tree: no memory for the files (-m 64)");
	root->links = 2;
	for (int i = 0; (file = initrd_file(i)); i++)
		add_archived(file);
	for (size_t i = 0; i < sizeof(kernel_files) / sizeof(*kernel_files);
	     i++) {
		struct inode *inode =
			add(kernel_files[i].path, kernel_files[i].mode,
			    kernel_files[i].ops);

		if (inode && kernel_files[i].device)
			inode->device = kernel_files[i].device;
	}
	proc = directory_find(root, "proc", strlen("proc"));
	if (proc && inode_is(proc->inode, S_IFDIR))
		proc->inode->ops = &processes_ops;
}
