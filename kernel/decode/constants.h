/*
 * constants: the names of the numbers in a call, for who tells of it. They are
 * what Linux's headers and manual pages call them.
 */
#ifndef CONSTANTS_H
#define CONSTANTS_H

#include <stdint.h>

struct constant {
	uint64_t value;
	const char *name;
};

/* Of one argument: numbers, or flags in the order in which they are told. What
 * has several bits stands before its parts; a name of NULL ends the list. */
struct constants {
	const char *unknown; /* a number without a name is one of these */
	const struct constant *list;
};

extern const struct constants access_modes;
extern const struct constants advices;
extern const struct constants arch_codes;
extern const struct constants at_flags;
extern const struct constants clocks;
extern const struct constants clone_flags;
extern const struct constants descriptor_flags;
extern const struct constants eaccess_flags;
extern const struct constants fcntl_commands;
extern const struct constants file_types;
extern const struct constants futex_operations;
extern const struct constants ioctls;
extern const struct constants map_flags;
extern const struct constants map_types;
extern const struct constants mremap_flags;
extern const struct constants msync_flags;
extern const struct constants open_flags;
extern const struct constants poll_events;
extern const struct constants prctl_options;
extern const struct constants protections;
extern const struct constants random_flags;
extern const struct constants rename_flags;
extern const struct constants resources;
extern const struct constants sigaction_flags;
extern const struct constants sigmask_hows;
extern const struct constants sigstack_flags;
extern const struct constants special_modes;
extern const struct constants timer_flags;
extern const struct constants timers;
extern const struct constants usages;
extern const struct constants wait_flags;
extern const struct constants whences;

/* Prints the constant's name: "SEEK_CUR", or "0x63", with what it is none of. */
void put_constant(const struct constants *constants, uint64_t value);

/* Prints flags: "PROT_READ|PROT_WRITE", and what has no name as a number. */
void put_flags(const struct constants *constants, uint64_t flags);

/* Prints flags that follow others: "|O_CREAT|O_EXCL", or nothing. */
void put_more_flags(const struct constants *constants, uint64_t flags);

/* The name, or NULL. */
const char *constant_name(const struct constants *constants, uint64_t value);

/* Prints "SIGINT", "SIGRT_1", or a number. */
void put_signal(int signal);

/* Prints "[INT CHLD]", or, of a set with most of the signals, "~[KILL STOP]". */
void put_signal_set(uint64_t set);

/* Prints an error (positive): "ENOENT (No such file or directory)". */
void put_error(int error);

#endif
