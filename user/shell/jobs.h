/*
 * jobs: pipelines that run, in front and in the background.
 */
#ifndef JOBS_H
#define JOBS_H

#include "shell/words.h"

/* What the shell's own commands do, by sh.c. Returns false if argv is none of
 * them; $? is its status. */
bool run_builtin(char **argv);

/* The terminal is there, and its keys are for the job in front: each job is a
 * group of processes, which Ctrl-C ends and Ctrl-Z stops. */
void jobs_take_terminal(void);

extern bool interactive; /* the shell is typed at */

/* Reads a line: of a script, or of what is typed after a prompt. */
long read_command(int fd, char *line, size_t size, bool *too_long);

/* The script that the shell reads from; not for the programs. -1: none. */
extern int script_fd;

/* Runs a pipeline; its end says if the shell waits for it. */
void run_pipeline(const struct pipeline *p);

/* Says what became of those in the background, those that have ended. */
void jobs_tell(void);

/* The commands that are about jobs. argv[1] is a job's number, 2 or
 * %2, or NULL, the last; kill takes signals and processes' numbers, too. */
int wait_command(char **argv);
int jobs_command(char **argv);
int fg_command(char **argv);
int bg_command(char **argv);
int kill_command(char **argv);

#endif
