/*
 * Make directories.
 */
#include <user.h>

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc == 1) {
		dprintf(2, "usage: mkdir DIRECTORY...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		long error = mkdir(argv[i]);

		if (error < 0)
			dprintf(2, "mkdir: %s: %s\n", argv[i],
				error_text(error));
		failed |= error < 0;
	}
	return failed;
}
