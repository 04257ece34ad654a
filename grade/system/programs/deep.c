/*
 * What might lead a kernel deep into its stack: paths of a thousand parts, links to
 * links, as many arguments as there may be, handlers within handlers, pages that
 * come while bytes are copied, and a clock that strikes all the while. All is done
 * within the directory named.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define TELL(call) tell(#call, call)
#define PARTS      1000
#define LINKS      39
#define PAGES      64
#define PAGE       4096
#define ARGUMENTS  (100 * 1024) /* bytes */
#define NESTED     30
#define PIECES     1024

static char far[2 * PARTS + 40], further[2 * PARTS + 40];
static const char *self;

static long tell(const char *what, long result)
{
	printf("%s: %ld error %d\n", what, result, result < 0 ? errno : 0);
	return result;
}

/* "./././…" and a name. */
static char *long_path(char *path, const char *name)
{
	for (int i = 0; i < PARTS; i++)
		memcpy(path + 2 * i, "./", 2);
	strcpy(path + 2 * PARTS, name);
	return path;
}

static void paths(void)
{
	struct stat about;
	char text[8];

	long_path(far, "file");
	long_path(further, "other");
	TELL(close(open(far, O_RDWR | O_CREAT, 0600)));
	TELL(stat(far, &about));
	TELL(link(far, further));
	TELL(rename(further, far));
	TELL(unlink(far));
	TELL(rename(further, far));
	TELL(unlink(far));
	TELL(mkdir(far, 0700));
	TELL(rmdir(far));
	TELL(symlink(further, far));
	TELL(open(far, O_RDONLY));
	TELL(readlink(far, text, 3));
	TELL(chmod(far, 0600));
	TELL(truncate(far, 0));
	TELL(execl(far, far, NULL));
	TELL(unlink(far));
}

/* Each link leads by a long way to the next. */
static void links(void)
{
	char from[16], to[16] = "end";

	TELL(close(open("end", O_RDWR | O_CREAT, 0600)));
	for (int i = 0; i < LINKS; i++) {
		sprintf(from, "link%d", i);
		symlink(long_path(far, to), from);
		strcpy(to, from);
	}
	TELL(open(from, O_RDWR) >= 0);
	TELL(access(long_path(far, from), R_OK));
	for (int i = 0; i < LINKS; i++) {
		sprintf(from, "link%d", i);
		unlink(from);
	}
	TELL(unlink("end"));
}

static long run(const char *program, char **arguments)
{
	int status = -1;

	fflush(stdout);
	if (fork() == 0) {
		execv(program, arguments);
		_exit(99);
	}
	wait(&status);
	return status;
}

static void arguments(void)
{
	static char *all[ARGUMENTS / 64 + 3], text[64];
	int script = open("script", O_RDWR | O_CREAT, 0700);

	memset(text, 'a', sizeof(text) - 9);
	all[0] = "deep";
	for (int i = 1; i < ARGUMENTS / 64; i++)
		all[i] = text;
	TELL(run(self, all));
	dprintf(script, "#!%s %s\n", self, "of a script");
	close(script);
	TELL(run("./script", all));
	TELL(unlink("script"));
}

static volatile int depth, deepest, strikes;

static void strike(int signal)
{
	(void)signal;
	strikes++;
}

/* In a handler, a handler; in the innermost, a child. */
static void nest(int signal)
{
	if (++depth > deepest)
		deepest = depth;
	if (depth < NESTED)
		raise(signal);
	else if (fork() == 0)
		_exit(0);
	else
		wait(NULL);
	depth--;
}

static void handlers(void)
{
	stack_t stack = { .ss_sp = malloc(1 << 20), .ss_size = 1 << 20 };
	struct sigaction action = { .sa_handler = nest,
				    .sa_flags = SA_NODEFER | SA_ONSTACK };

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	printf("%d handlers within each other\n", deepest);
}

static void *fresh(int file, int flags)
{
	return mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, flags, file, 0);
}

static void copies(void)
{
	int file = open("bytes", O_RDWR | O_CREAT, 0600), ends[2];
	struct iovec pieces[PIECES];
	char *from, *to;

	TELL(ftruncate(file, PAGES * PAGE));
	from = fresh(file, MAP_SHARED);
	to = fresh(-1, MAP_PRIVATE | MAP_ANONYMOUS);
	TELL(pread(file, to, PAGES * PAGE, 0));
	TELL(pwrite(file, from, PAGES * PAGE, PAGES * PAGE));
	for (int i = 0; i < PIECES; i++)
		pieces[i] = (struct iovec){ to + i * 100, 1 };
	TELL(writev(file, pieces, PIECES));
	TELL(munmap(to, PAGES * PAGE));
	to = fresh(-1, MAP_SHARED | MAP_ANONYMOUS);
	for (int i = 0; i < PIECES; i++)
		pieces[i] = (struct iovec){ to + i * 200, 1 };
	TELL(lseek(file, 0, SEEK_SET));
	TELL(readv(file, pieces, PIECES));
	pipe(ends);
	TELL(write(ends[1], from, 65536));
	TELL(read(ends[0], to, 65536));
	TELL(unlink("bytes"));
	close(file);
}

static void lists(void)
{
	static const char *const files[] = { "meminfo", "uptime", "self/stat",
					     "self/status", "self/cmdline" };
	DIR *processes = opendir("/proc");
	struct pollfd waited[200];
	fd_set readers;
	int ends[2];
	char path[64];

	while (readdir(processes))
		;
	closedir(processes);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		sprintf(path, "/proc/%s", files[i]);
		int file = open(path, O_RDONLY);

		printf("%s: %d\n", files[i], read(file, path, 10) > 0);
		close(file);
	}
	pipe(ends);
	for (int fd = 20; fd < 200; fd++)
		dup2(ends[0], fd);
	FD_ZERO(&readers);
	for (int fd = 0; fd < 200; fd++) {
		waited[fd] = (struct pollfd){ fd < 20 ? -1 : fd, POLLIN, 0 };
		if (fd >= 20)
			FD_SET(fd, &readers);
	}
	TELL(select(200, &readers, NULL, NULL, &(struct timeval){ 0, 1000 }));
	TELL(poll(waited, 200, 1));
}

/* Where the output is a terminal, each byte takes its time. */
static void output(void)
{
	int file = open("lines", O_RDWR | O_CREAT, 0600);
	off_t position = 0, end;

	for (int i = 0; i < 1000; i++)
		dprintf(file, "line %d\n", i);
	end = lseek(file, 0, SEEK_CUR);
	fflush(stdout);
	while (position < end &&
	       (sendfile(1, file, &position, (size_t)end) > 0 ||
		errno == EINTR))
		;
	TELL(unlink("lines"));
}

int main(int argc, char **argv)
{
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	struct sigaction action = { .sa_handler = strike,
				    .sa_flags = SA_RESTART };

	if (argc > 2) {
		printf("%d arguments\n", argc);
		return 0;
	}
	self = argv[0];
	if (argc < 2 || chdir(argv[1]) < 0)
		return 1;
	paths();
	links();
	handlers();
	lists();
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	arguments();
	copies();
	output();
	printf("struck: %d\n", strikes > 0);
	return 0;
}
