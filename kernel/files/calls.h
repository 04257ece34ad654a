/*
 * file: what a file descriptor stands for, and the calls that take one.
 */
#ifndef FILE_H
#define FILE_H

#include "x86.h"

struct file;

/* One holder more, and one less; the last one closes the file. */
struct file *file_share(struct file *file);
void file_release(struct file *file);

/* Is fd one of the current process's descriptors? */
bool file_is_open(int fd);

/* Returns the console, opened for reading and writing, or NULL. */
struct file *file_open_console(void);

#define AT_FDCWD -100 /* in place of a directory: the working directory */

/* Copies a path from the user into path (PATH_MAX bytes) and makes it one that
 * initrd_find takes: relative ones start at a directory, "." and ".." are
 * worked out. Returns 0, -EFAULT, -ENOENT (it is empty), -ENAMETOOLONG, or
 * -EBADF or -ENOTDIR for the directory. */
int file_path(char *path, int directory, uint64_t user_path);

/* The calls, with Linux's arguments and results: man 2 of each. */
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
