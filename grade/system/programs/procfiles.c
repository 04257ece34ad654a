/*
 * What /proc tells: of the machine, of the process that looks, of its child, and
 * of one that has ended meanwhile.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process_state.h"

static char text[65536];

static const char *read_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, length = 0;

	/* Piece by piece: a text goes on where it was. */
	while (fd >= 0 && (n = read(fd, text + length, 7)) > 0)
		length += n;
	text[length] = 0;
	close(fd);
	return fd < 0 ? strerror(errno) : text;
}

static long number_after(const char *path, const char *word)
{
	const char *at = strstr(read_file(path), word);

	return at ? atol(at + strlen(word)) : -1;
}

static const char *file_of(pid_t pid, const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return path;
}

static void machine(void)
{
	long all = number_after("/proc/meminfo", "MemTotal:");
	long free_ = number_after("/proc/meminfo", "MemFree:");
	double up, idle, load;
	int ready, processes;

	printf("memory: %d\n", all > free_ && free_ > 0);
	printf("uptime: %d",
	       sscanf(read_file("/proc/uptime"), "%lf %lf", &up, &idle));
	printf(" %d\n", up >= 0 && idle >= 0);
	printf("loadavg: %d",
	       sscanf(read_file("/proc/loadavg"), "%lf %*f %*f %d/%d", &load,
		      &ready, &processes));
	printf(" %d\n", ready >= 1 && processes >= ready);
	printf("cpu: %d\n", number_after("/proc/stat", "cpu ") >= 0);
	printf("mounts: %d\n",
	       strstr(read_file("/proc/mounts"), " / ") != NULL);
}

/* The first fields of stat, as they should be. */
static void check_stat(const char *path, pid_t pid, char state)
{
	int id, parent, group, fields = 1;
	char name[32], letter;
	const char *stat = read_file(path);

	printf("stat: %d", sscanf(stat, "%d (%31[^)]) %c %d %d", &id, name,
				  &letter, &parent, &group));
	printf(" %d %s %c %d %d\n", id == pid, name, letter,
	       parent == (pid == getpid() ? getppid() : getpid()),
	       group == getpgid(pid));
	while ((stat = strchr(stat, ' ')) && stat++)
		fields++;
	printf("fields: %d, state as expected: %d\n", fields, letter == state);
}

static void itself(void)
{
	char link[32] = { 0 };

	readlink("/proc/self", link, sizeof(link) - 1);
	printf("self: %d\n", atoi(link) == getpid());
	check_stat("/proc/self/stat", getpid(), 'R');
	prctl(PR_SET_NAME, "another");
	printf("comm: %s", read_file("/proc/self/comm"));
	prctl(PR_SET_NAME, "procfiles");
	printf("status: %d %d %d\n",
	       number_after("/proc/self/status", "\nPid:") == getpid(),
	       number_after("/proc/self/status", "\nPPid:") == getppid(),
	       number_after("/proc/self/status", "VmRSS:") > 0);
	printf("cmdline: %d\n",
	       strstr(read_file("/proc/self/cmdline"), "procfiles") != NULL);
}

static int is_listed(pid_t pid)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int found = 0;

	while ((entry = readdir(proc)))
		found += atoi(entry->d_name) == pid;
	closedir(proc);
	return found;
}

static void child(void)
{
	int ends[2], fd, place;
	struct stat st;
	pid_t pid;
	char c;

	pipe(ends);
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &c, 1));
	}
	await_state(pid, 'S');
	printf("listed: %d\n", is_listed(pid));
	check_stat(file_of(pid, "stat"), pid, 'S');
	fd = open(file_of(pid, "stat"), O_RDONLY);
	place = open(file_of(pid, ""), O_RDONLY);
	close(ends[1]);
	await_state(pid, 'Z');
	check_stat(file_of(pid, "stat"), pid, 'Z');
	printf("cmdline of it: %zu\n",
	       strlen(read_file(file_of(pid, "cmdline"))));
	wait(NULL);
	printf("listed after its end: %d\n", is_listed(pid));
	printf("its file: %s\n", read_file(file_of(pid, "stat")));
	printf("the open one: %zd", read(fd, &c, 1));
	printf(" %s\n", strerror(errno));
	printf("in its directory: %d\n", fstatat(place, "stat", &st, 0));
}

static void refusals(void)
{
	printf("no process: %s\n", read_file("/proc/999999/stat"));
	printf("no such file: %s\n", read_file("/proc/self/nothing"));
	printf("a file is no directory: %s\n", read_file("/proc/self/stat/x"));
	printf("unlink: %d %s\n", unlink("/proc/self/stat"), strerror(errno));
	printf("a new name: %d\n", open("/proc/new", O_CREAT | O_RDWR, 0600));
	printf("mkdir: %d\n", mkdir("/proc/77777", 0700));
	printf("rename: %d\n", rename("/proc/self", "/proc/other"));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	machine();
	itself();
	child();
	refusals();
	return 0;
}
