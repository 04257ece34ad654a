/*
 * foreground: whose turn it is at the terminal. It belongs to one session, its
 * controlling terminal it is; of that session's groups one is in the foreground:
 * that one's are the keys, and the signals that keys send. A shell gives this place
 * from job to job (man 7 credentials, man 3 tcsetpgrp).
 */
#ifndef FOREGROUND_H
#define FOREGROUND_H

#include "group.h"

/* Gives the terminal to a session, with this group in the foreground. */
void foreground_give(int session, int group);

/* Is this terminal the current process's? */
bool foreground_has_terminal(void);

/* Sends a signal to the group in the foreground. */
void foreground_signal(int signal);

/* May the current process do now what belongs to the foreground? Returns 0, or
 * sends its group the signal, SIGTTIN or SIGTTOU, and returns -ERESTART; -EIO for
 * who cannot be told: nobody would let it go on. */
int foreground_check(int signal);

/* A session's leader ends, and its session has no terminal any more. */
void foreground_leader_ends(const struct proc *leader);

/* TIOCSCTTY: makes the terminal the caller's session's; TIOCNOTTY: gives it up;
 * TIOCGSID, TIOCGPGRP, TIOCSPGRP: the session, the group. Results are ioctl's. */
long foreground_take(bool by_force);
long foreground_leave(void);
long foreground_session(uint64_t result);
long foreground_group(uint64_t result);
long foreground_set_group(uint64_t group);

#endif
