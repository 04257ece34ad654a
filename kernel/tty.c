/*
 * tty: the line discipline.
 *
 * One ring of characters with three places in it, each before the next: readers
 * have taken all up to taken, what they may have goes up to ready, what is being
 * typed up to typed. They count up; the ring index is the remainder.
 */
#include "tty.h"

#include "errno.h"
#include "console.h"
#include "user_copy.h"
#include "screen.h"
#include "foreground.h"
#include "timer.h"

#define RING_SIZE 4096

/* Beside a character in the ring: the line ends with it; and it is no part of it. */
#define LINE_END 0x100
#define NO_TEXT  0x200

#define TENTH    (NANOSECONDS / 10) /* of a second: VTIME's unit */

static uint16_t ring[RING_SIZE];
static uint32_t taken, ready, typed;
static uint32_t line_column; /* where on the screen the line begins */

void tty_init(void)
{
	console_enable_input();
}

static uint16_t *at(uint32_t place)
{
	return &ring[place % RING_SIZE];
}

static void hand_on(void)
{
	ready = typed;
	wakeup(&ready);
}

/* ---- taking back ------------------------------------------------------------ */

/* The column where the character at a place of the line was shown. A tab ends at
 * a multiple of its width, so what stands before one does not matter. */
static uint32_t column_of(uint32_t place)
{
	uint32_t columns = 0;

	while (place-- != ready) {
		if (*at(place) == '\t')
			return columns;
		columns += screen_width(*at(place), 0);
	}
	return line_column + columns;
}

static void rub_out(void)
{
	uint8_t c = *at(--typed);

	if (termios_local(ECHO))
		screen_rub_out(c, screen_width(c, column_of(typed)));
}

static bool is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') || c == '_';
}

/* The last word, and what stands after it. */
static void rub_out_word(void)
{
	while (typed != ready && !is_word(*at(typed - 1)))
		rub_out();
	while (typed != ready && is_word(*at(typed - 1)))
		rub_out();
}

/* Nearly every keyboard has one of the two keys where it is looked for. */
static bool is_erase(uint8_t c)
{
	return termios_is_key(c, VERASE) ||
	       (c == '\b' && termios_is_key(DELETE, VERASE));
}

/* Does the key take something back? And does so. */
static bool takes_back(uint8_t c)
{
	if (is_erase(c)) {
		if (typed != ready)
			rub_out();
	} else if (termios_is_key(c, VKILL)) {
		while (typed != ready)
			rub_out();
	} else if (termios_local(IEXTEN) && termios_is_key(c, VWERASE)) {
		rub_out_word();
	} else {
		return false;
	}
	return true;
}

/* ---- a key ------------------------------------------------------------------ */

static bool is_full(void)
{
	return typed - taken == RING_SIZE;
}

/* A line for which the ring is too small has place for its end all the same. */
static void add(uint16_t c)
{
	if (is_full())
		typed--;
	*at(typed++) = c;
}

/* The end of a line is not shown, it happens. */
static void show(uint8_t c)
{
	bool ends_line = c == '\n' && termios_local(ICANON);

	if (typed == ready)
		line_column = screen_column();
	if (ends_line && termios_local(ECHO | ECHONL))
		screen_write("\n", 1);
	else if (termios_local(ECHO))
		screen_echo(c);
}

/* A line's key: the character, and does the line end there? */
static void add_to_line(uint8_t c)
{
	bool is_end = c == '\n' || termios_is_key(c, VEOL) ||
		      (termios_is_key(c, VEOL2) && termios_local(IEXTEN));

	if (termios_is_key(c, VEOF)) {
		add(LINE_END | NO_TEXT);
		hand_on();
		return;
	}
	show(c);
	add(is_end ? c | LINE_END : c);
	if (is_end)
		hand_on();
}

/* Has the key sent a signal? What was typed is no longer meant. */
static bool sends_signal(uint8_t c)
{
	int signal = termios_is_key(c, VINTR)   ? SIGINT
		     : termios_is_key(c, VQUIT) ? SIGQUIT
		     : termios_is_key(c, VSUSP) ? SIGTSTP
						: 0;

	if (!signal || !termios_local(ISIG))
		return false;
	if (!termios_local(NOFLSH))
		tty_forget();
	if (termios_local(ECHO))
		screen_echo(c);
	foreground_signal(signal);
	return true;
}

static void receive(uint8_t c)
{
	if (c == '\r' && termios.input & IGNCR)
		return;
	if (c == '\r' && termios.input & ICRNL)
		c = '\n';
	else if (c == '\n' && termios.input & INLCR)
		c = '\r';
	if (sends_signal(c))
		return;
	if (!termios_local(ICANON)) {
		show(c);
		add(c);
		hand_on();
	} else if (!takes_back(c)) {
		add_to_line(c);
	}
}

/* What has no room stays in the UART, which holds the sender back; whoever makes
 * room comes here again. Only a line that has no end yet has nobody who could. */
void tty_interrupt(void)
{
	int c;

	while ((!is_full() || (ready == taken && termios_local(ICANON))) &&
	       (c = console_getc()) >= 0)
		receive(c);
}

void tty_forget(void)
{
	taken = ready = typed;
}

/* ---- readers ---------------------------------------------------------------- */

/* Copies the character at taken. */
static int take(uint64_t user_buffer)
{
	char c = *at(taken);

	if (copyout(user_buffer, &c, 1) < 0)
		return -EFAULT;
	taken++;
	return 0;
}

/* Takes the mark of a line's end that is no text, if it is next. */
static bool take_mark(void)
{
	bool is_mark = taken != ready && *at(taken) & NO_TEXT;

	taken += is_mark;
	return is_mark;
}

static long read_line(uint64_t user_buffer, size_t size, bool no_sleep)
{
	size_t count = 0;
	bool ended = false;

	while (taken == ready) {
		if (no_sleep)
			return -EAGAIN;
		if (sleep(&ready) < 0)
			return -ERESTART;
	}
	while (count < size && taken != ready && !ended && !take_mark()) {
		ended = *at(taken) & LINE_END;
		if (take(user_buffer + count) < 0)
			return count ? (long)count : -EFAULT;
		count++;
	}
	if (count == size && !ended)
		take_mark();
	return count;
}

/* Until something is there to be read, which Control-C may throw away again; or
 * the time has come: where there is one, it is looked at with each tick. */
static int wait_for_key(uint64_t until)
{
	int error = 0;

	while (taken == ready && error == 0) {
		if (until == UINT64_MAX)
			error = sleep(&ready);
		else if (timer_now() < until)
			error = timer_sleep_until(timer_now() + 1);
		else
			return 0;
	}
	return error;
}

/* By when the next byte must come: without VMIN, VTIME is for the first byte; with
 * it, for each byte after the first. */
static uint64_t last_moment(size_t count)
{
	uint64_t time = termios.characters[VTIME] * TENTH;

	if (termios.characters[VMIN] && !(time && count))
		return UINT64_MAX;
	return timer_now() + time;
}

static long read_bytes(uint64_t user_buffer, size_t size, bool no_sleep)
{
	size_t least = termios.characters[VMIN], count = 0;
	int error = 0;

	while (count < size) {
		if (taken == ready && count && count >= least)
			break;
		if (taken == ready && no_sleep)
			return count || !least ? (long)count : -EAGAIN;
		if (taken == ready)
			error = wait_for_key(last_moment(count));
		if (taken == ready)
			break;
		if (take(user_buffer + count) < 0)
			return count ? (long)count : -EFAULT;
		count++;
	}
	return count ? (long)count : error;
}

uint32_t tty_waiting(void)
{
	uint32_t count = 0;

	for (uint32_t place = taken; place != ready; place++)
		count += !(*at(place) & NO_TEXT);
	return count;
}

/* As n_tty of Linux sees it: with VTIME, the first byte is news. */
bool tty_is_ready(void)
{
	uint32_t least =
		termios.characters[VTIME] ? 1 : termios.characters[VMIN];

	if (termios_local(ICANON))
		return taken != ready;
	return ready - taken >= (least ?: 1);
}

/* What was typed under the old rules is a line, or bytes, of the new ones. */
void tty_set(const struct termios *settings)
{
	bool changes = (termios.local ^ settings->local) & ICANON;

	termios = *settings;
	if (!changes || typed == taken)
		return;
	*at(typed - 1) |= LINE_END;
	hand_on();
}

long tty_read(uint64_t user_buffer, size_t size, bool no_sleep)
{
	long result;

	if (size == 0)
		return 0;
	result = termios_local(ICANON)
			 ? read_line(user_buffer, size, no_sleep)
			 : read_bytes(user_buffer, size, no_sleep);
	tty_interrupt();
	return result;
}
