/*
 * Six processes compute with doubles at once, each its own series, while the
 * timer switches between them; a child inherits the registers' values at fork.
 * A switch that lost XMM registers or the rounding mode would change a sum.
 */
#include <fenv.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static double series(int which)
{
	double sum = 0;

	for (long i = 1; i <= 400000; i++)
		sum += 1.0 / ((double)i * which + 0.5);
	return sum;
}

int main(void)
{
	double results[6];
	int fd[2];

	pipe(fd);
	for (int i = 0; i < 6; i++) {
		if (fork() == 0) {
			struct {
				int which;
				double sum;
			} answer;
			memset(&answer, 0, sizeof answer);
			fesetround(i % 2 ? FE_UPWARD : FE_DOWNWARD);
			answer.which = i;
			answer.sum = series(i + 1);
			write(fd[1], &answer, sizeof answer);
			_exit(0);
		}
	}
	for (int i = 0; i < 6; i++) {
		struct {
			int which;
			double sum;
		} answer;
		read(fd[0], &answer, sizeof answer);
		results[answer.which] = answer.sum;
	}
	while (wait(NULL) > 0)
		;
	for (int i = 0; i < 6; i++) {
		uint64_t bits;
		memcpy(&bits, &results[i], 8);
		printf("series %d: %.15f %016llx\n", i, results[i],
		       (unsigned long long)bits);
	}

	/* A value that lives in a register across fork. */
	fflush(stdout);
	register double kept asm("xmm7") = 2.718281828;
	asm volatile("" : "+x"(kept));
	pid_t child = fork();
	asm volatile("" : "+x"(kept));
	if (child == 0) {
		printf("child has %.9f\n", kept);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	printf("parent has %.9f\n", kept);
	return 0;
}
