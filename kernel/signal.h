/*
 * signal: what processes are told by others and by the kernel. This room knows
 * which signals there are, who blocks and who ignores them, and which are
 * pending; deliver.c, far above, is where one reaches its process.
 * Numbers, structures and errors are Linux's: man 7 signal.
 */
#ifndef SIGNAL_H
#define SIGNAL_H

#include "sched.h"

#define SIGHUP       1
#define SIGINT       2
#define SIGQUIT      3
#define SIGILL       4
#define SIGTRAP      5
#define SIGBUS       7
#define SIGFPE       8
#define SIGKILL      9
#define SIGSEGV      11
#define SIGPIPE      13
#define SIGALRM      14
#define SIGCHLD      17
#define SIGCONT      18
#define SIGSTOP      19
#define SIGTSTP      20
#define SIGTTIN      21
#define SIGTTOU      22
#define SIGURG       23
#define SIGWINCH     28
#define SIGSYS       31

#define SIG_DFL      0
#define SIG_IGN      1

#define SA_NOCLDSTOP 0x1
#define SA_NOCLDWAIT 0x2
#define SA_SIGINFO   0x4
#define SA_RESTORER  0x04000000
#define SA_ONSTACK   0x08000000
#define SA_RESTART   0x10000000
#define SA_NODEFER   0x40000000
#define SA_RESETHAND 0x80000000

/* struct signal_info's code: who sent it. Above zero a code is the signal's own:
 * how a child is, where a fault was. */
#define SI_USER       0
#define SI_TKILL      (-6)
#define SI_KERNEL     0x80
#define CLD_EXITED    1
#define CLD_KILLED    2
#define CLD_STOPPED   5
#define CLD_CONTINUED 6

/* A set with one signal in it, and those that stop a process, or that the
 * process itself has caused. */
#define SIGNAL_BIT(signal) (1UL << ((signal)-1))
#define STOP_SIGNALS                                                       \
	(SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | \
	 SIGNAL_BIT(SIGTTOU))
#define FAULT_SIGNALS                                                    \
	(SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | \
	 SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSYS))

/* What happens when a process has not said anything else. */
enum signal_default { ENDS_IT, STOPS_IT, IS_IGNORED };
enum signal_default signal_default(int signal);

/* Makes a signal pending, unless it is ignored, and wakes the process for it.
 * One that is pending already is not counted. */
void signal_send(struct proc *p, int signal, const struct signal_info *info);

/* The current process has done something that cannot be ignored: the signal
 * will be delivered, or, if it is blocked or ignored, end the process. */
void signal_force(int signal, const struct signal_info *info);

/* Has the current process a handler that a forced signal would reach? */
bool signal_has_handler(int signal);

/* Does the current process block or ignore it? */
bool signal_is_refused(int signal);

/* A parent that says so in its action for SIGCHLD will not wait for children. */
bool signal_refuses_zombies(const struct proc *parent);

/* Gives the child the current process's actions, mask and stack. */
void signal_inherit(struct proc *child);

/* The current process begins a new program: its handlers are gone. */
void signal_exec(void);

/* Is RSP on the current process's signal stack? */
bool signal_is_on_stack(uint64_t rsp);

/* struct sigaltstack, for the frame of a handler too. */
struct sigaltstack {
	uint64_t base;
	int32_t flags, pad;
	uint64_t size;
};
void signal_stack_words(struct sigaltstack *words, uint64_t rsp);

/* No set may block these two. */
void signal_set_mask(struct proc *p, uint64_t mask);

/* While a call sleeps, the mask at that address counts; size must be 8. If a signal
 * ends the sleep, deliver.c gives the old one back, else the call does. Address 0:
 * nothing. Returns 0, -EINVAL, -EFAULT. */
int signal_borrow_mask(uint64_t set, size_t size);
void signal_return_mask(void);

/* The calls; man 2 of each. The size of a set must be 8. */
long sys_rt_sigaction(int signal, uint64_t action, uint64_t old, size_t size);
long sys_rt_sigprocmask(int how, uint64_t set, uint64_t old, size_t size);
long sys_rt_sigpending(uint64_t set, size_t size);
long sys_rt_sigsuspend(uint64_t set, size_t size);
long sys_pause(void);
long sys_sigaltstack(uint64_t stack, uint64_t old, uint64_t rsp);

#endif
