/*
 * processes: the calls that make and end them, what they are and may use, and
 * what they ask of the system.
 */
#include "decode/decode.h"

#include "clone.h"
#include "futex.h"
#include "print.h"
#include "proc.h"
#include "user_copy.h"

#define KB 1024

CONSTANT(resource, resources)
FLAGS(random, random_flags)
FLAGS(wait, wait_flags)

/* The strings of an array that NULL ends. */
static void strings(const struct call *c, uint64_t array)
{
	uint64_t from;

	(void)c;
	if (!array || copyin(&from, array, sizeof(from)) < 0) {
		as_address(c, array);
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

	as_address(c, array);
	while (array && copyin(&from, array, sizeof(from)) == 0 && from) {
		array += sizeof(from);
		count++;
	}
	if (array && !from)
		kprintf(" /* %d vars */", count);
}

static void status(const struct call *c, uint64_t from)
{
	int s;

	if (c->result <= 0) {
		as_address(c, from);
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
	as_address(c, c->args[1]);
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
		(c->result < 0 ? as_address : as_id)(c, c->args[2]);
	}
	if (flags & CLONE_SETTLS) {
		kprintf(", tls=");
		as_address(c, c->args[4]);
	}
	if (flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)) {
		kprintf(", child_tidptr=");
		as_address(c, c->args[3]);
	}
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
		as_address(c, from); /* only their number was asked for */
	else
		put_ids(from, c->result);
}

static void new_groups(const struct call *c, uint64_t from)
{
	uint32_t first;
	int count = c->args[0];

	if (count <= 0 || copyin(&first, from, sizeof(first)) < 0)
		as_address(c, from);
	else
		put_ids(from, count);
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

static void process_option(const struct call *c, uint64_t option)
{
	put_constant(&prctl_options, (uint32_t)option);
	if (constant_name(&prctl_options, (uint32_t)option)) {
		kprintf(", ");
		if (c->result < 0)
			as_address(c, next_argument(c));
		else
			put_string(next_argument(c), NAME_SIZE - 1);
		return;
	}
	for (int i = 1; i < 5; i++) {
		kprintf(", ");
		as_hex(c, c->args[i]);
	}
}

static void base_register(const struct call *c, uint64_t code)
{
	uint64_t value = next_argument(c);

	put_constant(&arch_codes, (uint32_t)code);
	kprintf(", ");
	if (c->result < 0 || code < ARCH_GET_FS) {
		as_hex(c, value);
	} else if (fetch(&value, value, sizeof(value))) {
		kprintf("[");
		as_address(c, value);
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
		as_timespec(c, c->args[3]);
	}
}

static void system_name(const struct call *c, uint64_t from)
{
	char names[2][65];

	(void)c;
	if (fetch(names, from, sizeof(names)))
		kprintf("{sysname=\"%s\", nodename=\"%s\", ...}", names[0],
			names[1]);
}

static void random_bytes(const struct call *c, uint64_t from)
{
	uint8_t shown[SHOWN];
	size_t some = c->result < SHOWN ? c->result : SHOWN;

	if (copyin(shown, from, some) < 0) {
		as_address(c, from);
		return;
	}
	kprintf("\"");
	for (size_t i = 0; i < some; i++)
		kprintf("\\x%02x", shown[i]);
	kprintf(c->result > SHOWN ? "\"..." : "\"");
}

const struct row process_rows[] = {
	CALL(fork, as_number),
	CALL(vfork, as_number),
	CALL(clone, as_number, cloning),
	CALL(execve, as_number, as_path, strings, environment),
	CALL(exit, as_nothing, as_number),
	CALL(exit_group, as_nothing, as_number),
	CALL(wait4, as_number, as_number, status, wait, when_found, as_usage),
	CALL(getpid, as_number),
	CALL(getppid, as_number),
	CALL(gettid, as_number),
	CALL(set_tid_address, as_number, as_address),
	CALL(sched_yield, as_number),
	CALL(getpgrp, as_number),
	CALL(getpgid, as_number, as_number),
	CALL(setpgid, as_number, as_number, as_number),
	CALL(getsid, as_number, as_number),
	CALL(setsid, as_number),
	CALL(getuid, as_number),
	CALL(geteuid, as_number),
	CALL(getgid, as_number),
	CALL(getegid, as_number),
	CALL(setuid, as_number, as_owner),
	CALL(setgid, as_number, as_owner),
	CALL(setreuid, as_number, as_owner, as_owner),
	CALL(setregid, as_number, as_owner, as_owner),
	CALL(setresuid, as_number, as_owner, as_owner, as_owner),
	CALL(setresgid, as_number, as_owner, as_owner, as_owner),
	CALL(getresuid, as_number, when_done, as_id, when_done, as_id,
	     when_done, as_id),
	CALL(getresgid, as_number, when_done, as_id, when_done, as_id,
	     when_done, as_id),
	CALL(getgroups, as_number, as_number, when_done, groups),
	CALL(setgroups, as_number, as_number, new_groups),
	CALL(getrlimit, as_number, resource, when_done, limits),
	CALL(setrlimit, as_number, resource, limits),
	CALL(prlimit64, as_number, as_number, resource, limits, when_done,
	     limits),
	CALL(prctl, as_number, process_option),
	CALL(arch_prctl, as_number, base_register),
	CALL(futex, as_number, as_address, waiting),
	CALL(set_robust_list, as_number, as_address, as_size),
	CALL(uname, as_number, when_done, system_name),
	CALL(sysinfo, as_number, as_address),
	CALL(sync, as_number),
	CALL(getrandom, as_offset, when_done, random_bytes, as_size, random),
	{ .name = NULL },
};
