/*
 * The ways for a program to be killed, one for each kind of fault. Given one,
 * crash does it, and the kernel's line on the console says what happened and
 * where. Given none, it does each in a child and checks which signal killed it.
 *
 * usage: crash [null | kernel | code | data | stack | jump | ...]
 */
#include <user.h>

static char data[] = "\xc3"; /* the instruction RET, if it were code */
static const char constant[] = "constant";

static void jump_to(uint64_t address)
{
	((void (*)(void))address)();
}

static void read_from(uint64_t address)
{
	*(volatile char *)address;
}

static void do_null(void)
{
	read_from(0);
}

static void do_kernel(void)
{
	read_from(0xffffffff80100000);
}

static void do_address(void)
{
	read_from(1UL << 47);
}

static void do_constant(void)
{
	*(volatile char *)(uint64_t)constant = 0;
}

static void do_code(void)
{
	*(volatile char *)(uint64_t)do_code = 0;
}

static void do_data(void)
{
	jump_to((uint64_t)data);
}

static void do_stack(void)
{
	volatile char code = data[0];

	jump_to((uint64_t)&code);
}

static void do_jump(void)
{
	jump_to(0xffffffff80100000);
}

static void do_deep(void);
static void (*volatile again)(void) = do_deep; /* GCC refuses the plain call */

static void do_deep(void)
{
	volatile char room[4096];

	room[0] = 1;
	again();
	room[1] = room[0]; /* or the compiler would make it a loop */
}

static void do_hlt(void)
{
	asm volatile("hlt");
}

static void do_div(void)
{
	asm volatile("divl %0" : : "r"(0), "a"(1), "d"(0));
}

static void do_ud2(void)
{
	asm volatile("ud2");
}

static void do_int3(void)
{
	asm volatile("int3");
}

static const struct {
	const char *name;
	void (*run)(void);
	int signal;
	const char *what;
} ways[] = {
	{ "null", do_null, SIGSEGV, "read address 0" },
	{ "kernel", do_kernel, SIGSEGV, "read the kernel" },
	{ "address", do_address, SIGSEGV, "read a non-canonical address" },
	{ "constant", do_constant, SIGSEGV, "write to a constant" },
	{ "code", do_code, SIGSEGV, "write to its own code" },
	{ "data", do_data, SIGSEGV, "execute its data" },
	{ "stack", do_stack, SIGSEGV, "execute its stack" },
	{ "jump", do_jump, SIGSEGV, "jump into the kernel" },
	{ "deep", do_deep, SIGSEGV, "call itself until the stack is full" },
	{ "hlt", do_hlt, SIGSEGV, "stop the processor" },
	{ "div", do_div, SIGFPE, "divide by zero" },
	{ "ud2", do_ud2, SIGILL, "an instruction that is none" },
	{ "int3", do_int3, SIGTRAP, "a breakpoint" },
};

static int run_way(long which)
{
	ways[which].run();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 1) {
		for (size_t i = 0; i < COUNT(ways); i++)
			check_equal(ways[i].what,
				    WTERMSIG(run_child(run_way, (long)i)),
				    ways[i].signal);
		return check_done();
	}
	for (size_t i = 0; argc == 2 && i < COUNT(ways); i++) {
		if (strcmp(argv[1], ways[i].name) == 0) {
			ways[i].run();
			printf("crash: %s: nothing happened\n", argv[1]);
			return 1;
		}
	}
	for (size_t i = 0; i < COUNT(ways); i++)
		printf("crash %-9s %s\n", ways[i].name, ways[i].what);
	return 2;
}
