/*
 * print: formatted output, panic, and the way out of QEMU.
 */
#include "print.h"

#include "console.h"
#include "string.h"

#define DEBUG_EXIT_PORT 0xf4

/* The text section's symbols by address; made from the linked kernel. */
struct ksym {
	uint64_t address;
	const char *name;
};
extern const struct ksym ksyms[], ksyms_end[];
extern const char kernel_start[], text_end[], kernel_end[];

struct output {
	char *at, *end; /* end: where the zero byte goes at the latest */
};

static void put(struct output *out, char c)
{
	if (out->at < out->end)
		*out->at++ = c;
}

/* A field of |width| columns, to the left in it if width is negative. */
static void put_field(struct output *out, const char *text, size_t length,
		      int width, char pad)
{
	for (int i = length; i < width; i++)
		put(out, pad);
	for (size_t i = 0; i < length; i++)
		put(out, text[i]);
	for (int i = length; i < -width; i++)
		put(out, ' ');
}

static void put_number(struct output *out, uint64_t value, unsigned base,
		       bool negative, int width, char pad)
{
	char digits[24];
	char *first = digits + sizeof(digits);

	do {
		*--first = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (negative)
		*--first = '-';
	put_field(out, first, digits + sizeof(digits) - first, width, pad);
}

static size_t format_into(char *buffer, size_t size, const char *format,
			  va_list args)
{
	struct output out = { buffer, buffer + size - 1 };

	for (; *format; format++) {
		char pad = ' ', one;
		bool is_long = false, left = false;
		int width = 0;
		uint64_t value;
		const char *text;

		if (*format != '%') {
			put(&out, *format);
			continue;
		}
		format++;
		if ((left = *format == '-'))
			format++;
		if (*format == '0')
			pad = *format++;
		while (*format >= '0' && *format <= '9')
			width = width * 10 + *format++ - '0';
		if (left)
			width = -width;
		if ((is_long = *format == 'l'))
			format++;

		switch (*format) {
		case 'd':
			value = is_long ? va_arg(args, long)
					: va_arg(args, int);
			if ((int64_t)value < 0)
				put_number(&out, -value, 10, true, width, pad);
			else
				put_number(&out, value, 10, false, width, pad);
			break;
		case 'u':
		case 'x':
			value = is_long ? va_arg(args, uint64_t)
					: va_arg(args, uint32_t);
			put_number(&out, value, *format == 'u' ? 10 : 16, false,
				   width, pad);
			break;
		case 'p':
			value = (uint64_t)va_arg(args, void *);
			put_number(&out, value, 16, false, 16, '0');
			break;
		case 's':
			text = va_arg(args, const char *);
			put_field(&out, text, strlen(text), width, ' ');
			break;
		case 'c':
			one = va_arg(args, int);
			put_field(&out, &one, 1, width, ' ');
			break;
		default:
			put(&out, *format);
		}
	}
	*out.at = 0;
	return out.at - buffer;
}

size_t ksnprintf(char *buffer, size_t size, const char *format, ...)
{
	va_list args;
	size_t length;

	va_start(args, format);
	length = format_into(buffer, size, format, args);
	va_end(args);
	return length;
}

static void vkprintf(const char *format, va_list args)
{
	char line[256];

	console_write(line, format_into(line, sizeof(line), format, args));
}

void kprintf(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vkprintf(format, args);
	va_end(args);
}

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
	bool in_kstack = va >= KSTACK_BASE && va < KSTACK_END &&
			 (va - KSTACK_BASE) % KSTACK_STRIDE >= PAGE_SIZE;

	return va % 8 == 0 && (in_image || in_kstack);
}

/* A function built with a frame pointer has pushed its caller's RBP just below
 * the address that it returns to. The chain must climb, or it is none. */
void print_backtrace(uint64_t rip, uint64_t rbp)
{
	kprintf("backtrace (newest first):\n");
	print_caller(rip);
	for (int depth = 0; depth < 24; depth++) {
		const uint64_t *frame = (const uint64_t *)rbp;

		if (!is_stack_word(rbp) || !is_stack_word(rbp + 8))
			break;
		if (frame[1] < (uint64_t)kernel_start)
			break;
		print_caller(frame[1]);
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
}

void panic(const char *format, ...)
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

void machine_exit(uint32_t value)
{
	outl(DEBUG_EXIT_PORT, value);
	for (;;)
		asm volatile("cli; hlt");
}
