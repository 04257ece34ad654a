/*
 * What poll and select say of pipes and of nothing, in time and after a signal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct timespec tenth = { 0, 100000000 };
static volatile sig_atomic_t heard;

static void hear(int signal)
{
	heard = signal;
}

static void result(const char *what, long value)
{
	printf("%s: %ld %d\n", what, value, value < 0 ? errno : 0);
}

static void poll_one(const char *what, int fd, short wanted)
{
	struct pollfd file = { fd, wanted, 0x7fff };

	printf("%s: %d, %#x\n", what, poll(&file, 1, 0), file.revents);
}

static void pipes(void)
{
	static char page[65536];
	int ends[2];

	pipe2(ends, O_NONBLOCK);
	poll_one("an empty pipe", ends[0], POLLIN | POLLRDNORM | POLLOUT);
	poll_one("its other end", ends[1], POLLOUT | POLLWRNORM | POLLIN);
	write(ends[1], "x", 1);
	poll_one("a pipe with a byte", ends[0], POLLIN | POLLRDNORM);
	poll_one("who asks for nothing", ends[0], 0);
	write(ends[1], page, sizeof(page));
	write(ends[1], page, sizeof(page));
	poll_one("a full pipe", ends[1], POLLOUT);
	close(ends[1]);
	poll_one("without a writer", ends[0], POLLIN);
	while (read(ends[0], page, sizeof(page)) > 0)
		;
	poll_one("and without a byte", ends[0], POLLIN);
	close(ends[0]);
	pipe(ends);
	close(ends[0]);
	poll_one("without a reader", ends[1], POLLOUT);
	close(ends[1]);
	poll_one("closed", ends[1], POLLOUT);
	poll_one("no descriptor", -1, POLLIN);
	poll_one("no such descriptor", 9999, POLLIN);
}

static void files(void)
{
	int null = open("/dev/null", O_RDWR), root = open("/", O_RDONLY);

	poll_one("/dev/null", null, POLLIN | POLLOUT | POLLPRI);
	poll_one("a directory", root, POLLIN | POLLOUT);
	close(null);
	close(root);
}

static void errors(void)
{
	struct pollfd file = { 0, 0, 0 };
	struct timespec bad = { 0, 1000000000 }, before = { -1, 0 };
	fd_set set;

	result("no files", poll(NULL, 0, 0));
	result("a bad address", syscall(SYS_poll, 8, 1, 0));
	result("very many", syscall(SYS_poll, &file, 1u << 30, 0));
	result("a bad time", syscall(SYS_ppoll, &file, 1, &bad, NULL, 8));
	result("a time before", syscall(SYS_ppoll, &file, 1, &before, NULL, 8));
	result("a bad mask", syscall(SYS_ppoll, &file, 1, &tenth, &set, 4));
	FD_ZERO(&set);
	FD_SET(60, &set); /* Linux overlooks what its table has no room for */
	result("select of nothing open",
	       syscall(SYS_select, 201, &set, NULL, NULL, &(long[2]){ 0 }));
	result("less than none",
	       syscall(SYS_select, -1, NULL, NULL, NULL, &(long[2]){ 0 }));
	result("a bad set",
	       syscall(SYS_select, 1, 8, NULL, NULL, &(long[2]){ 0 }));
}

static void show(const char *what, int count, const fd_set *readers,
		 const fd_set *writers, const fd_set *others)
{
	printf("%s: %d;", what, count);
	for (int fd = 0; fd < 16; fd++)
		printf(" %d%d%d", !!FD_ISSET(fd, readers),
		       !!FD_ISSET(fd, writers), !!FD_ISSET(fd, others));
	printf("\n");
}

static void sets(void)
{
	fd_set readers, writers, others;
	struct timeval none = { 0, 0 };
	int ends[2], count;

	pipe(ends);
	for (int round = 0; round < 3; round++) {
		FD_ZERO(&readers);
		FD_ZERO(&writers);
		FD_ZERO(&others);
		for (int i = 0; i < 2; i++) {
			FD_SET(ends[i], &readers);
			FD_SET(ends[i], &writers);
			FD_SET(ends[i], &others);
		}
		count = select(ends[1] + 1, &readers, &writers, &others, &none);
		show("select", count, &readers, &writers, &others);
		if (round == 0)
			write(ends[1], "x", 1);
		else
			dup2(ends[0], ends[1]); /* no writer is left */
	}
	close(ends[0]);
	close(ends[1]);
}

static void times(void)
{
	struct timespec left = tenth;
	struct timeval time = { 0, 100000 };
	struct pollfd file;
	int ends[2];

	pipe(ends);
	file = (struct pollfd){ ends[0], POLLIN, 0 };
	result("poll in time", poll(&file, 1, 100));
	result("ppoll in time", syscall(SYS_ppoll, &file, 1, &left, NULL, 8));
	printf("left: %ld %ld\n", (long)left.tv_sec, left.tv_nsec);
	result("select in time",
	       syscall(SYS_select, 0, NULL, NULL, NULL, &time));
	printf("left: %ld %ld\n", (long)time.tv_sec, (long)time.tv_usec);
	if (fork() == 0) {
		nanosleep(&tenth, NULL);
		write(ends[1], "x", 1);
		_exit(0);
	}
	result("poll until there is something", poll(&file, 1, -1));
	printf("found %#x\n", file.revents);
	wait(NULL);
}

static void signals(void)
{
	struct sigaction action = { .sa_handler = hear,
				    .sa_flags = SA_RESTART };
	sigset_t alarm, none;

	sigemptyset(&none);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigaction(SIGALRM, &action, NULL);
	ualarm(100000, 0);
	result("poll is not made again", poll(NULL, 0, -1));
	ualarm(100000, 0);
	result("nor select", select(0, NULL, NULL, NULL, NULL));
	sigprocmask(SIG_BLOCK, &alarm, NULL);
	ualarm(100000, 0);
	result("a blocked signal", poll(NULL, 0, 300));
	heard = 0;
	result("is let in", ppoll(NULL, 0, NULL, &none));
	printf("heard %d\n", heard == SIGALRM);
	ualarm(100000, 0);
	result("by pselect, too", pselect(0, NULL, NULL, NULL, NULL, &none));
	sigprocmask(SIG_BLOCK, NULL, &none);
	printf("blocked again: %d\n", sigismember(&none, SIGALRM));
	result("ppoll in time", ppoll(NULL, 0, &tenth, &alarm));
	sigprocmask(SIG_BLOCK, NULL, &none);
	printf("blocked: %d\n", sigismember(&none, SIGALRM));
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	pipes();
	files();
	errors();
	sets();
	times();
	signals();
	return 0;
}
