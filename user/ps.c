/*
 * The processes, as the kernel tells them in /proc/ps.
 */
#include <user.h>

int main(void)
{
	char buffer[1024];
	long fd = open("/proc/ps", O_RDONLY), size = fd;

	while (fd >= 0 && (size = read((int)fd, buffer, sizeof(buffer))) > 0)
		write_all(1, buffer, (size_t)size);
	if (size < 0)
		dprintf(2, "ps: /proc/ps: %s\n", error_text(size));
	return size < 0;
}
