/*
 * Strings and memory. GCC writes calls to memcpy, memset and memcmp of its own
 * accord, even in a freestanding program, so they must be here.
 */
#include "user.h"

/* Or GCC would see the loop in strlen for what it is, and call strlen. */
#ifndef __clang__
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

void *memcpy(void *to, const void *from, size_t size)
{
	void *start = to;

	/* The ABI promises DF = 0 at a call, so this counts upwards. */
	asm volatile("rep movsb"
		     : "+D"(to), "+S"(from), "+c"(size)
		     :
		     : "memory");
	return start;
}

void *memmove(void *to, const void *from, size_t size)
{
	char *d = to;
	const char *s = from;

	if (d <= s || d >= s + size)
		return memcpy(to, from, size);
	while (size-- > 0)
		d[size] = s[size];
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	void *start = to;

	asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const unsigned char *x = a, *y = b;

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

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t size)
{
	while (size > 0 && *a && *a == *b)
		a++, b++, size--;
	return size > 0 ? (unsigned char)*a - (unsigned char)*b : 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	do
		if (*s == (char)c)
			found = s;
	while (*s++);
	return (char *)found;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

bool parse_number(const char *s, unsigned long *number)
{
	int base = 10;

	if (s[0] == '0' && s[1] == 'x') {
		base = 16;
		s += 2;
	}
	if (!*s)
		return false;
	for (*number = 0; *s; s++) {
		int digit = digit_value(*s);

		if (digit >= base)
			return false;
		*number = *number * base + digit;
	}
	return true;
}

const char *error_text(long error)
{
	static const char *const text[] = {
		[EPERM] = "not permitted",
		[ENOENT] = "no such file or directory",
		[ESRCH] = "no such process",
		[E2BIG] = "argument list too long",
		[ENOEXEC] = "not a program this kernel can run",
		[EBADF] = "not an open file",
		[ECHILD] = "no child",
		[EAGAIN] = "no process left, try again",
		[ENOMEM] = "out of memory",
		[EACCES] = "permission denied",
		[EFAULT] = "bad address",
		[EEXIST] = "it exists",
		[ENOTDIR] = "not a directory",
		[EISDIR] = "is a directory",
		[EINVAL] = "invalid argument",
		[EMFILE] = "too many open files",
		[ENOTTY] = "not a terminal",
		[ENOSPC] = "no space left",
		[ESPIPE] = "a pipe cannot seek",
		[EROFS] = "the file system is read-only",
		[EPIPE] = "nobody reads the pipe",
		[ERANGE] = "does not fit",
		[ENAMETOOLONG] = "the name is too long",
		[ENOSYS] = "no such system call",
		[ENOTEMPTY] = "the directory is not empty",
		[ELOOP] = "too many symbolic links",
	};

	if (error < 0 && error > -(long)COUNT(text) && text[-error])
		return text[-error];
	return "unknown error";
}

const char *signal_text(int signal)
{
	switch (signal) {
	case SIGINT:
		return "interrupted";
	case SIGQUIT:
		return "quit";
	case SIGILL:
		return "illegal instruction";
	case SIGTRAP:
		return "breakpoint or single step";
	case SIGBUS:
		return "bus error";
	case SIGFPE:
		return "arithmetic error";
	case SIGKILL:
		return "killed";
	case SIGSEGV:
		return "segmentation fault";
	case SIGPIPE:
		return "nobody reads the pipe";
	case SIGALRM:
		return "alarm clock";
	}
	return "unknown signal";
}
