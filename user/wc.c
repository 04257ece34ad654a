/*
 * Count lines, words and bytes of the files, or of standard input.
 */
#include <user.h>

static int count(int fd, const char *name)
{
	static char buffer[4096];
	unsigned long lines = 0, words = 0, bytes = 0;
	bool in_word = false;
	long size;

	while ((size = read(fd, buffer, sizeof(buffer))) > 0) {
		bytes += (unsigned long)size;
		for (long i = 0; i < size; i++) {
			bool blank = strchr(" \t\n", buffer[i]) && buffer[i];

			lines += buffer[i] == '\n';
			words += !blank && !in_word;
			in_word = !blank;
		}
	}
	if (size < 0) {
		dprintf(2, "wc: %s: %s\n", name, error_text(size));
		return 1;
	}
	printf("%7lu %7lu %7lu%s%s\n", lines, words, bytes, *name ? " " : "",
	       name);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc == 1)
		return count(0, "");
	for (int i = 1; i < argc; i++) {
		long fd = open(argv[i], O_RDONLY);

		if (fd < 0) {
			dprintf(2, "wc: %s: %s\n", argv[i], error_text(fd));
			failed = 1;
			continue;
		}
		failed |= count((int)fd, argv[i]);
		close((int)fd);
	}
	return failed;
}
