/*
 * print: the kernel's own voice.
 */
#ifndef PRINT_H
#define PRINT_H

#include <stdarg.h>
#include <stddef.h>

/* Formats into buffer (size bytes, always ended by a zero byte) and returns
 * the length written. Knows %d %u %x %ld %lu %lx %p %s %c %% with an optional
 * minus, zero and width. */
size_t ksnprintf(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As ksnprintf, to the console, at most 255 bytes at a time. */
void kprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void vkprintf(const char *format, va_list args);

#endif
