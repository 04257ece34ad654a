/*
 * deliver: the frame of a handler is written and read here.
 * Source of the layout: Linux's asm/sigcontext.h and asm/ucontext.h; of where it
 * lies: psABI section 3.2.2 (the red zone, the alignment of RSP).
 */
#include "deliver.h"

#include "errno.h"
#include "hooks.h"
#include "string.h"
#include "per_cpu.h"
#include "user_copy.h"
#include "proc.h"
#include "frame.h"

#define RED_ZONE     128 /* bytes below RSP that belong to a function */
#define STACK_ALIGN  16
#define FPU_ALIGN    64
#define SYSCALL_SIZE 2 /* bytes of the instruction */

/* uc_flags: SS is in the context, and is what sigreturn will load. */
#define UC_SIGCONTEXT_SS     0x2
#define UC_STRICT_RESTORE_SS 0x4

/* The flags that a program may set: the arithmetic ones and DF, and these. */
#define RFLAGS_USER (0xcd5 | RFLAGS_TF | RFLAGS_AC | RFLAGS_ID)

/* Of the FXSAVE area. The bits that are not in the mask must be 0. */
#define FPU_MXCSR      24
#define FPU_MXCSR_MASK 28
#define MXCSR_DEFAULT  0xffbf /* the mask, where the CPU gives none */

struct sigcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp;
	uint64_t rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, vector, mask, cr2, fpu, reserved[8];
};

struct ucontext {
	uint64_t flags, link;
	struct sigaltstack stack;
	struct sigcontext registers;
	uint64_t mask;
};

/* siginfo_t. The address of a fault stands where else pid and uid do. */
struct siginfo {
	int32_t signal, error, code, pad;
	union {
		uint64_t address;
		struct {
			int32_t pid, uid, status;
		};
		uint64_t words[14];
	};
};

struct handler_frame {
	uint64_t return_address;
	struct ucontext context;
	struct siginfo info;
};

_Static_assert(sizeof(struct sigcontext) == 256, "Linux's");
_Static_assert(sizeof(struct ucontext) == 304, "Linux's");
_Static_assert(sizeof(struct siginfo) == 128, "Linux's");
_Static_assert(sizeof(struct handler_frame) % STACK_ALIGN == 8,
	       "RSP at a function's start is 8 off");

/* Between RAX and the flags: what both structures have, under one name. */
#define FOR_EACH_REGISTER(do)                                                   \
	do                                                                      \
	(r8) do(r9) do(r10) do(r11) do(r12) do(r13) do(r14) do(r15) do(rdi) do( \
		rsi) do(rbp) do(rbx) do(rdx) do(rax) do(rcx) do(rsp) do(rip)

static void save_registers(struct sigcontext *to, const struct trap_frame *from)
{
#define SAVE(name) to->name = from->name;
	FOR_EACH_REGISTER(SAVE)
	to->rflags = from->rflags;
	to->cs = USER_CS;
	to->ss = USER_DS;
	to->error = from->error;
	to->vector = from->vector;
}

static void load_registers(struct trap_frame *to, const struct sigcontext *from)
{
#define LOAD(name) to->name = from->name;
	FOR_EACH_REGISTER(LOAD)
	to->rflags = (from->rflags & RFLAGS_USER) | RFLAGS_IF | RFLAGS_FIXED;
	to->cs = from->cs | CPL_MASK;
	to->ss = from->ss;
}

/* ---- the frame of a handler -------------------------------------------- */

static uint64_t align_down(uint64_t address, uint64_t align)
{
	return address & -align;
}

static void fill_info(struct siginfo *info, int signal,
		      const struct signal_info *from)
{
	*info = (struct siginfo){ .signal = signal, .code = from->code };
	if (SIGNAL_BIT(signal) & FAULT_SIGNALS && from->code > SI_USER) {
		info->address = from->value;
		return;
	}
	info->pid = from->pid;
	info->status = from->value;
}

static int write_fpu(uint64_t to)
{
	uint8_t fpu[FXSAVE_SIZE] __attribute__((aligned(FXSAVE_ALIGN))) = { 0 };

	fxsave(fpu);
	return copyout(to, fpu, sizeof(fpu));
}

/* Puts the registers on the user's stack and has them lead to the handler. */
static int call_handler(struct trap_frame *registers, int signal,
			const struct sigaction *action)
{
	struct signals *s = &proc_current()->signals;
	struct handler_frame frame = { .return_address = action->restorer };
	uint64_t rsp = registers->rsp - RED_ZONE;

	if (action->handler >= USER_END || !(action->flags & SA_RESTORER))
		return -EFAULT;
	if (action->flags & SA_ONSTACK && s->stack_size &&
	    !signal_is_on_stack(registers->rsp))
		rsp = s->stack + s->stack_size;
	frame.context.registers.fpu = rsp =
		align_down(rsp - FXSAVE_SIZE, FPU_ALIGN);
	rsp = align_down(rsp - sizeof(frame), STACK_ALIGN) - 8;

	frame.context.flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	signal_stack_words(&frame.context.stack, registers->rsp);
	save_registers(&frame.context.registers, registers);
	frame.context.registers.cr2 =
		registers->vector == VECTOR_PF ? read_cr2() : 0;
	frame.context.mask = s->suspended ? s->saved_blocked : s->blocked;
	frame.context.registers.mask = frame.context.mask;
	fill_info(&frame.info, signal, &s->infos[signal - 1]);
	if (write_fpu(frame.context.registers.fpu) < 0 ||
	    copyout(rsp, &frame, sizeof(frame)) < 0)
		return -EFAULT;

	registers->rip = action->handler;
	registers->rsp = rsp;
	registers->cs = USER_CS;
	registers->ss = USER_DS;
	registers->rdi = signal;
	registers->rsi = rsp + offsetof(struct handler_frame, info);
	registers->rdx = rsp + offsetof(struct handler_frame, context);
	registers->rax = 0; /* no argument of a variadic handler is in XMM */
	registers->rflags &= ~(RFLAGS_DF | RFLAGS_TF);
	registers->rflags |= RFLAGS_IF | RFLAGS_FIXED;
	return 0;
}

/* The handler's own mask, and what its action says happens once. */
static void enter_handler(int signal, const struct sigaction *action)
{
	struct proc *p = proc_current();
	uint64_t blocked = p->signals.blocked | action->mask;

	if (!(action->flags & SA_NODEFER))
		blocked |= SIGNAL_BIT(signal);
	signal_set_mask(p, blocked);
	if (action->flags & SA_RESETHAND)
		p->signals.actions[signal - 1].handler = SIG_DFL;
	p->signals.suspended = false;
	p->sleep_end = 0;
}

/* ---- which signal, and what is done about it ----------------------------- */

/* Takes the next signal that waits: those that a fault has caused come first,
 * so that their handler sees the instruction at fault. */
static int take_signal(void)
{
	struct signals *s = &proc_current()->signals;
	uint64_t waiting = s->pending & ~s->blocked;

	if (waiting & FAULT_SIGNALS)
		waiting &= FAULT_SIGNALS;
	s->pending &= ~(waiting & -waiting);
	return __builtin_ctzl(waiting) + 1;
}

static void do_default(int signal)
{
	switch (signal_default(signal)) {
	case IS_IGNORED:
		return;
	case STOPS_IT:
		if (signal == SIGSTOP ||
		    !group_is_orphaned(proc_current()->group))
			proc_stop(signal);
		return;
	case ENDS_IT:
		proc_exit(STATUS_KILLED(signal));
	}
}

/* A call that was interrupted is made once more, if this is how it asked, and
 * the handler that is about to run allows it. */
static void settle_call(struct trap_frame *registers,
			const struct sigaction *action)
{
	long result = registers->rax;

	if (result != -ERESTART && result != -ERESTART_UNLESS_HANDLED)
		return;
	if (action && (result == -ERESTART_UNLESS_HANDLED ||
		       !(action->flags & SA_RESTART))) {
		registers->rax = -EINTR;
		return;
	}
	registers->rax = proc_current()->syscall_nr;
	registers->rip -= SYSCALL_SIZE;
}

/* Delivers all that waits. in_call: RAX is a call's result. */
static void deliver(struct trap_frame *registers, bool in_call)
{
	struct proc *p = proc_current();

	while (signal_waits(p)) {
		int signal = take_signal();
		struct sigaction action = p->signals.actions[signal - 1];

		if (action.handler == SIG_DFL)
			do_default(signal);
		if (action.handler <= SIG_IGN)
			continue;
		if (in_call)
			settle_call(registers, &action);
		in_call = false;
		if (call_handler(registers, signal, &action) == 0) {
			enter_handler(signal, &action);
			continue;
		}
		/* No room for the frame is a fault of the program's. */
		if (signal == SIGSEGV)
			p->signals.actions[SIGSEGV - 1].handler = SIG_DFL;
		signal_force(SIGSEGV,
			     &(struct signal_info){ .code = SI_KERNEL });
	}
	if (in_call)
		settle_call(registers, NULL);
	signal_return_mask();
}

/* ---- the three ways here ------------------------------------------------- */

/* A word of the frame that the stub saved, by FRAME_RSP and its like. */
static uint64_t *word(struct syscall_frame *frame, int offset)
{
	return (uint64_t *)((char *)frame + offset);
}

/* The captured words of a call under the names of a trap's. SYSCALL has left
 * the next RIP in RCX, and RFLAGS in R11. */
static void read_frame(struct trap_frame *registers,
		       struct syscall_frame *frame)
{
	*registers = (struct trap_frame){
		.r15 = *word(frame, FRAME_R15),
		.r14 = *word(frame, FRAME_R14),
		.r13 = *word(frame, FRAME_R13),
		.r12 = *word(frame, FRAME_R12),
		.r11 = *word(frame, FRAME_R11),
		.r10 = *word(frame, FRAME_R10),
		.r9 = *word(frame, FRAME_R9),
		.r8 = *word(frame, FRAME_R8),
		.rbp = *word(frame, FRAME_RBP),
		.rdi = *word(frame, FRAME_RDI),
		.rsi = *word(frame, FRAME_RSI),
		.rdx = *word(frame, FRAME_RDX),
		.rcx = *word(frame, FRAME_RCX),
		.rbx = *word(frame, FRAME_RBX),
		.rip = *word(frame, FRAME_RCX),
		.rflags = *word(frame, FRAME_R11),
		.rsp = *word(frame, FRAME_RSP),
	};
}

long deliver_after_call(long result)
{
	struct syscall_frame *frame = get_syscall_frame();
	struct trap_frame registers;

	if (!frame)
		return result == -ERESTART ? -EINTR : result;
	read_frame(&registers, frame);
	registers.rax = result;
	deliver(&registers, true);
	/* What a delivery changes, and no other word. */
	*word(frame, FRAME_RCX) = registers.rip;
	*word(frame, FRAME_R11) = registers.rflags;
	*word(frame, FRAME_RSP) = registers.rsp;
	*word(frame, FRAME_RDI) = registers.rdi;
	*word(frame, FRAME_RSI) = registers.rsi;
	*word(frame, FRAME_RDX) = registers.rdx;
	return registers.rax;
}

void deliver_after_trap(struct trap_frame *frame)
{
	deliver(frame, false);
}

static int read_fpu(uint64_t from)
{
	uint8_t fpu[FXSAVE_SIZE] __attribute__((aligned(FXSAVE_ALIGN)));
	uint32_t *mxcsr = (uint32_t *)(fpu + FPU_MXCSR), mask;

	if (!from) {
		fxrstor(per_cpu_data_ptr()->idle->fpu);
		return 0;
	}
	fxsave(fpu);
	mask = *(uint32_t *)(fpu + FPU_MXCSR_MASK);
	if (copyin(fpu, from, sizeof(fpu)) < 0)
		return -EFAULT;
	if (*mxcsr & ~(mask ? mask : MXCSR_DEFAULT))
		return -EINVAL; /* it would be a #GP in ring 0 */
	fxrstor(fpu);
	return 0;
}

/*
 * All registers must be as they were, RCX and R11 too, which a program that was
 * interrupted between two instructions may be using. SYSRET takes RIP and RFLAGS
 * from just these two. So this call does not return by the stub's tail: it makes
 * a trap's frame and leaves as an interrupt does, by IRETQ.
 */
long sys_rt_sigreturn(void)
{
	struct proc *p = proc_current();
	struct trap_frame registers = { 0 };
	struct ucontext context;
	/* The handler's return has popped the first word. */
	uint64_t at = get_saved_user_rsp();

	registers.rsp = at;
	if (copyin(&context, at, sizeof(context)) == 0 &&
	    read_fpu(context.registers.fpu) == 0) {
		load_registers(&registers, &context.registers);
		if (decode_call)
			decode_call(registers.rax);
		signal_set_mask(p, context.mask);
	}
	p->in_syscall = false;
	/* With another selector, or to an address that is not canonical, IRETQ
	 * would fault in ring 0. */
	if (registers.cs != USER_CS || registers.ss != USER_DS ||
	    registers.rip >= USER_END)
		signal_force(SIGSEGV,
			     &(struct signal_info){ .code = SI_KERNEL });
	deliver(&registers, false);
	trap_return(&registers);
}
