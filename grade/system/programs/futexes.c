/*
 * Sleeping for a word in shared memory: who is woken, what is refused, and the
 * locks and semaphores that the C library makes of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process_state.h"

#define WAIT     0
#define WAKE     1
#define PRIVATE  128
#define CHILDREN 5
#define ROUNDS   200

static struct shared {
	uint32_t word, other;
	sem_t semaphore;
	pthread_mutex_t mutex;
	int sum;
} * shared;

static long futex(void *word, int operation, uint32_t value,
		  const struct timespec *timeout)
{
	return syscall(SYS_futex, word, operation, value, timeout, 0, 0);
}

static void say(const char *what, long result)
{
	printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

static void refusals(void)
{
	struct timespec soon = { 0, 30000000 }, bad = { 0, 1000000000 };
	uint32_t mine = 1;

	say("another value", futex(&mine, WAIT, 2, NULL));
	say("timed out", futex(&mine, WAIT, 1, &soon));
	say("timed out, private", futex(&mine, WAIT | PRIVATE, 1, &soon));
	say("a bad time", futex(&mine, WAIT, 1, &bad));
	say("a bad address", futex((void *)8, WAIT, 1, NULL));
	say("to wake at it", futex((void *)8, WAKE, 1, NULL));
	say("askew", futex((char *)&mine + 1, WAIT, 1, NULL));
	say("nobody sleeps", futex(&mine, WAKE, 1, NULL));
	say("no such operation", futex(&mine, 99, 1, NULL));
}

/* Children that sleep for a word each end with what it gave. */
static void begin(int count, uint32_t *word, const struct timespec *timeout)
{
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(futex(word, WAIT, 0, timeout) == 0 ? 1 : errno);
		await_state(pid, 'S');
	}
}

static void ends(const char *what, int count)
{
	int status, woken = 0;

	for (int i = 0; i < count; i++) {
		wait(&status);
		woken += WIFEXITED(status) && WEXITSTATUS(status) == 1;
	}
	printf("%s: %d of %d were woken\n", what, woken, count);
}

static void wakes(void)
{
	struct timespec long_ = { 9, 0 }, soon = { 1, 0 };

	begin(CHILDREN, &shared->word, NULL);
	say("wake two", futex(&shared->word, WAKE, 2, NULL));
	say("the word beside it", futex(&shared->other, WAKE, 9, NULL));
	say("wake all", futex(&shared->word, WAKE, 99, NULL));
	ends("all", CHILDREN);
	begin(2, &shared->word, &long_);
	say("with a long time", futex(&shared->word, WAKE, 9, NULL));
	ends("in time", 2);
	begin(1, &shared->word, &soon);
	ends("not in time", 1);
}

static void on_signal(int signal)
{
	(void)signal;
}

static void interrupted(void)
{
	signal(SIGUSR1, on_signal);
	if (fork() == 0) {
		await_state(getppid(), 'S');
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	siginterrupt(SIGUSR1, 1);
	say("a signal", futex(&shared->word, WAIT, 0, NULL));
	wait(NULL);
}

static void locks(void)
{
	pthread_mutexattr_t attributes;
	int value;

	sem_init(&shared->semaphore, 1, 0);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->mutex, &attributes);
	for (int i = 0; i < CHILDREN; i++) {
		if (fork() != 0)
			continue;
		sem_wait(&shared->semaphore);
		for (int round = 0; round < ROUNDS; round++) {
			pthread_mutex_lock(&shared->mutex);
			value = shared->sum;
			if (round % 50 == 0)
				usleep(1000);
			shared->sum = value + 1;
			pthread_mutex_unlock(&shared->mutex);
		}
		_exit(0);
	}
	printf("before: %d\n", shared->sum);
	for (int i = 0; i < CHILDREN; i++)
		sem_post(&shared->semaphore);
	while (wait(NULL) > 0)
		;
	printf("after: %d\n", shared->sum);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	refusals();
	wakes();
	interrupted();
	locks();
	return 0;
}
