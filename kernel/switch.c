/*
 * switch: naked functions, since C may not touch what they change: RSP and the
 * registers of another process. syscall_entry.c has the third of the kind.
 */
#include "switch.h"

#include "gdt.h"

/* For a parameter that only assembly reads, in the register it came in. */
#define IN_REGISTER __attribute__((unused))

__attribute__((naked)) void switch_to(uint64_t *save IN_REGISTER,
				      uint64_t load IN_REGISTER)
{
	/* Pushed so that struct context describes them, r15 last. */
	asm("pushq %rbp");
	asm("pushq %rbx");
	asm("pushq %r12");
	asm("pushq %r13");
	asm("pushq %r14");
	asm("pushq %r15");
	asm("movq %rsp, (%rdi)"); /* the old stack is as it must be found */
	asm("movq %rsi, %rsp");   /* the new one was left the same way */
	asm("popq %r15");
	asm("popq %r14");
	asm("popq %r13");
	asm("popq %r12");
	asm("popq %rbx");
	asm("popq %rbp");
	asm("ret"); /* to the new one's context.rip */
}

void user_segments_save(struct user_segments *segments)
{
	asm volatile("movw %%ds, %0" : "=m"(segments->ds));
	asm volatile("movw %%es, %0" : "=m"(segments->es));
	asm volatile("movw %%fs, %0" : "=m"(segments->fs));
	asm volatile("movw %%gs, %0" : "=m"(segments->gs));
	segments->fs_base = rdmsr(MSR_FS_BASE);
	segments->gs_base = rdmsr(MSR_KERNEL_GS_BASE);
}

/* Selectors before bases: loading one may change its base. */
void user_segments_load(const struct user_segments *segments)
{
	asm volatile("movw %0, %%ds" : : "m"(segments->ds));
	asm volatile("movw %0, %%es" : : "m"(segments->es));
	asm volatile("movw %0, %%fs" : : "m"(segments->fs));
	swapgs(); /* the kernel's base is not the one to change */
	asm volatile("movw %0, %%gs" : : "m"(segments->gs));
	swapgs();
	wrmsr(MSR_FS_BASE, segments->fs_base);
	wrmsr(MSR_KERNEL_GS_BASE, segments->gs_base);
}

__attribute__((naked, noreturn)) void enter_user(uint64_t rip IN_REGISTER,
						 uint64_t rsp IN_REGISTER)
{
	/* IRETQ pops five words: RIP, CS, RFLAGS, RSP, SS. */
	asm("pushq $" STR(USER_DS)); /* SS */
	asm("pushq %rsi");           /* RSP */
	asm("pushq $0x202");         /* RFLAGS: IF, and bit 1 */
	asm("pushq $" STR(USER_CS)); /* CS */
	asm("pushq %rdi");           /* RIP */
	/* Nothing of the kernel's may be seen in a register. */
	asm("xorl %eax, %eax");
	asm("xorl %ebx, %ebx");
	asm("xorl %ecx, %ecx");
	asm("xorl %edx, %edx");
	asm("xorl %esi, %esi");
	asm("xorl %edi, %edi");
	asm("xorl %ebp, %ebp");
	asm("xorl %r8d, %r8d");
	asm("xorl %r9d, %r9d");
	asm("xorl %r10d, %r10d");
	asm("xorl %r11d, %r11d");
	asm("xorl %r12d, %r12d");
	asm("xorl %r13d, %r13d");
	asm("xorl %r14d, %r14d");
	asm("xorl %r15d, %r15d");
	asm("swapgs"); /* now loading a null selector clears the user's base */
	asm("movl %eax, %gs");
	asm("movl %eax, %fs");
	asm("movl %eax, %es");
	asm("movl %eax, %ds");
	asm("iretq");
}
