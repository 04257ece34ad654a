/*
 * Give a file or a directory another name: `mv OLD NEW`, or `mv OLD... DIRECTORY`.
 */
#include <user.h>

static bool is_directory(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 && (info.mode & S_IFMT) == S_IFDIR;
}

static int move(const char *from, const char *to)
{
	const char *slash = strrchr(from, '/');
	char path[256];
	long error;

	snprintf(path, sizeof(path), "%s%s%s", to, is_directory(to) ? "/" : "",
		 !is_directory(to) ? ""
		 : slash           ? slash + 1
				   : from);
	error = rename(from, path);
	if (error < 0)
		dprintf(2, "mv: %s to %s: %s\n", from, path, error_text(error));
	return error < 0;
}

int main(int argc, char **argv)
{
	const char *to = argv[argc - 1];
	int failed = 0;

	if (argc < 3 || (argc > 3 && !is_directory(to))) {
		dprintf(2, "usage: mv OLD NEW, or mv OLD... DIRECTORY\n");
		return 2;
	}
	for (int i = 1; i < argc - 1; i++)
		failed |= move(argv[i], to);
	return failed;
}
