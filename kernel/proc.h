/*
 * proc: processes. Each has an address space, a kernel stack and open files;
 * one at a time runs, the others wait their turn or for an event.
 */
#ifndef PROC_H
#define PROC_H

#include "per_cpu.h"
#include "switch.h"
#include "vm.h"

#define NPROC          64
#define NFILE_PER_PROC 16
#define PATH_MAX       128

struct file;

enum proc_state {
	PROC_UNUSED,
	PROC_NEW,      /* being made by proc_alloc's caller */
	PROC_RUNNABLE, /* runs, or is in the CPU's queue */
	PROC_SLEEPING, /* until wakeup(channel) */
	PROC_ZOMBIE,   /* has ended, and its parent does not know yet */
};

struct proc {
	int pid;
	enum proc_state state;
	struct proc *parent;
	uint64_t kstack;     /* top of the kernel stack; the frame lies below */
	uint64_t rsp;        /* while it does not run: its struct context */
	bool in_syscall;     /* from syscall_handler's start to its end */
	long syscall_nr;     /* the last call's number */
	const void *channel; /* what it sleeps for */
	struct proc *next;   /* in the CPU's queue, or among the sleepers */
	int status;          /* how it ended, as wait4 reports it */
	uint64_t fs_base;    /* thread pointer; saved while it does not run */
	struct vm vm;
	struct file *files[NFILE_PER_PROC];
	char cwd[PATH_MAX]; /* absolute, without the slash in front */
	char name[16];
	uint64_t entry, stack; /* for its first step to ring 3 */
	uint8_t fpu[512] __attribute__((aligned(16))); /* fxsave's */
};

extern struct proc proc_table[NPROC];

/* Why a process was killed, by the signal Linux would have sent. */
#define SIGILL  4
#define SIGTRAP 5
#define SIGBUS  7
#define SIGFPE  8
#define SIGKILL 9
#define SIGSEGV 11

/* wait4's words for the two ways to end. */
#define STATUS_EXITED(code)   (((code)&0xff) << 8)
#define STATUS_KILLED(signal) (signal)

/* Makes the caller process 0, the idle one. */
void proc_init(void);

/* Returns the process that runs, never NULL: it may be the idle one. */
static inline struct proc *proc_current(void)
{
	return per_cpu_data_ptr()->current;
}

/* Returns a new process with a kernel stack and a pid, its parent the current
 * one, all else empty; or NULL with *error -EAGAIN (the table is full) or
 * -ENOMEM. It is PROC_NEW until proc_ready or proc_free. */
struct proc *proc_alloc(int *error);

/* Copies to the child what is neither memory nor registers of the current
 * call: open files, working directory, name, FPU, thread pointer. */
void proc_inherit(struct proc *child);

/* Arranges that the process, when it first runs, continues at rip in ring 0
 * with its RSP at rsp. */
void proc_set_start(struct proc *p, void (*rip)(void), uint64_t rsp);

/* Lets the process take part in scheduling. */
void proc_ready(struct proc *p);

/* Undoes proc_alloc, or takes away what is left of a zombie. */
void proc_free(struct proc *p);

/* In ring 0, as the current process: begins the program at p->entry. */
void proc_enter_user(void) __attribute__((noreturn));

/* Ends the current process with a status of wait4's. If it is the first one,
 * the machine ends with it. */
void proc_exit(int status) __attribute__((noreturn));

/* wait4: the pid of a child that ended, its status in *status. pid is a
 * child's, or -1 for any. With no_hang returns 0 if none has ended. */
long proc_wait(int pid, int *status, bool no_hang);

/* Gives the others a turn. */
void yield(void);

/* Waits until wakeup is called with the same channel. Wakes all who wait for
 * it, so look again at what you waited for. */
void sleep(const void *channel);
void wakeup(const void *channel);

/* What the idle process does, for ever. */
void proc_idle(void) __attribute__((noreturn));

#endif
