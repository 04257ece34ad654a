/*
 * Records of up to PIPE_BUF bytes go through a pipe in one piece: two writers,
 * a pipe that has no room for all of one, and a pipe that nobody reads yet.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORD  1000
#define RECORDS 300

static char buffer[2 * PIPE_BUF];

static void before_the_reader(void)
{
	int fd[2], status;

	pipe(fd);
	printf("write %zd\n", write(fd[1], buffer, PIPE_BUF));
	fflush(stdout);
	if (fork() == 0)
		_exit(read(fd[0], buffer, PIPE_BUF) != PIPE_BUF);
	wait(&status);
	printf("reader %d\n", status);
	close(fd[0]);
	close(fd[1]);
}

static void all_or_nothing(void)
{
	int fd[2];
	long whole = 0;
	ssize_t n;

	pipe2(fd, O_NONBLOCK);
	while ((n = write(fd[1], buffer, 3000)) == 3000)
		whole += n;
	printf("no room: %zd error %d, at least PIPE_BUF before: %d\n", n,
	       errno, whole >= PIPE_BUF);
	printf("one byte: %zd\n", write(fd[1], buffer, 1));
	printf("many: fewer %d\n", write(fd[1], buffer, sizeof buffer) < 8192);
	close(fd[0]);
	close(fd[1]);
}

static void from_half_a_buffer(void)
{
	int fd[2];
	char *pages = mmap(NULL, 2 * PIPE_BUF, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(pages + PIPE_BUF, PIPE_BUF);
	pipe2(fd, O_NONBLOCK);
	printf("half: %zd error %d\n", write(fd[1], pages + PIPE_BUF - 9, 20),
	       errno);
	printf("then: %zd error %d\n", read(fd[0], buffer, 100), errno);
	close(fd[0]);
	close(fd[1]);
}

static int is_mixed(void)
{
	for (int i = 1; i < RECORD; i++)
		if (buffer[i] != buffer[0])
			return 1;
	return 0;
}

static void two_writers(void)
{
	int fd[2], records = 0, mixed = 0;

	pipe(fd);
	fflush(stdout);
	for (int writer = 0; writer < 2; writer++)
		if (fork() == 0) {
			memset(buffer, 'a' + writer, RECORD);
			for (int i = 0; i < RECORDS; i++)
				write(fd[1], buffer, RECORD);
			_exit(0);
		}
	close(fd[1]);
	for (;; records++) {
		ssize_t got = 0, n;

		while ((n = read(fd[0], buffer + got, RECORD - got)) > 0)
			got += n;
		if (got < RECORD)
			break;
		mixed += is_mixed();
	}
	while (wait(NULL) > 0)
		;
	printf("%d records, %d mixed\n", records, mixed);
}

int main(void)
{
	before_the_reader();
	all_or_nothing();
	from_half_a_buffer();
	two_writers();
	return 0;
}
