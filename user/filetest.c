/*
 * Names, files, open files, descriptors, told apart by what they share: an offset is
 * the open file's, the bytes are the file's, and a name is only a way to it. And what
 * a pipe promises: order, whole pieces, an end.
 */
#include <user.h>

#define PIECE 4096 /* bytes that go into a pipe whole, or not at all */

static char name[40], other[40]; /* two files of its own */
static int ends[2];              /* of a pipe: to read from, to write to */

static int opened(const char *path, int flags)
{
	long fd = open(path, flags);

	if (fd < 0)
		printf("filetest: %s: %s\n", path, error_text(fd));
	return (int)fd;
}

static void make_file(const char *path, const char *text)
{
	int fd = opened(path, O_WRONLY | O_CREAT | O_TRUNC);

	write(fd, text, strlen(text));
	close(fd);
}

/* The next byte, or what read says instead. */
static long next(int fd)
{
	char byte;
	long result = read(fd, &byte, 1);

	return result == 1 ? byte : result;
}

static void make_pipe(int flags)
{
	syscall2(SYS_pipe2, (long)ends, flags);
}

static void close_pipe(void)
{
	close(ends[0]);
	close(ends[1]);
}

/* ---- pipes ---- */

static void check_wait(void)
{
	char text[100];
	long child;

	make_pipe(0);
	child = fork_or_exit();
	if (child == 0)
		exit(write(ends[1], "hello", 5) != 5);
	check_equal("an empty pipe: read waits, and gets what there is",
		    read(ends[0], text, sizeof(text)), 5);
	wait_for(child);
	close_pipe();
}

static void check_end(void)
{
	int copy;

	make_pipe(O_NONBLOCK);
	copy = (int)dup(ends[1]);
	close(ends[1]);
	check_equal("empty, and somebody could write: no end", next(ends[0]),
		    -EAGAIN);
	close(copy);
	check_equal("the last writer has closed it: the end", next(ends[0]), 0);
	close(ends[0]);
}

static void check_whole(void)
{
	static char piece[PIECE];

	make_pipe(O_NONBLOCK);
	while (write(ends[1], piece, PIECE) == PIECE)
		;
	read(ends[0], piece, 100);
	check_equal("no room for all of a piece: nothing goes in",
		    write(ends[1], piece, PIECE), -EAGAIN);
	close_pipe();
}

static int write_to_nobody(long disposition)
{
	on_signal(SIGPIPE, (uintptr_t)disposition, 0);
	return write(ends[1], "x", 1) != -EPIPE;
}

static void check_no_reader(void)
{
	make_pipe(0);
	close(ends[0]);
	check_equal("nobody reads: the writer is ended by SIGPIPE",
		    WTERMSIG(run_child(write_to_nobody, SIG_DFL)), SIGPIPE);
	check_equal("or is told, where it ignores that: -EPIPE",
		    run_child(write_to_nobody, SIG_IGN), 0);
	close(ends[1]);
}

/* ---- an open file has the offset ---- */

static int takes(long fd)
{
	return (int)next((int)fd);
}

static void check_offsets(void)
{
	int first, copy, own;

	make_file(name, "abcd");
	first = opened(name, O_RDONLY);
	copy = (int)dup(first);
	own = opened(name, O_RDONLY);
	check_equal("the first byte", next(first), 'a');
	check_equal("dup shares the offset", next(copy), 'b');
	check_equal("fork shares it", WEXITSTATUS(run_child(takes, first)),
		    'c');
	check_equal("what the child took is taken", next(first), 'd');
	check_equal("who has opened it anew is at its start", next(own), 'a');
	close(first);
	close(copy);
	close(own);
}

/* Two writers, each with an open file of its own. What the file then holds. */
static long size_after_two_writes(int flags)
{
	struct stat found;
	int a, b;

	make_file(name, "");
	a = opened(name, O_WRONLY | flags);
	b = opened(name, O_WRONLY | flags);
	write(a, "one\n", 4);
	write(b, "two\n", 4);
	fstat(a, &found);
	close(a);
	close(b);
	return found.size;
}

static void check_append(void)
{
	check_equal("two writers, two offsets: one's line is lost",
		    size_after_two_writes(0), 4);
	check_equal("O_APPEND: each after the end, both are there",
		    size_after_two_writes(O_APPEND), 8);
}

/* ---- a name is a way to a file ---- */

static void check_names(void)
{
	struct stat a, b;

	make_file(name, "x");
	link(name, other);
	stat(name, &a);
	stat(other, &b);
	check(a.inode == b.inode && a.links == 2, "two names, one file");
	check_equal("O_CREAT with O_EXCL: never what is there",
		    open(name, O_WRONLY | O_CREAT | O_EXCL), -EEXIST);
	unlink(other);
}

static void check_unlink(void)
{
	struct stat found;
	int fd;

	make_file(name, "still there");
	fd = opened(name, O_RDONLY);
	unlink(name);
	check_equal("its only name is gone", open(name, O_RDONLY), -ENOENT);
	fstat(fd, &found);
	check(found.links == 0 && next(fd) == 's', "who has it open reads on");
	close(fd);
}

static void check_rename(void)
{
	int before, after;

	make_file(name, "old");
	make_file(other, "new");
	before = opened(name, O_RDONLY);
	check_equal("rename, to a name that is taken", rename(other, name), 0);
	after = opened(name, O_RDONLY);
	check_equal("who had the old file open has it", next(before), 'o');
	check_equal("who opens the name gets the new one", next(after), 'n');
	close(before);
	close(after);
	unlink(name);
}

int main(void)
{
	snprintf(name, sizeof(name), "/tmp/filetest.%ld.1", getpid());
	snprintf(other, sizeof(other), "/tmp/filetest.%ld.2", getpid());
	check_wait();
	check_end();
	check_whole();
	check_no_reader();
	check_offsets();
	check_append();
	check_names();
	check_unlink();
	check_rename();
	return check_done();
}
