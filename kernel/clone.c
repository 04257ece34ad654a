/*
 * clone: the lab's fork makes the child; here it gets what else was asked for,
 * before it has run for the first time.
 */
#include "clone.h"

#include "errno.h"
#include "user_copy.h"
#include "signal.h"
#include "proc.h"
#include "syscall_entry.h"
#include "fork.h"

#define CLONE_KNOWN                                        \
	(CSIGNAL | CLONE_VM | CLONE_VFORK | CLONE_SETTLS | \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID)

/* A thread would share memory with a parent that goes on; and who sleeps for a
 * child that shares nothing has no way to be told. */
static bool can_be_done(uint64_t flags)
{
	if (flags & ~(uint64_t)CLONE_KNOWN || (flags & CSIGNAL) != SIGCHLD)
		return false;
	if (!(flags & CLONE_VM) != !(flags & CLONE_VFORK))
		return false;
	return !(flags & CLONE_VM && flags & CLONE_CHILD_CLEARTID);
}

/* The user's RSP in the frame that fork has put at the top of its stack. */
static uint64_t *saved_rsp(struct proc *child)
{
	return (uint64_t *)(child->kstack_top - FRAME_SIZE + FRAME_RSP);
}

/* The child's own number, where its library looks for it. */
static void tell_child(struct proc *child, uint64_t va)
{
	for (size_t i = 0; i < sizeof(child->pid); i++) {
		char *to = vm_page_for_write(&child->vm, va + i);

		if (to)
			*to = ((const char *)&child->pid)[i];
	}
}

/* The child's copy goes, and it has this memory until it begins another program
 * or ends. Nothing here may be touched until then, not even for a signal. */
static void lend(struct proc *child)
{
	struct proc *p = proc_current();

	vm_destroy(&child->vm);
	child->vm = p->vm;
	child->lender = p;
	p->has_lent = true;
	while (p->has_lent)
		sleep_through(&p->has_lent);
}

long sys_clone(uint64_t flags, uint64_t stack, uint64_t parent_tid,
	       uint64_t child_tid, uint64_t tls)
{
	struct proc *child;
	long pid;

	if (!can_be_done(flags))
		return -EINVAL;
	if (flags & CLONE_SETTLS && tls >= USER_END)
		return -EPERM;
	pid = fork();
	child = pid > 0 ? proc_find(pid) : NULL;
	if (!child)
		return pid;
	if (stack)
		*saved_rsp(child) = stack;
	if (flags & CLONE_SETTLS)
		child->segments.fs_base = tls;
	if (flags & CLONE_CHILD_SETTID)
		tell_child(child, child_tid);
	if (flags & CLONE_PARENT_SETTID)
		copyout(parent_tid, &child->pid, sizeof(child->pid));
	if (flags & CLONE_VM)
		lend(child);
	return pid;
}

long sys_vfork(void)
{
	return sys_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
}
