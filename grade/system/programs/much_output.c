/*
 * While one process writes much to the terminal in one call, the clock goes on and
 * others run: a child counts its sleeps of 10 ms until the write is done.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE (100 << 10)

static unsigned long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000UL + t.tv_nsec / 1000000;
}

static int count_sleeps(int until)
{
	struct timespec tick = { 0, 10000000 };
	int sleeps = 0;
	char byte;

	while (read(until, &byte, 1) < 0) {
		nanosleep(&tick, NULL);
		sleeps++;
	}
	return sleeps;
}

int main(void)
{
	int done[2], status;
	char *text = malloc(SIZE);

	memset(text, '.', SIZE);
	for (int i = 79; i < SIZE; i += 80)
		text[i] = '\n';
	pipe2(done, O_NONBLOCK);
	if (fork() == 0) {
		int sleeps = count_sleeps(done[0]);

		printf("\nturns of another: %d\n", sleeps);
		return 0;
	}
	unsigned long before = now_ms();
	ssize_t written = write(1, text, SIZE);
	unsigned long took = now_ms() - before;
	write(done[1], "x", 1);
	wait(&status);
	printf("%zd bytes in %lu ms\n", written, took);
	return 0;
}
