/*
 * The files one after another, or standard input: a loop of read and write.
 */
#include <user.h>

static int cat(int fd, const char *name)
{
	static char buffer[4096];
	long size;

	while ((size = read(fd, buffer, sizeof(buffer))) > 0) {
		long written = write_all(1, buffer, (size_t)size);

		if (written < 0)
			return 1; /* nobody reads on: nothing more to say */
	}
	if (size < 0)
		dprintf(2, "cat: %s: %s\n", name, error_text(size));
	return size < 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc == 1)
		return cat(0, "standard input");
	for (int i = 1; i < argc; i++) {
		long fd = open(argv[i], O_RDONLY);

		if (fd < 0) {
			dprintf(2, "cat: %s: %s\n", argv[i], error_text(fd));
			failed = 1;
			continue;
		}
		failed |= cat((int)fd, argv[i]);
		close((int)fd);
	}
	return failed;
}
