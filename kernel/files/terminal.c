/*
 * terminal: the calls on it. What is typed comes from tty, what is written goes to
 * the screen, and foreground says who may.
 */
#include "files/terminal.h"

#include "errno.h"
#include "string.h"
#include "user_copy.h"
#include "foreground.h"
#include "timer.h"
#include "screen.h"
#include "tty.h"

#define PIECE_SIZE 128 /* bytes copied at a time */

#define TCGETS     0x5401
#define TCSETS     0x5402 /* now; */
#define TCSETSW    0x5403 /* when all is written, which it is; */
#define TCSETSF    0x5404 /* and what was typed is forgotten */
#define TCFLSH     0x540b

/* With the speeds: C libraries since 2025 ask so. */
#define TCGETS2   0x802c542a
#define TCSETS2   0x402c542b
#define TCSETSW2  0x402c542c
#define TCSETSF2  0x402c542d

#define TCIFLUSH  0 /* TCFLSH's argument: what was typed, */
#define TCOFLUSH  1 /* what is to be written, */
#define TCIOFLUSH 2 /* or both */

struct window {
	uint16_t rows, columns, width, height;
};

static struct window window = { 24, 80, 0, 0 };

static long terminal_read(struct file *file, uint64_t buffer, size_t size)
{
	int error = foreground_check(SIGTTIN);

	return error < 0 ? error
			 : tty_read(buffer, size, file->flags & O_NONBLOCK);
}

/* Whoever writes while another does waits for the end of what that one has to
 * say: a line comes out whole. A byte takes its time to leave, and a program
 * chooses how many there are. */
static long terminal_write(struct file *file, uint64_t buffer, size_t size)
{
	static bool busy;
	char piece[PIECE_SIZE];
	size_t done = 0;
	int error = termios_local(TOSTOP) ? foreground_check(SIGTTOU) : 0;

	(void)file;
	if (error < 0)
		return error;
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
		screen_write(piece, n);
		done += n;
		if (done < size)
			timer_give_way();
	}
	busy = false;
	wakeup(&busy);
	return done || error == 0 ? (long)done : -EFAULT;
}

/* Newer requests have the size of their structure in bits 16 to 29. */
static size_t termios_size(uint32_t request)
{
	size_t size = request >> 16 & 0x3fff;

	return size ? size : WITHOUT_SPEEDS;
}

static long set_termios(uint32_t request, uint64_t argument)
{
	struct termios settings = termios;
	int error = foreground_check(SIGTTOU);

	if (error < 0)
		return error;
	if (copyin(&settings, argument, termios_size(request)) < 0)
		return -EFAULT;
	if (request == TCSETSF || request == TCSETSF2)
		tty_forget();
	tty_set(&settings);
	return 0;
}

static long forget(uint64_t which)
{
	int error = foreground_check(SIGTTOU);

	if (error < 0)
		return error;
	if (which > TCIOFLUSH)
		return -EINVAL;
	if (which != TCOFLUSH)
		tty_forget();
	return 0;
}

/* The programs in the foreground may want to draw anew. */
static long set_window(uint64_t argument)
{
	struct window new;

	if (copyin(&new, argument, sizeof(new)) < 0)
		return -EFAULT;
	if (memcmp(&window, &new, sizeof(new)) != 0) {
		window = new;
		foreground_signal(SIGWINCH);
	}
	return 0;
}

static long terminal_ioctl(uint32_t request, uint64_t argument)
{
	int waiting = tty_waiting();

	switch (request) {
	case TCGETS:
	case TCGETS2:
		return copyout(argument, &termios, termios_size(request));
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return set_termios(request, argument);
	case TCSBRK:
		return 0; /* all is written */
	case TCFLSH:
		return forget(argument);
	case TIOCSCTTY:
		return foreground_take(argument == 1);
	case TIOCNOTTY:
		return foreground_leave();
	case TIOCGPGRP:
		return foreground_group(argument);
	case TIOCSPGRP:
		return foreground_set_group(argument);
	case TIOCGSID:
		return foreground_session(argument);
	case TIOCGWINSZ:
		return copyout(argument, &window, sizeof(window));
	case TIOCSWINSZ:
		return set_window(argument);
	case FIONREAD:
		return copyout(argument, &waiting, sizeof(waiting));
	}
	return -ENOTTY;
}

static int terminal_ready(const struct file *file)
{
	(void)file;
	return (tty_is_ready() ? READY_TO_READ : 0) | READY_TO_WRITE;
}

const struct file_ops terminal_ops = {
	.read = terminal_read,
	.write = terminal_write,
	.ioctl = terminal_ioctl,
	.ready = terminal_ready,
};

/* /dev/tty is whatever terminal the caller has: there is one, or none. */
static int tty_open(int flags)
{
	(void)flags;
	return foreground_has_terminal() ? 0 : -ENXIO;
}

const struct file_ops tty_ops = {
	.open = tty_open,
	.read = terminal_read,
	.write = terminal_write,
	.ioctl = terminal_ioctl,
	.ready = terminal_ready,
};
