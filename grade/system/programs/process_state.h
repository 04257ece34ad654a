/*
 * What a test's program may have to know of another process, from /proc.
 */
#ifndef PROCESS_STATE_H
#define PROCESS_STATE_H

#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

/* Waits until the process is in this state, by its letter in /proc. */
static void await_state(pid_t pid, char state)
{
	char path[32], letter = 0;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (letter != state) {
		usleep(1000);
		stat = fopen(path, "r");
		fscanf(stat, "%*d (%*[^)]) %c", &letter);
		fclose(stat);
	}
}

#endif
