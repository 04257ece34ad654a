/*
 * Pipes: more bytes than a pipe holds, both ways, an end of file when the last
 * writer closes, standard output turned into a pipe, and a chain of children.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES 300000

static void flow(void)
{
	int fd[2];
	unsigned sum = 0;
	long total = 0;
	unsigned char buffer[1000];
	ssize_t n;

	pipe(fd);
	if (fork() == 0) {
		close(fd[0]);
		for (int i = 0; i < BYTES; i += 1000) {
			memset(buffer, i / 1000, sizeof buffer);
			write(fd[1], buffer, sizeof buffer);
		}
		_exit(0);
	}
	close(fd[1]);
	while ((n = read(fd[0], buffer, 777)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + buffer[i];
		total += n;
	}
	close(fd[0]);
	wait(NULL);
	printf("%ld bytes, sum %08x\n", total, sum);
}

static void ping_pong(void)
{
	int there[2], back[2];
	int value = 0;

	pipe(there);
	pipe(back);
	if (fork() == 0) {
		close(there[1]);
		while (read(there[0], &value, sizeof value) == sizeof value) {
			value = value * 3 + 1;
			write(back[1], &value, sizeof value);
		}
		_exit(0);
	}
	for (int i = 0; i < 100; i++) {
		write(there[1], &value, sizeof value);
		read(back[0], &value, sizeof value);
	}
	close(there[1]);
	wait(NULL);
	printf("after 100 rounds %08x\n", value);
}

static void chain(void)
{
	int fd[2];
	char text[64];

	pipe(fd);
	fflush(stdout);
	if (fork() == 0) {
		dup2(fd[1], 1);
		close(fd[0]);
		close(fd[1]);
		printf("through standard output\n");
		fflush(stdout);
		_exit(0);
	}
	close(fd[1]);
	ssize_t n = read(fd[0], text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	wait(NULL);
	printf("got %zd: %s", n, text);
	printf("then the end: %zd\n", read(fd[0], text, 1));
}

int main(void)
{
	flow();
	ping_pong();
	chain();
	return 0;
}
