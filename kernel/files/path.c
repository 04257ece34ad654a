/*
 * path: names of the archive's files, and of the few that the kernel makes.
 */
#include "files/path.h"

#include "errno.h"
#include "string.h"
#include "user_copy.h"
#include "sched.h"
#include "initrd.h"
#include "files/archive.h"
#include "files/terminal.h"
#include "files/null.h"
#include "files/ps.h"

/* Files that the kernel itself makes; the archive cannot hold them. */
static const struct kernel_file {
	const char *path;
	const struct file_ops *ops;
} kernel_files[] = {
	{ "dev/console", &terminal_ops },
	{ "dev/tty", &terminal_ops },
	{ "dev/null", &null_ops },
	{ "proc/ps", &ps_ops },
	{ NULL, NULL },
};

bool node_is_directory(const struct node *node)
{
	return node->ops == &directory_ops;
}

/* Is there a file of exactly this path? */
static bool find(const char *path, struct node *node)
{
	const struct initrd_file *archived;

	for (const struct kernel_file *file = kernel_files; file->path; file++)
		if (strcmp(path, file->path) == 0) {
			*node = (struct node){ .ops = file->ops };
			return true;
		}
	archived = initrd_find(path);
	if (archived)
		*node = archive_node(archived);
	return archived;
}

/* Returns 0 if path is a directory, else -ENOENT or -ENOTDIR. Those of the
 * kernel's files have no entry of their own. */
static int be_directory(const char *path)
{
	struct node node;
	size_t length = strlen(path);

	if (find(path, &node))
		return node_is_directory(&node) ? 0 : -ENOTDIR;
	for (const struct kernel_file *file = kernel_files; file->path; file++)
		if (strncmp(file->path, path, length) == 0 &&
		    file->path[length] == '/')
			return 0;
	return -ENOENT;
}

/* Asks from the front whether each part before the last is a directory. Returns
 * 0, or the error of the first that is not. */
static int walk_to(const char *path)
{
	char front[PATH_MAX];
	const char *slash = path;
	int error = 0;

	while (error == 0 && (slash = strchr(slash, '/'))) {
		strlcpy(front, path, slash - path + 1);
		error = be_directory(front);
		slash++;
	}
	return error;
}

/* Where the whole path is there, so are the parts before its last; only where it
 * is not are they asked which one is to blame. */
int path_look_up(const char *path, struct node *node)
{
	int error;

	if (find(path, node))
		return 0;
	error = walk_to(path);
	return error < 0 ? error : -ENOENT;
}

/* What stands before "/", "/." and "/.." has to be a directory that is there,
 * before it is cut off and forgotten. */
static int check_directory(const char *path)
{
	int error = walk_to(path);

	return error < 0 ? error : be_directory(path);
}

/* Takes the last part off. */
static void cut_part(char *path)
{
	size_t length = strlen(path);

	while (length > 0 && path[--length] != '/')
		;
	path[length] = 0;
}

static int add_part(char *path, const char *part, size_t size)
{
	size_t length = strlen(path);

	if (length + 1 + size >= PATH_MAX)
		return -ENAMETOOLONG;
	if (length > 0)
		path[length++] = '/';
	memcpy(path + length, part, size);
	path[length + size] = 0;
	return 0;
}

/* Goes on from path, an absolute one without leading slash, by the parts of
 * given. */
static int append_path(char *path, const char *given)
{
	int error = 0;

	while (*given && error == 0) {
		const char *end = strchr(given, '/');
		size_t size = end ? (size_t)(end - given) : strlen(given);
		bool here = size == 1 && given[0] == '.';
		bool up = size == 2 && given[0] == '.' && given[1] == '.';

		if (size > 0 && !here && !up)
			error = add_part(path, given, size);
		if (here || up || (end && !end[1]))
			error = error ? error : check_directory(path);
		if (up)
			cut_part(path);
		given += size + (end != NULL);
	}
	return error;
}

int path_from_user(char *path, int directory, uint64_t user_path)
{
	char given[PATH_MAX];
	const char *base = "";
	long length = copyinstr(given, user_path, sizeof(given));

	if (length < 0)
		return length;
	if (length == 0)
		return -ENOENT;
	if (given[0] != '/' && directory == AT_FDCWD) {
		base = proc_current()->cwd;
	} else if (given[0] != '/') {
		struct file *file = fd_file(directory);

		if (!file)
			return -EBADF;
		if (!node_is_directory(&file->node))
			return -ENOTDIR;
		base = file->node.archived->name;
	}
	strlcpy(path, base, PATH_MAX);
	return append_path(path, given);
}
