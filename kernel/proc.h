/*
 * proc: a process's life: how it is made, begins, ends, and is taken away.
 */
#ifndef PROC_H
#define PROC_H

#include "sched.h"

/* Why a process was killed, by the signal Linux would have sent. */
#define SIGILL  4
#define SIGTRAP 5
#define SIGBUS  7
#define SIGFPE  8
#define SIGKILL 9
#define SIGSEGV 11

/* wait4's words for the two ways to end, and back. */
#define STATUS_EXITED(code)   (((code)&0xff) << 8)
#define STATUS_KILLED(signal) (signal)
#define STATUS_SIGNAL(status) ((status)&0x7f)
#define STATUS_CODE(status)   ((status) >> 8)

/* Returns a new process with a kernel stack and a pid, its parent the current
 * one, all else empty; or NULL with *error -EAGAIN (the table is full) or
 * -ENOMEM. It is PROC_NEW until proc_ready or proc_free. */
struct proc *proc_alloc(int *error);

/* Copies to the child what is neither memory nor registers of the current
 * call: open files, working directory, name, FPU, segments. */
void proc_inherit(struct proc *child);

/* Undoes proc_alloc, or takes away what is left of a zombie. */
void proc_free(struct proc *p);

/* In ring 0, as the current process: begins the program at p->start_rip. */
void proc_enter_user(void) __attribute__((noreturn));

/* Ends the current process with a status of wait4's. If it is the first one,
 * the machine ends with it. */
void proc_exit(int status) __attribute__((noreturn));

/* wait4: the pid of a child that ended, its status in *status. pid is a
 * child's, or -1 for any. With no_hang returns 0 if none has ended. */
long proc_wait(int pid, int *status, bool no_hang);

#endif
