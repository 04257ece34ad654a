/*
 * main: the kernel, room by room. Read the files in this order.
 */
#include "audit.h"
#include "boot_info.h"
#include "console.h"
#include "errno.h"
#include "exec.h"
#include "files/calls.h"
#include "idt.h"
#include "initrd.h"
#include "msr.h"
#include "page.h"
#include "per_cpu.h"
#include "print.h"
#include "proc.h"
#include "string.h"
#include "timer.h"
#include "tty.h"
#include "vm.h"

#define FIRST_PROGRAM "/bin/init"

static struct exec_args args;

/* Takes the next word off *at into word: up to a blank, a comma or the end; in
 * '…' both are ordinary. Returns its length, or -E2BIG. */
static int next_word(const char **at, char *word, int size)
{
	int length = 0;
	bool quoted = false;

	for (; **at && (quoted || (**at != ' ' && **at != ',')); (*at)++) {
		if (**at == '\'') {
			quoted = !quoted;
			continue;
		}
		if (length == size - 1)
			return -E2BIG;
		word[length++] = **at;
	}
	word[length] = 0;
	return length;
}

/* Starts the program at *at, "/bin/name arguments", up to a comma. */
static void start_program(const char **at)
{
	char path[PATH_MAX], word[PATH_MAX];
	struct proc *p;
	int error = 0;

	memset(&args, 0, sizeof(args));
	path[0] = 0;
	while (**at && **at != ',' && error >= 0) {
		if (**at == ' ') {
			(*at)++;
			continue;
		}
		error = next_word(at, word, sizeof(word));
		if (error >= 0 && args.argc == 0)
			strlcpy(path, word, sizeof(path));
		if (error >= 0)
			error = exec_add(&args, word, false);
	}
	if (error >= 0 && args.argc == 0)
		panic("main: init= names no program");
	if (error >= 0)
		error = exec_add(&args, "PATH=/bin", true);
	if (error >= 0)
		error = exec_add(&args, "HOME=/", true);
	if (error < 0)
		panic("main: the arguments in init= are too long");

	p = proc_alloc(&error);
	if (p)
		error = exec_load(p, path[0] == '/' ? path + 1 : path, &args);
	if (!p || error < 0)
		panic("main: cannot start %s: %s (error %d)", path,
		      error == -ENOENT ? "there is no such file in the archive"
		      : error == -EACCES  ? "it is not an executable file"
		      : error == -ENOEXEC ? "it is not a static x86-64 program"
		      : error == -ENOMEM  ? "memory is full"
					  : "too many programs",
		      error);
	for (int fd = 0; fd < 3; fd++)
		p->files[fd] = file_open_console();
	proc_set_start(p, proc_enter_user, p->kstack);
	proc_ready(p);
}

void main(uint64_t start_info)
{
	const char *programs;

	console_init();
	boot_info_init(start_info);
	page_init();
	vm_init();
	gdt_init(&per_cpu_data_ptr()->segments);
	init_syscall();
	swapgs(); /* as in every call: the kernel runs on its own GS */
	idt_init();
	timer_init();
	tty_init();
	initrd_init();

	proc_init();
	if (audit)
		audit();
	programs = boot_option_init();
	if (!programs)
		programs = FIRST_PROGRAM;
	start_program(&programs);
	while (*programs == ',') {
		programs++;
		start_program(&programs);
	}
	proc_idle();
}
