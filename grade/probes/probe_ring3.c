/*
 * The program behind lab 1's tests: it lives in ring 3 without a single system
 * call, and leaves only by exceptions and interrupts. The host stops it at a
 * label, sets its registers and reads them back.
 *
 * usage: probe_ring3 [in | out | hlt | cli | lgdt]
 *
 * With a word it executes that instruction, which ring 3 may not; after each
 * stands a UD2, so that one which is let pass shows. Without, it spins until
 * the host sets RAX, and then executes a UD2.
 */
#include <user.h>

__attribute__((naked, used)) static void labels(void)
{
	asm(".globl ring3_spin, ring3_leave, ring3_count, ring3_counted");
	asm("ring3_spin:");
	asm("testq %rax, %rax");
	asm("jz ring3_spin");
	asm("ring3_leave:");
	asm("ud2");

	/* LOOP counts RCX down and changes no flag. */
	asm("ring3_count:");
	asm("loop ring3_count");
	asm("ring3_counted:");
	asm("nop");
	asm("jmp ring3_counted");

	/* Port 0x70 is the clock's index register: reading it and writing 0 to
	 * it harm nobody. */
	asm(".globl ring3_in, ring3_out, ring3_hlt, ring3_cli, ring3_lgdt");
	asm("ring3_in:");
	asm("inb $0x70, %al");
	asm("ud2");
	asm("ring3_out:");
	asm("outb %al, $0x70");
	asm("ud2");
	asm("ring3_hlt:");
	asm("hlt");
	asm("ud2");
	asm("ring3_cli: cli");
	asm("ud2");
	asm("ring3_lgdt:");
	asm("lgdt (%rsp)");
	asm("ud2");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "in") == 0)
		asm volatile("xorl %eax, %eax; jmp ring3_in");
	if (strcmp(what, "out") == 0)
		asm volatile("xorl %eax, %eax; jmp ring3_out");
	if (strcmp(what, "hlt") == 0)
		asm volatile("jmp ring3_hlt");
	if (strcmp(what, "cli") == 0)
		asm volatile("jmp ring3_cli");
	if (strcmp(what, "lgdt") == 0)
		asm volatile("jmp ring3_lgdt");
	asm volatile("xorl %eax, %eax; jmp ring3_spin");
	return 0;
}
