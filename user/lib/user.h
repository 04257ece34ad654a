/*
 * All that a program may use: the system calls by name, and a C library cut
 * down to what the programs here need. Each function says what is unusual
 * about it; the others are what their names promise.
 */
#ifndef USER_H
#define USER_H

#include <stdarg.h>
#include <stdbool.h>

#include "syscall.h"

#define PAGE_SIZE    4096

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* System calls (calls.c): each returns the kernel's answer, -ENOENT and all.
 * What open and mkdir make, everybody may use, but for the process's umask. */
long read(int fd, void *buffer, size_t size);
long write(int fd, const void *buffer, size_t size);
long open(const char *path, int flags);
long close(int fd);
long fstat(int fd, struct stat *stat);
long stat(const char *path, struct stat *stat);
long lseek(int fd, long offset, int whence);
long getdents64(int fd, void *buffer, size_t size);
long mmap(void *address, size_t size, int protection, int flags, int fd,
	  long offset);
long mprotect(void *address, size_t size, int protection);
long munmap(void *address, size_t size);
long brk(void *end);
long ioctl(int fd, unsigned long request, void *argument);
long pipe(int fds[2]);
long dup(int fd);
long dup2(int from, int to);
long sched_yield(void);
long nanosleep(const struct timespec *wanted, struct timespec *left);
long getpid(void);
long getppid(void);
long fork(void);
long execve(const char *path, char *const argv[], char *const envp[]);
_Noreturn void exit(int status);
long wait4(long pid, int *status, int options, void *usage);
long uname(struct utsname *name);
long getcwd(char *buffer, size_t size);
long chdir(const char *path);
long mkdir(const char *path);
long rmdir(const char *path);
long unlink(const char *path);
long rename(const char *from, const char *to);
long link(const char *from, const char *to);
long symlink(const char *target, const char *path);
long getpgrp(void);
long setpgid(long pid, long group);
long sysinfo(struct sysinfo *info);
long clock_gettime(int clock, struct timespec *now);
long arch_prctl(int code, unsigned long address);

long setsid(void);
long kill(long pid, int signal);
long alarm(unsigned seconds);

/* What is to be done about a signal (signal.c): a handler, SIG_DFL or SIG_IGN. With
 * SA_RESTART in flags, a call that the handler has interrupted goes on. */
long on_signal(int signal, uintptr_t handler, uint64_t flags);

/* Set before main runs (start.c). */
extern char **environment;
extern const char *program_name; /* the last part of argv[0] */

/* Small steps over the calls (calls.c). */
long wait_for(long pid);         /* its status, or the error */
void sleep_ms(unsigned long ms); /* at least so long */
void *map_pages(size_t pages);   /* fresh zero pages, or NULL */
unsigned long free_pages(void);  /* in the whole machine */
bool on_threshold(void);         /* else: on a Linux host */
long write_all(int fd, const void *buffer, size_t size);

/* fork, for who cannot go on without a child: where it fails, says why and ends
 * the process with status 1. The other does so for a result of fork's. */
long fork_or_exit(void);
long forked_or_exit(long result);

/* Let a child run body(argument) and exit with its result; wait for it. What
 * comes back is its status, or the error of fork. */
long run_child(int (*body)(long), long argument);

/*
 * One line from fd into line, without its newline; the length, or -1 at the
 * end of input. It reads byte by byte, so that what follows the line is left
 * for whoever reads fd next. A line of size bytes or more comes back cut short
 * with *too_long set, its rest thrown away.
 */
long read_line(int fd, char *line, size_t size, bool *too_long);

/* Strings and memory (string.c). */
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

/*
 * A whole number in decimal, or in hexadecimal after 0x; true if s is one and
 * nothing else.
 */
bool parse_number(const char *s, unsigned long *number);

/* Sends a signal to "7", or to the group "-7"; says of kill why not, and gives 1. */
int send_signal(const char *text, int signal);

const char *error_text(long error);  /* of a negative result: "no such file" */
const char *signal_text(int signal); /* "segmentation fault" */

/*
 * Output (print.c): %d %u %x %c %s %p %%, l for long, a width, - and 0. One
 * call is one write(2) as long as the text is shorter than PRINT_BUFFER, so
 * lines of different processes do not mix.
 */
#define PRINT_BUFFER 512
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int dprintf(int fd, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int snprintf(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int vdprintf(int fd, const char *format, va_list arguments);
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments);

/* The heap (malloc.c). */
void *malloc(size_t size);
void *realloc(void *block, size_t size);
void free(void *block);

/* Numbers that look random and are the same for the same seed (random.c). */
uint64_t random_next(uint64_t *state);

/*
 * Checks (check.c): a lesson states facts one by one, a line for each, and
 * ends with check_done(), which prints the count and gives the exit status.
 */
bool check(bool held, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool check_equal(const char *what, long found, long expected);
int check_done(void);

#endif
