/*
 * polling: the calls that wait for several files.
 */
#include "decode/decode.h"

#include "print.h"
#include "user_copy.h"

struct pollfd {
	int fd;
	uint16_t events, revents;
};

static void polled(const struct call *c, uint64_t array)
{
	uint64_t count = next_argument(c);
	struct pollfd p;

	if (!array || copyin(&p, array, sizeof(p)) < 0) {
		as_address(c, array);
		return;
	}
	kprintf("[");
	for (uint64_t i = 0; i < count; i++) {
		kprintf(i ? ", " : "");
		if (i == SHOWN) {
			kprintf("...");
			break;
		}
		if (!fetch(&p, array + i * sizeof(p), sizeof(p)))
			break;
		kprintf("{fd=%d", p.fd);
		if (p.fd >= 0) {
			kprintf(", events=");
			put_flags(&poll_events, p.events);
		}
		kprintf("}");
	}
	kprintf("]");
}

/* What poll has found: "1 ([{fd=0, revents=POLLIN}])". */
static void found_files(const struct call *c, uint64_t result)
{
	struct pollfd p;
	const char *between = "";
	uint64_t shown = 0;

	as_number(c, result);
	if (result == 0) {
		kprintf(" (Timeout)");
		return;
	}
	kprintf(" ([");
	for (uint64_t i = 0; i < c->args[1] && shown < result; i++) {
		if (copyin(&p, c->args[0] + i * sizeof(p), sizeof(p)) < 0)
			break;
		if (!p.revents)
			continue;
		kprintf("%s", between);
		if (shown++ == SHOWN) {
			kprintf("...");
			break;
		}
		kprintf("{fd=%d, revents=", p.fd);
		put_flags(&poll_events, p.revents);
		kprintf("}");
		between = ", ";
	}
	kprintf("])");
}

const struct row polling_rows[] = {
	CALL(poll, found_files, polled, as_unsigned, as_number),
	CALL(ppoll, found_files, polled, as_unsigned, as_address, as_signal_set,
	     as_size),
	CALL(select, as_number, as_number, as_address, as_address, as_address,
	     as_address),
	CALL(pselect6, as_number, as_number, as_address, as_address, as_address,
	     as_address, as_address),
	{ .name = NULL },
};
