/*
 * identity: who a process is. There is one user and one group, number 0, who may
 * do everything. All others are as on Linux in a user namespace that maps only
 * this one: there is nobody to become, and nobody to give a file to.
 */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <stdint.h>

/* For user and group alike, an ID of -1 is "as it is" where man 2 says so. */
long sys_getid(void);
long sys_setid(uint32_t id);
long sys_setreid(uint32_t real, uint32_t effective);
long sys_setresid(uint32_t real, uint32_t effective, uint32_t saved);
long sys_getresid(uint64_t real, uint64_t effective, uint64_t saved);
long sys_getgroups(int size, uint64_t list);
long sys_setgroups(int size, uint64_t list);

/* May a file be given to these two? 0 or -EINVAL. */
int identity_check(uint32_t user, uint32_t group);

#endif
