/*
 * Many at once: descriptors, also beyond the first word of any set of bits, and
 * processes that all wait for the same event.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES     240
#define PROCESSES 200

/* Is the descriptor open? */
static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void descriptors(char *self)
{
	char *argv[] = { self, "count", NULL };
	int last = 0;

	while (last < FILES)
		last = dup(1);
	fcntl(70, F_SETFD, FD_CLOEXEC);
	fcntl(200, F_SETFD, FD_CLOEXEC);
	printf("opened up to %d: %d %d\n", last, is_open(3), is_open(FILES));
	printf("marked: %d %d %d %d\n", fcntl(70, F_GETFD), fcntl(71, F_GETFD),
	       fcntl(200, F_GETFD), fcntl(136, F_GETFD));
	close(100);
	printf("the lowest that is free: %d\n", dup(1));
	if (fork() == 0)
		execv(self, argv);
	wait(NULL);
	while (last > 2)
		close(last--);
	printf("closed: %d %d\n", is_open(3), is_open(FILES));
	printf("far away: %d, then %d\n", dup2(1, 230), dup(1));
	close(230);
	close(3);
}

static void processes(void)
{
	int ends[2], status, sum = 0, count = 0;
	char byte;

	pipe(ends);
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0) {
			close(ends[1]);
			_exit(read(ends[0], &byte, 1) == 0 ? i % 7 : 100);
		}
	close(ends[1]);
	while (wait(&status) > 0) {
		count++;
		sum += WEXITSTATUS(status);
	}
	printf("%d processes, %d in all\n", count, sum);
}

int main(int argc, char **argv)
{
	int count = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1) {
		for (int fd = 3; fd <= FILES; fd++)
			count += is_open(fd);
		printf("after exec: %d\n", count);
		return 0;
	}
	for (int fd = 3; fd < FILES; fd++)
		close(fd);
	descriptors(argv[0]);
	processes();
	processes();
	return 0;
}
