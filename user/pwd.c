/*
 * The directory that relative names start from.
 */
#include <user.h>

int main(void)
{
	char path[256];
	long error = getcwd(path, sizeof(path));

	if (error < 0) {
		dprintf(2, "pwd: %s\n", error_text(error));
		return 1;
	}
	printf("%s\n", path);
	return 0;
}
