/*
 * A job for a shell: says when the terminal is its, and when it is no more, so that
 * whoever types knows when a key will reach it.
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	int before = -1;

	for (;;) {
		int mine = tcgetpgrp(0) == getpgrp();

		if (mine != before)
			printf("%s\n", mine ? "in front" : "behind");
		fflush(stdout);
		before = mine;
		usleep(20000);
	}
}
