/*
 * sched: processes, and who runs. Each has an address space, a kernel stack and
 * open files; one at a time runs, the others wait their turn or for an event.
 */
#ifndef SCHED_H
#define SCHED_H

#include "per_cpu.h"
#include "vm.h"
#include "switch.h"

#define NPROC          64
#define NFILE_PER_PROC 16
#define PATH_MAX       128
#define NAME_SIZE      16

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
	uint64_t kstack_top; /* the frame of a call lies just below it */
	uint64_t rsp;        /* while it does not run: its struct context */
	bool in_syscall;     /* from syscall_handler's start to its end */
	long syscall_nr;     /* the last call's number */
	const void *channel; /* what it sleeps for */
	struct proc *next;   /* in the CPU's queue, or among the sleepers */
	int status;          /* how it ended, as wait4 reports it */
	struct user_segments segments; /* saved while it does not run */
	struct vm vm;
	struct file *files[NFILE_PER_PROC];
	char cwd[PATH_MAX]; /* absolute, without the slash in front */
	char name[NAME_SIZE];
	uint64_t start_rip, start_rsp; /* for its first step to ring 3 */
	uint8_t fpu[FXSAVE_SIZE] __attribute__((aligned(FXSAVE_ALIGN)));
};

extern struct proc proc_table[NPROC];

/* Those in the table that are in use. */
#define for_each_proc(p)                                               \
	for (struct proc *p = proc_table; p < proc_table + NPROC; p++) \
		if (p->state != PROC_UNUSED)

/* Makes the caller process 0, the idle one, and the FPU as after a reset. */
void sched_init(void);

/* Returns the process that runs, never NULL: it may be the idle one. */
static inline struct proc *proc_current(void)
{
	return per_cpu_data_ptr()->current;
}

/* Arranges that the process, when it first runs, continues at rip in ring 0
 * with its RSP at rsp. */
void proc_set_start(struct proc *p, void (*rip)(void), uint64_t rsp);

/* Puts the process at the end of the queue. */
void proc_ready(struct proc *p);

/* Runs the next process in the queue, or idle. The caller has put the current
 * one where it belongs: into the queue, among the sleepers, or nowhere. */
void schedule(void);

/* Gives the others a turn. */
void yield(void);

/* Waits until wakeup is called with the same channel. Wakes all who wait for
 * it, so look again at what you waited for. */
void sleep(const void *channel);
void wakeup(const void *channel);

/* What the idle process does, for ever. */
void proc_idle(void) __attribute__((noreturn));

#endif
