/*
 * sched: the queue of those who could run, and those who sleep.
 *
 * The kernel runs with interrupts off, on one CPU: whatever happens between
 * two calls of schedule() happens at once, and needs no lock.
 */
#include "sched.h"

#include "errno.h"

struct proc proc_table[NPROC];
struct proc *proc_end = proc_table;

static struct proc idle = { .name = "idle", .state = PROC_RUNNABLE };
static struct proc *sleepers; /* linked by next */

void sched_init(void)
{
	struct per_cpu_data *cpu = per_cpu_data_ptr();

	cpu->current = cpu->idle = &idle;
	asm volatile("fninit");
	fxsave(idle.fpu);
}

struct proc *proc_find(int pid)
{
	for_each_proc(p)
		if (p->pid == pid)
			return p;
	return NULL;
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
		user_segments_save(&from->segments);
	}
	if (to->vm.pml4) {
		fxrstor(to->fpu);
		user_segments_load(&to->segments);
		set_kernel_stack(to->kstack_top);
		vm_activate(&to->vm);
	}
}

void schedule(void)
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

void sleep_through(const void *channel)
{
	struct proc *p = proc_current();

	p->channel = channel;
	p->state = PROC_SLEEPING;
	p->next = sleepers;
	sleepers = p;
	schedule();
}

int sleep(const void *channel)
{
	if (signal_waits(proc_current()))
		return -ERESTART;
	sleep_through(channel);
	return 0;
}

void wakeup_proc(struct proc *p)
{
	struct proc **link = &sleepers;

	while (*link && *link != p)
		link = &(*link)->next;
	if (*link) {
		*link = p->next;
		proc_ready(p);
	}
}

int wakeup_some(const void *channel, int most)
{
	struct proc **link = &sleepers;
	int count = 0;

	while (*link && count < most) {
		struct proc *p = *link;

		if (p->channel == channel) {
			count++;
			*link = p->next;
			proc_ready(p);
		} else {
			link = &p->next;
		}
	}
	return count;
}

void wakeup(const void *channel)
{
	wakeup_some(channel, NPROC);
}

RARE void proc_idle(void)
{
	for (;;) {
		yield();
		sti_hlt_cli();
	}
}
