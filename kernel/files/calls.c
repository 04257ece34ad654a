/*
 * file: open files. There are five kinds, told apart in the four functions
 * that differ: file_release, file_read, file_write and file_stat.
 */
#include "files/calls.h"

#include "console.h"
#include "errno.h"
#include "initrd.h"
#include "files/pipe.h"
#include "print.h"
#include "proc.h"
#include "string.h"
#include "tty.h"

#define FILES         256

#define O_ACCMODE     3
#define O_WRONLY      1
#define O_RDWR        2
#define O_CREAT       0100
#define O_TRUNC       01000
#define O_NONBLOCK    04000
#define O_DIRECTORY   0200000
#define O_CLOEXEC     02000000
#define AT_EMPTY_PATH 0x1000

#define TCGETS        0x5401
#define TIOCGWINSZ    0x5413

enum file_kind {
	FILE_ARCHIVE, /* a file or directory of the archive */
	FILE_CONSOLE,
	FILE_NULL,
	FILE_PS, /* the list of processes, made when it is read */
	FILE_PIPE,
};

struct file {
	enum file_kind kind;
	int holders; /* descriptors of all processes; 0: unused */
	bool readable, writable, no_sleep;
	uint64_t
		offset; /* of the next read; in a directory, of the next name */
	const struct initrd_file *archived;
	struct pipe *pipe;
};

/* struct stat and struct linux_dirent64 as programs for Linux expect them. */
struct stat {
	uint64_t device, number, links;
	uint32_t mode, uid, gid, pad;
	uint64_t special_device;
	int64_t size, block_size, blocks;
	uint64_t accessed[2], modified[2], changed[2]; /* seconds, ns */
	int64_t unused[3];
};

_Static_assert(sizeof(struct stat) == 144, "Linux's struct stat");

struct dirent {
	uint64_t number;
	int64_t next_offset;
	uint16_t size; /* of this record */
	uint8_t type;  /* the mode's type bits, shifted */
	char name[];
} __attribute__((packed));

static struct file file_table[FILES];

/* Files that the kernel itself makes; the archive cannot hold them. */
static const struct {
	const char *path;
	enum file_kind kind;
} kernel_files[] = {
	{ "dev/console", FILE_CONSOLE },
	{ "dev/tty", FILE_CONSOLE },
	{ "dev/null", FILE_NULL },
	{ "proc/ps", FILE_PS },
};

#define KERNEL_FILES (sizeof(kernel_files) / sizeof(kernel_files[0]))

static struct file *file_alloc(enum file_kind kind, bool readable,
			       bool writable)
{
	for (struct file *file = file_table; file < file_table + FILES; file++)
		if (file->holders == 0) {
			*file = (struct file){ .kind = kind,
					       .holders = 1,
					       .readable = readable,
					       .writable = writable };
			return file;
		}
	return NULL;
}

struct file *file_share(struct file *file)
{
	file->holders++;
	return file;
}

void file_release(struct file *file)
{
	if (--file->holders > 0)
		return;
	if (file->kind == FILE_PIPE)
		pipe_close(file->pipe, file->writable);
}

struct file *file_open_console(void)
{
	return file_alloc(FILE_CONSOLE, true, true);
}

static struct file *fd_file(int fd)
{
	if (fd < 0 || fd >= NFILE_PER_PROC)
		return NULL;
	return proc_current()->files[fd];
}

bool file_is_open(int fd)
{
	return fd_file(fd) != NULL;
}

/* Gives the file the lowest free descriptor, or releases it. */
static int fd_install(struct file *file)
{
	struct proc *p = proc_current();

	for (int fd = 0; fd < NFILE_PER_PROC; fd++)
		if (!p->files[fd]) {
			p->files[fd] = file;
			return fd;
		}
	file_release(file);
	return -EMFILE;
}

static bool is_directory(const struct initrd_file *archived)
{
	return archived && (archived->mode & S_IFMT) == S_IFDIR;
}

/* Is there a file of exactly this path? Then its kind, and the archive's file
 * if it is one. */
static bool find(const char *path, enum file_kind *kind,
		 const struct initrd_file **archived)
{
	*archived = NULL;
	for (size_t i = 0; i < KERNEL_FILES; i++)
		if (strcmp(path, kernel_files[i].path) == 0) {
			*kind = kernel_files[i].kind;
			return true;
		}
	*kind = FILE_ARCHIVE;
	*archived = initrd_find(path);
	return *archived;
}

/* Returns 0 if path is a directory, else -ENOENT or -ENOTDIR. Those of the
 * kernel's files have no entry of their own. */
static int be_directory(const char *path)
{
	const struct initrd_file *archived;
	enum file_kind kind;
	size_t length = strlen(path);

	if (find(path, &kind, &archived))
		return is_directory(archived) ? 0 : -ENOTDIR;
	for (size_t i = 0; i < KERNEL_FILES; i++)
		if (strncmp(kernel_files[i].path, path, length) == 0 &&
		    kernel_files[i].path[length] == '/')
			return 0;
	return -ENOENT;
}

/* Asks from the front whether each part before the last is a directory. Returns
 * 0, or the error of the first that is not. */
static int walk_to(const char *path)
{
	char front[PATH_MAX];
	const char *slash = path;
	int error = 0;

	while (error == 0 && (slash = strchr(slash, '/'))) {
		strlcpy(front, path, slash - path + 1);
		error = be_directory(front);
		slash++;
	}
	return error;
}

/* Finds what path stands for. Where it is there, so are the parts before it;
 * only where it is not are they asked which one is to blame. */
static int look_up(const char *path, enum file_kind *kind,
		   const struct initrd_file **archived)
{
	int error;

	if (find(path, kind, archived))
		return 0;
	error = walk_to(path);
	return error < 0 ? error : -ENOENT;
}

/* What stands before "/", "/." and "/.." has to be a directory that is there,
 * before it is cut off and forgotten. */
static int check_directory(const char *path)
{
	int error = walk_to(path);

	return error < 0 ? error : be_directory(path);
}

/* Takes the last part off. */
static void cut_part(char *path)
{
	size_t length = strlen(path);

	while (length > 0 && path[--length] != '/')
		;
	path[length] = 0;
}

static int add_part(char *path, const char *part, size_t size)
{
	size_t length = strlen(path);

	if (length + 1 + size >= PATH_MAX)
		return -ENAMETOOLONG;
	if (length > 0)
		path[length++] = '/';
	memcpy(path + length, part, size);
	path[length + size] = 0;
	return 0;
}

/* Goes on from path, an absolute one without leading slash, by the parts of
 * given. */
static int append_path(char *path, const char *given)
{
	int error = 0;

	while (*given && error == 0) {
		const char *end = strchr(given, '/');
		size_t size = end ? (size_t)(end - given) : strlen(given);
		bool here = size == 1 && given[0] == '.';
		bool up = size == 2 && given[0] == '.' && given[1] == '.';

		if (size > 0 && !here && !up)
			error = add_part(path, given, size);
		if (here || up || (end && !end[1]))
			error = error ? error : check_directory(path);
		if (up)
			cut_part(path);
		given += size + (end != NULL);
	}
	return error;
}

int file_path(char *path, int directory, uint64_t user_path)
{
	char given[PATH_MAX];
	const char *base = "";
	long length = copyinstr(given, user_path, sizeof(given));

	if (length < 0)
		return length;
	if (length == 0)
		return -ENOENT;
	if (given[0] != '/' && directory == AT_FDCWD) {
		base = proc_current()->cwd;
	} else if (given[0] != '/') {
		struct file *file = fd_file(directory);

		if (!file)
			return -EBADF;
		if (!is_directory(file->archived))
			return -ENOTDIR;
		base = file->archived->name;
	}
	strlcpy(path, base, PATH_MAX);
	return append_path(path, given);
}

static long archive_read(struct file *file, uint64_t buffer, size_t size)
{
	const struct initrd_file *archived = file->archived;

	if ((archived->mode & S_IFMT) == S_IFDIR)
		return -EISDIR;
	if (file->offset >= archived->size)
		return 0;
	if (size > archived->size - file->offset)
		size = archived->size - file->offset;
	if (copyout(buffer, archived->data + file->offset, size) < 0)
		return -EFAULT;
	file->offset += size;
	return size;
}

/* The n-th line of /proc/ps in line; returns its length, 0 behind the last. */
static size_t ps_line(int n, char *line, size_t size)
{
	static const char *const states[] = {
		[PROC_NEW] = "new",
		[PROC_RUNNABLE] = "run",
		[PROC_SLEEPING] = "sleep",
		[PROC_ZOMBIE] = "zombie",
	};

	if (n == 0)
		return ksnprintf(line, size, "  PID  PPID STATE  NAME\n");
	for (struct proc *p = proc_table; p < proc_table + NPROC; p++)
		if (p->state != PROC_UNUSED && --n == 0)
			return ksnprintf(line, size, "%5d %5d %-6s %s\n",
					 p->pid, p->parent->pid,
					 states[p->state], p->name);
	return 0;
}

/* One line at a time; the offset counts them. */
static long ps_read(struct file *file, uint64_t buffer, size_t size)
{
	char line[64];
	size_t length = ps_line(file->offset, line, sizeof(line));

	if (length > size)
		return -EINVAL;
	if (copyout(buffer, line, length) < 0)
		return -EFAULT;
	file->offset++;
	return length;
}

static long file_read(struct file *file, uint64_t buffer, size_t size)
{
	switch (file->kind) {
	case FILE_ARCHIVE:
		return archive_read(file, buffer, size);
	case FILE_CONSOLE:
		return tty_read(buffer, size);
	case FILE_PS:
		return ps_read(file, buffer, size);
	case FILE_PIPE:
		return pipe_read(file->pipe, buffer, size, file->no_sleep);
	case FILE_NULL:
		break;
	}
	return 0;
}

static long console_write_user(uint64_t buffer, size_t size)
{
	char piece[128];

	for (size_t done = 0; done < size;) {
		size_t n = size - done < sizeof(piece) ? size - done
						       : sizeof(piece);

		if (copyin(piece, buffer + done, n) < 0)
			return done ? (long)done : -EFAULT;
		console_write(piece, n);
		done += n;
	}
	return size;
}

static long file_write(struct file *file, uint64_t buffer, size_t size)
{
	switch (file->kind) {
	case FILE_CONSOLE:
		return console_write_user(buffer, size);
	case FILE_PIPE:
		return pipe_write(file->pipe, buffer, size, file->no_sleep);
	default:
		return size; /* FILE_NULL: the others are not writable */
	}
}

long sys_read(int fd, uint64_t buffer, size_t size)
{
	struct file *file = fd_file(fd);

	if (!file || !file->readable)
		return -EBADF;
	if (buffer >= USER_END || size > USER_END - buffer)
		return -EFAULT;
	return file_read(file, buffer, size);
}

long sys_write(int fd, uint64_t buffer, size_t size)
{
	struct file *file = fd_file(fd);

	if (!file || !file->writable)
		return -EBADF;
	if (buffer >= USER_END || size > USER_END - buffer)
		return -EFAULT;
	return file_write(file, buffer, size);
}

long sys_writev(int fd, uint64_t vector, int count)
{
	struct {
		uint64_t base, size;
	} piece;
	long written = 0;

	if (count < 0 || count > 1024)
		return -EINVAL;
	for (int i = 0; i < count; i++) {
		long n;

		if (copyin(&piece, vector + i * sizeof(piece), sizeof(piece)))
			n = -EFAULT;
		else
			n = sys_write(fd, piece.base, piece.size);
		if (n < 0)
			return written ? written : n;
		written += n;
		if ((uint64_t)n < piece.size)
			break;
	}
	return written;
}

long sys_openat(int directory, uint64_t user_path, int flags)
{
	const struct initrd_file *archived;
	enum file_kind kind;
	char path[PATH_MAX];
	struct file *file;
	bool writable = flags & O_ACCMODE;
	int error = file_path(path, directory, user_path);

	if (error < 0)
		return error;
	error = look_up(path, &kind, &archived);
	if (error < 0)
		return flags & O_CREAT ? -EROFS : error;
	if (kind == FILE_ARCHIVE && (writable || flags & O_TRUNC))
		return is_directory(archived) ? -EISDIR : -EROFS;
	if (kind == FILE_PS && writable)
		return -EACCES;
	if (flags & O_DIRECTORY && !is_directory(archived))
		return -ENOTDIR;
	file = file_alloc(kind, (flags & O_ACCMODE) != O_WRONLY, writable);
	if (!file)
		return -ENFILE;
	file->archived = archived;
	return fd_install(file);
}

long sys_open(uint64_t path, int flags)
{
	return sys_openat(AT_FDCWD, path, flags);
}

long sys_close(int fd)
{
	struct file *file = fd_file(fd);

	if (!file)
		return -EBADF;
	proc_current()->files[fd] = NULL;
	file_release(file);
	return 0;
}

static void stat_of(struct stat *stat, enum file_kind kind,
		    const struct initrd_file *archived)
{
	memset(stat, 0, sizeof(*stat));
	stat->links = 1;
	stat->block_size = PAGE_SIZE;
	if (archived) {
		stat->number = initrd_number(archived);
		stat->mode = archived->mode;
		stat->size = archived->size;
		stat->blocks = (archived->size + 511) / 512;
		stat->modified[0] = archived->mtime;
	} else if (kind == FILE_PIPE) {
		stat->mode = S_IFIFO | 0600;
	} else if (kind == FILE_PS) {
		stat->mode = S_IFREG | 0444;
	} else {
		stat->mode = S_IFCHR | 0620;
		/* The device's major and minor number: 5,1 and 1,3. */
		stat->special_device = kind == FILE_CONSOLE ? 0x501 : 0x103;
	}
}

long sys_fstat(int fd, uint64_t buffer)
{
	struct file *file = fd_file(fd);
	struct stat stat;

	if (!file)
		return -EBADF;
	stat_of(&stat, file->kind, file->archived);
	return copyout(buffer, &stat, sizeof(stat));
}

long sys_newfstatat(int directory, uint64_t user_path, uint64_t buffer,
		    int flags)
{
	const struct initrd_file *archived;
	enum file_kind kind;
	char path[PATH_MAX], first;
	struct stat stat;
	int error;

	if (copyin(&first, user_path, 1) == 0 && !first &&
	    flags & AT_EMPTY_PATH)
		return sys_fstat(directory, buffer);
	error = file_path(path, directory, user_path);
	if (error == 0)
		error = look_up(path, &kind, &archived);
	if (error < 0)
		return error;
	stat_of(&stat, kind, archived);
	return copyout(buffer, &stat, sizeof(stat));
}

long sys_stat(uint64_t path, uint64_t buffer)
{
	return sys_newfstatat(AT_FDCWD, path, buffer, 0);
}

long sys_lseek(int fd, long offset, int whence)
{
	struct file *file = fd_file(fd);
	int64_t from[] = { 0, 0, 0 }; /* SEEK_SET, SEEK_CUR, SEEK_END */

	if (!file)
		return -EBADF;
	if (file->kind == FILE_PIPE || file->kind == FILE_CONSOLE)
		return -ESPIPE;
	from[1] = file->offset;
	from[2] = file->archived ? file->archived->size : 0;
	if (whence < 0 || whence > 2 ||
	    __builtin_add_overflow(from[whence], offset, &offset) || offset < 0)
		return -EINVAL;
	file->offset = offset;
	return offset;
}

long sys_getdents64(int fd, uint64_t buffer, size_t size)
{
	struct file *file = fd_file(fd);
	const struct initrd_file *entry;
	uint64_t position;
	size_t done = 0;

	if (!file)
		return -EBADF;
	if (!is_directory(file->archived))
		return -ENOTDIR;
	position = file->offset;
	while ((entry = initrd_list(file->archived, &position))) {
		uint8_t record[sizeof(struct dirent) + PATH_MAX];
		struct dirent *dirent = (struct dirent *)record;
		const char *name = initrd_base_name(entry);
		size_t length = sizeof(*dirent) + strlen(name) + 1;

		length = (length + 7) & -(size_t)8;
		if (length > sizeof(record))
			continue; /* a name too long to be opened */
		if (length > size - done)
			return done ? (long)done : -EINVAL;
		memset(record, 0, sizeof(record));
		dirent->number = initrd_number(entry);
		dirent->next_offset = position;
		dirent->size = length;
		dirent->type = (entry->mode & S_IFMT) >> 12;
		strlcpy(dirent->name, name, PATH_MAX);
		if (copyout(buffer + done, record, length) < 0)
			return done ? (long)done : -EFAULT;
		done += length;
		file->offset = position;
	}
	return done;
}

long sys_ioctl(int fd, uint32_t request, uint64_t argument)
{
	struct file *file = fd_file(fd);
	/* Input: CR to NL; output: NL to CR NL; 115200 8N1; lines, echo. */
	struct {
		uint32_t input, output, control, local;
		uint8_t line, characters[19];
	} termios = { 0x100, 0x5, 0x1cb2, 0x3a, 0, { 0 } };
	struct {
		uint16_t rows, columns, width, height;
	} window = { 24, 80, 0, 0 };

	if (!file)
		return -EBADF;
	if (file->kind != FILE_CONSOLE)
		return -ENOTTY;
	if (request == TCGETS)
		return copyout(argument, &termios, sizeof(termios));
	if (request == TIOCGWINSZ)
		return copyout(argument, &window, sizeof(window));
	return -ENOTTY;
}

long sys_pipe2(uint64_t user_fds, int flags)
{
	struct file *ends[2];
	struct pipe *pipe;
	int fds[2] = { -EMFILE, -EMFILE };
	long error = -ENFILE;

	if (flags & ~(O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	ends[0] = file_alloc(FILE_PIPE, true, false);
	ends[1] = file_alloc(FILE_PIPE, false, true);
	pipe = ends[0] && ends[1] ? pipe_create() : NULL;
	if (!pipe) {
		if (ends[0] && ends[1])
			error = -ENOMEM;
		for (int i = 0; i < 2; i++)
			if (ends[i])
				ends[i]->holders = 0;
		return error;
	}
	for (int i = 0; i < 2; i++) {
		ends[i]->pipe = pipe;
		ends[i]->no_sleep = flags & O_NONBLOCK;
		fds[i] = fd_install(ends[i]);
	}
	error = fds[0] < 0 || fds[1] < 0 ? -EMFILE
					 : copyout(user_fds, fds, sizeof(fds));
	for (int i = 0; i < 2 && error < 0; i++)
		if (fds[i] >= 0)
			sys_close(fds[i]);
	return error;
}

long sys_pipe(uint64_t fds)
{
	return sys_pipe2(fds, 0);
}

long sys_dup(int fd)
{
	struct file *file = fd_file(fd);

	return file ? fd_install(file_share(file)) : -EBADF;
}

long sys_dup2(int from, int to)
{
	struct file *file = fd_file(from);

	if (!file || to < 0 || to >= NFILE_PER_PROC)
		return -EBADF;
	if (from == to)
		return to;
	file_share(file);
	sys_close(to);
	proc_current()->files[to] = file;
	return to;
}

long sys_getcwd(uint64_t buffer, size_t size)
{
	char path[PATH_MAX + 1];
	size_t length =
		ksnprintf(path, sizeof(path), "/%s", proc_current()->cwd) + 1;
	int error;

	if (size < length)
		return -ERANGE;
	error = copyout(buffer, path, length);
	return error < 0 ? error : (long)length;
}

long sys_chdir(uint64_t user_path)
{
	const struct initrd_file *archived;
	enum file_kind kind;
	char path[PATH_MAX];
	int error = file_path(path, AT_FDCWD, user_path);

	if (error == 0)
		error = look_up(path, &kind, &archived);
	if (error < 0)
		return error;
	if (!is_directory(archived))
		return -ENOTDIR;
	strlcpy(proc_current()->cwd, path, PATH_MAX);
	return 0;
}
