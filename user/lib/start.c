/*
 * The first instructions of every program. The kernel leaves the System V
 * start-up block on the stack: argc, the argv pointers, NULL, the environment
 * pointers, NULL, the auxiliary vector (System V ABI, AMD64 supplement,
 * section 3.4.1). RSP is a multiple of 16 and nothing has been called yet.
 */
#include "user.h"

char **environment;
const char *program_name;

int main(int argc, char **argv, char **envp);

__attribute__((naked, noreturn)) void _start(void)
{
	asm(".cfi_undefined rip"); /* for GDB: no caller above this */
	asm("xorl %ebp, %ebp");    /* a zero frame pointer ends a backtrace */
	asm("movq %rsp, %rdi");    /* the block is start_main's argument */
	asm("call start_main"); /* RSP mod 16 is 8 in there, as in any function */
	asm("ud2");             /* it does not return */
}

__attribute__((used, noreturn)) void start_main(long *block)
{
	int argc = (int)block[0];
	char **argv = (char **)(block + 1);
	const char *slash;

	environment = argv + argc + 1;
	program_name = argc > 0 ? argv[0] : "?";
	slash = strrchr(program_name, '/');
	if (slash)
		program_name = slash + 1;
	exit(main(argc, argv, environment));
}
