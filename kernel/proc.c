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
#include "files/file.h"

static int last_pid;

/* The idle process leaves the FPU alone: its state is that of a fresh one. */
static inline const uint8_t *clean_fpu(void)
{
	return per_cpu_data_ptr()->idle->fpu;
}

struct proc *proc_alloc(int *error)
{
	for (int slot = 0; slot < NPROC; slot++) {
		struct proc *p = &proc_table[slot];

		if (p->state != PROC_UNUSED)
			continue;
		memset(p, 0, sizeof(*p));
		p->kstack_top = kstack_alloc(slot);
		if (!p->kstack_top) {
			*error = -ENOMEM;
			return NULL;
		}
		p->state = PROC_NEW;
		p->pid = ++last_pid;
		p->parent = proc_current();
		memcpy(p->fpu, clean_fpu(), sizeof(p->fpu));
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
	for_each_proc(child)
		if (child->parent == p) {
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

		for_each_proc(child) {
			if (child->parent != p)
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
