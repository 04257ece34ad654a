/*
 * proc: the two ends of a process's life.
 */
#include "proc.h"

#include "errno.h"
#include "hooks.h"
#include "string.h"
#include "print.h"
#include "panic.h"
#include "page_table.h"
#include "per_cpu.h"
#include "foreground.h"
#include "files/file.h"

static int last_pid;
static int stopped; /* processes that sleep in proc_stop */

/* The idle process leaves the FPU alone: its state is that of a fresh one. */
static inline const uint8_t *clean_fpu(void)
{
	return per_cpu_data_ptr()->idle->fpu;
}

struct proc *proc_alloc(int *error)
{
	for (int slot = 0; slot < NPROC; slot++) {
		struct proc *p = &proc_table[slot];

		if (p->state == PROC_ZOMBIE && p->unwanted)
			proc_free(p);
		if (p->state != PROC_UNUSED)
			continue;
		memset(p, 0, sizeof(*p));
		p->kstack_top = kstack_alloc(slot);
		if (!p->kstack_top) {
			*error = -ENOMEM;
			return NULL;
		}
		p->state = PROC_NEW;
		if (p >= proc_end)
			proc_end = p + 1;
		p->pid = ++last_pid;
		p->parent = proc_current();
		memcpy(p->fpu, clean_fpu(), sizeof(p->fpu));
		return p;
	}
	*error = -EAGAIN;
	return NULL;
}

static void release_files(struct proc *p)
{
	fd_release_all(p);
	inode_release(p->cwd);
}

void proc_inherit(struct proc *child)
{
	struct proc *parent = proc_current();

	fd_inherit(child);
	signal_inherit(child);
	child->group = parent->group;
	child->session = parent->session;
	child->umask = parent->umask;
	child->cwd = parent->cwd;
	if (child->cwd)
		inode_hold(child->cwd);
	strlcpy(child->name, parent->name, sizeof(child->name));
	user_segments_save(&child->segments);
	fxsave(child->fpu);
}

void proc_enter_user(void)
{
	struct proc *p = proc_current();

	if (overflow)
		overflow();
	gdt_check_user();
	p->in_syscall = false;
	fxrstor(clean_fpu());
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_KERNEL_GS_BASE, 0); /* ring 3's, until SWAPGS */
	enter_user(p->start_rip, p->start_rsp);
}

/* The first program is done: what it said becomes QEMU's exit status. */
static void end_machine(const struct proc *p)
{
	int signal = STATUS_SIGNAL(p->status);
	int code = STATUS_CODE(p->status);

	if (signal) {
		kprintf("%s: killed by signal %d\n", p->name, signal);
		machine_exit(EXIT_KILLED);
	}
	kprintf("%s: exit status %d\n", p->name, code);
	machine_exit(code <= EXIT_MAX ? code : EXIT_TOO_LARGE);
}

/* What a child has to say reaches its parent as SIGCHLD, and in wait4. */
static void tell_parent(struct proc *p, int code, int value)
{
	const struct sigaction *action =
		&p->parent->signals.actions[SIGCHLD - 1];

	if (action->handler != SIG_IGN &&
	    (p->state == PROC_ZOMBIE || !(action->flags & SA_NOCLDSTOP)))
		signal_send(p->parent, SIGCHLD,
			    &(struct signal_info){ code, p->pid, value });
	wakeup(p->parent);
}

void proc_stop(int signal)
{
	struct proc *p = proc_current();

	p->status = STATUS_STOPPED(signal);
	p->has_news = true;
	p->state = PROC_STOPPED;
	tell_parent(p, CLD_STOPPED, signal);
	stopped++;
	schedule();
	stopped--;
	if (p->signals.pending & SIGNAL_BIT(SIGKILL))
		return; /* it did not go on, it is about to end */
	p->status = STATUS_CONTINUED;
	p->has_news = true;
	tell_parent(p, CLD_CONTINUED, SIGCONT);
}

void proc_leave_vm(struct proc *p)
{
	struct proc *lender = p->lender;

	if (!lender) {
		vm_destroy(&p->vm);
		return;
	}
	lender->vm = p->vm;
	lender->has_lent = false;
	wakeup(&lender->has_lent);
	p->lender = NULL;
	p->vm.pml4 = 0;
}

void proc_exit(int status)
{
	struct proc *p = proc_current();
	struct proc *init = &proc_table[0];

	p->in_syscall = false;
	p->status = status;
	if (p == init)
		end_machine(p);
	release_files(p);
	if (p->session == p->pid)
		foreground_leader_ends(p);
	for_each_proc(child)
		if (child->parent == p) {
			child->parent = init;
			if (child->state == PROC_ZOMBIE)
				wakeup(init);
			if (stopped)
				group_release_orphans(child->group);
		}
	vm_activate(NULL);
	proc_leave_vm(p);
	p->state = PROC_ZOMBIE;
	p->unwanted = signal_refuses_zombies(p->parent);
	if (stopped)
		group_release_orphans(p->group);
	tell_parent(p, STATUS_SIGNAL(status) ? CLD_KILLED : CLD_EXITED,
		    STATUS_SIGNAL(status) ?: STATUS_CODE(status));
	schedule();
	panic("proc: process %d goes on after its end", p->pid);
}

void proc_free(struct proc *p)
{
	if (p->state == PROC_NEW)
		release_files(p);
	if (p->vm.pml4)
		vm_destroy(&p->vm);
	kstack_free(p - proc_table);
	p->state = PROC_UNUSED;
	while (proc_end > proc_table && proc_end[-1].state == PROC_UNUSED)
		proc_end--;
}

static bool is_meant(const struct proc *child, int pid)
{
	if (pid > 0)
		return child->pid == pid;
	if (pid == 0)
		return child->group == proc_current()->group;
	return pid == -1 || child->group == -pid;
}

/* Has the child something to report of the kinds that are asked for? */
static bool has_news(const struct proc *child, int options)
{
	if (child->state == PROC_ZOMBIE)
		return true;
	if (!child->has_news)
		return false;
	return options &
	       (child->status == STATUS_CONTINUED ? WCONTINUED : WUNTRACED);
}

static void add_usage(struct usage *sum, const struct usage *usage)
{
	sum->user += usage->user;
	sum->system += usage->system;
}

/* The parent hears it; of a child that ended, for the last time. */
static void take_news(struct proc *child, struct proc_news *news)
{
	news->status = child->status;
	news->usage = child->usage;
	add_usage(&news->usage, &child->children_usage);
	child->has_news = false;
	if (child->state != PROC_ZOMBIE)
		return;
	add_usage(&proc_current()->children_usage, &news->usage);
	proc_free(child);
}

long proc_wait(int pid, struct proc_news *news, int options)
{
	struct proc *p = proc_current();
	int error = 0;

	while (error == 0) {
		bool has_child = false;

		for_each_proc(child) {
			if (child->parent != p || !is_meant(child, pid))
				continue;
			if (child->unwanted) {
				proc_free(child);
				continue;
			}
			has_child = true;
			if (!has_news(child, options))
				continue;
			pid = child->pid;
			take_news(child, news);
			return pid;
		}
		if (!has_child)
			return -ECHILD;
		if (options & WNOHANG)
			return 0;
		error = sleep(p);
	}
	return error;
}
