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
#include "tty.h"
#include "proc.h"
#include "explain.h"

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

static void kill_user(const struct trap_frame *frame, int vm_error)
{
	explain_user_fault(frame, vm_error);
	proc_exit(STATUS_KILLED(
		vm_error == -ENOMEM ? SIGKILL : signal_of(frame->vector)));
}

static void kernel_fault(const struct trap_frame *frame, bool gs_swapped)
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
	timer_tick();
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

void trap_handler(struct trap_frame *frame, bool gs_swapped)
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
	kill_user(frame, error);
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
