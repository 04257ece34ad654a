/*
 * string: memory and string functions. The two that move whole pages use the
 * CPU's string instructions, eight bytes a step.
 */
#include "string.h"

#include <stdint.h>

#define WORD      sizeof(uint64_t)
#define EACH_BYTE 0x0101010101010101 /* times a byte: eight of it */

void *memset(void *dst, int byte, size_t size)
{
	uint64_t pattern = (uint8_t)byte * EACH_BYTE;
	size_t words = size / WORD, rest = size % WORD;
	void *to = dst;

	asm volatile("rep stosq"
		     : "+D"(to), "+c"(words)
		     : "a"(pattern)
		     : "memory");
	asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(byte) : "memory");
	return dst;
}

void *memcpy(void *dst, const void *src, size_t size)
{
	size_t words = size / WORD, rest = size % WORD;
	void *to = dst;

	asm volatile("rep movsq"
		     : "+D"(to), "+S"(src), "+c"(words)
		     :
		     : "memory");
	asm volatile("rep movsb"
		     : "+D"(to), "+S"(src), "+c"(rest)
		     :
		     : "memory");
	return dst;
}

void *memmove(void *dst, const void *src, size_t size)
{
	char *to = dst;
	const char *from = src;

	if (to <= from || to >= from + size)
		return memcpy(dst, src, size);
	while (size-- > 0)
		to[size] = from[size];
	return dst;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < size; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strlen(const char *s)
{
	size_t length = 0;

	while (s[length])
		length++;
	return length;
}

int strncmp(const char *a, const char *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i] || !a[i])
			return (uint8_t)a[i] - (uint8_t)b[i];
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
	for (; *s; s++)
		if (*s == (char)c)
			return (char *)s;
	return c ? NULL : (char *)s;
}

size_t strlcpy(char *dst, const char *src, size_t size)
{
	size_t length = strlen(src);

	if (size > 0) {
		size_t fits = length < size ? length : size - 1;

		memcpy(dst, src, fits);
		dst[fits] = 0;
	}
	return length;
}
