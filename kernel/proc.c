/*
 * proc: the table, taking turns, and the two ends of a process's life.
 *
 * The kernel runs with interrupts off, on one CPU: whatever happens between
 * two calls of schedule() happens at once, and needs no lock.
 */
#include "proc.h"

#include "boot_info.h"
#include "errno.h"
#include "files/calls.h"
#include "per_cpu.h"
#include "print.h"
#include "string.h"

struct proc proc_table[NPROC];

static struct proc idle = { .name = "idle", .state = PROC_RUNNABLE };
static struct proc *sleepers; /* linked by next */
static int last_pid;
static uint8_t clean_fpu[512] __attribute__((aligned(16)));

void proc_init(void)
{
	struct per_cpu_data *cpu = per_cpu_data_ptr();

	cpu->current = cpu->idle = &idle;
	asm volatile("fninit");
	fxsave(clean_fpu);
}

struct proc *proc_alloc(int *error)
{
	for (int slot = 0; slot < NPROC; slot++) {
		struct proc *p = &proc_table[slot];

		if (p->state != PROC_UNUSED)
			continue;
		memset(p, 0, sizeof(*p));
		p->kstack = kstack_alloc(slot);
		if (!p->kstack) {
			*error = -ENOMEM;
			return NULL;
		}
		p->state = PROC_NEW;
		p->pid = ++last_pid;
		p->parent = proc_current();
		memcpy(p->fpu, clean_fpu, sizeof(p->fpu));
		return p;
	}
	*error = -EAGAIN;
	return NULL;
}

void proc_inherit(struct proc *child)
{
	struct proc *parent = proc_current();

	for (int fd = 0; fd < NFILE_PER_PROC; fd++)
		if (parent->files[fd])
			child->files[fd] = file_share(parent->files[fd]);
	strlcpy(child->cwd, parent->cwd, sizeof(child->cwd));
	strlcpy(child->name, parent->name, sizeof(child->name));
	child->fs_base = rdmsr(MSR_FS_BASE);
	fxsave(child->fpu);
}

void proc_set_start(struct proc *p, void (*rip)(void), uint64_t rsp)
{
	struct context *context = (struct context *)rsp - 1;

	*context = (struct context){ .rip = (uint64_t)rip };
	p->rsp = (uint64_t)context;
}

void proc_ready(struct proc *p)
{
	struct per_cpu_data *cpu = per_cpu_data_ptr();

	p->state = PROC_RUNNABLE;
	p->next = NULL;
	if (cpu->first)
		cpu->last->next = p;
	else
		cpu->first = p;
	cpu->last = p;
}

/* What ring 3 sees beside memory and general registers changes hands here. */
static void switch_user_state(struct proc *from, struct proc *to)
{
	if (from->vm.pml4) {
		fxsave(from->fpu);
		from->fs_base = rdmsr(MSR_FS_BASE);
	}
	if (to->vm.pml4) {
		fxrstor(to->fpu);
		wrmsr(MSR_FS_BASE, to->fs_base);
		set_kernel_stack(to->kstack);
		vm_activate(&to->vm);
	}
}

/* Runs the next process in the queue, or idle. The caller has put the current
 * one where it belongs: into the queue, among the sleepers, or nowhere. */
static void schedule(void)
{
	struct per_cpu_data *cpu = per_cpu_data_ptr();
	struct proc *from = cpu->current, *to = cpu->first;

	if (to)
		cpu->first = to->next;
	else
		to = cpu->idle;
	if (to == from)
		return;
	cpu->current = to;
	switch_user_state(from, to);
	switch_to(&from->rsp, to->rsp);
}

void yield(void)
{
	if (proc_current() != per_cpu_data_ptr()->idle)
		proc_ready(proc_current());
	schedule();
}

void sleep(const void *channel)
{
	struct proc *p = proc_current();

	p->channel = channel;
	p->state = PROC_SLEEPING;
	p->next = sleepers;
	sleepers = p;
	schedule();
}

void wakeup(const void *channel)
{
	struct proc **link = &sleepers;

	while (*link) {
		struct proc *p = *link;

		if (p->channel == channel) {
			*link = p->next;
			proc_ready(p);
		} else {
			link = &p->next;
		}
	}
}

void proc_idle(void)
{
	for (;;) {
		yield();
		sti_hlt_cli();
	}
}

/* For the challenge of lab 1: calls itself until the stack is used up. */
static uint64_t dig(uint64_t levels)
{
	volatile uint64_t words[8] = { levels };

	return levels == 0 ? 0 : dig(levels - 1) + words[0];
}

void proc_enter_user(void)
{
	struct proc *p = proc_current();

	if (boot_option("overflow", 0) == (uint64_t)p->pid)
		dig(1 << 20);
	gdt_check_user();
	p->in_syscall = false;
	fxrstor(clean_fpu);
	wrmsr(MSR_FS_BASE, 0);
	enter_user(p->entry, p->stack);
}

/* The first program is done: what it said becomes QEMU's exit status. */
static void end_machine(const struct proc *p)
{
	int signal = p->status & 0x7f, code = p->status >> 8;

	if (signal) {
		kprintf("%s: killed by signal %d\n", p->name, signal);
		machine_exit(EXIT_KILLED);
	}
	kprintf("%s: exit status %d\n", p->name, code);
	machine_exit(code <= EXIT_MAX ? code : EXIT_TOO_LARGE);
}

void proc_exit(int status)
{
	struct proc *p = proc_current();
	struct proc *init = &proc_table[0];

	p->in_syscall = false;
	p->status = status;
	if (p == init)
		end_machine(p);
	for (int fd = 0; fd < NFILE_PER_PROC; fd++)
		if (p->files[fd])
			file_release(p->files[fd]);
	for (struct proc *child = proc_table; child < proc_table + NPROC;
	     child++)
		if (child->state != PROC_UNUSED && child->parent == p) {
			child->parent = init;
			if (child->state == PROC_ZOMBIE)
				wakeup(init);
		}
	vm_activate(NULL);
	vm_destroy(&p->vm);
	p->state = PROC_ZOMBIE;
	wakeup(p->parent);
	schedule();
	panic("proc: process %d goes on after its end", p->pid);
}

void proc_free(struct proc *p)
{
	for (int fd = 0; fd < NFILE_PER_PROC; fd++)
		if (p->state == PROC_NEW && p->files[fd])
			file_release(p->files[fd]);
	if (p->vm.pml4)
		vm_destroy(&p->vm);
	kstack_free(p - proc_table);
	p->state = PROC_UNUSED;
}

long proc_wait(int pid, int *status, bool no_hang)
{
	struct proc *p = proc_current();

	for (;;) {
		bool has_child = false;

		for (struct proc *child = proc_table;
		     child < proc_table + NPROC; child++) {
			if (child->state == PROC_UNUSED || child->parent != p)
				continue;
			if (pid != -1 && child->pid != pid)
				continue;
			has_child = true;
			if (child->state == PROC_ZOMBIE) {
				*status = child->status;
				pid = child->pid;
				proc_free(child);
				return pid;
			}
		}
		if (!has_child)
			return -ECHILD;
		if (no_hang)
			return 0;
		sleep(p);
	}
}
