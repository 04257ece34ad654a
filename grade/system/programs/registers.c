/*
 * The oracle's program: after each call, what every register holds. It is
 * linked with user/lib and runs on this kernel and on Linux alike. What may
 * differ is not printed: RAX where the result is the system's own affair, and
 * RCX and R11, which only have to be one of the two values they may have.
 *
 * usage: registers SEED
 */
#include <registers.h>

static uint64_t seed;

static void show(const char *name, bool result, long number, long a1, long a2,
		 long a3)
{
	const long arguments[] = { a1, a2, a3 };
	struct registers *before = &registers_before, *r = &registers_after;

	registers_fill_call(random_next(&seed), number, arguments, 3);
	registers_call();
	printf("%s: rax %016lx rbx %016lx rdx %016lx rsi %016lx rdi %016lx "
	       "rbp %016lx rsp %016lx r8 %016lx r9 %016lx r10 %016lx "
	       "r12 %016lx r13 %016lx r14 %016lx r15 %016lx rflags %lx "
	       "rcx %s r11 %s\n",
	       name, result ? r->rax : 0, r->rbx, r->rdx, r->rsi, r->rdi,
	       r->rbp, r->rsp, r->r8, r->r9, r->r10, r->r12, r->r13, r->r14,
	       r->r15, r->rflags,
	       r->rcx == before->rcx || r->rcx == (uint64_t)registers_next
		       ? "right"
		       : "wrong",
	       r->r11 == before->r11 || r->r11 == before->rflags ? "right"
								 : "wrong");
	for (int n = 0; n < 16; n++)
		printf("%s: xmm%d %016lx %016lx\n", name, n, r->xmm[n][1],
		       r->xmm[n][0]);
}

int main(int argc, char **argv)
{
	static struct timespec soon = { 0, 1000000 }, bad = { 0, -1 };
	static uint8_t buffer[64];
	long null = open("/dev/null", O_RDWR);

	if (argc != 2 || !parse_number(argv[1], &seed))
		return 2;
	show("getpid", false, SYS_getpid, 0, 0, 0);
	show("sched_yield", true, SYS_sched_yield, 0, 0, 0);
	show("nanosleep", true, SYS_nanosleep, (long)&soon, 0, 0);
	show("nanosleep, bad", true, SYS_nanosleep, (long)&bad, 0, 0);
	show("write", true, SYS_write, null, (long)buffer, sizeof(buffer));
	show("write, closed", true, SYS_write, 999, (long)buffer, 1);
	show("read, end", true, SYS_read, null, (long)buffer, sizeof(buffer));
	show("wait4, no child", true, SYS_wait4, -1, 0, 0);
	show("execve, no file", true, SYS_execve, (long)"/no/such", 0, 0);
	show("number 9999", true, 9999, 0, 0, 0);
	return 0;
}
