/*
 * terminal: reads lines from tty, writes to the console.
 */
#include "files/terminal.h"

#include "errno.h"
#include "console.h"
#include "user_copy.h"
#include "sched.h"
#include "timer.h"
#include "tty.h"

#define PIECE_SIZE         128 /* bytes copied at a time */
#define TCGETS             0x5401
#define TERMIOS_CHARACTERS 19
#define TIOCGWINSZ         0x5413

static long terminal_read(struct file *file, uint64_t buffer, size_t size)
{
	(void)file;
	return tty_read(buffer, size);
}

/* A byte takes its time to leave, and a program chooses how many there are: after
 * each piece interrupts are let in, and when the clock has moved on, the others
 * have a turn. */
static void give_way(void)
{
	uint64_t before = timer_now();

	sti_nop_cli();
	if (timer_now() != before)
		yield();
}

/* Whoever writes while another does waits for the end of what that one has to
 * say: a line comes out whole. */
static long terminal_write(struct file *file, uint64_t buffer, size_t size)
{
	static bool busy;
	char piece[PIECE_SIZE];
	size_t done = 0;
	int error = 0;

	(void)file;
	while (busy)
		if (sleep(&busy) < 0)
			return -ERESTART;
	busy = true;
	while (done < size && !(done && signal_waits(proc_current()))) {
		size_t n = size - done < sizeof(piece) ? size - done
						       : sizeof(piece);

		error = copyin(piece, buffer + done, n);
		if (error < 0)
			break;
		console_write(piece, n);
		done += n;
		if (done < size)
			give_way();
	}
	busy = false;
	wakeup(&busy);
	return done || error == 0 ? (long)done : -EFAULT;
}

static void terminal_stat(const struct node *node, struct stat *stat)
{
	inode_stat(node->inode, stat);
}

static long terminal_ioctl(uint32_t request, uint64_t argument)
{
	/* Input: CR to NL; output: NL to CR NL; 115200 8N1; lines, echo. */
	struct {
		uint32_t input, output, control, local;
		uint8_t line, characters[TERMIOS_CHARACTERS];
	} termios = { 0x100, 0x5, 0x1cb2, 0x3a, 0, { 0 } };
	struct {
		uint16_t rows, columns, width, height;
	} window = { 24, 80, 0, 0 };

	if (request == TCGETS)
		return copyout(argument, &termios, sizeof(termios));
	if (request == TIOCGWINSZ)
		return copyout(argument, &window, sizeof(window));
	return -ENOTTY;
}

const struct file_ops terminal_ops = {
	.read = terminal_read,
	.write = terminal_write,
	.stat = terminal_stat,
	.ioctl = terminal_ioctl,
};
