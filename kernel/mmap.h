/* mmap: the calls by which a program arranges its own address space. Memory
 * of its own or shared, filled by zeros or by a file. */
#ifndef MMAP_H
#define MMAP_H

#include <stddef.h>
#include <stdint.h>

#define MAP_TYPE       0x0f /* of mmap's flags: shared or private */
#define MREMAP_MAYMOVE 1

/* With Linux's arguments and results: man 2 of each. */
long sys_mmap(uint64_t address, size_t size, int prot, int flags, int fd,
	      uint64_t offset);
long sys_munmap(uint64_t address, size_t size);
long sys_mremap(uint64_t address, size_t old_size, size_t new_size, int flags);
long sys_mprotect(uint64_t address, size_t size, int prot);
long sys_madvise(uint64_t address, size_t size, int advice);
long sys_msync(uint64_t address, size_t size, int flags);
long sys_brk(uint64_t address);

#endif
