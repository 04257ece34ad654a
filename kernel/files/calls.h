/*
 * calls: the calls that take a descriptor or a path, with Linux's arguments and
 * results: man 2 of each.
 */
#ifndef CALLS_H
#define CALLS_H

#include <stddef.h>
#include <stdint.h>

long sys_read(int fd, uint64_t buffer, size_t size);
long sys_write(int fd, uint64_t buffer, size_t size);
long sys_writev(int fd, uint64_t vector, int count);
long sys_open(uint64_t path, int flags);
long sys_openat(int directory, uint64_t path, int flags);
long sys_close(int fd);
long sys_stat(uint64_t path, uint64_t buffer);
long sys_fstat(int fd, uint64_t buffer);
long sys_newfstatat(int directory, uint64_t path, uint64_t buffer, int flags);
long sys_lseek(int fd, long offset, int whence);
long sys_getdents64(int fd, uint64_t buffer, size_t size);
long sys_ioctl(int fd, uint32_t request, uint64_t argument);
long sys_pipe(uint64_t fds);
long sys_pipe2(uint64_t fds, int flags);
long sys_dup(int fd);
long sys_dup2(int from, int to);
long sys_getcwd(uint64_t buffer, size_t size);
long sys_chdir(uint64_t path);

#endif
