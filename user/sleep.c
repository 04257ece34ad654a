/*
 * Wait for so many seconds: `sleep 2`, `sleep 0.25`.
 */
#include <user.h>

/* Milliseconds, or -1 where s is not a time. */
static long parse_ms(const char *s)
{
	long ms = 0, unit = 1000;
	bool fraction = false;

	if (!*s || strlen(s) > 9)
		return -1;
	for (; *s; s++) {
		if (*s == '.' && !fraction)
			fraction = true;
		else if (*s < '0' || *s > '9')
			return -1;
		else if (!fraction)
			ms = ms * 10 + (*s - '0') * 1000;
		else
			ms += (*s - '0') * (unit /= 10);
	}
	return ms;
}

int main(int argc, char **argv)
{
	long ms = argc == 2 ? parse_ms(argv[1]) : -1;

	if (ms < 0) {
		dprintf(2, "usage: sleep SECONDS\n");
		return 2;
	}
	sleep_ms((unsigned long)ms);
	return 0;
}
