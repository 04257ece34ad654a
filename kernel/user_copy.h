/*
 * user_copy: the only way to a user's memory, that of the current process.
 */
#ifndef USER_COPY_H
#define USER_COPY_H

#include <stddef.h>
#include <stdint.h>

/* Each returns 0, -EFAULT, or -ENOMEM when a page could not be had. */
int copyin(void *dst, uint64_t user_src, size_t size);
int copyout(uint64_t user_dst, const void *src, size_t size);

/* Copies a string of at most size bytes, its zero byte included, and returns its
 * length; or an error as above, or -ENAMETOOLONG. */
long copyinstr(char *dst, uint64_t user_src, size_t size);

#endif
