/*
 * The names in a directory, sorted, one to a line; a directory's ends in "/".
 * With -l the size stands before the name.
 */
#include <user.h>

struct list {
	char **names;
	size_t count;
};

static bool add(struct list *list, const struct dirent *entry)
{
	size_t length = strlen(entry->name);
	char *name = malloc(length + 2);
	char **names = realloc(list->names, (list->count + 1) * sizeof(*names));

	if (!name || !names)
		return false;
	memcpy(name, entry->name, length + 1);
	if (entry->type == DT_DIR)
		memcpy(name + length, "/", 2);
	list->names = names;
	size_t at = list->count++;
	for (; at > 0 && strcmp(names[at - 1], name) > 0; at--)
		names[at] = names[at - 1];
	names[at] = name;
	return true;
}

/* 0, or the error of the call that failed. */
static long read_names(int fd, struct list *list)
{
	char buffer[1024] __attribute__((aligned(8)));
	long size;

	while ((size = getdents64(fd, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < size;) {
			struct dirent *entry = (struct dirent *)(buffer + at);

			at += entry->length;
			if (entry->name[0] != '.' && !add(list, entry))
				return -ENOMEM;
		}
	}
	return size;
}

static void print_entry(const char *directory, const char *name, bool sizes)
{
	char path[256];
	struct stat info;

	if (!sizes) {
		printf("%s\n", name);
		return;
	}
	snprintf(path, sizeof(path), "%s%s", directory, name);
	if (stat(path, &info) == 0)
		printf("%10ld %s\n", info.size, name);
	else
		printf("%10s %s\n", "?", name);
}

static int list_path(const char *path, bool sizes)
{
	struct list list = { NULL, 0 };
	char directory[128];
	long fd = open(path, O_RDONLY);
	long error = fd < 0 ? fd : read_names((int)fd, &list);

	if (error == -ENOTDIR) { /* a file: it is its own list */
		print_entry("", path, sizes);
		error = 0;
	}
	snprintf(directory, sizeof(directory), "%s/", path);
	for (size_t i = 0; i < list.count; i++)
		print_entry(directory, list.names[i], sizes);
	if (fd >= 0)
		close((int)fd);
	if (error < 0)
		dprintf(2, "ls: %s: %s\n", path, error_text(error));
	return error < 0;
}

int main(int argc, char **argv)
{
	bool sizes = argc > 1 && strcmp(argv[1], "-l") == 0;
	int first = sizes ? 2 : 1, failed = 0;

	if (first == argc)
		return list_path(".", sizes);
	for (int i = first; i < argc; i++) {
		if (argc - first > 1)
			printf("%s:\n", argv[i]);
		failed |= list_path(argv[i], sizes);
	}
	return failed;
}
