/*
 * calls: the calls that take a descriptor, with Linux's arguments and results:
 * man 2 of each.
 */
#ifndef CALLS_H
#define CALLS_H

#include <stddef.h>
#include <stdint.h>

#define RW_MAX 0x7ffff000 /* bytes that one call moves at most, as on Linux */

/* What fcntl is asked for. */
#define F_DUPFD         0
#define F_GETFD         1
#define F_SETFD         2
#define F_GETFL         3
#define F_SETFL         4
#define F_DUPFD_CLOEXEC 1030

long sys_read(int fd, uint64_t buffer, size_t size);
long sys_write(int fd, uint64_t buffer, size_t size);
long sys_readv(int fd, uint64_t vector, int count);
long sys_writev(int fd, uint64_t vector, int count);
long sys_pread64(int fd, uint64_t buffer, size_t size, long offset);
long sys_pwrite64(int fd, uint64_t buffer, size_t size, long offset);
long sys_ftruncate(int fd, long size);
long sys_fsync(int fd);
long sys_close(int fd);
long sys_lseek(int fd, long offset, int whence);
long sys_getdents64(int fd, uint64_t buffer, size_t size);
long sys_ioctl(int fd, uint32_t request, uint64_t argument);
long sys_pipe(uint64_t fds);
long sys_pipe2(uint64_t fds, int flags);
long sys_dup(int fd);
long sys_dup2(int from, int to);
long sys_dup3(int from, int to, int flags);
long sys_fcntl(int fd, int command, uint64_t argument);

#endif
