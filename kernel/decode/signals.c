/*
 * signals: the calls that send, catch, block and await them.
 */
#include "decode/decode.h"

#include "print.h"
#include "signal.h"

#define CONTEXT_MASK 296 /* of the context that sigreturn reads: its mask */

CONSTANT(how, sigmask_hows)

static void signal_number(const struct call *c, uint64_t value)
{
	(void)c;
	put_signal(value);
}

void as_signal_set(const struct call *c, uint64_t from)
{
	uint64_t set;

	(void)c;
	if (fetch(&set, from, sizeof(set)))
		put_signal_set(set);
}

static void action(const struct call *c, uint64_t from)
{
	struct {
		uint64_t handler, flags, restorer, mask;
	} a;

	if (!fetch(&a, from, sizeof(a)))
		return;
	kprintf("{sa_handler=");
	if (a.handler <= SIG_IGN)
		kprintf(a.handler == SIG_DFL ? "SIG_DFL" : "SIG_IGN");
	else
		as_address(c, a.handler);
	kprintf(", sa_mask=");
	put_signal_set(a.mask);
	kprintf(", sa_flags=");
	put_flags(&sigaction_flags, a.flags);
	if (a.flags & SA_RESTORER) {
		kprintf(", sa_restorer=");
		as_address(c, a.restorer);
	}
	kprintf("}");
}

static void signal_stack(const struct call *c, uint64_t from)
{
	struct {
		uint64_t base;
		uint32_t flags, pad;
		uint64_t size;
	} s;

	if (!fetch(&s, from, sizeof(s)))
		return;
	kprintf("{ss_sp=");
	as_address(c, s.base);
	kprintf(", ss_flags=");
	put_flags(&sigstack_flags, s.flags);
	kprintf(", ss_size=%lu}", s.size);
}

/* What sigreturn finds on the stack. It has no arguments. */
static void context(const struct call *c, uint64_t value)
{
	uint64_t mask;

	(void)value;
	kprintf("{mask=");
	if (fetch(&mask, c->rsp + CONTEXT_MASK, sizeof(mask)))
		put_signal_set(mask);
	kprintf("}");
}

const struct row signal_rows[] = {
	CALL(kill, as_number, as_number, signal_number),
	CALL(tkill, as_number, as_number, signal_number),
	CALL(tgkill, as_number, as_number, as_number, signal_number),
	CALL(rt_sigaction, as_number, signal_number, action, when_done, action,
	     as_size),
	CALL(rt_sigprocmask, as_number, how, as_signal_set, when_done,
	     as_signal_set, as_size),
	CALL(rt_sigpending, as_number, when_done, as_signal_set, as_size),
	CALL(rt_sigsuspend, as_number, as_signal_set, as_size),
	CALL(rt_sigreturn, as_offset, context),
	CALL(sigaltstack, as_number, signal_stack, when_done, signal_stack),
	CALL(pause, as_number),
	{ .name = NULL },
};
