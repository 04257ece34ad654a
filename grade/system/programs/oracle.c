/*
 * oracle SEED CALLS: so many system calls, drawn by the seed, in a directory that
 * it makes; one line for each, with its arguments and its result. What it draws
 * depends on the seed and on earlier results only, and no line has what two
 * systems may well have different (an address, a time, an inode's number): the
 * same seed prints the same here and on Linux, or one of the two is wrong.
 *
 * It waits for nobody: pipes do not block, and a child makes its calls while its
 * parent waits. The calls are made without the library, whose own checks would
 * come first.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
/* Deep enough that no path drawn leads to what a system has made itself. */
#define HOME "/tmp/oracle/x/y/z/home"
#define PAGE 4096UL

/* What is drawn. xorshift64*: Vigna, "An experimental exploration of Marsaglia's
 * xorshift generators, scrambled". */
static uint64_t state;

static uint64_t draw(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1d >> 16;
}

static long below(long n)
{
	return draw() % n;
}

static bool one_in(long n)
{
	return !below(n);
}

#define PICK(array) ((array)[below(COUNT(array))])

/* A line, and its end: the result with the error's name. */
static char line[1 << 14];
static size_t length;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	length += vsnprintf(line + length, sizeof line - length, format, args);
	va_end(args);
}

static const struct {
	int number;
	const char *name;
} errors[] = {
#define ERROR(e)      \
	{             \
		e, #e \
	}
	ERROR(EPERM),     ERROR(ENOENT), ERROR(ESRCH),      ERROR(EINTR),
	ERROR(EIO),       ERROR(ENXIO),  ERROR(E2BIG),      ERROR(ENOEXEC),
	ERROR(EBADF),     ERROR(ECHILD), ERROR(EAGAIN),     ERROR(ENOMEM),
	ERROR(EACCES),    ERROR(EFAULT), ERROR(EBUSY),      ERROR(EEXIST),
	ERROR(EXDEV),     ERROR(ENODEV), ERROR(ENOTDIR),    ERROR(EISDIR),
	ERROR(EINVAL),    ERROR(EMFILE), ERROR(ENOTTY),     ERROR(EFBIG),
	ERROR(ENOSPC),    ERROR(ESPIPE), ERROR(EROFS),      ERROR(EMLINK),
	ERROR(EPIPE),     ERROR(ERANGE), ERROR(ENOSYS),     ERROR(ENAMETOOLONG),
	ERROR(ENOTEMPTY), ERROR(ELOOP),  ERROR(EOPNOTSUPP),
};

static void say_result(long result)
{
	if (result >= 0 || result < -4095) {
		say(" = %ld", result);
		return;
	}
	for (size_t i = 0; i < COUNT(errors); i++) {
		if (errors[i].number == -result) {
			say(" = -1 %s", errors[i].name);
			return;
		}
	}
	say(" = -1 error %ld", -result);
}

/* The call itself, with the error as the kernel gives it. */
static long call(long number, ...)
{
	register long r10 asm("r10"), r8 asm("r8"), r9 asm("r9");
	long result, a, b, c;
	va_list args;

	va_start(args, number);
	a = va_arg(args, long);
	b = va_arg(args, long);
	c = va_arg(args, long);
	r10 = va_arg(args, long);
	r8 = va_arg(args, long);
	r9 = va_arg(args, long);
	va_end(args);
	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
		       "r"(r9)
		     : "rcx", "r11", "memory");
	return result;
}

#define CALL6(n, a, b, c, d, e, f, ...)                                \
	call(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), \
	     (long)(f))
#define CALL(name, ...) CALL6(SYS_##name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* Paths: a few names, so that they meet; every form that a path can have. */
static char paths[2][3 * PAGE];
static const char *const names[] = { "a", "b", "c", "d", "e" };

static const char *draw_path_into(char *path)
{
	long parts = one_in(2) ? 1 : 1 + below(3);

	*path = 0;
	if (one_in(40))
		return path;
	if (one_in(60)) {
		memset(path, 'n', 255 + below(2));
		path[255 + (path[255] == 'n')] = 0;
		return path;
	}
	if (one_in(80)) {
		for (size_t i = 0; i < PAGE - 4 + below(8); i++)
			strcpy(path + i, i % 2 ? "/" : ".");
		return path;
	}
	if (one_in(8))
		strcpy(path, HOME "/");
	while (parts--) {
		if (one_in(10))
			strcat(path, one_in(2) ? "." : "..");
		else
			strcat(path, one_in(15) ? "none" : PICK(names));
		if (parts || one_in(12))
			strcat(path, one_in(15) ? "//" : "/");
	}
	return path;
}

static const char *say_path(int which, const char *before)
{
	const char *path = draw_path_into(paths[which]);

	if (one_in(100)) {
		say("%s(char *)8", before);
		return (const char *)8;
	}
	if (strlen(path) > 80)
		say("%s\"%.8s\"... of %zu", before, path, strlen(path));
	else
		say("%s\"%s\"", before, path);
	return path;
}

/* Descriptors: those that are open, mostly. The first three are never named. */
static uint64_t open_fds;

static void is_open(long fd)
{
	if (fd >= 3 && fd < 64)
		open_fds |= 1UL << fd;
}

static int draw_fd(void)
{
	static const int odd[] = { -1, 63, 64, 255, 256, 1 << 20, 20 };
	int fd = 3 + below(12);

	if (one_in(10))
		return PICK(odd);
	for (int i = 0; i < 64 && !(open_fds >> fd & 1); i++)
		fd = fd == 63 ? 3 : fd + 1;
	return fd;
}

static int say_fd(const char *before)
{
	int fd = draw_fd();

	say("%s%d", before, fd);
	return fd;
}

static int say_dirfd(void)
{
	if (one_in(4))
		return say_fd("");
	say("AT_FDCWD");
	return AT_FDCWD;
}

/* Memory: where it lies is not told. The last page before `nowhere` is. */
static char bytes[3 * PAGE];
static char *nowhere;

static size_t draw_size(void)
{
	static const size_t odd[] = {
		0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE
	};

	return one_in(4) ? PICK(odd) : (size_t)below(48);
}

/* Bytes for a write, each different; sometimes not all of them are there. */
static char *say_bytes(size_t size)
{
	static unsigned char next;

	if (one_in(50)) {
		say(", nowhere");
		return nowhere;
	}
	if (size && one_in(50)) {
		say(", %zu before nowhere", size / 2);
		memset(nowhere - size / 2, 'z', size / 2);
		return nowhere - size / 2;
	}
	for (size_t i = 0; i < size; i++)
		bytes[i] = 'A' + next++ % 58;
	say(", bytes");
	return bytes;
}

static void say_sum(const char *at, long n)
{
	uint32_t sum = 0;

	for (long i = 0; i < n; i++)
		sum = sum * 31 + (unsigned char)at[i];
	if (n > 0)
		say(", sum %08x", sum);
}

static const int open_flags[] = {
	O_CREAT,     O_CREAT,    O_EXCL,    O_TRUNC,    O_APPEND,
	O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_NONBLOCK,
};

static int say_flags(void)
{
	int flags = below(3);

	for (long n = below(4); n > 0; n--)
		flags |= PICK(open_flags);
	/* Before 6.4 Linux made a file, and then said that it is no directory. */
	if (flags & O_CREAT)
		flags &= ~O_DIRECTORY;
	if (one_in(20))
		flags |= O_PATH;
	say(", 0%o", flags);
	return flags;
}

static int say_mode(void)
{
	/* No set-user-id, which a write takes away from all but the host's root. */
	static const int modes[] = { 0644, 0600, 0755, 0, 01777, 0200 };
	int mode = PICK(modes);

	say(", 0%o", mode);
	return mode;
}

static void do_openat(void)
{
	say("openat(");
	int at = say_dirfd();
	const char *path = say_path(0, ", ");
	int flags = say_flags(), mode = say_mode();
	long fd = CALL(openat, at, path, flags, mode);

	say(")");
	say_result(fd);
	is_open(fd);
}

static void do_close(void)
{
	say("close(");
	int fd = say_fd("");

	say(")");
	say_result(CALL(close, fd));
	if (fd >= 3 && fd < 64)
		open_fds &= ~(1UL << fd);
}

/* read and write, at the file's offset or at one of their own. */
static void do_transfer(void)
{
	static const struct {
		const char *name;
		long number;
	} all[2][2] = { { { "read", SYS_read }, { "pread64", SYS_pread64 } },
			{ { "write", SYS_write },
			  { "pwrite64", SYS_pwrite64 } } };
	bool writes = one_in(2), at_offset = one_in(3);
	size_t size = draw_size();
	long offset = (below(20) - 1) * (one_in(2) ? 1 : 1000), n;

	say("%s(", all[writes][at_offset].name);
	int fd = say_fd("");
	char *there = say_bytes(size);

	say(", %zu", size);
	if (at_offset)
		say(", %ld", offset);
	n = CALL6(all[writes][at_offset].number, fd, there, size, offset, 0, 0);
	say(")");
	say_result(n);
	if (!writes)
		say_sum(there, n);
}

static void do_vector(void)
{
	bool writes = one_in(2);
	struct iovec parts[3];
	long count = below(5) - 1, n;

	say("%s(", writes ? "writev" : "readv");
	int fd = say_fd("");

	for (long i = 0; i < 3; i++) {
		parts[i].iov_base = bytes + i * 100;
		parts[i].iov_len = one_in(30) ? -1UL : (size_t)below(30);
		say(", %ld", (long)parts[i].iov_len);
	}
	memset(bytes, 'v', 300);
	n = writes ? CALL(writev, fd, parts, count)
		   : CALL(readv, fd, parts, count);
	say(", %ld)", count);
	say_result(n);
	say_sum(bytes, n > 0 ? 300 : 0);
}

/* What a sendfile may be asked for that comes out alike. A pipe is empty: Linux
 * counts the pages in it, and here the bytes are counted. And a file is not sent
 * to itself, where Linux copies what it has just written. Of what
 * cannot be sent Linux sends nothing, if nothing is asked for. */
static bool may_send(int to, int from, size_t size)
{
	struct stat target, source;
	int held = 0;

	if (CALL(fstat, to, &target) < 0 || CALL(fstat, from, &source) < 0)
		return true;
	if (!S_ISREG(source.st_mode) && size == 0)
		return false;
	if (S_ISFIFO(target.st_mode))
		CALL(ioctl, to, FIONREAD, &held);
	return held == 0 &&
	       (!S_ISREG(source.st_mode) || target.st_ino != source.st_ino);
}

static void do_sendfile(void)
{
	off_t position = (below(20) - 1) * (one_in(2) ? 1 : 1000);
	bool at_position = one_in(2);
	size_t size = draw_size();

	say("sendfile(");
	int to = say_fd(""), from = say_fd(", ");

	if (at_position)
		say(", at %ld", (long)position);
	say(", %zu)", size);
	if (!may_send(to, from, size)) {
		say(" left out");
		return;
	}
	say_result(
		CALL(sendfile, to, from, at_position ? &position : NULL, size));
	if (at_position)
		say(", at %ld", (long)position);
}

static void do_lseek(void)
{
	static const int whences[] = { SEEK_SET, SEEK_CUR, SEEK_END, 7 };

	say("lseek(");
	int fd = say_fd(""), whence = PICK(whences);
	long offset = (below(40) - 8) * (one_in(4) ? 1000 : 1);
	struct stat about;

	say(", %ld, %d)", offset, whence);
	/* Where the end of a directory is, each system has its own idea. */
	if (CALL(fstat, fd, &about) == 0 && S_ISDIR(about.st_mode))
		say(" left out");
	else
		say_result(CALL(lseek, fd, offset, whence));
}

static void do_truncate(void)
{
	long size = (below(20) - 1) * (one_in(2) ? 1 : 1000), result;

	if (one_in(2)) {
		say("ftruncate(");
		int fd = say_fd("");
		result = CALL(ftruncate, fd, size);
	} else {
		const char *path = say_path(0, "truncate(");
		result = CALL(truncate, path, size);
	}
	say(", %ld)", size);
	say_result(result);
}

static void do_dup(void)
{
	long result;
	int fd, to, flags;

	switch (below(3)) {
	case 0:
		say("dup(");
		fd = say_fd("");
		result = CALL(dup, fd);
		break;
	case 1:
		say("dup2(");
		fd = say_fd("");
		to = say_fd(", ");
		result = CALL(dup2, fd, to);
		break;
	default:
		say("dup3(");
		fd = say_fd("");
		to = say_fd(", ");
		flags = one_in(3) ? O_CLOEXEC : one_in(10) ? O_APPEND : 0;
		say(", 0%o", flags);
		result = CALL(dup3, fd, to, flags);
	}
	say(")");
	say_result(result);
	is_open(result);
}

static void do_fcntl(void)
{
	static const int commands[] = { F_DUPFD, F_GETFD, F_SETFD,
					F_GETFL, F_SETFL, F_DUPFD_CLOEXEC };
	int command = PICK(commands);
	long value = below(6), result;

	say("fcntl(");
	int fd = say_fd("");

	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		value = one_in(8) ? 63 + below(2) : 3 + value;
	if (command == F_SETFD)
		value &= FD_CLOEXEC;
	/* A pipe is never made to block. */
	if (command == F_SETFL)
		value = O_NONBLOCK | (one_in(2) ? O_APPEND : 0);
	result = CALL(fcntl, fd, command, value);
	say(", %d, %ld)", command, value);
	say_result(result);
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		is_open(result);
}

static void do_pipe2(void)
{
	int ends[2] = { -1, -1 };
	int flags = O_NONBLOCK | (one_in(3) ? O_CLOEXEC : 0);
	long result = CALL(pipe2, ends, flags);

	say("pipe2(0%o)", flags);
	say_result(result);
	say(", %d and %d", ends[0], ends[1]);
	is_open(ends[0]);
	is_open(ends[1]);
}

static void say_stat(const struct stat *about)
{
	say(", mode 0%o, %ld links", about->st_mode, (long)about->st_nlink);
	if (!S_ISDIR(about->st_mode))
		say(", %ld bytes", (long)about->st_size);
}

static void do_stat(void)
{
	struct stat about;
	long result;

	if (one_in(3)) {
		say("fstat(");
		int fd = say_fd("");
		result = CALL(fstat, fd, &about);
	} else {
		static const int all[] = { 0, AT_SYMLINK_NOFOLLOW,
					   AT_EMPTY_PATH, 1 };
		int flags = PICK(all);

		say("newfstatat(");
		int at = say_dirfd();
		const char *path = say_path(0, ", ");
		result = CALL(newfstatat, at, path, &about, flags);
		say(", 0x%x", flags);
	}
	say(")");
	say_result(result);
	if (result == 0)
		say_stat(&about);
}

/* unlink, rmdir, mkdir, chdir, access, chmod, readlink: a path and a number. */
static void do_one_path(void)
{
	char target[64] = "";
	long result;
	int mode;

	switch (below(7)) {
	case 0:
		result = CALL(unlink, say_path(0, "unlink("));
		break;
	case 1:
		result = CALL(rmdir, say_path(0, "rmdir("));
		break;
	case 2: {
		const char *path = say_path(0, "mkdir(");
		mode = say_mode();
		result = CALL(mkdir, path, mode);
		break;
	}
	case 3:
		result = CALL(chdir, say_path(0, "chdir("));
		break;
	case 4: {
		const char *path = say_path(0, "access(");
		mode = below(9);
		say(", %d", mode);
		result = CALL(access, path, mode);
		break;
	}
	case 5: {
		const char *path = say_path(0, "chmod(");
		mode = say_mode();
		result = CALL(chmod, path, mode);
		break;
	}
	default: {
		const char *path = say_path(0, "readlink(");
		long size = one_in(5) ? below(4) : 60;
		say(", %ld", size);
		result = CALL(readlink, path, target, size);
		say(", \"%s\"", target);
	}
	}
	say(")");
	say_result(result);
}

/* The same beginning at a descriptor: mkdirat, symlinkat, readlinkat, fchmodat,
 * faccessat. */
static void do_path_at(void)
{
	static const char *const calls_at[] = { "mkdirat", "symlinkat",
						"readlinkat", "fchmodat",
						"faccessat" };
	char target[64] = "";
	int which = below(COUNT(calls_at)), at, mode;
	const char *path;
	long result;

	say("%s(", calls_at[which]);
	at = say_dirfd();
	path = say_path(0, ", ");
	mode = which == 0 || which == 3 ? say_mode() : below(9);
	switch (which) {
	case 0:
		result = CALL(mkdirat, at, path, mode);
		break;
	case 1:
		say(", to \"%s\"", names[mode % COUNT(names)]);
		result = CALL(symlinkat, names[mode % COUNT(names)], at, path);
		break;
	case 2:
		result = CALL(readlinkat, at, path, target, 60);
		say(", \"%s\"", target);
		break;
	case 3:
		result = CALL(fchmodat, at, path, mode);
		break;
	default:
		say(", %d", mode);
		result = CALL(faccessat, at, path, mode);
	}
	say(")");
	say_result(result);
}

/* fchmod, fchown, fsync, fdatasync: a descriptor alone. A pipe's mode is left
 * alone: here it has none of its own. */
static void do_one_descriptor(void)
{
	static const char *const calls_of[] = { "fchmod", "fchown", "fsync",
						"fdatasync" };
	int which = below(COUNT(calls_of)), mode = 0;
	struct stat about;
	long result;

	say("%s(", calls_of[which]);
	int fd = say_fd("");

	if (which == 0)
		mode = say_mode();
	say(")");
	if (which == 0 && CALL(fstat, fd, &about) == 0 &&
	    S_ISFIFO(about.st_mode)) {
		say(" left out");
		return;
	}
	result = which == 0   ? CALL(fchmod, fd, mode)
		 : which == 1 ? CALL(fchown, fd, -1, -1)
		 : which == 2 ? CALL(fsync, fd)
			      : CALL(fdatasync, fd);
	say_result(result);
}

static void do_two_paths(void)
{
	long result;
	const char *from, *to;
	int at, other, flags;

	switch (below(4)) {
	case 0:
		from = say_path(0, "rename(");
		to = say_path(1, ", ");
		result = CALL(rename, from, to);
		break;
	case 1:
		say("renameat(");
		at = say_dirfd();
		from = say_path(0, ", ");
		say(", ");
		other = say_dirfd();
		to = say_path(1, ", ");
		result = CALL(renameat, at, from, other, to);
		break;
	case 2:
		say("linkat(");
		at = say_dirfd();
		from = say_path(0, ", ");
		say(", ");
		other = say_dirfd();
		to = say_path(1, ", ");
		flags = one_in(3) ? AT_SYMLINK_FOLLOW : 0;
		say(", 0x%x", flags);
		result = CALL(linkat, at, from, other, to, flags);
		break;
	default:
		from = say_path(0, "symlink(");
		to = say_path(1, ", ");
		if (from != (const char *)8 && strlen(from) > PAGE / 2) {
			/* Here, a target and the rest of a path share 4096. */
			say(", its first");
			paths[0][1] = 0;
		}
		result = CALL(symlink, from, to);
	}
	say(")");
	say_result(result);
}

static void do_unlinkat(void)
{
	static const int all[] = { 0, AT_REMOVEDIR, 1 };

	say("unlinkat(");
	int at = say_dirfd(), flags = PICK(all);
	const char *path = say_path(0, ", ");

	say(", 0x%x)", flags);
	say_result(CALL(unlinkat, at, path, flags));
}

static void do_fchdir(void)
{
	say("fchdir(");
	int fd = say_fd("");

	say(")");
	say_result(CALL(fchdir, fd));
}

static void do_getcwd(void)
{
	char path[256] = "";
	long size = one_in(4) ? below(16) : (long)sizeof path;
	long result = CALL(getcwd, path, size);

	say("getcwd(%ld)", size);
	say_result(result);
	say(" \"%s\"", path);
}

static void do_umask(void)
{
	int mask = one_in(2) ? 022 : 077;

	say("umask(0%o)", mask);
	say_result(CALL(umask, mask));
}

/* A directory's order is its own: our names are told, by the alphabet. */
static void do_getdents64(void)
{
	bool found[COUNT(names)] = { false };
	int types[COUNT(names)];
	char entries[2048];
	long n, all = 0;

	say("getdents64(");
	int fd = say_fd("");

	CALL(lseek, fd, 0, SEEK_SET);
	while ((n = CALL(getdents64, fd, entries, sizeof entries)) > 0) {
		for (long at = 0; at < n;) {
			struct dirent *entry = (void *)(entries + at);

			for (size_t i = 0; i < COUNT(names); i++) {
				if (strcmp(entry->d_name, names[i]))
					continue;
				found[i] = true;
				types[i] = entry->d_type;
			}
			at += entry->d_reclen;
			all++;
		}
	}
	say(")");
	say_result(n);
	for (size_t i = 0; i < COUNT(names); i++) {
		if (found[i])
			say(" %s:%d", names[i], types[i]);
	}
}

/* Memory that comes and goes; whether it is there, a pipe is asked. */
static struct {
	char *start;
	size_t pages;
	bool holes[8];
} maps[6];

/* No new map fills the hole in an old one: where there is room, each system says
 * itself. */
static void fill_holes(void)
{
	for (size_t i = 0; i < COUNT(maps); i++)
		for (size_t j = 0; j < COUNT(maps[i].holes); j++)
			if (maps[i].holes[j]) {
				CALL(mmap, maps[i].start + j * PAGE, PAGE,
				     PROT_NONE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				     -1, 0);
				maps[i].holes[j] = false;
			}
}

static void do_mmap(void)
{
	/* Whether PROT_EXEC alone can be read, a CPU's protection keys say. */
	static const int protections[] = { PROT_NONE, PROT_READ,
					   PROT_READ | PROT_WRITE,
					   PROT_READ | PROT_EXEC };
	int slot = below(COUNT(maps)), protection = PICK(protections);
	size_t pages = below(5);
	long at;

	fill_holes();
	at = CALL(mmap, 0, pages * PAGE, protection,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("mmap(%zu pages, %d)", pages, protection);
	if (at < 0 && at > -4096) {
		say_result(at);
		return;
	}
	say(" = memory %d", slot);
	if (maps[slot].start)
		CALL(munmap, maps[slot].start, maps[slot].pages * PAGE);
	maps[slot].start = (char *)at;
	maps[slot].pages = pages;
}

static void do_part_of_map(void)
{
	int slot = below(COUNT(maps)), protection = below(4);
	char *start = maps[slot].start;
	size_t first = below(4), pages = below(3);
	long odd = one_in(12) ? 5 : 0, result;

	if (!start || first + pages > maps[slot].pages)
		return;
	start += first * PAGE + odd;
	if (one_in(2)) {
		say("mprotect(memory %d, page %zu, %zu pages, %d)", slot, first,
		    pages, protection);
		result = CALL(mprotect, start, pages * PAGE, protection);
	} else {
		say("munmap(memory %d, page %zu, %zu pages)", slot, first,
		    pages);
		result = CALL(munmap, start, pages * PAGE);
		for (size_t i = first; result == 0 && i < first + pages; i++)
			maps[slot].holes[i] = true;
	}
	if (odd)
		say(" a little off");
	say_result(result);
}

/* A whole one becomes larger, wherever there is room for it; or smaller. */
static void do_mremap(void)
{
	static const int odd[] = { 8, 0x1000 };
	int slot = below(COUNT(maps)), flags = MREMAP_MAYMOVE;
	char *start = maps[slot].start;
	size_t pages = maps[slot].pages, more = below(7);
	long off = one_in(15) ? 5 : 0, result;

	if (!start)
		return;
	fill_holes();
	if (one_in(15))
		flags |= PICK(odd);
	else if (more <= pages && one_in(2))
		flags = 0;
	say("mremap(memory %d%s, %zu pages, %zu pages, 0x%x)", slot,
	    off ? " a little off" : "", pages, more, flags);
	result = CALL(mremap, start + off, pages * PAGE, more * PAGE, flags);
	if (result < 0 && result > -4096) {
		say_result(result);
		return;
	}
	say(more <= pages && result != (long)start ? " moved" : " = memory");
	maps[slot].start = (char *)result;
	maps[slot].pages = more;
}

static int asking[2];

static void do_ask(void)
{
	int slot = below(COUNT(maps));
	char byte;

	if (!maps[slot].start)
		return;
	say("memory %d:", slot);
	for (size_t i = 0; i < maps[slot].pages; i++) {
		char *at = maps[slot].start + i * PAGE;
		bool reads = CALL(write, asking[1], at, 1) == 1;

		if (!reads)
			CALL(write, asking[1], &byte, 1);
		say(" %s%s", reads ? "r" : "-",
		    CALL(read, asking[0], at, 1) == 1 ? "w" : "-");
		/* A byte that could not be stored is gone on one system and
		 * waits on another. */
		CALL(read, asking[0], &byte, 1);
	}
}

/* Signals to itself; the handler counts. */
static volatile int handled[32];

static void count(int number)
{
	handled[number]++;
}

static const int signals[] = { SIGUSR1, SIGUSR2, SIGHUP, SIGPIPE, SIGCHLD };

static void do_kill(void)
{
	/* No SIGPIPE: on Linux one from kill and one from a pipe are two. */
	static const int others[] = { 0, -1, 65, 200 };
	int number = one_in(12) ? PICK(others) : signals[below(3)];

	say("kill(itself, %d)", number);
	say_result(CALL(kill, getpid(), number));
}

static void do_mask(void)
{
	uint64_t set = 1UL << (PICK(signals) - 1), before = 0;
	int how = below(4);
	long result;

	if (one_in(2))
		set |= 1UL << (PICK(signals) - 1);
	result = CALL(rt_sigprocmask, how, &set, &before, 8);
	say("rt_sigprocmask(%d, %lx)", how, set);
	say_result(result);
	say(", %lx before", before);
}

static void do_pending(void)
{
	uint64_t set = 0;

	say("rt_sigpending()");
	say_result(CALL(rt_sigpending, &set, 8));
	say(" %lx", set);
}

static void do_sigaction(void)
{
	static void (*const handlers[])(int) = { SIG_IGN, count, count };
	static const unsigned all[] = { 0, SA_NODEFER, SA_RESETHAND,
					SA_RESTART };
	int number = PICK(signals);
	struct sigaction new = { .sa_handler = PICK(handlers),
				 .sa_flags = PICK(all) };

	/* By default SIGCHLD alone is ignored: the others would end it. */
	if (number != SIGCHLD)
		new.sa_flags &= ~SA_RESETHAND;
	say("sigaction(%d, %s, %x)", number,
	    new.sa_handler == count ? "count" : "SIG_IGN", new.sa_flags);
	say_result(sigaction(number, &new, NULL) ? -errno : 0);
}

/* A child makes calls of its own, and ends in one of many ways. */
static void make_calls(long n);

static void do_fork(void)
{
	static const int ends[] = { SIGKILL, SIGTERM, SIGABRT, SIGALRM };
	long calls = below(6), code = below(300), end = below(6);
	uint64_t own = draw();
	int status = 0;
	pid_t child;
	long result;

	say("fork()\n");
	CALL(write, 1, line, length);
	length = 0;
	child = fork();
	if (child == 0) {
		state = own;
		make_calls(calls);
		if (end < 4)
			kill(getpid(), ends[end]);
		_exit(code);
	}
	result = CALL(wait4, child, &status, 0, NULL);
	say("wait4()");
	say_result(result == child ? 0 : result);
	say(" status %x", status & ~0x80); /* a core is a host's matter */
}

static void do_wait(void)
{
	static const int odd[] = { -1, 0, 1 << 21 };
	int who = PICK(odd), options = one_in(4) ? 0x100 : WNOHANG;

	say("wait4(%d, %x)", who, options);
	say_result(CALL(wait4, who, NULL, options, NULL));
}

static void do_exec(void)
{
	const char *path = say_path(0, "execve(");
	char *none[] = { NULL };
	struct stat about;

	say(")");
	/* Nothing here is a program, but for a file that was given its mode. */
	if (stat(path, &about) == 0 && S_ISREG(about.st_mode))
		say(" left out");
	else
		say_result(CALL(execve, path, none, none));
}

static const struct {
	void (*make)(void);
	int weight;
} calls[] = {
	{ do_openat, 16 },        { do_close, 7 },      { do_transfer, 18 },
	{ do_vector, 4 },         { do_sendfile, 5 },   { do_lseek, 5 },
	{ do_truncate, 4 },       { do_dup, 4 },        { do_fcntl, 5 },
	{ do_pipe2, 2 },          { do_stat, 8 },       { do_one_path, 20 },
	{ do_two_paths, 14 },     { do_unlinkat, 3 },   { do_fchdir, 1 },
	{ do_getcwd, 2 },         { do_umask, 1 },      { do_path_at, 8 },
	{ do_one_descriptor, 3 }, { do_getdents64, 4 }, { do_mmap, 3 },
	{ do_part_of_map, 5 },    { do_ask, 3 },        { do_mremap, 3 },
	{ do_kill, 4 },           { do_mask, 3 },       { do_pending, 2 },
	{ do_sigaction, 3 },      { do_fork, 2 },       { do_wait, 1 },
	{ do_exec, 1 },
};

static void make_one(void)
{
	long total = 0, chosen;
	size_t i = 0;

	for (size_t j = 0; j < COUNT(calls); j++)
		total += calls[j].weight;
	chosen = below(total);
	while (chosen >= calls[i].weight)
		chosen -= calls[i++].weight;
	calls[i].make();
}

static void make_calls(long n)
{
	while (n-- > 0) {
		length = 0;
		make_one();
		for (size_t i = 0; i < COUNT(handled); i++) {
			if (handled[i])
				say(" [signal %zu: %d]", i, handled[i]);
			handled[i] = 0;
		}
		if (!length)
			continue;
		say("\n");
		CALL(write, 1, line, length);
	}
}

/* Makes each directory of HOME, and the last is the working one. */
static bool go_home(void)
{
	char path[] = HOME;

	for (char *at = strchr(path + strlen("/tmp/"), '/'); at;
	     at = strchr(at + 1, '/')) {
		*at = 0;
		if (mkdir(path, 0755) < 0)
			return false;
		*at = '/';
	}
	return mkdir(path, 0755) == 0 && chdir(path) == 0;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	state = strtoull(argv[1], NULL, 0) * 0x9e3779b97f4a7c15 | 1;
	for (size_t i = 0; i < COUNT(signals); i++)
		signal(signals[i], count);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	umask(022);
	nowhere = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	nowhere += PAGE;
	mprotect(nowhere, PAGE,
		 PROT_NONE); /* no hole, which a map might fill */
	if (!go_home() || pipe2(asking, O_NONBLOCK) < 0)
		return 3;
	mkdir("a", 0755);
	mkdir("a/b", 0755);
	close(creat("c", 0644));
	make_calls(strtol(argv[2], NULL, 0));
	return 0;
}
