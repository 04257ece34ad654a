/*
 * Processes that block inside calls while others make theirs. A token goes
 * round a ring of pipes; each process waits for it in read, yields or sleeps,
 * and hands it on with one added. Each process has a stack pointer and
 * patterns of its own around every call, and checks that it gets those back,
 * and its own result: whatever ran while it slept.
 */
#include <registers.h>

#define PROCESSES 4
#define ROUNDS    25

/* Pipe i carries the token to process i. */
static int pipes[PROCESSES][2];

static uint64_t seed;
static long process, wrong;

static long checked_call(const char *name, long number, const long *arguments,
			 size_t count)
{
	registers_fill_call(random_next(&seed), number, arguments, count);
	registers_before.rsp -= (uint64_t)process * 64;
	registers_call();
	wrong += registers_report_call(name);
	return (long)registers_after.rax;
}

static void expect(const char *name, long found, long expected)
{
	if (found == expected)
		return;
	printf("interleave: process %ld: %s: %ld, expected %ld\n", process,
	       name, found, expected);
	wrong++;
}

static long receive(void)
{
	long token = -1;
	const long arguments[] = { pipes[process][0], (long)&token, 8 };

	expect("read", checked_call("read", SYS_read, arguments, 3), 8);
	return token;
}

static void send(long token)
{
	const long next = pipes[(process + 1) % PROCESSES][1];
	const long arguments[] = { next, (long)&token, 8 };

	expect("write", checked_call("write", SYS_write, arguments, 3), 8);
}

static void dawdle(long token)
{
	static struct timespec time = { 0, 1000000 };
	const long sleep[] = { (long)&time, 0 };

	if (token % 3 == 0)
		expect("sched_yield",
		       checked_call("yield", SYS_sched_yield, NULL, 0), 0);
	if (token % 7 == 0)
		expect("nanosleep",
		       checked_call("sleep", SYS_nanosleep, sleep, 2), 0);
}

/* Take the token in every round: it has made so many steps by then. */
static int run(long number)
{
	long pid = getpid();

	process = number;
	seed = (uint64_t)number;
	for (long round = 0; round < ROUNDS; round++) {
		long token = receive();

		expect("the token", token, round * PROCESSES + number);
		dawdle(token);
		expect("getpid", checked_call("getpid", SYS_getpid, NULL, 0),
		       pid);
		send(token + 1);
	}
	return wrong != 0;
}

int main(void)
{
	long children[PROCESSES], token = 0;

	for (long i = 0; i < PROCESSES; i++)
		if (pipe(pipes[i]) < 0)
			return 1;
	for (long i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		if (children[i] == 0)
			exit(run(i));
	}
	write(pipes[0][1], &token, sizeof(token));
	for (long i = 0; i < PROCESSES; i++)
		check(wait_for(children[i]) == 0,
		      "process %ld got back what was its own", i);
	read(pipes[0][0], &token, sizeof(token));
	check_equal("steps the token made", token, PROCESSES * ROUNDS);
	return check_done();
}
