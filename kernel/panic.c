/*
 * panic: last words, the calls that led to them, and the way out of QEMU.
 */
#include "panic.h"

#include "layout.h"
#include "x86.h"
#include "print.h"

#define DEBUG_EXIT_PORT 0xf4
#define BACKTRACE_DEPTH 24

/* The text section's symbols by address; made from the linked kernel. */
struct ksym {
	uint64_t address;
	const char *name;
};
extern const struct ksym ksyms[], ksyms_end[];
extern const char kernel_start[], text_end[], kernel_end[];

static void print_caller(uint64_t rip)
{
	const struct ksym *symbol = NULL;

	for (const struct ksym *s = ksyms; s < ksyms_end; s++)
		if (s->address <= rip)
			symbol = s;
	if (symbol && rip < (uint64_t)text_end)
		kprintf("  %p  %s+0x%lx\n", (void *)rip, symbol->name,
			rip - symbol->address);
	else
		kprintf("  %p  (not in the kernel's text)\n", (void *)rip);
}

/* May this word be read as part of a stack, whatever the registers hold? */
static bool is_stack_word(uint64_t va)
{
	bool in_image =
		va >= (uint64_t)kernel_start && va < (uint64_t)kernel_end;

	return va % sizeof(uint64_t) == 0 &&
	       (in_image || (in_kstacks(va) && !in_kstack_guard(va)));
}

/* A function built with a frame pointer has pushed its caller's RBP just below
 * the address that it returns to. The chain must climb, or it is none. */
void print_backtrace(uint64_t rip, uint64_t rbp)
{
	kprintf("backtrace (newest first):\n");
	print_caller(rip);
	for (int depth = 0; depth < BACKTRACE_DEPTH; depth++) {
		const uint64_t *frame = (const uint64_t *)rbp;

		if (!is_stack_word(rbp) || !is_stack_word(rbp + sizeof(*frame)))
			break;
		if (frame[1] < (uint64_t)kernel_start)
			break;
		print_caller(frame[1]);
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
}

RARE void panic(const char *format, ...)
{
	static bool panicking;
	va_list args;

	cli();
	if (panicking)
		machine_exit(EXIT_PANIC);
	panicking = true;
	kprintf("\npanic: ");
	va_start(args, format);
	vkprintf(format, args);
	va_end(args);
	kprintf("\n");
	print_backtrace((uint64_t)__builtin_return_address(0),
			*(uint64_t *)__builtin_frame_address(0));
	machine_exit(EXIT_PANIC);
}

RARE void machine_exit(uint32_t value)
{
	outl(DEBUG_EXIT_PORT, value);
	for (;;)
		asm volatile("cli; hlt");
}
