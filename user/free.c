/*
 * How much memory there is, and how much of it is free, in pages of 4 KB.
 */
#include <user.h>

int main(void)
{
	struct sysinfo info;
	long error = sysinfo(&info);

	if (error < 0) {
		dprintf(2, "free: %s\n", error_text(error));
		return 1;
	}
	printf("%lu pages, %lu free, %u processes\n",
	       info.totalram * info.mem_unit / PAGE_SIZE,
	       info.freeram * info.mem_unit / PAGE_SIZE, info.procs);
	return 0;
}
