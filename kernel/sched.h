/*
 * sched: processes, and who runs. Each has an address space, a kernel stack and
 * open files; one at a time runs, the others wait their turn or for an event.
 */
#ifndef SCHED_H
#define SCHED_H

#include "per_cpu.h"
#include "vm.h"
#include "switch.h"

#define NPROC          256
#define NFILE_PER_PROC 256
#define NAME_SIZE      16
#define WORD_BITS      64

struct file;
struct inode;

enum proc_state {
	PROC_UNUSED,
	PROC_NEW,      /* being made by proc_alloc's caller */
	PROC_RUNNABLE, /* runs, or is in the CPU's queue */
	PROC_SLEEPING, /* until wakeup(channel) */
	PROC_ZOMBIE,   /* has ended, and its parent does not know yet */
	PROC_STOPPED,  /* by a signal, until SIGCONT */
};

#define NSIG 64 /* signals are 1 to 64; a set has bit n - 1 for signal n */

/* What a process has said is to be done about a signal: rt_sigaction's words. */
struct sigaction {
	uint64_t handler, flags, restorer, mask;
};

/* What a handler is told about a signal besides its number. */
struct signal_info {
	int code, pid;
	uint64_t value; /* an address, or a status of wait4's */
};

/* signal.c writes all of this. */
struct signals {
	uint64_t pending, blocked;  /* sets */
	uint64_t saved_blocked;     /* by sigsuspend, for when it ends */
	bool suspended;             /* saved_blocked counts */
	uint64_t stack, stack_size; /* sigaltstack's; size 0: none */
	struct sigaction actions[NSIG];
	struct signal_info infos[NSIG]; /* of those pending */
};

/* Processor time, in nanoseconds; usage.h says who is charged. */
struct usage {
	uint64_t user, system;
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
	int group, session;  /* process group and session: a leader's pid */
	bool has_news;       /* stopped or went on; the parent does not know */
	bool unwanted;       /* a zombie that nobody will wait for */
	uint64_t alarm_at, alarm_every; /* timer_now's; 0: no alarm */
	uint64_t timeout;   /* timer_now's: sleeps no longer; 0: no such time */
	uint64_t sleep_end; /* of an interrupted sleep that is to go on */
	struct usage usage;
	struct usage children_usage; /* of those waited for */
	struct signals signals;
	struct user_segments segments; /* saved while it does not run */
	struct vm vm;
	struct proc *lender; /* whose vm it is, which it has for now */
	bool has_lent;       /* and sleeps until it is back */
	struct file *files[NFILE_PER_PROC];
	uint64_t cloexec[NFILE_PER_PROC / WORD_BITS]; /* closed by exec */
	int files_end;     /* no descriptor from here on is in use */
	struct inode *cwd; /* held; NULL: the root */
	uint32_t umask;
	char name[NAME_SIZE];
	uint64_t start_rip, start_rsp; /* for its first step to ring 3 */
	uint8_t fpu[FXSAVE_SIZE] __attribute__((aligned(FXSAVE_ALIGN)));
};

extern struct proc proc_table[NPROC];
extern struct proc *proc_end; /* no slot from here on is in use */

/* Those in the table that are in use. */
#define for_each_proc(p)                                     \
	for (struct proc *p = proc_table; p < proc_end; p++) \
		if (p->state != PROC_UNUSED)

/* Makes the caller process 0, the idle one, and the FPU as after a reset. */
void sched_init(void);

/* Returns the process that runs, never NULL: it may be the idle one. */
static inline struct proc *proc_current(void)
{
	return per_cpu_data_ptr()->current;
}

/* The process with this number, or NULL. */
struct proc *proc_find(int pid);

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

/* Is there a signal that the process does not block? */
static inline bool signal_waits(const struct proc *p)
{
	return p->signals.pending & ~p->signals.blocked;
}

/* Waits until wakeup is called with the same channel, and returns 0: look again
 * at what you waited for, as all are woken who wait for it. Or, if a signal is
 * to be seen to first, returns -ERESTART at once: give that back as the call's
 * result, or what has been done so far. */
int sleep(const void *channel) __attribute__((warn_unused_result));
void wakeup(const void *channel);

/* As wakeup, but so many at most. Returns how many there were. */
int wakeup_some(const void *channel, int most);

/* The same, and no signal cuts it short. */
void sleep_through(const void *channel);

/* Wakes one process that sleeps, whatever for. */
void wakeup_proc(struct proc *p);

/* What the idle process does, for ever. */
void proc_idle(void) __attribute__((noreturn));

#endif
