/*
 * main: the kernel, room by room. README.md has the same order, and what each
 * room is for; read the files in it.
 */
#include "hooks.h"
#include "console.h"
#include "boot_info.h"
#include "page.h"
#include "page_table.h"
#include "per_cpu.h"
#include "msr.h"
#include "idt.h"
#include "sched.h"
#include "pic.h"
#include "timer.h"
#include "tty.h"
#include "initrd.h"
#include "files/tree.h"
#include "first.h"

void main(uint64_t start_info)
{
	console_init();
	boot_info_init(start_info);
	page_init();
	page_table_init();
	gdt_init(&per_cpu_data_ptr()->segments);
	init_syscall();
	swapgs(); /* as in every call: the kernel runs on its own GS */
	idt_init();
	sched_init();
	pic_init();
	timer_init();
	tty_init();
	initrd_init();
	tree_init();

	if (audit)
		audit();
	first_start();
	proc_idle();
}
