/*
 * signal: how a program says what is to be done about a signal, and sends one.
 */
#include "user.h"

/* A handler returns here. RSP is then where the kernel has put the interrupted
 * program's registers: rt_sigreturn takes them from there. */
__attribute__((naked)) static void restorer(void)
{
	asm("movl $15, %eax"); /* SYS_rt_sigreturn */
	asm("syscall");
}

_Static_assert(SYS_rt_sigreturn == 15, "the number in restorer");

long on_signal(int signal, uintptr_t handler, uint64_t flags)
{
	struct sigaction action = { .handler = handler,
				    .flags = flags | SA_RESTORER,
				    .restorer = restorer };

	return syscall4(SYS_rt_sigaction, signal, (long)&action, 0,
			sizeof(action.mask));
}

static bool parse_pid(const char *text, long *pid)
{
	unsigned long number;
	bool group = text[0] == '-'; /* a group of processes */

	if (!parse_number(text + group, &number))
		return false;
	*pid = group ? -(long)number : (long)number;
	return true;
}

int send_signal(const char *text, int signal)
{
	long pid, error;

	if (!parse_pid(text, &pid)) {
		dprintf(2, "kill: %s: not a process's number\n", text);
		return 1;
	}
	error = kill(pid, signal);
	if (error < 0)
		dprintf(2, "kill: %s: %s\n", text, error_text(error));
	return error < 0;
}
