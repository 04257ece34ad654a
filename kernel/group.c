/*
 * group: who is told when a group is, and who may form one.
 */
#include "group.h"

#include "errno.h"

#define FIRST_PID 1

static struct proc *find(int pid)
{
	for_each_proc(p)
		if (p->pid == pid)
			return p;
	return NULL;
}

/* The process that a call means by pid, where 0 is the caller. */
static struct proc *find_or_self(int pid)
{
	return pid ? find(pid) : proc_current();
}

long group_send(int group, int signal, const struct signal_info *info)
{
	long result = -ESRCH;

	for_each_proc(p) {
		if (p->group != group)
			continue;
		result = 0;
		if (signal)
			signal_send(p, signal, info);
	}
	return result;
}

bool group_exists(int group)
{
	return group_send(group, 0, NULL) == 0;
}

bool group_is_in_session(int group, int session)
{
	for_each_proc(p)
		if (p->group == group && p->session == session)
			return true;
	return false;
}

bool group_is_orphaned(int group)
{
	for_each_proc(p)
		if (p->group == group && p->state != PROC_ZOMBIE &&
		    p->parent->session == p->session &&
		    p->parent->group != group)
			return false;
	return true;
}

static bool has_stopped(int group)
{
	for_each_proc(p)
		if (p->group == group && p->state == PROC_STOPPED)
			return true;
	return false;
}

void group_release_orphans(int group)
{
	const struct signal_info info = { .code = SI_KERNEL };

	if (!has_stopped(group) || !group_is_orphaned(group))
		return;
	group_send(group, SIGHUP, &info);
	group_send(group, SIGCONT, &info);
}

static long send_to_one(struct proc *p, int signal, int code)
{
	if (!p)
		return -ESRCH;
	if (signal)
		signal_send(
			p, signal,
			&(struct signal_info){ code, proc_current()->pid, 0 });
	return 0;
}

/* kill(-1): to all but the first process and the caller. */
static long send_to_all(int signal)
{
	long result = -ESRCH;

	for_each_proc(p)
		if (p->pid != FIRST_PID && p != proc_current())
			result = send_to_one(p, signal, SI_USER);
	return result;
}

long sys_kill(int pid, int signal)
{
	struct signal_info info = { SI_USER, proc_current()->pid, 0 };

	if (signal < 0 || signal > NSIG)
		return -EINVAL;
	if (pid > 0)
		return send_to_one(find(pid), signal, SI_USER);
	if (pid == -1)
		return send_to_all(signal);
	if (pid == INT32_MIN)
		return -ESRCH; /* it has no negative */
	return group_send(pid ? -pid : proc_current()->group, signal, &info);
}

long sys_tgkill(int group, int pid, int signal)
{
	if (pid <= 0 || group <= 0 || signal < 0 || signal > NSIG)
		return -EINVAL;
	if (group != pid)
		return -ESRCH; /* a process has one thread, with its own number */
	return send_to_one(find(pid), signal, SI_TKILL);
}

long sys_tkill(int pid, int signal)
{
	return sys_tgkill(pid, pid, signal);
}

long sys_setpgid(int pid, int group)
{
	struct proc *me = proc_current(), *p = find_or_self(pid);

	if (group < 0)
		return -EINVAL;
	if (!p || (p != me && p->parent != me))
		return -ESRCH;
	if (group == 0)
		group = p->pid;
	if (p->session == p->pid || p->session != me->session)
		return -EPERM;
	if (group != p->pid && !group_is_in_session(group, me->session))
		return -EPERM;
	p->group = group;
	return 0;
}

long sys_getpgid(int pid)
{
	struct proc *p = find_or_self(pid);

	return p ? p->group : -ESRCH;
}

long sys_setsid(void)
{
	struct proc *p = proc_current();

	for_each_proc(other)
		if (other->group == p->pid)
			return -EPERM;
	p->group = p->session = p->pid;
	return p->pid;
}

long sys_getsid(int pid)
{
	struct proc *p = find_or_self(pid);

	return p ? p->session : -ESRCH;
}
