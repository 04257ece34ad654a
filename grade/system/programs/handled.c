/*
 * What a handler is told of a fault: the signal, its code, which address, the
 * vector. Then a handler changes one thing in the captured registers: what is the
 * program's to change is loaded by sigreturn, and anything else is its end.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define NOT_CANONICAL 0x800000000000
#define OF_THE_KERNEL 0xffffffff80000000

static sigjmp_buf before;
static char *page;

/* ---- what a fault tells -------------------------------------------------- */

static struct {
	int signal, code;
	uintptr_t address, rip, vector;
} told;

static void note(int signal, siginfo_t *info, void *context)
{
	const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

	told.signal = signal;
	told.code = info->si_code;
	told.address = (uintptr_t)info->si_addr;
	told.rip = registers[REG_RIP];
	told.vector = registers[REG_TRAPNO];
	siglongjmp(before, 1);
}

static const char *which(uintptr_t address)
{
	if (address == 0)
		return "0";
	if (address == told.rip)
		return "the instruction's";
	return address == (uintptr_t)page ? "the page's" : "another";
}

static void try_fault(const char *name, void (*fault)(void))
{
	asm volatile("fninit");
	if (sigsetjmp(before, 1) == 0) {
		fault();
		printf("%s: nothing\n", name);
		return;
	}
	printf("%s: signal %d, code %d, address %s, vector %d\n", name,
	       told.signal, told.code, which(told.address), (int)told.vector);
}

/* Functions of one instruction or a few. */
#define FAULT(name, ...)       \
	static void name(void) \
	{                      \
		__VA_ARGS__;   \
	}
#define X87(name, control, operation)                                   \
	FAULT(name, uint16_t word = control;                            \
	      asm volatile("fldcw %0; fldz; fld1; " operation "; fwait" \
			   :                                            \
			   : "m"(word)))

FAULT(ud2, asm volatile("ud2"))
FAULT(int3, asm volatile("int3"))
FAULT(hlt, asm volatile("hlt"))
FAULT(in, asm volatile("in $0x60, %%al" : : : "eax"))
FAULT(divide, asm volatile("xor %%edx, %%edx; div %0"
			   :
			   : "r"(0)
			   : "eax", "edx"))
FAULT(too_large, asm volatile("div %0" : : "r"(1), "a"(1), "d"(5)))
FAULT(overflow, asm volatile("int $4"))
FAULT(vector_33, asm volatile("int $33"))
FAULT(null, *(volatile char *)0 = 1)
FAULT(null_call, ((void (*)(void))0)())
FAULT(not_canonical, *(volatile char *)NOT_CANONICAL = 1)
FAULT(kernels, *(volatile char *)OF_THE_KERNEL = 1)
FAULT(misaligned, asm volatile("movaps 1(%0), %%xmm0"
			       :
			       : "r"((uintptr_t)page & -16)))
FAULT(page_read, (void)*(volatile char *)page)
FAULT(page_write, *(volatile char *)page = 1)
FAULT(page_call, ((void (*)(void))(uintptr_t)page)())
FAULT(trap_flag, asm volatile("pushfq; orl $0x100, (%rsp); popfq; nop; nop"))
X87(by_zero, 0x037b, "fdiv %%st(1)")
X87(invalid, 0x037e, "fchs; fsqrt")
X87(inexact, 0x035f, "fldpi; fsqrt")
X87(too_big, 0x0377,
    "fldl2t; fscale; fscale; fscale; fscale; fscale; "
    "fmul %%st(0), %%st(0); fldpi; 1: fmul %%st(0), %%st(0); "
    "fwait; jmp 1b")

static void faults(void)
{
	try_fault("ud2", ud2);
	try_fault("int3", int3);
	try_fault("hlt", hlt);
	try_fault("in", in);
	try_fault("divide by 0", divide);
	try_fault("a quotient too large", too_large);
	try_fault("int 4", overflow);
	try_fault("int 33", vector_33);
	try_fault("write to 0", null);
	try_fault("call of 0", null_call);
	try_fault("not canonical", not_canonical);
	try_fault("the kernel's", kernels);
	try_fault("misaligned", misaligned);
	mprotect(page, 4096, PROT_NONE);
	try_fault("no permission", page_read);
	mprotect(page, 4096, PROT_READ);
	try_fault("read-only", page_write);
	try_fault("not executable", page_call);
	munmap(page, 4096);
	try_fault("not mapped", page_read);
	try_fault("x87: by zero", by_zero);
	try_fault("x87: invalid", invalid);
	try_fault("x87: inexact", inexact);
	try_fault("x87: too big", too_big);
	try_fault("trap flag", trap_flag);
}

/* ---- what a handler changes ---------------------------------------------- */

/* r: the registers; cs, ss: the two selectors among them; m: all of the context. */
#define CHANGES(DO)                                                  \
	DO("RIP is not canonical", r[REG_RIP] = NOT_CANONICAL)       \
	DO("RIP is the kernel's", r[REG_RIP] = OF_THE_KERNEL)        \
	DO("IOPL is 3", r[REG_EFL] |= 0x3000)                        \
	DO("IF is clear", r[REG_EFL] &= ~0x200)                      \
	DO("VM and AC are set", r[REG_EFL] |= 0x60000)               \
	DO("DF is set", r[REG_EFL] |= 0x400)                         \
	DO("CS is another", *cs = 8)                                 \
	DO("CS is 0", *cs = 0)                                       \
	DO("CS has no ring, which sigreturn says itself", *cs &= ~3) \
	DO("SS is 0", *ss = 0)                                       \
	DO("SS is another", *ss = 0x10)                              \
	DO("the FPU's state is nowhere", m->fpregs = (fpregset_t)8)  \
	DO("there is no FPU's state", m->fpregs = NULL)              \
	DO("MXCSR has bits that are none", m->fpregs->mxcsr = ~0)

#define NAME(name, change) name,
static const char *const names[] = { CHANGES(NAME) };

static int wanted;

static void edit(int signal, siginfo_t *info, void *context)
{
	mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
	greg_t *r = m->gregs;
	uint16_t *cs = (uint16_t *)&r[REG_CSGSFS], *ss = cs + 3;
	int number = 0;

	(void)signal, (void)info;
#define MAKE(name, change)      \
	if (wanted == number++) \
		change;
	CHANGES(MAKE)
}

static void child(int number)
{
	uint64_t flags;

	wanted = number;
	raise(SIGUSR1);
	asm volatile(
		"pushfq; pop %0; cld; pushfq; andl $~0x40000, (%%rsp); popfq"
		: "=r"(flags));
	printf("%s: RFLAGS %lx\n", names[number], flags & ~0x8d5);
	fflush(stdout);
	_exit(0);
}

static void changes(void)
{
	int status;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fflush(stdout);
		if (fork() == 0)
			child(i);
		wait(&status);
		if (status)
			printf("%s: status %x\n", names[i], status);
	}
}

int main(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE,
				       SIGTRAP };
	struct sigaction action = { .sa_sigaction = note,
				    .sa_flags = SA_SIGINFO };

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	faults();
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);

	action.sa_sigaction = edit;
	sigaction(SIGUSR1, &action, NULL);
	/* ID, which POPF sets in ring 3 too, is still there after a handler. */
	asm volatile("pushfq; orl $0x200000, (%rsp); popfq");
	changes();
	return 0;
}
