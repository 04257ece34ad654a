/*
 * What a program asks about itself and the machine: who it is, what time it is,
 * what it has used and may use, and what lies under a name. Only what must be so
 * for any user of any Linux is printed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOREPLACE 1 /* of renameat2 */

#define BAD       ((void *)8)

static void say(const char *what, long result)
{
	printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

/* Linux's own call, without what the library makes of it. */
#define CALL(name, ...) \
	say(#name " " #__VA_ARGS__, syscall(SYS_##name, ##__VA_ARGS__))

static void identity(void)
{
	uid_t real, effective, saved;
	gid_t mine = getegid();

	printf("one user: %d\n", getuid() == geteuid());
	printf("one group: %d\n", getgid() == mine);
	say("getresuid", getresuid(&real, &effective, &saved));
	printf("all three: %d\n", real == getuid() && saved == effective);
	say("setuid to itself", setuid(getuid()));
	say("setregid as it is", setregid(-1, -1));
	say("setresgid to itself", setresgid(mine, mine, mine));
	CALL(setuid, -1);
	CALL(setgid, -1);
	CALL(getresuid, BAD, &effective, &saved);
	CALL(getgroups, -1, 0);
	say("chown to nobody else",
	    chown("/tmp", -1, -1) < 0 && errno != EPERM);
	CALL(fchown, 99, -1, -1);
	CALL(fchownat, AT_FDCWD, "/", -1, -1, 0x8000);
}

static void dates(void)
{
	struct timeval tv;
	struct timespec ts, sleep = { 0, 1000 }, bad = { 0, 1000000000 };
	time_t seconds = time(NULL), stored;

	say("gettimeofday", gettimeofday(&tv, NULL));
	printf("as time: %d\n", tv.tv_sec - seconds <= 1);
	printf("microseconds: %d\n", tv.tv_usec >= 0 && tv.tv_usec < 1000000);
	say("gettimeofday of nothing", syscall(SYS_gettimeofday, 0, 0));
	CALL(gettimeofday, BAD, 0);
	CALL(gettimeofday, 0, BAD);
	CALL(time, BAD);
	printf("time stores it: %d\n", syscall(SYS_time, &stored) == stored);
	for (int clock = 0; clock < 12; clock++)
		if (clock < 8 || clock > 10) {
			printf("clock %d: ", clock);
			say("now", syscall(SYS_clock_gettime, clock, &ts));
			say("step", syscall(SYS_clock_getres, clock, &ts));
		}
	CALL(clock_gettime, 99, &ts);
	CALL(clock_getres, 99, 0);
	CALL(clock_getres, 1, 0);
	CALL(clock_nanosleep, 1, 0, &sleep, 0);
	CALL(clock_nanosleep, 1, 0, &bad, 0);
	CALL(clock_nanosleep, 99, 0, &sleep, 0);
	CALL(clock_nanosleep, 3, 0, &sleep, 0);
	CALL(clock_nanosleep, 1, TIMER_ABSTIME, BAD, 0);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec /= 2;
	CALL(clock_nanosleep, 0, TIMER_ABSTIME, &ts, 0);
}

/* Uses some processor time, as its clock shows. */
static void burn(void)
{
	struct timespec used;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	while (used.tv_sec == 0 && used.tv_nsec < 60000000);
}

static long used(const struct rusage *usage)
{
	return usage->ru_utime.tv_sec * 1000000 + usage->ru_utime.tv_usec +
	       usage->ru_stime.tv_sec * 1000000 + usage->ru_stime.tv_usec;
}

static void usage(void)
{
	struct rusage self, child, of_wait;
	struct tms tms;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		burn();
		_exit(3);
	}
	getrusage(RUSAGE_CHILDREN, &child);
	printf("of children before: %d\n", used(&child) == 0);
	printf("wait4 %d\n", wait4(pid, &status, 0, &of_wait) == pid);
	getrusage(RUSAGE_CHILDREN, &child);
	printf("of the child: %d\n", used(&of_wait) >= 50000);
	printf("and of all: %d\n", used(&child) == used(&of_wait));
	say("of itself", getrusage(RUSAGE_SELF, &self));
	CALL(getrusage, 5, &self);
	CALL(getrusage, 0, BAD);
	printf("times: %d\n", times(&tms) != -1);
	printf("of the child: %d\n", tms.tms_cutime + tms.tms_cstime >= 4);
	CALL(times, BAD);
	if (fork() == 0)
		_exit(0);
	CALL(wait4, -1, 0, 0, BAD);
}

static void limits(void)
{
	struct rlimit limit, same;

	for (int i = 0; i < 16; i++) {
		getrlimit(i, &limit);
		printf("limit %d: %d\n", i, limit.rlim_cur <= limit.rlim_max);
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	printf("files: %d\n",
	       limit.rlim_cur >= 64 && dup2(1, limit.rlim_cur) < 0);
	say("the same again", setrlimit(RLIMIT_NOFILE, &limit));
	say("by prlimit", prlimit(getpid(), RLIMIT_NOFILE, &limit, &same));
	printf("it says: %d\n", same.rlim_cur == limit.rlim_cur);
	limit.rlim_cur = limit.rlim_max + 1;
	CALL(setrlimit, RLIMIT_NOFILE, &limit);
	CALL(getrlimit, 16, &limit);
	CALL(setrlimit, 16, &limit);
	CALL(setrlimit, 7, BAD);
	CALL(getrlimit, 7, BAD);
	CALL(prlimit64, 0x7fffffff, 7, 0, &limit);
	CALL(prlimit64, 0, 16, 0, &limit);
}

static void randomness(void)
{
	unsigned char a[64] = { 0 }, b[64] = { 0 };

	say("getrandom", getrandom(a, sizeof(a), 0));
	getrandom(b, sizeof(b), GRND_NONBLOCK);
	printf("twice the same: %d\n", memcmp(a, b, sizeof(a)) == 0);
	CALL(getrandom, a, 3, 0);
	CALL(getrandom, a, 0, 0);
	CALL(getrandom, a, 3, 0x80);
	CALL(getrandom, a, 3, 6);
	CALL(getrandom, BAD, 3, 0);
}

static void names(void)
{
	char name[16];

	CALL(prctl, PR_SET_NAME, "a name that is too long for it");
	prctl(PR_GET_NAME, name);
	printf("name: %s\n", name);
	CALL(prctl, PR_SET_NAME, BAD);
	CALL(prctl, PR_GET_NAME, BAD);
	CALL(prctl, PR_SET_NAME, "questions");
	CALL(set_robust_list, name, 24);
	CALL(set_robust_list, name, 25);
}

static long rename_with(const char *from, const char *to, int flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void files(const char *directory)
{
	struct statfs fs;
	char from[256], to[256];
	int fd, ends[2];

	snprintf(from, sizeof(from), "%s/from", directory);
	snprintf(to, sizeof(to), "%s/to", directory);
	fd = open(from, O_CREAT | O_RDWR, 0600);
	say("statfs", statfs(directory, &fs));
	printf("it is large: %d\n", fs.f_blocks >= fs.f_bfree && fs.f_bfree);
	printf("names: %ld\n", (long)fs.f_namelen);
	say("fstatfs", fstatfs(fd, &fs));
	CALL(statfs, "/nothing/here", &fs);
	CALL(statfs, "/", BAD);
	CALL(fstatfs, 99, &fs);
	say("fsync", fsync(fd));
	say("fdatasync", fdatasync(fd));
	CALL(fsync, 99);
	pipe(ends);
	say("fsync of a pipe", fsync(ends[0]));
	say("faccessat2", syscall(439, AT_FDCWD, from, R_OK | W_OK, 0x200));
	say("not to be executed", syscall(439, AT_FDCWD, "/nothing", X_OK, 0));
	say("faccessat2 flags", syscall(439, AT_FDCWD, from, R_OK, 0x8000));
	say("rename", rename_with(from, to, NOREPLACE));
	close(open(from, O_CREAT | O_RDWR, 0600));
	say("over what is there", rename_with(from, to, NOREPLACE));
	say("with an unknown flag", rename_with(from, to, 0x80));
	unlink(from);
	unlink(to);
}

int main(int argc, char **argv)
{
	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	identity();
	dates();
	usage();
	limits();
	randomness();
	names();
	files(argv[1]);
	return 0;
}
