/*
 * print: formatted output.
 */
#include "print.h"

#include "string.h"
#include "console.h"

#define DECIMAL    10
#define HEX        16
#define DIGITS_MAX 24 /* and a sign */
#define LINE_SIZE  256

struct output {
	char *at, *end; /* end: where the zero byte goes at the latest */
};

static void put(struct output *out, char c)
{
	if (out->at < out->end)
		*out->at++ = c;
}

/* Pads text to |width| columns; a negative width pads on the right. */
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
	char digits[DIGITS_MAX];
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
			width = width * DECIMAL + *format++ - '0';
		if (left)
			width = -width;
		if ((is_long = *format == 'l'))
			format++;

		switch (*format) {
		case 'd':
			value = is_long ? va_arg(args, long)
					: va_arg(args, int);
			if ((int64_t)value < 0)
				put_number(&out, -value, DECIMAL, true, width,
					   pad);
			else
				put_number(&out, value, DECIMAL, false, width,
					   pad);
			break;
		case 'u':
		case 'x':
			value = is_long ? va_arg(args, uint64_t)
					: va_arg(args, uint32_t);
			put_number(&out, value, *format == 'u' ? DECIMAL : HEX,
				   false, width, pad);
			break;
		case 'p':
			value = (uint64_t)va_arg(args, void *);
			put_number(&out, value, HEX, false, 2 * sizeof(value),
				   '0');
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

void vkprintf(const char *format, va_list args)
{
	char line[LINE_SIZE];

	console_write(line, format_into(line, sizeof(line), format, args));
}

void kprintf(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vkprintf(format, args);
	va_end(args);
}
