/*
 * tty: the line discipline.
 *
 * One ring of characters with three places in it, each before the next:
 * readers have taken all up to taken, complete lines go up to ready, what is
 * being typed up to typed. They count up; the ring index is the remainder.
 */
#include "tty.h"

#include "errno.h"
#include "console.h"
#include "user_copy.h"
#include "sched.h"

#define RING_SIZE    1024
#define CTRL(letter) ((letter) - '@')
#define DELETE       0x7f
#define END_OF_FILE  CTRL('D') /* in the ring it ends a line, and is no part */

static char ring[RING_SIZE];
static uint32_t taken, ready, typed;

void tty_init(void)
{
	console_enable_input();
}

static void rub_out(void)
{
	typed--;
	console_write("\b \b", 3);
}

static bool has_room(void)
{
	return typed - taken < RING_SIZE;
}

static void add(char c)
{
	ring[typed++ % RING_SIZE] = c;
	if (c != END_OF_FILE)
		console_write(&c, 1);
	/* A full ring without an end of line would never be read. */
	if (c == '\n' || c == END_OF_FILE || !has_room()) {
		ready = typed;
		wakeup(&ready);
	}
}

/* What has no room stays in the UART, which holds the sender back; whoever
 * makes room comes here again. */
void tty_interrupt(void)
{
	int c;

	while (has_room() && (c = console_getc()) >= 0) {
		switch (c) {
		case CTRL('U'):
			while (typed != ready)
				rub_out();
			break;
		case '\b':
		case DELETE:
			if (typed != ready)
				rub_out();
			break;
		case '\r':
			add('\n');
			break;
		default:
			if (c >= ' ' || c == '\n' || c == '\t' ||
			    c == END_OF_FILE)
				add(c);
		}
	}
}

long tty_read(uint64_t user_buffer, size_t size)
{
	size_t count = 0;

	if (size == 0)
		return 0;
	while (taken == ready)
		if (sleep(&ready) < 0)
			return -ERESTART;
	while (count < size && taken != ready) {
		char c = ring[taken % RING_SIZE];

		if (c == END_OF_FILE) {
			taken++; /* after text: hand on the text, now */
			break;
		}
		if (copyout(user_buffer + count, &c, 1) < 0)
			return count ? (long)count : -EFAULT;
		taken++;
		count++;
		if (c == '\n')
			break;
	}
	tty_interrupt();
	return count;
}
