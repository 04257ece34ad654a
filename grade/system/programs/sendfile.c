/*
 * sendfile: to files, pipes and the standard output; with a position and without;
 * what comes in part, and what is refused. One line for each call. All is done
 * within the directory named.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#define TELL(call) tell(#call, call)
#define PAGE       4096
#define SIZE       70000 /* of the file: more than a pipe holds */

static char bytes[2 * SIZE];
static int file, target, null, zero, directory;
static int from, to; /* a pipe that does not sleep */
static off_t position;

static long tell(const char *what, long result)
{
	printf("%s: %ld error %d\n", what, result, result < 0 ? errno : 0);
	return result;
}

/* As if by position, so that none is like its neighbours. */
static char byte_at(long at)
{
	return (char)(at ^ at >> 8 ^ at >> 16);
}

static void expect(long count, long at)
{
	for (long i = 0; i < count; i++)
		if (bytes[i] != byte_at(at + i)) {
			printf("byte %ld of those from %ld is wrong\n", i, at);
			return;
		}
	printf("%ld bytes are those from %ld on\n", count, at);
}

static void open_all(void)
{
	int ends[2];

	for (long i = 0; i < SIZE; i++)
		bytes[i] = byte_at(i);
	file = open("sent", O_RDWR | O_CREAT | O_TRUNC, 0600);
	target = open("target", O_RDWR | O_CREAT | O_TRUNC, 0600);
	null = open("/dev/null", O_RDWR);
	zero = open("/dev/zero", O_RDONLY);
	directory = open(".", O_RDONLY);
	TELL(write(file, bytes, SIZE));
	pipe2(ends, O_NONBLOCK);
	from = ends[0];
	to = ends[1];
}

static void to_a_file(void)
{
	TELL(lseek(file, 5, SEEK_SET));
	TELL(sendfile(target, file, NULL, 10000));
	TELL(lseek(file, 0, SEEK_CUR));
	TELL(lseek(target, 0, SEEK_CUR));
	TELL(pread(target, bytes, SIZE, 0));
	expect(10000, 5);
	position = 60000;
	TELL(sendfile(target, file, &position, 20000));
	TELL(position);
	TELL(lseek(file, 0, SEEK_CUR));
	TELL(pread(target, bytes, SIZE, 10000));
	expect(10000, 60000);
	TELL(sendfile(target, file, &position, 20000));
	TELL(sendfile(target, file, &position, 0));
	position = 1000000;
	TELL(sendfile(target, file, &position, 1));
	TELL(position);
	position = 8;
	TELL(lseek(file, 0, SEEK_SET));
	TELL(sendfile(file, file, &position, 4));
	TELL(lseek(file, 0, SEEK_CUR));
	TELL(pread(file, bytes, 4, 0));
	expect(4, 8);
	TELL(sendfile(file, file, NULL, 4));
	TELL(lseek(file, 0, SEEK_CUR));
	for (long i = 0; i < SIZE; i++)
		bytes[i] = byte_at(i);
	TELL(pwrite(file, bytes, SIZE, 0));
}

/* A pipe takes what it has room for, a page of the file at a time. */
static void to_a_pipe(void)
{
	TELL(lseek(file, 0, SEEK_SET));
	TELL(sendfile(to, file, NULL, SIZE));
	TELL(lseek(file, 0, SEEK_CUR));
	TELL(sendfile(to, file, NULL, 1));
	TELL(read(from, bytes, SIZE));
	expect(65536, 0);
	position = 100;
	TELL(sendfile(to, file, &position, SIZE));
	TELL(position);
	TELL(read(from, bytes, SIZE));
	expect(65436, 100);
	TELL(write(to, bytes, 100));
	position = 0;
	TELL(sendfile(to, file, &position, SIZE));
	TELL(read(from, bytes, 100));
	TELL(read(from, bytes, SIZE));
	expect(61440, 0);
	TELL(fcntl(to, F_SETFL, O_APPEND | O_NONBLOCK));
	position = 3;
	TELL(sendfile(to, file, &position, 3));
	TELL(read(from, bytes, SIZE));
	expect(3, 3);
}

/* It sleeps until there is room, and not for more than that. */
static void to_a_pipe_that_sleeps(void)
{
	int ends[2];

	pipe(ends);
	position = 0;
	TELL(sendfile(ends[1], file, &position, SIZE));
	fflush(stdout);
	if (fork() == 0) {
		long sum = 0, n;

		close(ends[1]);
		while ((n = read(ends[0], bytes, SIZE)) > 0)
			sum += n;
		printf("read %ld\n", sum);
		fflush(stdout);
		_exit(0);
	}
	TELL(sendfile(ends[1], file, &position, SIZE));
	TELL(position);
	fflush(stdout);
	close(ends[1]);
	wait(NULL);
	close(ends[0]);
}

static void to_what_nobody_reads(void)
{
	int ends[2];

	pipe(ends);
	close(ends[0]);
	position = 0;
	signal(SIGPIPE, SIG_IGN);
	TELL(sendfile(ends[1], file, &position, 10));
	TELL(position);
	position = SIZE;
	TELL(sendfile(ends[1], file, &position, 10));
	TELL(sendfile(ends[1], file, &position, 0));
	TELL(sendfile(ends[1], zero, NULL, 0));
	signal(SIGPIPE, SIG_DFL);
	fflush(stdout);
	if (fork() == 0) {
		sendfile(ends[1], file, &position, 10);
		_exit(0);
	}
	int status;
	wait(&status);
	printf("signal %d\n", WTERMSIG(status));
	close(ends[1]);
}

static void to_the_output(int text)
{
	long size = lseek(text, 0, SEEK_END), n = 1;

	fflush(stdout);
	for (position = 0; position < size && n > 0;)
		n = sendfile(1, text, &position, (size_t)size);
	TELL(position);
}

static void devices(void)
{
	position = 0;
	TELL(sendfile(null, file, &position, SIZE));
	TELL(ftruncate(target, 0));
	TELL(lseek(target, 0, SEEK_SET));
	TELL(sendfile(target, zero, NULL, 10000));
	TELL(pread(target, bytes, SIZE, 0));
	TELL(bytes[0] + bytes[9999]);
	TELL(sendfile(to, zero, NULL, 10));
	TELL(read(from, bytes, SIZE));
}

static void errors(void)
{
	int end = open("target", O_WRONLY | O_APPEND);
	int only = open("sent", O_RDONLY);
	off_t *fixed =
		mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	position = 0;
	TELL(sendfile(target, from, NULL, 10));
	TELL(sendfile(target, from, &position, 10));
	TELL(sendfile(to, from, NULL, 10));
	TELL(sendfile(target, directory, NULL, 10));
	TELL(sendfile(to, directory, &position, 10));
	TELL(sendfile(end, file, &position, 10));
	TELL(sendfile(target, end, NULL, 10));
	TELL(sendfile(only, file, NULL, 10));
	TELL(sendfile(from, file, NULL, 10));
	TELL(sendfile(target, to, NULL, 10));
	TELL(sendfile(-1, file, NULL, 10));
	TELL(sendfile(target, -1, NULL, 10));
	TELL(sendfile(-1, -1, (off_t *)8, 10));
	TELL(sendfile(target, file, (off_t *)8, 10));
	TELL(sendfile(target, file, fixed, 10));
	TELL(sendfile(target, file, &position, (size_t)-1));
	TELL(sendfile(target, file, &position, (size_t)1 << 40));
	position = -1;
	TELL(sendfile(target, file, &position, 10));
	position = 1;
	TELL(sendfile(target, file, &position, (size_t)-1 >> 1));
}

int main(int argc, char **argv)
{
	int text;

	if (argc < 2 || chdir(argv[1]) < 0)
		return 1;
	text = open("text", O_RDONLY);
	open_all();
	to_a_file();
	to_a_pipe();
	to_a_pipe_that_sleeps();
	to_what_nobody_reads();
	to_the_output(text);
	devices();
	errors();
	return 0;
}
