/*
 * printf. The text gathers in a buffer on the stack and leaves by one write,
 * so a line from one process is not cut by a line from another.
 */
#include "user.h"

/*
 * Where the text goes: to fd as often as the buffer is full, or, where fd is
 * -1, into the buffer as far as it reaches.
 */
struct out {
	int fd;
	char *buffer;
	size_t size, used;
	int total; /* what has been printed, dropped characters too */
};

static void flush(struct out *out)
{
	if (out->fd >= 0)
		write_all(out->fd, out->buffer, out->used);
	out->used = 0;
}

static void put(struct out *out, char c)
{
	if (out->used == out->size && out->fd >= 0)
		flush(out);
	if (out->used < out->size)
		out->buffer[out->used++] = c;
	out->total++;
}

/* What stands between the % and its letter. */
struct spec {
	bool left, zero, is_long;
	size_t width;
};

static void put_padded(struct out *out, const struct spec *spec,
		       const char *text, size_t length)
{
	size_t pad = spec->width > length ? spec->width - length : 0;
	bool zero = spec->zero && !spec->left;

	if (zero && length > 0 && *text == '-') { /* the sign comes first */
		put(out, *text++);
		length--;
	}
	for (size_t i = 0; i < pad && !spec->left; i++)
		put(out, zero ? '0' : ' ');
	for (size_t i = 0; i < length; i++)
		put(out, text[i]);
	for (size_t i = 0; i < pad && spec->left; i++)
		put(out, ' ');
}

static void put_number(struct out *out, const struct spec *spec,
		       unsigned long value, unsigned base, const char *prefix)
{
	char digits[24];
	size_t at = sizeof(digits);
	size_t length = strlen(prefix);

	do
		digits[--at] = "0123456789abcdef"[value % base];
	while (value /= base);
	at -= length;
	memcpy(digits + at, prefix, length);
	put_padded(out, spec, digits + at, sizeof(digits) - at);
}

static const char *parse_spec(const char *format, struct spec *spec)
{
	*spec = (struct spec){ 0 };
	for (;; format++) {
		if (*format == '-')
			spec->left = true;
		else if (*format == '0')
			spec->zero = true;
		else
			break;
	}
	for (; *format >= '0' && *format <= '9'; format++)
		spec->width = spec->width * 10 + (size_t)(*format - '0');
	for (; *format == 'l' || *format == 'z'; format++)
		spec->is_long = true;
	return format;
}

static void print(struct out *out, const char *format, va_list arguments)
{
	struct spec spec;

	for (; *format; format++) {
		if (*format != '%') {
			put(out, *format);
			continue;
		}
		format = parse_spec(format + 1, &spec);
		switch (*format) {
		case 'd': {
			long value = spec.is_long ? va_arg(arguments, long)
						  : va_arg(arguments, int);

			unsigned long size = (unsigned long)value;

			put_number(out, &spec, value < 0 ? -size : size, 10,
				   value < 0 ? "-" : "");
			break;
		}
		case 'u':
		case 'x':
			put_number(out, &spec,
				   spec.is_long ? va_arg(arguments, long)
						: va_arg(arguments, unsigned),
				   *format == 'u' ? 10 : 16, "");
			break;
		case 'p':
			put_number(out, &spec, va_arg(arguments, long), 16,
				   "0x");
			break;
		case 's': {
			const char *s = va_arg(arguments, const char *);

			s = s ? s : "(null)";
			put_padded(out, &spec, s, strlen(s));
			break;
		}
		case 'c':
			put(out, (char)va_arg(arguments, int));
			break;
		case '%':
			put(out, '%');
			break;
		default: /* not known here: show it as it stands */
			put(out, '%');
			if (!*format)
				return;
			put(out, *format);
		}
	}
}

int vdprintf(int fd, const char *format, va_list arguments)
{
	char buffer[PRINT_BUFFER];
	struct out out = { fd, buffer, sizeof(buffer), 0, 0 };

	print(&out, format, arguments);
	flush(&out);
	return out.total;
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
	struct out out = { -1, buffer, size > 0 ? size - 1 : 0, 0, 0 };

	print(&out, format, arguments);
	if (size > 0)
		buffer[out.used] = '\0';
	return out.total;
}

int printf(const char *format, ...)
{
	va_list arguments;
	int total;

	va_start(arguments, format);
	total = vdprintf(1, format, arguments);
	va_end(arguments);
	return total;
}

int dprintf(int fd, const char *format, ...)
{
	va_list arguments;
	int total;

	va_start(arguments, format);
	total = vdprintf(fd, format, arguments);
	va_end(arguments);
	return total;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
	va_list arguments;
	int total;

	va_start(arguments, format);
	total = vsnprintf(buffer, size, format, arguments);
	va_end(arguments);
	return total;
}
