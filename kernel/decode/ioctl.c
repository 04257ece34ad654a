/*
 * ioctl: one call that is many, with an argument for each of them.
 */
#include "decode/decode.h"

#include "print.h"
#include "files/terminal.h"

static void put_window(const struct call *c, uint64_t from)
{
	uint16_t w[4];

	(void)c;
	if (fetch(w, from, sizeof(w)))
		kprintf("{ws_row=%d, ws_col=%d, ws_xpixel=%d, ws_ypixel=%d}",
			w[0], w[1], w[2], w[3]);
}

/* The bits of a request that has no name: direction, size, kind, number. */
static void put_request(uint32_t r)
{
	static const char *const ways[] = { "_IOC_NONE", "_IOC_WRITE",
					    "_IOC_READ",
					    "_IOC_READ|_IOC_WRITE" };
	uint32_t length = r >> 16 & 0x3fff;

	kprintf("_IOC(%s, 0x%x, 0x%x, ", ways[r >> 30], r >> 8 & 0xff,
		r & 0xff);
	kprintf(length ? "0x%x)" : "0)", length);
}

static void request(const struct call *c, uint64_t command)
{
	const char *name = constant_name(&ioctls, (uint32_t)command);
	uint64_t argument = next_argument(c);
	decoder *tell = as_address;

	if (name)
		kprintf("%s", name);
	else
		put_request(command);
	switch ((uint32_t)command) {
	case TIOCNOTTY:
		return; /* it has none */
	case TCSBRK:
	case TIOCSCTTY:
		tell = as_number;
		break;
	case TIOCSWINSZ:
		tell = put_window;
		break;
	case TIOCSPGRP:
		tell = as_id;
		break;
	case TIOCGWINSZ:
		tell = c->result < 0 ? as_address : put_window;
		break;
	case TIOCGPGRP:
	case TIOCGSID:
	case FIONREAD:
		tell = c->result < 0 ? as_address : as_id;
	}
	kprintf(", ");
	tell(c, argument);
}

const struct row ioctl_rows[] = {
	CALL(ioctl, as_number, as_number, request),
	{ .name = NULL },
};
