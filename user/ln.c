/*
 * A second name for a file: `ln FILE NAME`, or with -s one that leads to whatever
 * the path then stands for.
 */
#include <user.h>

int main(int argc, char **argv)
{
	bool symbolic = argc > 1 && strcmp(argv[1], "-s") == 0;
	char **names = argv + 1 + symbolic;
	long error;

	if (argc != 3 + symbolic) {
		dprintf(2, "usage: ln FILE NAME, or ln -s PATH NAME\n");
		return 2;
	}
	error = symbolic ? symlink(names[0], names[1])
			 : link(names[0], names[1]);
	if (error < 0)
		dprintf(2, "ln: %s: %s\n", names[1], error_text(error));
	return error < 0;
}
