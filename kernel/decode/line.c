/*
 * decode: strace=1. A call that is over, told in a line: of the frame its name
 * and arguments, each by the decoder of its kind, and the result. The form is
 * that of Linux's program strace, called as `strace -f -a 1`.
 *
 * What a call has overwritten by now (a set of select's, what is left of its
 * time) and the largest structures are told by their addresses. The program's
 * memory is read by copyin alone: what cannot be read is an address, too.
 */
#include "hooks.h"

#include "boot_info.h"
#include "clone.h"
#include "decode/constants.h"
#include "errno.h"
#include "frame.h"
#include "futex.h"
#include "mmap.h"
#include "print.h"
#include "proc.h"
#include "string.h"
#include "syscall.h"
#include "syscall_entry.h"
#include "user_copy.h"
#include "files/attributes.h"
#include "files/calls.h"
#include "files/path.h"
#include "files/terminal.h"

#define ARGUMENTS       6
#define SHOWN           32 /* bytes of a string, entries of a list, at most */
#define ERROR_MAX       4095
#define KB              1024
#define NOBODY          0xffffffff /* -1 as an owner */
#define MODE_DIGITS     3
#define OCTAL_BITS      3
#define CONTEXT_MASK    296 /* of the context that sigreturn reads: its mask */

#define O_TMPFILE_ALONE 020000000

struct call {
	uint64_t args[ARGUMENTS];
	uint64_t rsp;
	long result;
	int at; /* the argument that is told */
};

/* Tells a value: an argument, or the result. c is there for the kinds for which
 * another argument says how much there is. */
typedef void decoder(const struct call *c, uint64_t value);

static uint64_t next_argument(const struct call *c)
{
	return c->args[c->at + 1];
}

/* ---- numbers ------------------------------------------------------------- */

static void number(const struct call *c, uint64_t value)
{
	(void)c;
	kprintf("%d", (int)value);
}

static void unsigned_number(const struct call *c, uint64_t value)
{
	(void)c;
	kprintf("%u", (uint32_t)value);
}

static void size(const struct call *c, uint64_t value)
{
	(void)c;
	kprintf("%lu", value);
}

static void offset(const struct call *c, uint64_t value)
{
	(void)c;
	kprintf("%ld", value);
}

static void hex(const struct call *c, uint64_t value)
{
	(void)c;
	kprintf(value ? "0x%lx" : "0", value);
}

static void address(const struct call *c, uint64_t value)
{
	(void)c;
	kprintf(value ? "0x%lx" : "NULL", value);
}

/* In octal, three digits at least: "0644", "000". */
static void mode(const struct call *c, uint64_t value)
{
	int digits = MODE_DIGITS;

	(void)c;
	value = (uint32_t)value;
	while (value >> digits * OCTAL_BITS)
		digits++;
	/* A number begins with a 0, which may be one of the three. */
	if (value >> (MODE_DIGITS - 1) * OCTAL_BITS)
		kprintf("0");
	while (digits-- > 0)
		kprintf("%d", (int)(value >> digits * OCTAL_BITS & 7));
}

static void owner(const struct call *c, uint64_t value)
{
	if ((uint32_t)value == NOBODY)
		kprintf("-1");
	else
		unsigned_number(c, value);
}

static void signal_number(const struct call *c, uint64_t value)
{
	(void)c;
	put_signal(value);
}

static void directory(const struct call *c, uint64_t value)
{
	if ((int)value == AT_FDCWD)
		kprintf("AT_FDCWD");
	else
		number(c, value);
}

/* ---- constants and flags ------------------------------------------------- */

#define CONSTANT(kind, constants)                              \
	static void kind(const struct call *c, uint64_t value) \
	{                                                      \
		(void)c;                                       \
		put_constant(&(constants), (uint32_t)value);   \
	}
#define FLAGS(kind, flags)                                     \
	static void kind(const struct call *c, uint64_t value) \
	{                                                      \
		(void)c;                                       \
		put_flags(&(flags), (uint32_t)value);          \
	}

CONSTANT(advice, advices)
CONSTANT(clock, clocks)
CONSTANT(how, sigmask_hows)
CONSTANT(resource, resources)
CONSTANT(timer, timers)
CONSTANT(whence, whences)
CONSTANT(whose_usage, usages)
FLAGS(access_mode, access_modes)
FLAGS(at, at_flags)
FLAGS(at_access, eaccess_flags)
FLAGS(pipe_flags, open_flags)
FLAGS(protection, protections)
FLAGS(random, random_flags)
FLAGS(rename, rename_flags)
FLAGS(until, timer_flags)
FLAGS(sync, msync_flags)
FLAGS(wait, wait_flags)

static void status_flags(const struct call *c, uint64_t flags)
{
	static const char *const modes[] = { "O_RDONLY", "O_WRONLY", "O_RDWR",
					     "O_ACCMODE" };

	(void)c;
	kprintf("%s", modes[flags & O_ACCMODE]);
	put_more_flags(&open_flags, (uint32_t)flags & ~O_ACCMODE);
}

/* Open's flags, and its mode where there is one. */
static void opening(const struct call *c, uint64_t flags)
{
	status_flags(c, flags);
	if (flags & (O_CREAT | O_TMPFILE_ALONE)) {
		kprintf(", ");
		mode(c, next_argument(c));
	}
}

static void mapping(const struct call *c, uint64_t flags)
{
	(void)c;
	put_constant(&map_types, flags & MAP_TYPE);
	put_more_flags(&map_flags, (uint32_t)flags & ~MAP_TYPE);
}

static void remapping(const struct call *c, uint64_t flags)
{
	put_flags(&mremap_flags, (uint32_t)flags);
	if (flags & ~(uint64_t)MREMAP_MAYMOVE) {
		kprintf(", ");
		address(c, next_argument(c));
	}
}

/* ---- strings ------------------------------------------------------------- */

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

/* So many bytes of the program's memory, of which the first are shown. */
static void bytes(uint64_t from, uint64_t length)
{
	char shown[SHOWN];
	size_t some = length < SHOWN ? length : SHOWN;

	if (!from || (some && copyin(shown, from, some) < 0)) {
		address(NULL, from);
		return;
	}
	put_quoted(shown, some);
	if (length > SHOWN)
		kprintf("...");
}

/* A buffer that the call has read. The next argument is its length. */
static void sent(const struct call *c, uint64_t from)
{
	bytes(from, next_argument(c));
}

/* A buffer that the call has filled. */
static void received(const struct call *c, uint64_t from)
{
	bytes(from, c->result);
}

static void random_bytes(const struct call *c, uint64_t from)
{
	uint8_t shown[SHOWN];
	size_t some = c->result < SHOWN ? c->result : SHOWN;

	if (copyin(shown, from, some) < 0) {
		address(c, from);
		return;
	}
	kprintf("\"");
	for (size_t i = 0; i < some; i++)
		kprintf("\\x%02x", shown[i]);
	kprintf(c->result > SHOWN ? "\"..." : "\"");
}

/* A string that a zero byte ends: one too long for limit is cut. */
static void put_string(uint64_t from, size_t limit)
{
	static char text[PATH_MAX]; /* too large for a kernel stack */
	long length = copyinstr(text, from, limit + 1);

	if (!from || (length < 0 && length != -ENAMETOOLONG)) {
		address(NULL, from);
		return;
	}
	put_quoted(text, length < 0 ? (long)limit : length);
	if (length < 0)
		kprintf("...");
}

/* A path is told whole. */
static void path(const struct call *c, uint64_t from)
{
	(void)c;
	put_string(from, PATH_MAX - 1);
}

/* ---- structures ---------------------------------------------------------- */

/* Gets what lies at an address, or tells the address. */
static bool fetch(void *to, uint64_t from, size_t length)
{
	if (from && copyin(to, from, length) == 0)
		return true;
	address(NULL, from);
	return false;
}

static void pair(const struct call *c, uint64_t from)
{
	int files[2];

	(void)c;
	if (fetch(files, from, sizeof(files)))
		kprintf("[%d, %d]", files[0], files[1]);
}

static void id(const struct call *c, uint64_t from)
{
	int value;

	(void)c;
	if (fetch(&value, from, sizeof(value)))
		kprintf("[%d]", value);
}

static void file_offset(const struct call *c, uint64_t from)
{
	long value;

	(void)c;
	if (fetch(&value, from, sizeof(value)))
		kprintf("[%ld]", value);
}

/* As many numbers as an argument, or the result, says. */
static void put_ids(uint64_t from, int count)
{
	uint32_t value;

	kprintf("[");
	for (int i = 0; i < count && i < SHOWN; i++) {
		if (i > 0)
			kprintf(", ");
		if (!fetch(&value, from + i * sizeof(value), sizeof(value)))
			break;
		kprintf("%u", value);
	}
	kprintf(count > SHOWN ? ", ...]" : "]");
}

static void groups(const struct call *c, uint64_t from)
{
	if (c->result > 0 && c->args[0] == 0)
		address(c, from); /* only their number was asked for */
	else
		put_ids(from, c->result);
}

static void new_groups(const struct call *c, uint64_t from)
{
	uint32_t first;
	int count = c->args[0];

	if (count <= 0 || copyin(&first, from, sizeof(first)) < 0)
		address(c, from);
	else
		put_ids(from, count);
}

static void put_timespec(const uint64_t time[2])
{
	kprintf("{tv_sec=%ld, tv_nsec=%lu}", time[0], time[1]);
}

static void put_timeval(const uint64_t time[2])
{
	kprintf("{tv_sec=%ld, tv_usec=%lu}", time[0], time[1]);
}

static void timespec(const struct call *c, uint64_t from)
{
	uint64_t time[2];

	(void)c;
	if (fetch(time, from, sizeof(time)))
		put_timespec(time);
}

static void timeval(const struct call *c, uint64_t from)
{
	uint64_t time[2];

	(void)c;
	if (fetch(time, from, sizeof(time)))
		put_timeval(time);
}

static void interval(const struct call *c, uint64_t from)
{
	uint64_t times[4];

	(void)c;
	if (!fetch(times, from, sizeof(times)))
		return;
	kprintf("{it_interval=");
	put_timeval(times);
	kprintf(", it_value=");
	put_timeval(times + 2);
	kprintf("}");
}

/* A file's two new times, where the nanoseconds may be a wish. */
static void file_times(const struct call *c, uint64_t from)
{
	uint64_t times[4];

	(void)c;
	if (!fetch(times, from, sizeof(times)))
		return;
	for (int i = 0; i < 2; i++) {
		const uint64_t *time = times + 2 * i;

		kprintf(i == 0 ? "[" : ", ");
		if (time[1] == UTIME_NOW || time[1] == UTIME_OMIT)
			kprintf(time[1] == UTIME_NOW ? "UTIME_NOW"
						     : "UTIME_OMIT");
		else
			put_timespec(time);
	}
	kprintf("]");
}

static void usage(const struct call *c, uint64_t from)
{
	uint64_t times[4];

	(void)c;
	if (!fetch(times, from, sizeof(times)))
		return;
	kprintf("{ru_utime=");
	put_timeval(times);
	kprintf(", ru_stime=");
	put_timeval(times + 2);
	kprintf(", ...}");
}

static void clock_ticks(const struct call *c, uint64_t from)
{
	uint64_t t[4];

	(void)c;
	if (fetch(t, from, sizeof(t)))
		kprintf("{tms_utime=%lu, tms_stime=%lu, tms_cutime=%lu, "
			"tms_cstime=%lu}",
			t[0], t[1], t[2], t[3]);
}

static void put_limit(uint64_t limit)
{
	if (limit == UINT64_MAX)
		kprintf("RLIM64_INFINITY");
	else if (limit > KB && limit % KB == 0)
		kprintf("%lu*1024", limit / KB);
	else
		kprintf("%lu", limit);
}

static void limits(const struct call *c, uint64_t from)
{
	uint64_t limit[2];

	(void)c;
	if (!fetch(limit, from, sizeof(limit)))
		return;
	kprintf("{rlim_cur=");
	put_limit(limit[0]);
	kprintf(", rlim_max=");
	put_limit(limit[1]);
	kprintf("}");
}

static void put_file_type(uint32_t type)
{
	put_constant(&file_types, type & S_IFMT);
	put_more_flags(&special_modes, type & PERMISSIONS & ~S_IRWXUGO);
	kprintf("|");
	mode(NULL, type & S_IRWXUGO);
}

static void attributes(const struct call *c, uint64_t from)
{
	struct {
		uint64_t device, inode, links;
		uint32_t mode, uid, gid, pad;
		uint64_t special, size;
	} s;

	(void)c;
	if (!fetch(&s, from, sizeof(s)))
		return;
	kprintf("{st_mode=");
	put_file_type(s.mode);
	if ((s.mode & S_IFMT) == S_IFCHR)
		kprintf(", st_rdev=makedev(0x%lx, 0x%lx), ...}",
			s.special >> 8 & 0xfff, s.special & 0xff);
	else
		kprintf(", st_size=%lu, ...}", s.size);
}

static void system_name(const struct call *c, uint64_t from)
{
	char names[2][65];

	(void)c;
	if (fetch(names, from, sizeof(names)))
		kprintf("{sysname=\"%s\", nodename=\"%s\", ...}", names[0],
			names[1]);
}

/* ---- lists --------------------------------------------------------------- */

/* The strings of an array that NULL ends. */
static void strings(const struct call *c, uint64_t array)
{
	uint64_t from;

	(void)c;
	if (!array || copyin(&from, array, sizeof(from)) < 0) {
		address(c, array);
		return;
	}
	kprintf("[");
	for (int i = 0; fetch(&from, array, sizeof(from)) && from; i++) {
		if (i == SHOWN) {
			kprintf(", ...");
			break;
		}
		kprintf(i ? ", " : "");
		put_string(from, SHOWN);
		array += sizeof(from);
	}
	kprintf("]");
}

static void environment(const struct call *c, uint64_t array)
{
	uint64_t from = array;
	int count = 0;

	address(c, array);
	while (array && copyin(&from, array, sizeof(from)) == 0 && from) {
		array += sizeof(from);
		count++;
	}
	if (array && !from)
		kprintf(" /* %d vars */", count);
}

/* What writev sends, or readv has received, `left` bytes at most. */
static void put_pieces(const struct call *c, uint64_t array, uint64_t left)
{
	struct {
		uint64_t base, length;
	} piece;
	int count = next_argument(c);

	if (!array || copyin(&piece, array, sizeof(piece)) < 0) {
		address(c, array);
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
		bytes(piece.base, some);
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

struct pollfd {
	int fd;
	uint16_t events, revents;
};

static void polled(const struct call *c, uint64_t array)
{
	uint64_t count = next_argument(c);
	struct pollfd p;

	if (!array || copyin(&p, array, sizeof(p)) < 0) {
		address(c, array);
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

	number(c, result);
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

/* ---- signals and processes ----------------------------------------------- */

static void signal_set(const struct call *c, uint64_t from)
{
	uint64_t set;

	(void)c;
	if (fetch(&set, from, sizeof(set)))
		put_signal_set(set);
}

static void action(const struct call *c, uint64_t from)
{
	struct {
		uint64_t handler, flags, restorer, mask;
	} a;

	if (!fetch(&a, from, sizeof(a)))
		return;
	kprintf("{sa_handler=");
	if (a.handler <= SIG_IGN)
		kprintf(a.handler == SIG_DFL ? "SIG_DFL" : "SIG_IGN");
	else
		address(c, a.handler);
	kprintf(", sa_mask=");
	put_signal_set(a.mask);
	kprintf(", sa_flags=");
	put_flags(&sigaction_flags, a.flags);
	if (a.flags & SA_RESTORER) {
		kprintf(", sa_restorer=");
		address(c, a.restorer);
	}
	kprintf("}");
}

static void signal_stack(const struct call *c, uint64_t from)
{
	struct {
		uint64_t base;
		uint32_t flags, pad;
		uint64_t size;
	} s;

	if (!fetch(&s, from, sizeof(s)))
		return;
	kprintf("{ss_sp=");
	address(c, s.base);
	kprintf(", ss_flags=");
	put_flags(&sigstack_flags, s.flags);
	kprintf(", ss_size=%lu}", s.size);
}

/* What sigreturn finds on the stack. It has no arguments. */
static void context(const struct call *c, uint64_t value)
{
	uint64_t mask;

	(void)value;
	kprintf("{mask=");
	if (fetch(&mask, c->rsp + CONTEXT_MASK, sizeof(mask)))
		put_signal_set(mask);
	kprintf("}");
}

static void status(const struct call *c, uint64_t from)
{
	int s;

	if (c->result <= 0) {
		address(c, from);
		return;
	}
	if (!fetch(&s, from, sizeof(s)))
		return;
	if (s == 0xffff)
		kprintf("[{WIFCONTINUED(s)}]");
	else if ((s & 0xff) == 0x7f) {
		kprintf("[{WIFSTOPPED(s) && WSTOPSIG(s) == ");
		put_signal(s >> 8 & 0xff);
		kprintf("}]");
	} else if (s & 0x7f) {
		kprintf("[{WIFSIGNALED(s) && WTERMSIG(s) == ");
		put_signal(s & 0x7f);
		kprintf(s & 0x80 ? " && WCOREDUMP(s)}]" : "}]");
	} else {
		kprintf("[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]",
			s >> 8 & 0xff);
	}
}

/* Clone's five, under their names. */
static void cloning(const struct call *c, uint64_t flags)
{
	uint64_t kinds = (uint32_t)flags & ~CSIGNAL;

	kprintf("child_stack=");
	address(c, c->args[1]);
	kprintf(", flags=");
	if (kinds)
		put_flags(&clone_flags, kinds);
	if (flags & CSIGNAL) {
		kprintf(kinds ? "|" : "");
		put_signal(flags & CSIGNAL);
	} else if (!kinds) {
		kprintf("0");
	}
	if (flags & CLONE_PARENT_SETTID) {
		kprintf(", parent_tid=");
		(c->result < 0 ? address : id)(c, c->args[2]);
	}
	if (flags & CLONE_SETTLS) {
		kprintf(", tls=");
		address(c, c->args[4]);
	}
	if (flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)) {
		kprintf(", child_tidptr=");
		address(c, c->args[3]);
	}
}

/* ---- calls that are many ------------------------------------------------- */

/* An argument that only the command in front of it explains. */
static void control(const struct call *c, uint64_t command)
{
	uint64_t argument = next_argument(c);

	put_constant(&fcntl_commands, (uint32_t)command);
	if (command == F_GETFD || command == F_GETFL)
		return;
	kprintf(", ");
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		number(c, argument);
	else if (command == F_SETFD)
		put_flags(&descriptor_flags, (uint32_t)argument);
	else if (command == F_SETFL)
		status_flags(c, argument);
	else if (constant_name(&fcntl_commands, command))
		address(c, argument);
	else
		hex(c, argument);
}

/* What fcntl has told: "0x8002 (flags O_RDWR|O_LARGEFILE)". */
static void controlled(const struct call *c, uint64_t result)
{
	if (c->args[1] == F_GETFL) {
		hex(c, result);
		kprintf(" (flags ");
		status_flags(c, result);
		kprintf(")");
	} else if (c->args[1] == F_GETFD && result) {
		hex(c, result);
		kprintf(" (flags ");
		put_flags(&descriptor_flags, result);
		kprintf(")");
	} else {
		number(c, result);
	}
}

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
	decoder *tell = address;

	if (name)
		kprintf("%s", name);
	else
		put_request(command);
	switch ((uint32_t)command) {
	case TIOCNOTTY:
		return; /* it has none */
	case TCSBRK:
	case TIOCSCTTY:
		tell = number;
		break;
	case TIOCSWINSZ:
		tell = put_window;
		break;
	case TIOCSPGRP:
		tell = id;
		break;
	case TIOCGWINSZ:
		tell = c->result < 0 ? address : put_window;
		break;
	case TIOCGPGRP:
	case TIOCGSID:
	case FIONREAD:
		tell = c->result < 0 ? address : id;
	}
	kprintf(", ");
	tell(c, argument);
}

static void process_option(const struct call *c, uint64_t option)
{
	put_constant(&prctl_options, (uint32_t)option);
	if (constant_name(&prctl_options, (uint32_t)option)) {
		kprintf(", ");
		if (c->result < 0)
			address(c, next_argument(c));
		else
			put_string(next_argument(c), NAME_SIZE - 1);
		return;
	}
	for (int i = 1; i < 5; i++) {
		kprintf(", ");
		hex(c, c->args[i]);
	}
}

static void base_register(const struct call *c, uint64_t code)
{
	uint64_t value = next_argument(c);

	put_constant(&arch_codes, (uint32_t)code);
	kprintf(", ");
	if (c->result < 0 || code < ARCH_GET_FS) {
		hex(c, value);
	} else if (fetch(&value, value, sizeof(value))) {
		kprintf("[");
		address(c, value);
		kprintf("]");
	}
}

/* A futex's operation and what belongs to it. */
static void waiting(const struct call *c, uint64_t operation)
{
	put_constant(&futex_operations, (uint32_t)operation);
	kprintf(", %u", (uint32_t)next_argument(c));
	if ((operation & ~FUTEX_PRIVATE) == FUTEX_WAIT) {
		kprintf(", ");
		timespec(c, c->args[3]);
	}
}

/* ---- the table ----------------------------------------------------------- */

/* Not decoders: what they stand in front of has been written by the call, and is
 * told only if the call has succeeded, or has found something. Else its address
 * is told. */
static void out(const struct call *c, uint64_t value)
{
	(void)c;
	(void)value;
}

static void found(const struct call *c, uint64_t value)
{
	(void)c;
	(void)value;
}

/* For results: a call that never comes back has none. */
static void none(const struct call *c, uint64_t value)
{
	(void)c;
	(void)value;
	kprintf("?");
}

struct row {
	int nr;
	const char *name;
	decoder *result;
	decoder *arguments[ARGUMENTS + 3]; /* with out and found, then NULL */
};

#define CALL(name, result, ...)            \
	{                                  \
		SYS_##name, #name, result, \
		{                          \
			__VA_ARGS__        \
		}                          \
	}

static const struct row rows[] = {
	CALL(read, offset, number, out, received, size),
	CALL(write, offset, number, sent, size),
	CALL(open, number, path, opening),
	CALL(close, number, number),
	CALL(stat, number, path, out, attributes),
	CALL(fstat, number, number, out, attributes),
	CALL(lstat, number, path, out, attributes),
	CALL(poll, found_files, polled, unsigned_number, number),
	CALL(lseek, offset, number, offset, whence),
	CALL(mmap, hex, address, size, protection, mapping, number, hex),
	CALL(mprotect, number, address, size, protection),
	CALL(munmap, number, address, size),
	CALL(brk, hex, address),
	CALL(rt_sigaction, number, signal_number, action, out, action, size),
	CALL(rt_sigprocmask, number, how, signal_set, out, signal_set, size),
	CALL(rt_sigreturn, offset, context),
	CALL(ioctl, number, number, request),
	CALL(pread64, offset, number, out, received, size, offset),
	CALL(pwrite64, offset, number, sent, size, offset),
	CALL(readv, offset, number, out, filled_pieces, number),
	CALL(writev, offset, number, pieces, number),
	CALL(access, number, path, access_mode),
	CALL(pipe, number, out, pair),
	CALL(select, number, number, address, address, address, address),
	CALL(sched_yield, number),
	CALL(mremap, hex, address, size, size, remapping),
	CALL(msync, number, address, size, sync),
	CALL(madvise, number, address, size, advice),
	CALL(dup, number, number),
	CALL(dup2, number, number, number),
	CALL(pause, number),
	CALL(nanosleep, number, timespec, address),
	CALL(getitimer, number, timer, out, interval),
	CALL(alarm, number, unsigned_number),
	CALL(setitimer, number, timer, interval, out, interval),
	CALL(getpid, number),
	CALL(sendfile, offset, number, number, file_offset, size),
	CALL(clone, number, cloning),
	CALL(fork, number),
	CALL(vfork, number),
	CALL(execve, number, path, strings, environment),
	CALL(exit, none, number),
	CALL(wait4, number, number, status, wait, found, usage),
	CALL(kill, number, number, signal_number),
	CALL(uname, number, out, system_name),
	CALL(fcntl, controlled, number, control),
	CALL(fsync, number, number),
	CALL(fdatasync, number, number),
	CALL(truncate, number, path, size),
	CALL(ftruncate, number, number, size),
	CALL(getcwd, number, out, path, size),
	CALL(chdir, number, path),
	CALL(fchdir, number, number),
	CALL(rename, number, path, path),
	CALL(mkdir, number, path, mode),
	CALL(rmdir, number, path),
	CALL(creat, number, path, mode),
	CALL(link, number, path, path),
	CALL(unlink, number, path),
	CALL(symlink, number, path, path),
	CALL(readlink, number, path, out, received, size),
	CALL(chmod, number, path, mode),
	CALL(fchmod, number, number, mode),
	CALL(chown, number, path, owner, owner),
	CALL(fchown, number, number, owner, owner),
	CALL(lchown, number, path, owner, owner),
	CALL(umask, mode, mode),
	CALL(gettimeofday, number, out, timeval, address),
	CALL(getrlimit, number, resource, out, limits),
	CALL(getrusage, number, whose_usage, out, usage),
	CALL(sysinfo, number, address),
	CALL(times, offset, out, clock_ticks),
	CALL(getuid, number),
	CALL(getgid, number),
	CALL(setuid, number, owner),
	CALL(setgid, number, owner),
	CALL(geteuid, number),
	CALL(getegid, number),
	CALL(setpgid, number, number, number),
	CALL(getppid, number),
	CALL(getpgrp, number),
	CALL(setsid, number),
	CALL(setreuid, number, owner, owner),
	CALL(setregid, number, owner, owner),
	CALL(getgroups, number, number, out, groups),
	CALL(setgroups, number, number, new_groups),
	CALL(setresuid, number, owner, owner, owner),
	CALL(getresuid, number, out, id, out, id, out, id),
	CALL(setresgid, number, owner, owner, owner),
	CALL(getresgid, number, out, id, out, id, out, id),
	CALL(getpgid, number, number),
	CALL(getsid, number, number),
	CALL(rt_sigpending, number, out, signal_set, size),
	CALL(rt_sigsuspend, number, signal_set, size),
	CALL(sigaltstack, number, signal_stack, out, signal_stack),
	CALL(statfs, number, path, address),
	CALL(fstatfs, number, number, address),
	CALL(prctl, number, process_option),
	CALL(arch_prctl, number, base_register),
	CALL(setrlimit, number, resource, limits),
	CALL(sync, number),
	CALL(gettid, number),
	CALL(tkill, number, number, signal_number),
	CALL(time, offset, out, file_offset),
	CALL(futex, number, address, waiting),
	CALL(getdents64, number, number, address, size),
	CALL(set_tid_address, number, address),
	CALL(clock_gettime, number, clock, out, timespec),
	CALL(clock_getres, number, clock, out, timespec),
	CALL(clock_nanosleep, number, clock, until, timespec, address),
	CALL(exit_group, none, number),
	CALL(tgkill, number, number, number, signal_number),
	CALL(openat, number, directory, path, opening),
	CALL(mkdirat, number, directory, path, mode),
	CALL(fchownat, number, directory, path, owner, owner, at),
	CALL(newfstatat, number, directory, path, out, attributes, at),
	CALL(unlinkat, number, directory, path, at),
	CALL(renameat, number, directory, path, directory, path),
	CALL(linkat, number, directory, path, directory, path, at),
	CALL(symlinkat, number, path, directory, path),
	CALL(readlinkat, number, directory, path, out, received, size),
	CALL(fchmodat, number, directory, path, mode),
	CALL(faccessat, number, directory, path, access_mode),
	CALL(set_robust_list, number, address, size),
	CALL(pselect6, number, number, address, address, address, address,
	     address),
	CALL(ppoll, found_files, polled, unsigned_number, address, signal_set,
	     size),
	CALL(utimensat, number, directory, path, file_times, at),
	CALL(dup3, number, number, number, pipe_flags),
	CALL(pipe2, number, out, pair, pipe_flags),
	CALL(prlimit64, number, number, resource, limits, out, limits),
	CALL(renameat2, number, directory, path, directory, path, rename),
	CALL(getrandom, offset, out, random_bytes, size, random),
	CALL(faccessat2, number, directory, path, access_mode, at_access),
};

static const struct row *find_row(int nr)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].nr == nr)
			return &rows[i];
	return NULL;
}

/* ---- the line ------------------------------------------------------------ */

static void put_arguments(struct call *c, decoder *const *next)
{
	for (c->at = 0; *next; next++, c->at++) {
		decoder *tell = *next;

		kprintf(c->at ? ", " : "");
		if (tell == out || tell == found) {
			bool there = c->result > 0 ||
				     (c->result == 0 && tell == out);

			next++;
			tell = there ? *next : address;
		}
		tell(c, c->args[c->at]);
	}
}

/* A call that the table does not have: all that it may have been given. */
static void put_unknown(const struct call *c, uint64_t nr)
{
	kprintf("syscall_0x%lx(", nr);
	for (int i = 0; i < ARGUMENTS; i++) {
		kprintf(i ? ", " : "");
		hex(c, c->args[i]);
	}
}

static void put_result(const struct call *c, decoder *result)
{
	if (c->result <= -ERESTART) {
		kprintf("? ");
		put_error(-c->result);
	} else if (c->result < 0 && c->result >= -ERROR_MAX) {
		kprintf("-1 ");
		put_error(-c->result);
	} else {
		result(c, c->result);
	}
}

void decode_call(long result)
{
	/* By offset, as deliver.c does: the struct is lab 4's to write. */
	const uint64_t *f = (uint64_t *)get_syscall_frame();
	const struct row *row;
	struct call c;

	if (!boot_info.strace || strace || !f)
		return;
	c = (struct call){
		.args = { f[FRAME_RDI / 8], f[FRAME_RSI / 8], f[FRAME_RDX / 8],
			  f[FRAME_R10 / 8], f[FRAME_R8 / 8], f[FRAME_R9 / 8] },
		.rsp = f[FRAME_RSP / 8],
		.result = result,
	};
	row = find_row(f[FRAME_RAX / 8]);
	kprintf("[pid %d] ", proc_current()->pid);
	if (row) {
		kprintf("%s(", row->name);
		put_arguments(&c, row->arguments);
	} else {
		put_unknown(&c, f[FRAME_RAX / 8]);
	}
	kprintf(") = ");
	put_result(&c, row ? row->result : offset);
	kprintf("\n");
}
