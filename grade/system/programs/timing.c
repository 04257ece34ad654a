/*
 * Time: it goes forward, a sleep is never too short, and processes that sleep
 * wake in the order of their times.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(void)
{
	long long last = now(CLOCK_MONOTONIC);
	int forward = 1;

	for (int i = 0; i < 10000; i++) {
		long long next = now(CLOCK_MONOTONIC);
		forward = forward && next >= last;
		last = next;
	}
	printf("never backward %d\n", forward);
	printf("the year is after 1969: %d\n", now(CLOCK_REALTIME) >= 0);

	int long_enough = 1;
	for (int ms = 1; ms <= 50; ms += 7) {
		struct timespec wanted = { 0, ms * 1000000 };
		long long start = now(CLOCK_MONOTONIC);
		nanosleep(&wanted, NULL);
		long long slept = now(CLOCK_MONOTONIC) - start;
		long_enough = long_enough && slept >= ms * 1000000LL;
	}
	printf("sleeps are long enough %d\n", long_enough);

	int fd[2];
	pipe(fd);
	for (int i = 4; i >= 0; i--) {
		if (fork() == 0) {
			char name = '0' + i;
			struct timespec wanted = { 0, 0 };
			wanted.tv_sec = i / 2;
			wanted.tv_nsec = i % 2 * 500000000;
			nanosleep(&wanted, NULL);
			write(fd[1], &name, 1);
			_exit(0);
		}
	}
	char order[6] = "";
	for (int i = 0; i < 5; i++)
		read(fd[0], order + i, 1);
	while (wait(NULL) > 0)
		;
	printf("they wake as %s\n", order);
	struct timespec none = { 0, 0 };
	printf("a sleep of nothing %d\n", nanosleep(&none, NULL));
	return 0;
}
