/*
 * first: the programs that nobody forks.
 */
#ifndef FIRST_H
#define FIRST_H

/* Makes a process of each program in init=, which commas separate; without
 * init=, of /bin/init. Panics if one cannot be started. */
void first_start(void);

#endif
