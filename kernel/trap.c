/*
 * trap: the road of everything that enters the kernel but SYSCALL.
 *
 * An interrupt is served. A page fault of a user is repaired if it can be. Any
 * other fault of a user ends that process, with a line that says why; a fault
 * of the kernel ends the machine, with all there is to say.
 */
#include "trap.h"

#include "errno.h"
#include "panic.h"
#include "per_cpu.h"
#include "pic.h"
#include "timer.h"
#include "alarm.h"
#include "usage.h"
#include "tty.h"
#include "proc.h"
#include "deliver.h"
#include "explain.h"

/* siginfo's codes for faults. */
#define ILL_ILLOPN  2
#define FPE_INTDIV  1
#define FPE_FLTDIV  3
#define FPE_FLTOVF  4
#define FPE_FLTUND  5
#define FPE_FLTRES  6
#define FPE_FLTINV  7
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define BUS_ADRALN  1
#define BUS_ADRERR  2
#define TRAP_TRACE  2

static int signal_of(uint64_t vector)
{
	switch (vector) {
	case VECTOR_DE:
	case VECTOR_MF:
	case VECTOR_XM:
		return SIGFPE;
	case VECTOR_DB:
	case VECTOR_BP:
		return SIGTRAP;
	case VECTOR_UD:
		return SIGILL;
	case VECTOR_AC:
		return SIGBUS;
	}
	return SIGSEGV;
}

/* Which exception it was, of those that the program did not mask. Linux counts a
 * denormal operand among the underflows. */
static int float_code(uint32_t exceptions)
{
	static const int codes[] = { FPE_FLTINV, FPE_FLTUND, FPE_FLTDIV,
				     FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES };

	return exceptions ? codes[__builtin_ctz(exceptions)] : 0;
}

/* What siginfo tells of a fault: a code that depends on the signal, and where:
 * the instruction, or, for a page fault, the address it wanted. */
static struct signal_info info_of(const struct trap_frame *frame)
{
	struct signal_info info = { .code = SI_KERNEL, .value = frame->rip };

	switch (frame->vector) {
	case VECTOR_DE:
		info.code = FPE_INTDIV;
		break;
	case VECTOR_DB:
		info.code = TRAP_TRACE;
		break;
	case VECTOR_UD:
		info.code = ILL_ILLOPN;
		break;
	case VECTOR_MF:
		info.code = float_code(x87_exceptions());
		break;
	case VECTOR_XM:
		info.code = float_code(sse_exceptions());
		break;
	case VECTOR_AC:
		info.code = BUS_ADRALN;
		info.value = 0;
		break;
	case VECTOR_PF:
		info.value = read_cr2();
		info.code = area_find(&proc_current()->vm.areas, info.value)
				    ? SEGV_ACCERR
				    : SEGV_MAPERR;
		break;
	default:
		info.value = 0;
	}
	return info;
}

/* A handler of the program's may know what to do; else this is its end. */
static void user_fault(const struct trap_frame *frame, int vm_error)
{
	int signal = vm_error == -EIO ? SIGBUS : signal_of(frame->vector);
	struct signal_info info = info_of(frame);

	if (vm_error == -EIO)
		info.code = BUS_ADRERR;

	if (vm_error != -ENOMEM && signal_has_handler(signal)) {
		signal_force(signal, &info);
		return;
	}
	explain_user_fault(frame, vm_error);
	proc_exit(STATUS_KILLED(vm_error == -ENOMEM ? SIGKILL : signal));
}

RARE static void kernel_fault(const struct trap_frame *frame, bool gs_swapped)
{
	explain_kernel_fault(frame, gs_swapped);
	machine_exit(EXIT_PANIC);
}

static void interrupt(const struct trap_frame *frame)
{
	int irq = frame->vector - VECTOR_IRQ;

	pic_acknowledge(irq);
	if (irq == IRQ_COM1)
		tty_interrupt();
	if (irq != IRQ_TIMER)
		return;
	usage_tick(frame->cs & CPL_MASK);
	timer_tick();
	alarm_tick();
	if (frame->cs & CPL_MASK)
		yield(); /* preemption; the idle process yields anyway */
}

/* A page fault in ring 3: what was the program about to do? Not every access
 * of an instruction is the program's own: those to descriptor tables are made
 * with ring 0's rights, and then no page of the user's is at fault. (QEMU 7.2
 * reads the stack of an IRETQ so, which SMAP refuses.) */
static int user_page_fault(const struct trap_frame *frame)
{
	int access = frame->error & PF_FETCH   ? PROT_EXEC
		     : frame->error & PF_WRITE ? PROT_WRITE
					       : PROT_READ;

	if (!(frame->error & PF_USER))
		return -EFAULT;
	return vm_fault(&proc_current()->vm, read_cr2(), access);
}

/* Serves the trap and returns, or ends the process or the machine. */
static void serve(const struct trap_frame *frame, bool gs_swapped)
{
	bool from_user = frame->cs & CPL_MASK;
	int error = 0;

	if (frame->vector >= VECTOR_IRQ && frame->vector < VECTOR_IRQ + IRQS) {
		interrupt(frame);
		return;
	}
	if (frame->vector == VECTOR_NMI)
		return; /* nothing here asks for one; it must do no harm */
	if (frame->vector == VECTOR_PF && from_user) {
		error = user_page_fault(frame);
		if (error == 0)
			return;
	}
	if (!from_user || frame->vector == VECTOR_DF ||
	    frame->vector == VECTOR_MC)
		kernel_fault(frame, from_user || gs_swapped);
	user_fault(frame, error);
}

void trap_handler(struct trap_frame *frame, bool gs_swapped)
{
	serve(frame, gs_swapped);
	if (frame->cs & CPL_MASK && signal_waits(proc_current()))
		deliver_after_trap(frame);
}

struct trap_frame *trap_leave_ist(struct trap_frame *frame)
{
	struct trap_frame *place;

	if (frame->vector == VECTOR_DF || frame->vector == VECTOR_MC)
		return frame; /* the end: nothing else can be trusted */
	place = (struct trap_frame *)per_cpu_data_ptr()->kernel_rsp - 1;
	*place = *frame;
	return place;
}
