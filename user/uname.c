/*
 * Which system this is: `Threshold`, or on the host `Linux`.
 */
#include <user.h>

int main(void)
{
	struct utsname name;
	long error = uname(&name);

	if (error < 0) {
		dprintf(2, "uname: %s\n", error_text(error));
		return 1;
	}
	printf("%s %s %s\n", name.sysname, name.release, name.machine);
	return 0;
}
