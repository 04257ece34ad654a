/*
 * signal: pending, blocked, ignored: what stands in struct signals.
 */
#include "signal.h"

#include "errno.h"
#include "string.h"
#include "user_copy.h"

#define SIG_BLOCK      0
#define SIG_UNBLOCK    1
#define SIG_SETMASK    2

#define SS_ONSTACK     1
#define SS_DISABLE     2
#define STACK_SIZE_MIN 2048

#define ALWAYS         (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))

enum signal_default signal_default(int signal)
{
	if (SIGNAL_BIT(signal) & STOP_SIGNALS)
		return STOPS_IT;
	if (signal == SIGCHLD || signal == SIGCONT || signal == SIGURG ||
	    signal == SIGWINCH)
		return IS_IGNORED;
	return ENDS_IT;
}

static bool is_ignored(const struct proc *p, int signal)
{
	uint64_t handler = p->signals.actions[signal - 1].handler;

	return handler == SIG_IGN ||
	       (handler == SIG_DFL && signal_default(signal) == IS_IGNORED);
}

/* SIGCONT and the signals that stop a process cancel each other, and SIGCONT
 * does its work when it is sent, blocked or not. */
static void stop_or_go_on(struct proc *p, int signal)
{
	if (signal == SIGCONT)
		p->signals.pending &= ~STOP_SIGNALS;
	else if (SIGNAL_BIT(signal) & STOP_SIGNALS)
		p->signals.pending &= ~SIGNAL_BIT(SIGCONT);
	if (p->state == PROC_STOPPED &&
	    (signal == SIGCONT || signal == SIGKILL))
		proc_ready(p);
}

void signal_send(struct proc *p, int signal, const struct signal_info *info)
{
	uint64_t bit = SIGNAL_BIT(signal);

	if (p->state == PROC_ZOMBIE || !p->vm.pml4)
		return;
	stop_or_go_on(p, signal);
	if (p->signals.pending & bit)
		return;
	if (is_ignored(p, signal) && !(p->signals.blocked & bit))
		return;
	p->signals.pending |= bit;
	p->signals.infos[signal - 1] = *info;
	if (p->state == PROC_SLEEPING && signal_waits(p))
		wakeup_proc(p);
}

bool signal_has_handler(int signal)
{
	const struct signals *s = &proc_current()->signals;

	return s->actions[signal - 1].handler > SIG_IGN &&
	       !(s->blocked & SIGNAL_BIT(signal));
}

void signal_force(int signal, const struct signal_info *info)
{
	struct signals *s = &proc_current()->signals;

	if (!signal_has_handler(signal))
		s->actions[signal - 1].handler = SIG_DFL;
	s->blocked &= ~SIGNAL_BIT(signal);
	s->pending |= SIGNAL_BIT(signal);
	s->infos[signal - 1] = *info;
}

bool signal_is_refused(int signal)
{
	const struct signals *s = &proc_current()->signals;

	return s->actions[signal - 1].handler == SIG_IGN ||
	       s->blocked & SIGNAL_BIT(signal);
}

bool signal_refuses_zombies(const struct proc *parent)
{
	const struct sigaction *action = &parent->signals.actions[SIGCHLD - 1];

	return action->handler == SIG_IGN || action->flags & SA_NOCLDWAIT;
}

void signal_inherit(struct proc *child)
{
	const struct signals *from = &proc_current()->signals;
	struct signals *to = &child->signals;

	memcpy(to->actions, from->actions, sizeof(to->actions));
	to->blocked = from->blocked;
	to->stack = from->stack;
	to->stack_size = from->stack_size;
}

void signal_exec(void)
{
	struct signals *s = &proc_current()->signals;

	for (struct sigaction *a = s->actions; a < s->actions + NSIG; a++)
		*a = (struct sigaction){ .handler = a->handler == SIG_IGN };
	s->stack_size = 0;
}

bool signal_is_on_stack(uint64_t rsp)
{
	const struct signals *s = &proc_current()->signals;

	return rsp - s->stack - 1 < s->stack_size;
}

void signal_stack_words(struct sigaltstack *words, uint64_t rsp)
{
	const struct signals *s = &proc_current()->signals;

	*words = (struct sigaltstack){
		.base = s->stack_size ? s->stack : 0,
		.flags = !s->stack_size            ? SS_DISABLE
			 : signal_is_on_stack(rsp) ? SS_ONSTACK
						   : 0,
		.size = s->stack_size,
	};
}

void signal_set_mask(struct proc *p, uint64_t mask)
{
	p->signals.blocked = mask & ~ALWAYS;
}

/* Forgets what is pending and would now be ignored. */
static void drop_ignored(struct proc *p, int signal)
{
	if (is_ignored(p, signal))
		p->signals.pending &= ~SIGNAL_BIT(signal);
}

long sys_rt_sigaction(int signal, uint64_t action, uint64_t old, size_t size)
{
	struct proc *p = proc_current();
	struct sigaction new, before;

	if (size != sizeof(uint64_t) || signal < 1 || signal > NSIG)
		return -EINVAL;
	if (action && copyin(&new, action, sizeof(new)) < 0)
		return -EFAULT;
	if (action && SIGNAL_BIT(signal) & ALWAYS)
		return -EINVAL;
	before = p->signals.actions[signal - 1];
	if (action) {
		new.mask &= ~ALWAYS;
		p->signals.actions[signal - 1] = new;
		drop_ignored(p, signal);
	}
	if (old && copyout(old, &before, sizeof(before)) < 0)
		return -EFAULT;
	return 0;
}

long sys_rt_sigprocmask(int how, uint64_t set, uint64_t old, size_t size)
{
	struct proc *p = proc_current();
	uint64_t mask, before = p->signals.blocked;

	if (size != sizeof(mask))
		return -EINVAL;
	if (set) {
		if (copyin(&mask, set, sizeof(mask)) < 0)
			return -EFAULT;
		if (how == SIG_BLOCK)
			mask |= before;
		else if (how == SIG_UNBLOCK)
			mask = before & ~mask;
		else if (how != SIG_SETMASK)
			return -EINVAL;
		signal_set_mask(p, mask);
	}
	if (old && copyout(old, &before, sizeof(before)) < 0)
		return -EFAULT;
	return 0;
}

long sys_rt_sigpending(uint64_t set, size_t size)
{
	const struct signals *s = &proc_current()->signals;
	uint64_t waiting = s->pending & s->blocked;

	if (size > sizeof(waiting))
		return -EINVAL;
	return copyout(set, &waiting, size);
}

/* Nobody calls wakeup for this: only a signal ends it. */
long sys_pause(void)
{
	while (sleep(&proc_current()->signals) == 0)
		;
	return -ERESTART_UNLESS_HANDLED;
}

int signal_borrow_mask(uint64_t set, size_t size)
{
	struct proc *p = proc_current();
	uint64_t mask;

	if (!set)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	if (copyin(&mask, set, sizeof(mask)) < 0)
		return -EFAULT;
	p->signals.saved_blocked = p->signals.blocked;
	p->signals.suspended = true;
	signal_set_mask(p, mask);
	return 0;
}

void signal_return_mask(void)
{
	struct proc *p = proc_current();

	if (p->signals.suspended)
		signal_set_mask(p, p->signals.saved_blocked);
	p->signals.suspended = false;
}

long sys_rt_sigsuspend(uint64_t set, size_t size)
{
	int error = set ? signal_borrow_mask(set, size) : -EFAULT;

	if (size != sizeof(uint64_t))
		return -EINVAL;
	return error < 0 ? error : sys_pause();
}

static long set_stack(const struct sigaltstack *new)
{
	struct signals *s = &proc_current()->signals;

	if (new->flags & ~(SS_ONSTACK | SS_DISABLE))
		return -EINVAL;
	if (new->flags & SS_DISABLE) {
		s->stack_size = 0;
		return 0;
	}
	if (new->size < STACK_SIZE_MIN)
		return -ENOMEM;
	s->stack = new->base;
	s->stack_size = new->size;
	return 0;
}

long sys_sigaltstack(uint64_t stack, uint64_t old, uint64_t rsp)
{
	struct sigaltstack new, before;
	long error = 0;

	signal_stack_words(&before, rsp);
	if (stack && copyin(&new, stack, sizeof(new)) < 0)
		return -EFAULT;
	if (stack)
		error = signal_is_on_stack(rsp) ? -EPERM : set_stack(&new);
	if (error == 0 && old && copyout(old, &before, sizeof(before)) < 0)
		error = -EFAULT;
	return error;
}
