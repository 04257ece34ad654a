/*
 * fork and wait: who is whose parent, statuses that come back exactly, memory
 * that is copied, a buffered line that exists twice, and children that are
 * waited for in any order.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int counter = 1;
static volatile uintptr_t nowhere = 16;

static void tell(const char *who, int status)
{
	if (WIFEXITED(status))
		printf("%s: exit status %d\n", who, WEXITSTATUS(status));
	else
		printf("%s: signal %d\n", who, WTERMSIG(status));
	fflush(stdout);
}

int main(void)
{
	int status;
	pid_t parent = getpid();

	setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
	printf("written once, flushed twice\n");
	pid_t child = fork();
	if (child == 0) {
		counter += 10;
		printf("child: counter %d, parent known %d\n", counter,
		       getppid() == parent);
		exit(7);
	}
	pid_t reaped = waitpid(child, &status, 0);
	printf("parent: counter %d, right child %d\n", counter,
	       reaped == child);
	tell("child", status);

	for (int i = 0; i < 5; i++)
		if (fork() == 0)
			_exit(100 + i);
	int sum = 0;
	while (wait(&status) > 0)
		sum += WEXITSTATUS(status);
	printf("five children: sum %d, then %s\n", sum,
	       errno == ECHILD ? "ECHILD" : "another error");
	fflush(stdout);

	child = fork();
	if (child == 0) {
		pid_t grandchild = fork();
		if (grandchild == 0)
			_exit(3);
		waitpid(grandchild, &status, 0);
		_exit(WEXITSTATUS(status) * 2);
	}
	printf("nobody has ended yet: %d\n", waitpid(parent, &status, WNOHANG));
	waitpid(child, &status, 0);
	tell("grandparent", status);

	child = fork();
	if (child == 0)
		*(volatile int *)nowhere = 1;
	waitpid(child, &status, 0);
	tell("writes to page 0", status);

	child = vfork();
	if (child == 0)
		_exit(9);
	waitpid(child, &status, 0);
	tell("vfork", status);
	return 0;
}
