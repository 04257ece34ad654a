/*
 * Which bits of RFLAGS survive a system call: all that a program may set. The
 * kernel itself runs with most of them clear (SFMASK), so that a program's
 * flags do nothing in ring 0, and SYSRET brings them back from R11. Those that
 * a program may not set cannot be smuggled in that way.
 */
#include <registers.h>

#define FLAG_TF   (1UL << 8)
#define FLAG_IF   (1UL << 9)
#define FLAG_DF   (1UL << 10)
#define FLAG_IOPL (3UL << 12)

static const struct {
	const char *name;
	uint64_t bits;
} kept[] = {
	{ "none", 0 },
	{ "CF, carry", 1UL << 0 },
	{ "PF, parity", 1UL << 2 },
	{ "AF, half carry", 1UL << 4 },
	{ "ZF, zero", 1UL << 6 },
	{ "SF, sign", 1UL << 7 },
	{ "DF, strings go down", FLAG_DF },
	{ "OF, overflow", 1UL << 11 },
	{ "NT, nested task", 1UL << 14 },
	{ "AC, check alignment", 1UL << 18 },
	{ "ID, CPUID is there", 1UL << 21 },
	{ "all of them", FLAGS_FREE | 1UL << 14 | 1UL << 18 },
};

/* The flags after a call that was made with exactly these. */
static uint64_t call_with(uint64_t flags, long number, const long *arguments,
			  size_t count)
{
	registers_fill_call(flags, number, arguments, count);
	registers_before.rflags = flags;
	registers_call();
	return registers_after.rflags;
}

static bool are_kept(uint64_t flags, long number, const long *arguments,
		     size_t count)
{
	uint64_t found = call_with(flags, number, arguments, count);

	if (found != flags)
		printf("flags: call %ld: RFLAGS is %lx, expected %lx\n", number,
		       found, flags);
	return found == flags;
}

/* Over a call, over one that does not exist, and over one that sleeps. */
static void check_kept(void)
{
	static struct timespec time = { 0, 1000000 };
	const long sleep[] = { (long)&time, 0 };

	for (size_t i = 0; i < COUNT(kept); i++) {
		uint64_t flags = FLAGS_BASE | kept[i].bits;

		check(are_kept(flags, SYS_getpid, NULL, 0) &&
			      are_kept(flags, 9999, NULL, 0) &&
			      are_kept(flags, SYS_nanosleep, sleep, 2),
		      "kept: %s", kept[i].name);
	}
}

static void check_refused(void)
{
	check_equal("IF cannot be cleared",
		    (long)call_with(FLAGS_BASE & ~FLAG_IF, SYS_getpid, NULL, 0),
		    FLAGS_BASE);
	check_equal(
		"IOPL cannot be raised",
		(long)call_with(FLAGS_BASE | FLAG_IOPL, SYS_getpid, NULL, 0),
		FLAGS_BASE);
}

/* The kernel's own string instructions go up, whatever DF says out here. */
static void check_copy(void)
{
	static char text[] = "up, not down", copy[32];
	int fds[2];

	pipe(fds);
	call_with(FLAGS_BASE | FLAG_DF, SYS_write,
		  (long[]){ fds[1], (long)text, sizeof(text) }, 3);
	check_equal("written with DF set", (long)registers_after.rax,
		    sizeof(text));
	call_with(FLAGS_BASE | FLAG_DF, SYS_read,
		  (long[]){ fds[0], (long)copy, sizeof(copy) }, 3);
	check(memcmp(copy, text, sizeof(text)) == 0, "read back with DF set");
}

/* TF traps after every instruction: here after SYSCALL, and in ring 3. */
static int single_step(long number)
{
	asm volatile("pushfq\n\t"
		     "orq %1, (%%rsp)\n\t"
		     "popfq\n\t"
		     "syscall"
		     : "+a"(number)
		     : "i"(FLAG_TF)
		     : "rcx", "r11", "memory");
	return 0;
}

int main(void)
{
	check_kept();
	check_refused();
	check_copy();
	check_equal("TF over a call: killed by the trap in ring 3",
		    WTERMSIG(run_child(single_step, SYS_getpid)), SIGTRAP);
	return check_done();
}
