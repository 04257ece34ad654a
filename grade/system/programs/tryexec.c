/*
 * Tries to run each file named: in this process, where a refusal must leave
 * everything as it was, and in a child. Prints the error, the pages that two
 * refusals cost, and the child's end.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

static long free_pages(void)
{
	struct sysinfo info;

	sysinfo(&info);
	return info.freeram * info.mem_unit / 4096;
}

static int try(char *path)
{
	char *arguments[] = { path, NULL };

	execve(path, arguments, NULL);
	return errno;
}

int main(int argc, char **argv)
{
	int status;

	for (int i = 1; i < argc; i++) {
		/* A good file would not come back from here. */
		pid_t child = fork();
		if (child == 0)
			_exit(try(argv[i]));
		waitpid(child, &status, 0);
		if (WIFSIGNALED(status) || WEXITSTATUS(status) == 42) {
			printf("%s: ran, status %#x\n", argv[i], status);
			continue;
		}
		long before = free_pages();
		int error = try(argv[i]);
		try(argv[i]);
		child = fork();
		if (child == 0)
			_exit(try(argv[i]));
		waitpid(child, &status, 0);
		printf("%s: error %d, in a child %d, pages lost %ld\n", argv[i],
		       error, WEXITSTATUS(status), before - free_pages());
	}
	return 0;
}
