/*
 * attributes: the calls about a file's mode and times, and who may do what, with
 * Linux's arguments and results: man 2 of each. There is one user, who may do
 * everything.
 */
#ifndef ATTRIBUTES_H
#define ATTRIBUTES_H

#include <stdint.h>

#define UTIME_NOW  0x3fffffff /* instead of a time's nanoseconds */
#define UTIME_OMIT 0x3ffffffe

long sys_faccessat(int directory, uint64_t path, int mode);
long sys_faccessat2(int directory, uint64_t path, int mode, int flags);
long sys_fchmodat(int directory, uint64_t path, uint32_t mode);
long sys_fchmod(int fd, uint32_t mode);
long sys_fchownat(int directory, uint64_t path, uint32_t user, uint32_t group,
		  int flags);
long sys_fchown(int fd, uint32_t user, uint32_t group);
long sys_utimensat(int directory, uint64_t path, uint64_t times, int flags);
long sys_fstat(int fd, uint64_t buffer);
long sys_newfstatat(int directory, uint64_t path, uint64_t buffer, int flags);
long sys_statfs(uint64_t path, uint64_t buffer);
long sys_fstatfs(int fd, uint64_t buffer);

#endif
