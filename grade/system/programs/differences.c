/*
 * What this kernel does differently from Linux, or not at all: one line each,
 * with what came of it. docs/differences.md says why. Each try is a child's, so
 * that none disturbs the next.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

static const char *self, *directory;

static char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void done(long result)
{
	printf("%s\n", result < 0 ? strerror(errno) : "works");
}

/* ---- calls --------------------------------------------------------------- */

static void a_thread(void)
{
	static char stack[PAGE];
	long pid = syscall(SYS_clone, CLONE_VM | SIGCHLD, stack + PAGE / 2, 0,
			   0, 0);

	if (pid == 0)
		syscall(SYS_exit, 0);
	done(pid);
}

static void a_socket(void)
{
	done(syscall(SYS_socket, 1, 1, 0));
}

static void mremap_to_an_address(void)
{
	char *there = mmap(NULL, 5 * PAGE, PROT_READ,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	done(syscall(SYS_mremap, there, PAGE, PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, there + 4 * PAGE) == -1
		     ? -1
		     : 0);
}

static void epoll(void)
{
	done(syscall(SYS_epoll_create1, 0));
}

static void a_fifo(void)
{
	long result = syscall(SYS_mknod, path_of("fifo"), S_IFIFO | 0600, 0);

	done(result);
	unlink(path_of("fifo"));
}

static void a_lock_on_a_file(void)
{
	struct flock lock = { .l_type = F_WRLCK };
	int fd = open(path_of("locked"), O_RDWR | O_CREAT, 0600);

	done(fcntl(fd, F_SETLK, &lock));
	unlink(path_of("locked"));
}

static void a_priority(void)
{
	done(syscall(SYS_setpriority, PRIO_PROCESS, 0, 1));
}

static void a_lower_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur--;
	done(setrlimit(RLIMIT_NOFILE, &limit));
}

static void a_timer_of_processor_time(void)
{
	struct itimerval time = { .it_value = { 10, 0 } };

	done(setitimer(ITIMER_VIRTUAL, &time, NULL));
}

static void its_own_file(void)
{
	char name[256];

	done(readlink("/proc/self/exe", name, sizeof(name)));
}

static void getpid_by_int_0x80(void)
{
	long result;

	asm volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
	done(result);
}

/* ---- flags --------------------------------------------------------------- */

static void a_pipe_of_packets(void)
{
	int ends[2];

	done(pipe2(ends, O_DIRECT));
}

static void memory_that_no_child_has(void)
{
	void *there =
		mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	done(madvise(there, PAGE, MADV_DONTFORK));
}

/* ---- sizes --------------------------------------------------------------- */

static void descriptor_300(void)
{
	done(dup2(1, 300));
}

static void a_megabyte_of_arguments(void)
{
	static char text[64 * 1024];
	char *argv[18] = { "differences" };

	memset(text, 'x', sizeof(text) - 1);
	for (int i = 1; i < 17; i++)
		argv[i] = text;
	execv(self, argv);
	done(-1);
}

/* ---- what is seen -------------------------------------------------------- */

static void the_kernels_name(void)
{
	struct utsname name;

	uname(&name);
	printf("%s\n", name.sysname);
}

static void the_clocks_step(void)
{
	struct timespec step;

	clock_getres(CLOCK_MONOTONIC, &step);
	printf("%ld ns\n", step.tv_nsec);
}

static volatile int received;

static void count(int signal)
{
	(void)signal;
	received++;
}

static void a_real_time_signal_twice(void)
{
	sigset_t set;

	signal(SIGRTMIN, count);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGRTMIN);
	kill(getpid(), SIGRTMIN);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf("received %d\n", received);
}

static void a_mapped_page_that_is_cut_off(void)
{
	int fd = open(path_of("cut"), O_RDWR | O_CREAT, 0600);
	char *page;

	ftruncate(fd, PAGE);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	page[0] = 1;
	ftruncate(fd, 0);
	unlink(path_of("cut"));
	done(*(volatile char *)page ? 0 : -1);
}

static void writing_to_a_running_program(void)
{
	done(open(self, O_WRONLY));
}

static void a_byte_where_a_byte_was_taken(void)
{
	static char bytes[65536];
	int ends[2];

	pipe2(ends, O_NONBLOCK);
	while (write(ends[1], bytes, sizeof(bytes)) > 0)
		;
	read(ends[0], bytes, 1);
	done(write(ends[1], bytes, 1));
}

static void sendfile_from_null(void)
{
	int null = open("/dev/null", O_RDWR);

	done(sendfile(null, null, NULL, 10));
}

static void sendfile_of_nothing_from_a_directory(void)
{
	int from = open(directory, O_RDONLY);
	int to = open(path_of("target"), O_WRONLY | O_CREAT, 0600);

	done(sendfile(to, from, NULL, 0));
	unlink(path_of("target"));
}

static void sendfile_from_proc(void)
{
	int file = open("/proc/self/stat", O_RDONLY), ends[2];

	pipe(ends);
	done(sendfile(ends[1], file, NULL, 10));
}

static void the_mode_of_a_pipe(void)
{
	int ends[2];

	pipe(ends);
	done(fchmod(ends[0], 0600));
}

static void a_bad_piece_in_the_middle(void)
{
	struct iovec pieces[] = { { "ab", 2 }, { (void *)8, 2 }, { "cd", 2 } };
	int ends[2];

	pipe(ends);
	done(writev(ends[1], pieces, 3));
}

#define TRY(name)           \
	{                   \
#name, name \
	}
static const struct {
	const char *name;
	void (*try)(void);
} tries[] = {
	TRY(a_thread),
	TRY(a_socket),
	TRY(mremap_to_an_address),
	TRY(epoll),
	TRY(a_fifo),
	TRY(a_lock_on_a_file),
	TRY(a_priority),
	TRY(a_lower_limit),
	TRY(a_timer_of_processor_time),
	TRY(its_own_file),
	TRY(getpid_by_int_0x80),
	TRY(a_pipe_of_packets),
	TRY(memory_that_no_child_has),
	TRY(descriptor_300),
	TRY(a_megabyte_of_arguments),
	TRY(the_kernels_name),
	TRY(the_clocks_step),
	TRY(a_real_time_signal_twice),
	TRY(a_mapped_page_that_is_cut_off),
	TRY(writing_to_a_running_program),
	TRY(a_byte_where_a_byte_was_taken),
	TRY(sendfile_from_null),
	TRY(sendfile_of_nothing_from_a_directory),
	TRY(sendfile_from_proc),
	TRY(the_mode_of_a_pipe),
	TRY(a_bad_piece_in_the_middle),
};

/* What came of it, in result: what the child printed, or the signal that ended
 * it. The kernel's own line about that one must not come in between. */
static void try_one(void (*try)(void), char *result, size_t size)
{
	int ends[2], status;
	ssize_t length;

	pipe(ends);
	fflush(stdout);
	if (fork() == 0) {
		dup2(ends[1], 1);
		try();
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	close(ends[1]);
	length = read(ends[0], result, size - 1);
	close(ends[0]);
	result[length > 0 ? length : 0] = 0;
	if (WIFSIGNALED(status))
		snprintf(result, size, "signal %d\n", WTERMSIG(status));
}

/* A name's underscores are blanks. */
static void say(const char *name, const char *result)
{
	for (; *name; name++)
		putchar(*name == '_' ? ' ' : *name);
	printf(": %s", result);
}

int main(int argc, char **argv)
{
	char result[100];

	if (argc > 2) {
		printf("works\n"); /* it has its megabyte of arguments */
		return 0;
	}
	self = argv[0];
	directory = argv[1];
	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		try_one(tries[i].try, result, sizeof(result));
		say(tries[i].name, result);
	}
	return 0;
}
