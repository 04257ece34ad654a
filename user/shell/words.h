/*
 * words: a line cut into pipelines, stages, words and redirections.
 */
#ifndef WORDS_H
#define WORDS_H

#include <user.h>

#define LINE_BYTES       1024
#define MAX_WORDS        128
#define MAX_STAGES       32
#define MAX_REDIRECTIONS 32

/* What a file number of a program is to be. */
struct redirection {
	int fd;
	const char *path; /* or NULL, and it is to be the same as */
	int same_as;
	int flags;
};

/* One program of a pipeline. */
struct stage {
	char **argv; /* ends with NULL */
	struct redirection *redirections;
	size_t redirection_count;
};

/* What stands between two of ; & && || and the ends of the line. */
struct pipeline {
	struct stage stages[MAX_STAGES];
	size_t count;     /* of stages; 0: nothing to run */
	const char *end;  /* the operator after it; "" at the line's end */
	const char *text; /* as it was typed, and how long it is */
	size_t text_length;

	/* Where the stages' words and redirections lie. */
	char *words[MAX_WORDS];
	size_t word_count;
	struct redirection redirections[MAX_REDIRECTIONS];
	size_t redirection_count;
	char bytes[2 * LINE_BYTES];
	size_t bytes_used;
};

extern int last_status; /* $? */

/* Says what is wrong with the line; $? is 2. Returns false. */
bool complain(const char *what);

/* Takes the next pipeline from the line. Returns false after a complaint. */
bool parse_pipeline(struct pipeline *p, const char **cursor);

#endif
