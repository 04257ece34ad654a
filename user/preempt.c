/*
 * Processes that only compute. None of them makes a call while it counts, so
 * nothing but the timer takes the processor from one and gives it to the next,
 * at any instruction; and yet each finds every register, flag and XMM register
 * as it left them.
 *
 * usage: preempt [SEED]
 */
#include <registers.h>

#define CHILDREN    3
#define SPINS       4
#define SPIN_MS     60 /* a few ticks of a slow timer */
#define QUICK_COUNT 100000

static uint64_t seed = 1;
static uint64_t spin_count = QUICK_COUNT; /* lasts about SPIN_MS */

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.seconds * 1000 + now.nanoseconds / 1000000;
}

static void spin(uint64_t count, uint64_t pattern)
{
	registers_fill(pattern);
	registers_before.rcx = count;
	registers_spin();
}

/* Double the count until it takes long enough for the timer to strike. */
static void calibrate(void)
{
	for (;;) {
		long start = now_ms();

		spin(spin_count, seed);
		if (now_ms() - start >= SPIN_MS)
			return;
		spin_count *= 2;
	}
}

/* As many differences as the spins of one process showed. */
static int spin_and_report(long number)
{
	char what[32];
	int wrong = 0;

	snprintf(what, sizeof(what), "process %ld", number);
	for (long i = 0; i < SPINS; i++) {
		spin(spin_count, seed + (uint64_t)(number * SPINS + i));
		wrong += registers_report_spin(what);
	}
	return wrong != 0;
}

/* A child can end only if it runs, and this parent makes no call until its own
 * spin is over: by then the timer must have let the child run. */
static void check_child_runs_meanwhile(void)
{
	long child = fork();
	int status;

	if (child == 0)
		exit(7);
	spin(spin_count, seed);
	check(wait4(child, &status, WNOHANG, NULL) == child &&
		      WEXITSTATUS(status) == 7,
	      "a child runs while its parent computes");
}

int main(int argc, char **argv)
{
	long children[CHILDREN];

	if (argc > 2 || (argc == 2 && !parse_number(argv[1], &seed))) {
		printf("usage: preempt [SEED]\n");
		return 2;
	}
	calibrate();
	check_child_runs_meanwhile();
	for (long i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i] == 0)
			exit(spin_and_report(i));
	}
	check(spin_and_report(CHILDREN) == 0, "the parent's registers");
	for (long i = 0; i < CHILDREN; i++)
		check(wait_for(children[i]) == 0, "child %ld's registers", i);
	return check_done();
}
