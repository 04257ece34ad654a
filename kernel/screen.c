/*
 * screen: the column is kept, because a tab that is taken back is as wide as it was.
 */
#include "screen.h"

#include "console.h"
#include "termios.h"

#define LETTER \
	0x40 /* from a control character to its letter; from DEL to '?' */

static uint32_t column;

static bool is_control(uint8_t c)
{
	return c < ' ' || c == DELETE;
}

static void advance(uint8_t c)
{
	if (c == '\r')
		column = 0;
	else if (c == '\b')
		column -= column > 0;
	else if (c == '\t')
		column += TAB_WIDTH - column % TAB_WIDTH;
	else if (!is_control(c))
		column++;
}

static void put(uint8_t c)
{
	if (c == '\n' && termios.output & OPOST && termios.output & ONLCR)
		put('\r');
	console_put(c);
	advance(c);
}

void screen_write(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		put(bytes[i]);
}

/* Does it appear as ^ and a letter? */
static bool has_caret(uint8_t c)
{
	return is_control(c) && c != '\t' && termios_local(ECHOCTL);
}

void screen_echo(uint8_t c)
{
	if (has_caret(c)) {
		put('^');
		c ^= LETTER;
	}
	put(c);
}

uint32_t screen_width(uint8_t c, uint32_t at)
{
	if (c == '\t')
		return TAB_WIDTH - at % TAB_WIDTH;
	return has_caret(c) ? 2 : !is_control(c);
}

void screen_rub_out(uint8_t c, uint32_t width)
{
	while (width--)
		if (c == '\t')
			put('\b');
		else
			screen_write("\b \b", 3);
}

uint32_t screen_column(void)
{
	return column;
}
