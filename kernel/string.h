/* string: the memory and string functions of the C standard that the kernel
 * (and the compiler, on its behalf) calls. */
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

void *memset(void *dst, int byte, size_t size);
void *memcpy(void *dst, const void *src, size_t size);
void *memmove(void *dst, const void *src, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);
char *strchr(const char *s, int c);

/* Copies as much of src as fits and always ends it with a zero byte. Returns
 * the length of src: at least size means that it did not fit. (OpenBSD's.) */
size_t strlcpy(char *dst, const char *src, size_t size);

#endif
