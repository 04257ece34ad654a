/*
 * A function that calls no other may keep its variables in the 128 bytes below
 * RSP, the red zone (System V ABI, AMD64 supplement, section 3.2.2). So
 * neither a call nor an interrupt may write there: the kernel never touches
 * memory at the user's RSP. The zone is filled with a pattern, RSP is put
 * above it, and the whole stack must stay as it was.
 */
#include <registers.h>

static uint8_t expected[REGISTERS_STACK_BYTES];

static void fill_stack(uint64_t seed)
{
	for (size_t i = 0; i < sizeof(expected); i++)
		expected[i] = (uint8_t)random_next(&seed);
	memcpy(registers_stack, expected, sizeof(expected));
}

/* The number of bytes that changed, and where the first lies. */
static long changed_bytes(const char *what)
{
	long changed = 0;

	for (long i = 0; i < REGISTERS_STACK_BYTES; i++) {
		if (registers_stack[i] == expected[i])
			continue;
		if (changed++ == 0)
			printf("redzone: %s: the byte %ld below RSP changed\n",
			       what, REGISTERS_STACK_BYTES / 2 - i);
	}
	return changed;
}

static void try_call(const char *name, long number, const long *arguments,
		     size_t count)
{
	fill_stack((uint64_t)number + 1);
	registers_fill_call((uint64_t)number, number, arguments, count);
	registers_call();
	if (number == SYS_fork && registers_after.rax == 0)
		exit(changed_bytes("fork, in the child") != 0);
	check_equal(name, changed_bytes(name), 0);
}

static void try_timer(void)
{
	fill_stack(1);
	registers_fill(1);
	registers_before.rcx = 50 * 1000 * 1000;
	registers_spin();
	check_equal("50 million instructions under the timer",
		    changed_bytes("the timer"), 0);
}

int main(void)
{
	static struct timespec time = { 0, 20000000 };
	static char byte;
	static int status = -1;
	long null = open("/dev/null", O_RDWR);

	try_call("getpid", SYS_getpid, NULL, 0);
	try_call("an unknown number", 9999, NULL, 0);
	try_call("write", SYS_write, (long[]){ null, (long)&byte, 1 }, 3);
	try_call("read: a closed file", SYS_read, (long[]){ 999, 8, 1 }, 3);
	try_call("sched_yield", SYS_sched_yield, NULL, 0);
	try_call("nanosleep", SYS_nanosleep, (long[]){ (long)&time, 0 }, 2);
	try_call("fork, in the parent", SYS_fork, NULL, 0);
	try_call("wait4", SYS_wait4, (long[]){ -1, (long)&status, 0, 0 }, 4);
	check_equal("fork, in the child", status, 0);
	try_timer();
	return check_done();
}
