/*
 * line: the text, a place in it, and what the screen shows of both. A line that
 * is wider than the screen goes on in the next row; so the cursor's row and column
 * follow from how many characters stand before it.
 */
#include "shell/line.h"

#include "shell/words.h"

#define HISTORY 64 /* lines */
#define ESCAPE  0x1b
#define DELETE  0x7f
#define CTRL(c) ((c) - '@')

/* What the keys with several bytes are called here: no byte is so large. */
enum { UP = 256, DOWN, LEFT, RIGHT, HOME, END, REMOVE, NOTHING };

static char history[HISTORY][LINE_BYTES];
static size_t remembered; /* lines since the beginning */

static char text[LINE_BYTES];
static size_t length, place; /* in bytes */
static const char *prompt;
static bool waits;       /* it is in the row before, after the last column */
static size_t shown;     /* where on the screen the cursor is, in characters */
static size_t looked_at; /* the line of the history, or the new one */
static char unfinished[LINE_BYTES]; /* the new one, while it is an old one */

/* ---- the screen ---- */

/* A byte that only goes on with a character of UTF-8. */
static bool goes_on(char byte)
{
	return (byte & 0xc0) == 0x80;
}

static size_t characters(const char *from, size_t bytes)
{
	size_t count = 0;

	while (bytes-- > 0)
		count += !goes_on(*from++);
	return count;
}

static size_t screen_width(void)
{
	uint16_t window[4] = { 0 };

	return ioctl(1, TIOCGWINSZ, window) == 0 && window[1] ? window[1] : 80;
}

static void show(const char *from, size_t bytes)
{
	write_all(2, from, bytes);
	shown += characters(from, bytes);
	if (bytes > 0)
		waits = shown % screen_width() == 0;
}

/* After a row's last column the cursor waits there for one more character. A newline
 * takes it to where the count says that it is. */
static void settle(void)
{
	if (waits)
		dprintf(2, "\n");
	waits = false;
}

static void go_to(size_t where)
{
	size_t width = screen_width();
	size_t row = where / width, now = shown / width;

	if (where == shown)
		return;
	settle();
	if (now > row)
		dprintf(2, "\033[%luA", now - row);
	for (; now < row; now++)
		dprintf(2, "\n");
	dprintf(2, "\r");
	if (where % width)
		dprintf(2, "\033[%luC", where % width);
	shown = where;
}

static size_t column(size_t bytes)
{
	return strlen(prompt) + characters(text, bytes);
}

/* Shows the text from a byte on, clears what was after it, and goes to the place. */
static void show_from(size_t from)
{
	go_to(column(from));
	show(text + from, length - from);
	settle();
	dprintf(2, "\033[J");
	go_to(column(place));
}

/* ---- the text ---- */

static size_t before(size_t at)
{
	while (at > 0 && goes_on(text[--at]))
		;
	return at;
}

static size_t after(size_t at)
{
	while (at < length && goes_on(text[++at]))
		;
	return at;
}

static size_t word_before(size_t at)
{
	while (at > 0 && text[at - 1] == ' ')
		at--;
	while (at > 0 && text[at - 1] != ' ')
		at--;
	return at;
}

static void insert(char byte, bool *too_long)
{
	if (length + 1 >= sizeof(text)) {
		*too_long = true;
		return;
	}
	memmove(text + place + 1, text + place, length - place);
	text[place++] = byte;
	length++;
	if (place == length)
		show(&byte, 1); /* as the terminal itself would */
	else
		show_from(before(place));
}

static void move(size_t to)
{
	place = to;
	go_to(column(place));
}

static void cut(size_t from, size_t to)
{
	memmove(text + from, text + to, length - to);
	length -= to - from;
	place = from;
	show_from(from);
}

/* ---- what was typed before ---- */

static void remember(void)
{
	char *last = history[(remembered + HISTORY - 1) % HISTORY];

	text[length] = '\0';
	if (length == 0 || (remembered > 0 && strcmp(last, text) == 0))
		return;
	memcpy(history[remembered++ % HISTORY], text, length + 1);
}

static void look_at(size_t number)
{
	bool known = number < remembered && number + HISTORY >= remembered;

	if (!known && number != remembered)
		return;
	text[length] = '\0';
	if (looked_at == remembered)
		memcpy(unfinished, text, length + 1);
	looked_at = number;
	length = strlen(known ? history[number % HISTORY] : unfinished);
	memcpy(text, known ? history[number % HISTORY] : unfinished, length);
	place = length;
	show_from(0);
}

/* ---- the keys ---- */

/* Or -1: there is no more. A signal is no end. */
static int next_byte(void)
{
	uint8_t byte;
	long count;

	do
		count = read(0, &byte, 1);
	while (count == -EINTR);
	return count == 1 ? byte : -1;
}

/* What follows ESC: "[A", "OA", "[3~", or with Shift and others "[1;2A". */
static int escaped_key(void)
{
	static const char letters[] = "ABDCHF";
	int byte = next_byte(), first = 0;
	const char *found = NULL;

	if (byte != '[' && byte != 'O')
		return NOTHING;
	byte = next_byte();
	if (byte >= '0' && byte <= '9')
		first = byte;
	while (byte == ';' || (byte >= '0' && byte <= '9'))
		byte = next_byte();
	if (byte == '~')
		return first == '3'                   ? REMOVE
		       : first == '1' || first == '7' ? HOME
		       : first == '4' || first == '8' ? END
						      : NOTHING;
	if (byte > 0)
		found = strchr(letters, byte);
	return found ? UP + (int)(found - letters) : NOTHING;
}

static void do_key(int key, bool *too_long)
{
	if (key == UP && looked_at > 0)
		look_at(looked_at - 1);
	else if (key == DOWN)
		look_at(looked_at + 1);
	else if (key == LEFT)
		move(before(place));
	else if (key == RIGHT)
		move(after(place));
	else if (key == HOME || key == CTRL('A'))
		move(0);
	else if (key == END || key == CTRL('E'))
		move(length);
	else if (key == DELETE || key == CTRL('H'))
		cut(before(place), place);
	else if (key == REMOVE || key == CTRL('D'))
		cut(place, after(place));
	else if (key == CTRL('K'))
		cut(place, length);
	else if (key == CTRL('U'))
		cut(0, place);
	else if (key == CTRL('W'))
		cut(word_before(place), place);
	else if (key == '\t')
		insert(' ', too_long);
	else if (key >= ' ' && key < UP)
		insert((char)key, too_long);
}

static void begin(void)
{
	length = place = shown = 0;
	waits = false;
	looked_at = remembered;
	show(prompt, strlen(prompt));
}

/* Until a line is there: true. Control-C is a key here and no signal: that one could
 * come just before a read, which would not know of it. */
static bool read_keys(bool *too_long)
{
	for (;;) {
		int key = next_byte();

		if (key == ESCAPE)
			key = escaped_key();
		if (key < 0 || (key == CTRL('D') && length == 0))
			return false;
		if (key == '\n' || key == '\r')
			return true;
		if (key == CTRL('C')) {
			go_to(column(length));
			dprintf(2, "^C\n");
			*too_long = false;
			begin();
		} else {
			do_key(key, too_long);
		}
	}
}

long edit_line(const char *shown_prompt, char *line, size_t size,
	       bool *too_long)
{
	struct termios usual, raw;
	bool typed;

	ioctl(0, TCGETS, &usual);
	raw = usual;
	raw.local &= ~(uint32_t)(ISIG | ICANON | ECHO | IEXTEN);
	raw.characters[VMIN] = 1;
	raw.characters[VTIME] = 0;
	ioctl(0, TCSETS, &raw);
	*too_long = false;
	prompt = shown_prompt;
	begin();
	typed = read_keys(too_long);
	go_to(column(length));
	/* First: who sees the new line may type for what runs now. */
	ioctl(0, TCSETS, &usual);
	if (!typed)
		return -1;
	dprintf(2, "\n");
	remember();
	if (length >= size)
		length = size - 1;
	memcpy(line, text, length);
	line[length] = '\0';
	return (long)length;
}
