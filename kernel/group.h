/*
 * group: process groups and sessions, by which a signal reaches all processes of
 * a job, and by which the terminal knows whose turn it is.
 */
#ifndef GROUP_H
#define GROUP_H

#include "signal.h"

/* Sends to every process of the group; returns 0, or -ESRCH without one. */
long group_send(int group, int signal, const struct signal_info *info);

bool group_exists(int group);

/* Is there a process of that group in the session? */
bool group_is_in_session(int group, int session);

/* Is there nobody in the session who could let a stopped group go on: is no
 * member's parent in another group of the same session? */
bool group_is_orphaned(int group);

/* To an orphaned group of which a process is stopped: SIGHUP, and SIGCONT, for
 * nobody else would let it go on. */
void group_release_orphans(int group);

/* man 2 of each. */
long sys_kill(int pid, int signal);
long sys_tgkill(int group, int pid, int signal);
long sys_tkill(int pid, int signal);
long sys_setpgid(int pid, int group);
long sys_getpgid(int pid);
long sys_setsid(void);
long sys_getsid(int pid);

#endif
