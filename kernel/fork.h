/* fork: lab 5. One process becomes two. */
#ifndef FORK_H
#define FORK_H

/* Makes a child that is a copy of the current process, which must be inside a
 * system call. Returns the child's pid, -EAGAIN (no process is free) or
 * -ENOMEM; in the child the same call returns 0. */
long fork(void);

#endif
