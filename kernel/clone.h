/*
 * clone: fork with a wish or two: the forms in which the C libraries ask for a
 * new process. There are no threads: the child shares its parent's memory only
 * while the parent sleeps, as vfork and posix_spawn want it.
 */
#ifndef CLONE_H
#define CLONE_H

#include <stdint.h>

#define CSIGNAL              0xff /* told to the parent when the child ends */
#define CLONE_VM             0x100
#define CLONE_VFORK          0x4000
#define CLONE_SETTLS         0x80000
#define CLONE_PARENT_SETTID  0x100000
#define CLONE_CHILD_CLEARTID 0x200000 /* in memory that goes at that moment */
#define CLONE_CHILD_SETTID   0x1000000

/* With Linux's arguments and results; man 2 of each. Any other wish: -EINVAL. */
long sys_clone(uint64_t flags, uint64_t stack, uint64_t parent_tid,
	       uint64_t child_tid, uint64_t tls);
long sys_vfork(void);

#endif
