/*
 * names: the calls that take a path, with Linux's arguments and results: man 2 of
 * each.
 */
#ifndef NAMES_H
#define NAMES_H

#include <stddef.h>
#include <stdint.h>

long sys_openat(int directory, uint64_t path, int flags, uint32_t mode);
long sys_mkdirat(int directory, uint64_t path, uint32_t mode);
long sys_unlinkat(int directory, uint64_t path, int flags);
long sys_renameat(int from_directory, uint64_t from, int to_directory,
		  uint64_t to);
long sys_renameat2(int from_directory, uint64_t from, int to_directory,
		   uint64_t to, uint32_t flags);
long sys_linkat(int from_directory, uint64_t from, int to_directory,
		uint64_t to, int flags);
long sys_symlinkat(uint64_t target, int directory, uint64_t path);
long sys_readlinkat(int directory, uint64_t path, uint64_t buffer, size_t size);
long sys_truncate(uint64_t path, long size);
long sys_getcwd(uint64_t buffer, size_t size);
long sys_chdir(uint64_t path);
long sys_fchdir(int fd);
long sys_umask(uint32_t mask);

#endif
