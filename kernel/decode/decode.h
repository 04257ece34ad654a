/*
 * decode.h: what the rooms of decode/ share: a call as they see it, the decoders
 * that several need, and the tables of calls, one a subject.
 */
#ifndef DECODE_H
#define DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/constants.h"
#include "syscall.h"

#define ARGUMENTS 6
#define SHOWN     32 /* bytes of a string, entries of a list, at most */

struct call {
	uint64_t args[ARGUMENTS];
	uint64_t rsp;
	long result;
	int at; /* the argument that is told */
};

/* Tells a value: an argument, or the result. c is there for the kinds for which
 * another argument says how much there is. */
typedef void decoder(const struct call *c, uint64_t value);

/* A call that has a name. A table of them ends where there is none. */
struct row {
	int nr;
	const char *name;
	decoder *result;
	/* Those with when_done and when_found, then NULL. */
	decoder *arguments[ARGUMENTS + 3];
};

#define CALL(name, result, ...)            \
	{                                  \
		SYS_##name, #name, result, \
		{                          \
			__VA_ARGS__        \
		}                          \
	}

extern const struct row descriptor_rows[], polling_rows[], ioctl_rows[],
	path_rows[], stat_rows[], memory_rows[], signal_rows[], time_rows[],
	process_rows[];

/* Makes a decoder of a list of constants, or of flags. */
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

static inline uint64_t next_argument(const struct call *c)
{
	return c->args[c->at + 1];
}

/* Gets what lies at an address, or tells the address. */
bool fetch(void *to, uint64_t from, size_t length);

/* Not decoders: what they stand in front of has been written by the call, and is
 * told only if the call has succeeded, or has found something. Else its address
 * is told. */
decoder when_done, when_found;

/* Numbers. */
decoder as_number, as_unsigned, as_size, as_offset, as_hex, as_address;
decoder as_mode;    /* in octal, three digits at least: "0644", "000" */
decoder as_owner;   /* a user or a group, or -1 */
decoder as_id;      /* the int at an address: "[7]" */
decoder as_long_at; /* the same of a long */
decoder as_nothing; /* for results: a call that never comes back has none */

/* Bytes of the program's memory, of which the first are shown. */
void put_bytes(uint64_t from, uint64_t length);

/* A string that a zero byte ends: one too long for limit is cut. */
void put_string(uint64_t from, size_t limit);

/* A buffer that the call has read, whose length is the next argument; one that
 * it has filled, with as much as its result says; a path, which is told whole. */
decoder as_sent, as_received, as_path;

/* What more than one subject has. */
decoder as_status_flags; /* of an open file */
decoder as_directory;    /* a descriptor, or AT_FDCWD */
decoder as_at_flags;
decoder as_timespec, as_usage;
void put_timespec(const uint64_t time[2]);
decoder as_signal_set;

#endif
