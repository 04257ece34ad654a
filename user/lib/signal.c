/*
 * signal: how a program says what is to be done about a signal.
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
