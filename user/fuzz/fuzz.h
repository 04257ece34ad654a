/*
 * fuzz: calls at random. All is drawn from a state, which a seed and a number make:
 * the same two draw the same call, wherever the worker that makes it stands.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <user.h>

#define TICKETS    15 /* the shared file: the last number a process has */
#define PLAYGROUND "/tmp/stress"
#define PATH_ROOM  5000 /* bytes; the kernel takes 4096 */
#define NAME_ROOM  256  /* and a name of one less */
#define MASK_SIZE  8    /* bytes of a set of signals */

#define AREA       ((char *)0x10000000) /* what workers map and unmap */
#define AREA_PAGES 64

struct call {
	long number;
	long arguments[6];
};

/* ---- calls.c ---- */

/* The call that has this number, harmless to the worker itself. */
void draw_call(struct call *call, unsigned long seed, unsigned long ticket);

/* ---- numbers.c ---- */

/* One of the arguments that nobody expects. */
long draw_wild(uint64_t *state);
long draw_size(uint64_t *state);

/* ---- memory.c: addresses ---- */

long draw_buffer(uint64_t *state);

/* Mostly of the area; seldom of what the worker lives from. */
long draw_page(uint64_t *state);
long draw_pieces(uint64_t r); /* for readv and writev */
long draw_strings(uint64_t r);
long draw_time(uint64_t r);
long draw_timer(uint64_t r);
long result_buffer(
	void); /* where a call may write what is looked at after it */

/* ---- paths.c ---- */

const char *draw_path(uint64_t *state);
const char *draw_playground_path(uint64_t *state);
const char *draw_link_target(uint64_t *state);
long draw_open_flags(uint64_t r);

/* The text that is added at the end of another, and its end. */
char *append(char *end, const char *text);

/* What is outside of the playground is only read. */
void keep_files(struct call *call);

/* ---- signals.c ---- */

/* Makes what workers do about signals; for the first of them all. */
void make_actions(void);
long draw_action(uint64_t r);
long draw_signal(uint64_t r);

/* Signals go to the worker and its children. */
void keep_signals(struct call *call);

/* ---- files.c ---- */

void clear_playground(void);

/* Of the names, types, modes and bytes of all that is outside of /proc. */
uint64_t sum_of_all_files(void);

#endif
