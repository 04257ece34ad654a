/*
 * What a signal is for the program that it reaches: a function of its own that runs
 * between two of its instructions. The interrupted code notices nothing, unless the
 * handler means it to: what it will find is in memory, where the handler can write.
 * The program signals has those that others send: an alarm, a child's end, a key.
 */
#include <user.h>

/* The beginning of struct ucontext, as Linux has it: what rt_sigreturn will load. */
struct context {
	uint64_t flags, link, stack[3];
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
};

static volatile int count, last;

static void note(int signal)
{
	count++;
	last = signal;
}

static void handle(int signal, void (*handler)(int), uint64_t flags)
{
	count = 0;
	on_signal(signal, (uintptr_t)handler, flags);
}

static void check_kill(void)
{
	handle(SIGUSR1, note, 0);
	check_equal("kill of oneself returns 0", kill(getpid(), SIGUSR1), 0);
	check(count == 1 && last == SIGUSR1,
	      "the handler has run before kill returned");
}

/* ---- what is interrupted lies in memory ---- */

static void answer_42(int signal, void *info, struct context *context)
{
	(void)signal, (void)info;
	context->rax = 42;
}

static void skip_ud2(int signal, void *info, struct context *context)
{
	(void)signal, (void)info;
	count++;
	context->rip += 2;
}

static void check_context(void)
{
	on_signal(SIGUSR1, (uintptr_t)answer_42, SA_SIGINFO);
	check_equal("a handler may write over the call's result",
		    kill(getpid(), SIGUSR1), 42);
	count = 0;
	on_signal(SIGILL, (uintptr_t)skip_ud2, SA_SIGINFO);
	asm volatile("ud2" : : : "memory");
	check_equal("a handler may step over the instruction at fault", count,
		    1);
}

/* ---- not now ---- */

static long change_mask(int how, uint64_t set)
{
	return syscall4(SYS_rt_sigprocmask, how, (long)&set, 0, sizeof(set));
}

static void check_mask(void)
{
	uint64_t set = 1UL << (SIGUSR1 - 1);

	handle(SIGUSR1, note, 0);
	change_mask(SIG_BLOCK, set);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	check_equal("no handler runs while its signal is blocked", count, 0);
	change_mask(SIG_UNBLOCK, set);
	check_equal("two that waited are one", count, 1);
}

int main(void)
{
	check_kill();
	check_context();
	check_mask();
	return check_done();
}
