/*
 * descriptors: the calls that take an open file, or make one of nothing.
 */
#include "decode/decode.h"

#include "print.h"
#include "user_copy.h"
#include "files/calls.h"
#include "files/file.h"

CONSTANT(whence, whences)
FLAGS(pipe_flags, open_flags)

void as_status_flags(const struct call *c, uint64_t flags)
{
	static const char *const modes[] = { "O_RDONLY", "O_WRONLY", "O_RDWR",
					     "O_ACCMODE" };

	(void)c;
	kprintf("%s", modes[flags & O_ACCMODE]);
	put_more_flags(&open_flags, (uint32_t)flags & ~O_ACCMODE);
}

static void pair(const struct call *c, uint64_t from)
{
	int files[2];

	(void)c;
	if (fetch(files, from, sizeof(files)))
		kprintf("[%d, %d]", files[0], files[1]);
}

/* What writev sends, or readv has received, `left` bytes at most. */
static void put_pieces(const struct call *c, uint64_t array, uint64_t left)
{
	struct {
		uint64_t base, length;
	} piece;
	int count = next_argument(c);

	if (!array || copyin(&piece, array, sizeof(piece)) < 0) {
		as_address(c, array);
		return;
	}
	kprintf("[");
	for (int i = 0; i < count; i++) {
		uint64_t some;

		kprintf(i ? ", " : "");
		if (i == SHOWN) {
			kprintf("...");
			break;
		}
		if (!fetch(&piece, array + i * sizeof(piece), sizeof(piece)))
			break;
		some = piece.length < left ? piece.length : left;
		left -= some;
		kprintf("{iov_base=");
		put_bytes(piece.base, some);
		kprintf(", iov_len=%lu}", piece.length);
	}
	kprintf("]");
}

static void pieces(const struct call *c, uint64_t array)
{
	put_pieces(c, array, UINT64_MAX);
}

static void filled_pieces(const struct call *c, uint64_t array)
{
	put_pieces(c, array, c->result);
}

/* An argument that only the command in front of it explains. */
static void control(const struct call *c, uint64_t command)
{
	uint64_t argument = next_argument(c);

	put_constant(&fcntl_commands, (uint32_t)command);
	if (command == F_GETFD || command == F_GETFL)
		return;
	kprintf(", ");
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		as_number(c, argument);
	else if (command == F_SETFD)
		put_flags(&descriptor_flags, (uint32_t)argument);
	else if (command == F_SETFL)
		as_status_flags(c, argument);
	else if (constant_name(&fcntl_commands, command))
		as_address(c, argument);
	else
		as_hex(c, argument);
}

/* What fcntl has told: "0x8002 (flags O_RDWR|O_LARGEFILE)". */
static void controlled(const struct call *c, uint64_t result)
{
	if (c->args[1] == F_GETFL) {
		as_hex(c, result);
		kprintf(" (flags ");
		as_status_flags(c, result);
		kprintf(")");
	} else if (c->args[1] == F_GETFD && result) {
		as_hex(c, result);
		kprintf(" (flags ");
		put_flags(&descriptor_flags, result);
		kprintf(")");
	} else {
		as_number(c, result);
	}
}

const struct row descriptor_rows[] = {
	CALL(read, as_offset, as_number, when_done, as_received, as_size),
	CALL(write, as_offset, as_number, as_sent, as_size),
	CALL(close, as_number, as_number),
	CALL(lseek, as_offset, as_number, as_offset, whence),
	CALL(pread64, as_offset, as_number, when_done, as_received, as_size,
	     as_offset),
	CALL(pwrite64, as_offset, as_number, as_sent, as_size, as_offset),
	CALL(readv, as_offset, as_number, when_done, filled_pieces, as_number),
	CALL(writev, as_offset, as_number, pieces, as_number),
	CALL(pipe, as_number, when_done, pair),
	CALL(pipe2, as_number, when_done, pair, pipe_flags),
	CALL(dup, as_number, as_number),
	CALL(dup2, as_number, as_number, as_number),
	CALL(dup3, as_number, as_number, as_number, pipe_flags),
	CALL(sendfile, as_offset, as_number, as_number, as_long_at, as_size),
	CALL(fcntl, controlled, as_number, control),
	CALL(fsync, as_number, as_number),
	CALL(fdatasync, as_number, as_number),
	CALL(ftruncate, as_number, as_number, as_size),
	CALL(fchdir, as_number, as_number),
	CALL(getdents64, as_number, as_number, as_address, as_size),
	{ .name = NULL },
};
