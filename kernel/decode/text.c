/*
 * text: strings and other bytes of the program's memory, as C would have them.
 */
#include "decode/decode.h"

#include "errno.h"
#include "print.h"
#include "user_copy.h"
#include "files/path.h"

static void put_byte(uint8_t byte, uint8_t next)
{
	static const char named[] = "\tt\nn\vv\ff\rr\"\"\\\\";

	for (const char *at = named; *at; at += 2)
		if (byte == *at) {
			kprintf("\\%c", at[1]);
			return;
		}
	if (byte >= ' ' && byte <= '~')
		kprintf("%c", byte);
	else if (byte >> 6 ||
		 (next >= '0' && next <= '7')) /* or it would join */
		kprintf("\\%d%d%d", byte >> 6, byte >> 3 & 7, byte & 7);
	else if (byte >> 3)
		kprintf("\\%d%d", byte >> 3, byte & 7);
	else
		kprintf("\\%d", byte);
}

static void put_quoted(const char *bytes, size_t length)
{
	kprintf("\"");
	for (size_t i = 0; i < length; i++)
		put_byte(bytes[i], i + 1 < length ? bytes[i + 1] : 0);
	kprintf("\"");
}

void put_bytes(uint64_t from, uint64_t length)
{
	char shown[SHOWN];
	size_t some = length < SHOWN ? length : SHOWN;

	if (!from || (some && copyin(shown, from, some) < 0)) {
		as_address(NULL, from);
		return;
	}
	put_quoted(shown, some);
	if (length > SHOWN)
		kprintf("...");
}

void as_sent(const struct call *c, uint64_t from)
{
	put_bytes(from, next_argument(c));
}

void as_received(const struct call *c, uint64_t from)
{
	put_bytes(from, c->result);
}

void put_string(uint64_t from, size_t limit)
{
	static char text[PATH_MAX]; /* too large for a kernel stack */
	long length = copyinstr(text, from, limit + 1);

	if (!from || (length < 0 && length != -ENAMETOOLONG)) {
		as_address(NULL, from);
		return;
	}
	put_quoted(text, length < 0 ? (long)limit : length);
	if (length < 0)
		kprintf("...");
}

void as_path(const struct call *c, uint64_t from)
{
	(void)c;
	put_string(from, PATH_MAX - 1);
}
