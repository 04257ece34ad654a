/*
 * proc: a process's life: how it is made, begins, ends, and is taken away.
 */
#ifndef PROC_H
#define PROC_H

#include "group.h"

/* wait4's words for the two ways to end, and back. */
#define STATUS_EXITED(code)    (((code)&0xff) << 8)
#define STATUS_KILLED(signal)  (signal)
#define STATUS_STOPPED(signal) ((signal) << 8 | 0x7f)
#define STATUS_CONTINUED       0xffff
#define STATUS_SIGNAL(status)  ((status)&0x7f)
#define STATUS_CODE(status)    ((status) >> 8)

/* Returns a new process with a kernel stack and a pid, its parent the current
 * one, all else empty; or NULL with *error -EAGAIN (the table is full) or
 * -ENOMEM. It is PROC_NEW until proc_ready or proc_free. */
struct proc *proc_alloc(int *error);

/* Copies to the child what is neither memory nor registers of the current
 * call: open files, working directory, name, FPU, segments. */
void proc_inherit(struct proc *child);

/* Undoes proc_alloc, or takes away what is left of a zombie. */
void proc_free(struct proc *p);

/* The address space goes: back to the lender, or altogether. It is not the active
 * one any more. */
void proc_leave_vm(struct proc *p);

/* In ring 0, as the current process: begins the program at p->start_rip. */
void proc_enter_user(void) __attribute__((noreturn));

/* Ends the current process with a status of wait4's. If it is the first one,
 * the machine ends with it. */
void proc_exit(int status) __attribute__((noreturn));

/* wait4's options. */
#define WNOHANG    1
#define WUNTRACED  2
#define WCONTINUED 8

/* What a child has to say: a status of wait4's, and what it has used, with the
 * children that it has waited for. */
struct proc_news {
	int status;
	struct usage usage;
};

/* wait4: the pid of a child that ended, and the news of it; with WUNTRACED
 * and WCONTINUED also of one that was stopped, or went on. pid is a child's, -1
 * for any, 0 for one of the caller's group, else minus a group. With WNOHANG
 * returns 0 if there is no news. */
long proc_wait(int pid, struct proc_news *news, int options);

/* The current process is stopped by a signal until another one lets it go on. */
void proc_stop(int signal);

#endif
