/*
 * values: numbers, and what a number in the program's memory is.
 */
#include "decode/decode.h"

#include "print.h"
#include "user_copy.h"

#define NOBODY      0xffffffff /* -1 as an owner */
#define MODE_DIGITS 3
#define OCTAL_BITS  3

void as_number(const struct call *c, uint64_t value)
{
	(void)c;
	kprintf("%d", (int)value);
}

void as_unsigned(const struct call *c, uint64_t value)
{
	(void)c;
	kprintf("%u", (uint32_t)value);
}

void as_size(const struct call *c, uint64_t value)
{
	(void)c;
	kprintf("%lu", value);
}

void as_offset(const struct call *c, uint64_t value)
{
	(void)c;
	kprintf("%ld", value);
}

void as_hex(const struct call *c, uint64_t value)
{
	(void)c;
	kprintf(value ? "0x%lx" : "0", value);
}

void as_address(const struct call *c, uint64_t value)
{
	(void)c;
	kprintf(value ? "0x%lx" : "NULL", value);
}

void as_mode(const struct call *c, uint64_t value)
{
	int digits = MODE_DIGITS;

	(void)c;
	value = (uint32_t)value;
	while (value >> digits * OCTAL_BITS)
		digits++;
	/* A number begins with a 0, which may be one of the three. */
	if (value >> (MODE_DIGITS - 1) * OCTAL_BITS)
		kprintf("0");
	while (digits-- > 0)
		kprintf("%d", (int)(value >> digits * OCTAL_BITS & 7));
}

void as_owner(const struct call *c, uint64_t value)
{
	if ((uint32_t)value == NOBODY)
		kprintf("-1");
	else
		as_unsigned(c, value);
}

void as_nothing(const struct call *c, uint64_t value)
{
	(void)c;
	(void)value;
	kprintf("?");
}

/* ---- in memory ----------------------------------------------------------- */

bool fetch(void *to, uint64_t from, size_t length)
{
	if (from && copyin(to, from, length) == 0)
		return true;
	as_address(NULL, from);
	return false;
}

void as_id(const struct call *c, uint64_t from)
{
	int value;

	(void)c;
	if (fetch(&value, from, sizeof(value)))
		kprintf("[%d]", value);
}

void as_long_at(const struct call *c, uint64_t from)
{
	long value;

	(void)c;
	if (fetch(&value, from, sizeof(value)))
		kprintf("[%ld]", value);
}

void when_done(const struct call *c, uint64_t value)
{
	(void)c;
	(void)value;
}

void when_found(const struct call *c, uint64_t value)
{
	(void)c;
	(void)value;
}
