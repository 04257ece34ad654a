/*
 * deliver: a signal reaches its process, on the process's way back to ring 3.
 *
 * A handler is a call that the program never made. The registers that the kernel
 * has captured are put on the user's stack, in Linux's layout, and rewritten:
 * RIP to the handler, RSP below what was put there, RDI to the signal. The
 * ordinary way out does the rest. When the handler returns, its return address
 * is a few instructions of the C library that call rt_sigreturn, which puts all
 * of them back.
 */
#ifndef DELIVER_H
#define DELIVER_H

#include "trap.h"

/* The current process's call has come to this result: delivers what waits, by
 * way of the frame that the stub saved. Returns what the stub is to put into
 * RAX. */
long deliver_after_call(long result);

/* The same on the way back from an interrupt or a fault of ring 3. */
void deliver_after_trap(struct trap_frame *frame);

/* The call with which a handler ends: RSP is at what was put on the stack. */
long sys_rt_sigreturn(void);

#endif
