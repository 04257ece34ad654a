/*
 * signals: which, to whom, and what a worker does about one.
 */
#include "fuzz/fuzz.h"

#define SIGNALS  64
#define PIDS_MAX (1 << 20) /* so many processes are never started */

/* What workers do about signals; made by the first of them all. */
static struct sigaction actions[8];

/* Whoever goes on after a fault has it again. */
static void handle(int signal)
{
	if (signal == SIGSEGV || signal == SIGBUS || signal == SIGILL ||
	    signal == SIGFPE || signal == SIGTRAP)
		exit(0);
}

void make_actions(void)
{
	static const uint64_t flags[] = { 0, SA_RESTART,
					  SA_NODEFER | SA_RESTART, SA_ONSTACK,
					  SA_SIGINFO | SA_RESTART };
	const uintptr_t handlers[] = { (uintptr_t)handle, (uintptr_t)handle,
				       SIG_IGN, SIG_DFL };

	for (size_t i = 0; i < COUNT(actions); i++) {
		on_signal(SIGUSR1, handlers[i % COUNT(handlers)],
			  flags[i % COUNT(flags)]);
		syscall4(SYS_rt_sigaction, SIGUSR1, 0, (long)&actions[i],
			 MASK_SIZE);
	}
	on_signal(SIGUSR1, SIG_DFL, 0);
}

long draw_action(uint64_t r)
{
	return r % 8 ? (long)&actions[r / 8 % COUNT(actions)] : 0;
}

/* Half of them end nobody. */
long draw_signal(uint64_t r)
{
	static const int harmless[] = { 0, SIGUSR1, SIGCHLD, SIGCONT };

	return r % 2 ? (long)(r / 2 % (SIGNALS + 2))
		     : harmless[r / 2 % COUNT(harmless)];
}

/* Signals go to the worker and its children. The others that stop a process may
 * stop one of these and not another, which would wait for it. */
void keep_signals(struct call *call)
{
	long *a = call->arguments;
	int whom = (int)a[0], signal = (int)a[1];

	if (call->number != SYS_kill)
		return;
	if (whom > -PIDS_MAX && whom < PIDS_MAX)
		a[0] = 0;
	if (signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU)
		a[1] = SIGSTOP;
}
