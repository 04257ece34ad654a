/*
 * foreground: one session and one group of it.
 */
#include "foreground.h"

#include "errno.h"
#include "user_copy.h"

static int session, foreground; /* 0: the terminal is nobody's */

void foreground_give(int to_session, int to_group)
{
	session = to_session;
	foreground = to_group;
}

bool foreground_has_terminal(void)
{
	return session && proc_current()->session == session;
}

void foreground_signal(int signal)
{
	if (foreground)
		group_send(foreground, signal,
			   &(struct signal_info){ .code = SI_KERNEL });
}

/* Who refuses SIGTTOU writes from the background all the same; to read from there
 * is no use to anybody. */
int foreground_check(int signal)
{
	int group = proc_current()->group;

	if (!foreground_has_terminal() || group == foreground)
		return 0;
	if (signal_is_refused(signal))
		return signal == SIGTTIN ? -EIO : 0;
	if (group_is_orphaned(group))
		return -EIO;
	group_send(group, signal, &(struct signal_info){ .code = SI_KERNEL });
	return -ERESTART;
}

void foreground_leader_ends(const struct proc *leader)
{
	if (leader->session != session)
		return;
	foreground_signal(SIGHUP);
	foreground_give(0, 0);
}

/* Only a leader has one to take, and only where it has none. */
long foreground_take(bool by_force)
{
	struct proc *p = proc_current();

	if (p->session == p->pid && session == p->session)
		return 0;
	if (p->session != p->pid || (session && !by_force))
		return -EPERM;
	foreground_give(p->session, p->group);
	return 0;
}

long foreground_leave(void)
{
	const struct proc *p = proc_current();

	if (!foreground_has_terminal())
		return -ENOTTY;
	if (p->session != p->pid)
		return 0;
	foreground_signal(SIGHUP);
	foreground_signal(SIGCONT);
	foreground_give(0, 0);
	return 0;
}

long foreground_session(uint64_t result)
{
	if (!foreground_has_terminal())
		return -ENOTTY;
	return copyout(result, &session, sizeof(session));
}

long foreground_group(uint64_t result)
{
	if (!foreground_has_terminal())
		return -ENOTTY;
	return copyout(result, &foreground, sizeof(foreground));
}

long foreground_set_group(uint64_t argument)
{
	int group, error = foreground_check(SIGTTOU);

	if (error == -EIO || !foreground_has_terminal())
		return -ENOTTY;
	if (error < 0)
		return error;
	if (copyin(&group, argument, sizeof(group)) < 0)
		return -EFAULT;
	if (group < 0)
		return -EINVAL;
	if (!group_exists(group))
		return -ESRCH;
	if (!group_is_in_session(group, session))
		return -EPERM;
	foreground = group;
	return 0;
}
