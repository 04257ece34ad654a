/*
 * Does one forbidden thing, named by its first argument. With a second
 * argument a child does it, and the parent tells the signal.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char data[16] = "\xc3"; /* a ret, where nothing may run */
static const char constant[16] = "constant";

static int recurse(volatile char *above)
{
	volatile char here[4096];

	here[0] = *above;
	return here[0] == 1 ? 0 : recurse(here) + here[0];
}

static void misbehave(const char *what)
{
	if (!strcmp(what, "null-read"))
		(void)*(volatile char *)0;
	if (!strcmp(what, "null-write"))
		*(volatile char *)0 = 1;
	if (!strcmp(what, "null-call"))
		((void (*)(void))0)();
	if (!strcmp(what, "kernel-read"))
		(void)*(volatile char *)0xffffffff80100000;
	if (!strcmp(what, "kernel-write"))
		*(volatile char *)0xffffffff80100000 = 1;
	if (!strcmp(what, "not-canonical"))
		(void)*(volatile char *)0x800000000000;
	if (!strcmp(what, "code-write"))
		*(volatile char *)(uintptr_t)misbehave = 1;
	if (!strcmp(what, "constant-write"))
		*(volatile char *)(uintptr_t)constant = 1;
	if (!strcmp(what, "data-call"))
		((void (*)(void))(uintptr_t)data)();
	if (!strcmp(what, "stack-overflow"))
		recurse(data);
	if (!strcmp(what, "divide"))
		asm volatile("xor %%edx, %%edx; div %0"
			     :
			     : "r"(0)
			     : "eax", "edx");
	if (!strcmp(what, "ud2"))
		asm volatile("ud2");
	if (!strcmp(what, "int3"))
		asm volatile("int3");
	if (!strcmp(what, "int-32"))
		asm volatile("int $32"); /* the timer's vector */
	if (!strcmp(what, "int-14"))
		asm volatile("int $14");
	if (!strcmp(what, "hlt"))
		asm volatile("hlt");
	if (!strcmp(what, "cli"))
		asm volatile("cli");
	if (!strcmp(what, "in"))
		asm volatile("in $0x60, %%al" : : : "eax");
	if (!strcmp(what, "out"))
		asm volatile("out %al, $0xf4");
	if (!strcmp(what, "lgdt"))
		asm volatile("lgdt (%0)" : : "r"(data));
	if (!strcmp(what, "sgdt"))
		asm volatile("sgdt (%0)" : : "r"(data)); /* UMIP */
	if (!strcmp(what, "swapgs"))
		asm volatile("swapgs");
	if (!strcmp(what, "invlpg"))
		asm volatile("invlpg (%0)" : : "r"(data));
	if (!strcmp(what, "ltr"))
		asm volatile("ltr %%ax" : : "a"(0x18));
	if (!strcmp(what, "mov-dr7"))
		asm volatile("mov %0, %%dr7" : : "r"(0x400L));
	if (!strcmp(what, "mov-cr3"))
		asm volatile("mov %%cr3, %%rax" : : : "rax");
	if (!strcmp(what, "wrmsr"))
		asm volatile("wrmsr" : : "c"(0xc0000082), "a"(0), "d"(0));
	if (!strcmp(what, "kernel-ds"))
		asm volatile("mov %0, %%ds" : : "r"(0x10));
	if (!strcmp(what, "kernel-ss"))
		asm volatile("mov %0, %%ss" : : "r"(0x10));
	if (!strcmp(what, "trap-flag"))
		asm volatile("pushfq; orl $0x100, (%rsp); popfq; nop; nop");
	if (!strcmp(what, "x87")) {
		uint16_t control = 0x0360; /* division by zero not masked */
		asm volatile("fldcw %0; fldz; fld1; fdiv %%st(1); fwait"
			     :
			     : "m"(control));
	}
}

int main(int argc, char **argv)
{
	int status = 0;

	if (argc == 2)
		misbehave(argv[1]);
	if (argc != 3)
		return 0;
	if (fork() == 0) {
		misbehave(argv[1]);
		_exit(0);
	}
	wait(&status);
	if (WIFSIGNALED(status))
		printf("signal %d\n", WTERMSIG(status));
	else
		printf("exit status %d\n", WEXITSTATUS(status));
	return 0;
}
