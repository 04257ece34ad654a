/*
 * What things cost, in instructions. Under QEMU's -icount shift=0,sleep=off
 * the time stamp counter goes up by one for each instruction, in ring 3 and
 * ring 0, so a difference of two RDTSC is a count, the same in every run. (On
 * real hardware and on a host it is a number of cycles, which is not the same
 * twice.) One line for each result: a key and a number.
 */
#include <user.h>

#define TIMES  50  /* of the larger things; the result is the mean */
#define PASSES 3   /* the least of so many counts: a timer tick adds to one */
#define CALLS  500 /* of getpid in a pass */

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* The least count of PASSES times step(); what RDTSC itself costs is in it. */
static uint64_t least_count(void (*step)(void))
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < PASSES; i++) {
		uint64_t start = rdtsc(), count;

		step();
		count = rdtsc() - start;
		if (count < least)
			least = count;
	}
	return least;
}

/* Two loops that differ by one instruction, SYSCALL: the difference is that
 * instruction, the kernel's work, and the SYSRET that ends it. */
static void calls_loop(void)
{
	asm volatile("movl %0, %%ebx\n"
		     "1:\tmovl %1, %%eax\n\t"
		     "syscall\n\t"
		     "decl %%ebx\n\t"
		     "jnz 1b"
		     :
		     : "i"(CALLS), "i"(SYS_getpid)
		     : "rax", "rbx", "rcx", "r11", "memory");
}

static void empty_loop(void)
{
	asm volatile("movl %0, %%ebx\n"
		     "1:\tmovl %1, %%eax\n\t"
		     "decl %%ebx\n\t"
		     "jnz 1b"
		     :
		     : "i"(CALLS), "i"(SYS_getpid)
		     : "rax", "rbx", "memory");
}

/* A child that ends at once: fork, its exit, and the parent's wait4. */
static void fork_loop(void)
{
	for (int i = 0; i < TIMES; i++) {
		long pid = fork();

		if (pid == 0)
			exit(0);
		wait4(pid, NULL, 0, NULL);
	}
}

/* The same with execve of /bin/true in the child, and true's own few
 * instructions from _start to exit. */
static void exec_loop(void)
{
	static char *argv[] = { "true", NULL };

	for (int i = 0; i < TIMES; i++) {
		long pid = fork();

		if (pid == 0) {
			execve("/bin/true", argv, argv + 1);
			exit(127);
		}
		wait4(pid, NULL, 0, NULL);
	}
}

/* One byte goes to the child and comes back: each way is a write, a switch to
 * the other process, and the end of its read. */
static int there[2], back[2];

static void ping_pong(void)
{
	char c = 0;

	for (int i = 0; i < TIMES; i++) {
		write(there[1], &c, 1);
		read(back[0], &c, 1);
	}
}

static int pong(void)
{
	char c;

	close(there[1]);
	while (read(there[0], &c, 1) == 1)
		write(back[1], &c, 1);
	return 0;
}

static uint64_t count_switches(void)
{
	uint64_t count;
	long pid;

	if (pipe(there) < 0 || pipe(back) < 0)
		exit(1);
	pid = fork();
	if (pid == 0)
		exit(pong());
	ping_pong(); /* the child's first run is not counted */
	count = least_count(ping_pong);
	close(there[1]);
	wait_for(pid);
	return count;
}

static void print(const char *key, uint64_t total, uint64_t times)
{
	printf("%s %lu\n", key, (total + times / 2) / times);
}

int main(void)
{
	char *memory;

	print("getpid_instructions",
	      least_count(calls_loop) - least_count(empty_loop), CALLS);
	print("fork_small_instructions", least_count(fork_loop), TIMES);
	print("switch_instructions", count_switches(), 2 * TIMES);
	print("exec_instructions", least_count(exec_loop), TIMES);
	memory = map_pages(256);
	if (!memory)
		return 1;
	for (int i = 0; i < 256; i++)
		memory[i * PAGE_SIZE] = 1;
	print("fork_1mb_instructions", least_count(fork_loop), TIMES);
	return 0;
}
