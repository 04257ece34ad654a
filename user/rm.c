/*
 * Remove names; with -r directories with all that is in them.
 */
#include <user.h>

static int complain(const char *path, long error)
{
	dprintf(2, "rm: %s: %s\n", path, error_text(error));
	return 1;
}

/* The next name in the directory that is not "." or ".."; false at the end. What
 * has been removed is listed no more, so each time it is the first. */
static bool first_name(const char *path, char *name, size_t size)
{
	char buffer[1024] __attribute__((aligned(8)));
	long fd = open(path, O_RDONLY | O_DIRECTORY), got;
	bool found = false;

	while (!found &&
	       (got = getdents64((int)fd, buffer, sizeof(buffer))) > 0)
		for (long at = 0; at < got && !found;) {
			struct dirent *entry = (struct dirent *)(buffer + at);

			at += entry->length;
			found = strcmp(entry->name, ".") &&
				strcmp(entry->name, "..");
			if (found)
				snprintf(name, size, "%s", entry->name);
		}
	close((int)fd);
	return found;
}

/* A loop, however deep the directories are: down to the first name, and up again
 * when a directory is empty. */
static int remove_tree(const char *top)
{
	static char path[4096];
	size_t length = strlen(top);
	char name[256];
	long error;

	snprintf(path, sizeof(path), "%s", top);
	for (;;) {
		error = unlink(path);
		if (error == -EISDIR)
			error = rmdir(path);
		if (error == -ENOTEMPTY &&
		    first_name(path, name, sizeof(name))) {
			size_t at = strlen(path);

			if (at + strlen(name) + 2 > sizeof(path))
				return complain(path, -ENAMETOOLONG);
			snprintf(path + at, sizeof(path) - at, "/%s", name);
			continue;
		}
		if (error < 0)
			return complain(path, error);
		if (strlen(path) <= length)
			return 0;
		*strrchr(path, '/') = '\0';
	}
}

int main(int argc, char **argv)
{
	bool whole = argc > 1 && strcmp(argv[1], "-r") == 0;
	int failed = 0;

	if (argc == 1 + whole) {
		dprintf(2, "usage: rm [-r] NAME...\n");
		return 2;
	}
	for (int i = 1 + whole; i < argc; i++) {
		long error = whole ? 0 : unlink(argv[i]);

		if (whole)
			failed |= remove_tree(argv[i]);
		else if (error < 0)
			failed |= complain(argv[i], error);
	}
	return failed;
}
