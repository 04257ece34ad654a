/*
 * The program behind lab 2's tests: it waits in ring 3 until the host sends it
 * to one of the labels. What the kernel does after LSTAR is not run.
 */
#include <user.h>

__attribute__((naked, used)) static void labels(void)
{
	asm(".globl msr_spin, msr_call, msr_syscall, msr_next, msr_stack");
	asm("msr_spin:");
	asm("jmp msr_spin");

	/* SYSCALL with the flags in RAX. */
	asm("msr_call:");
	asm("pushq %rax; popfq");
	asm("msr_syscall:");
	asm("syscall");
	asm("msr_next:");
	asm("ud2");

	/* Two UD2 on the stack, and a jump to them. */
	asm("msr_stack:");
	asm("pushq $0x0b0f0b0f");
	asm("jmp *%rsp");
}

int main(void)
{
	/* The stack's page comes when it is touched. */
	asm volatile("pushq $0; popq %rax; jmp msr_spin");
	return 0;
}
