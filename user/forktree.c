/*
 * A tree of processes: each forks one child for every level below it, and
 * waits for it before it forks the next, so the picture comes out in order.
 * With N levels there are 2^N processes; each tells its parent, by a pipe, how
 * many it and its descendants were.
 *
 * usage: forktree [N]
 */
#include <user.h>

#define MAX_LEVELS 12

static char name[2 * MAX_LEVELS + 2] = "1"; /* of this process: "1.3.1" */

static long grow(unsigned long levels);

/* The child goes on as the n-th child of this process. */
static long grow_child(unsigned long levels, int n)
{
	int fds[2];
	long pid, count = 0;

	if (pipe(fds) < 0)
		return 0;
	pid = fork_or_exit();
	if (pid == 0) {
		size_t length = strlen(name);

		close(fds[0]);
		snprintf(name + length, sizeof(name) - length, ".%d", n);
		count = grow(levels);
		write(fds[1], &count, sizeof(count));
		exit(0);
	}
	close(fds[1]);
	read(fds[0], &count, sizeof(count));
	close(fds[0]);
	return pid > 0 && wait_for(pid) == 0 ? count : 0;
}

/* The number of processes in the tree whose root is this one. */
static long grow(unsigned long levels)
{
	long count = 1;
	int indent = (int)strlen(name) - 1;
	char blanks[2 * MAX_LEVELS + 2];

	memset(blanks, ' ', sizeof(blanks));
	blanks[indent] = '\0';
	printf("forktree: %s%s\n", blanks, name);
	for (int n = 1; levels > 0; n++)
		count += grow_child(--levels, n);
	return count;
}

int main(int argc, char **argv)
{
	unsigned long levels = 3;
	long count;

	if (argc > 2 || (argc == 2 && !parse_number(argv[1], &levels)) ||
	    levels > MAX_LEVELS) {
		printf("usage: forktree [LEVELS], at most %d\n", MAX_LEVELS);
		return 2;
	}
	count = grow(levels);
	printf("forktree: %ld processes, 2^%lu is %d\n", count, levels,
	       1 << levels);
	return count != 1 << levels;
}
