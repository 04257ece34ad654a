/*
 * The first program of a long run: stress, a shell's script and the oracle's
 * calls, all at once and each again as soon as it has ended, until the time is
 * over. Then all processes are gone, as many pages are free as before, and the
 * files are those that were. Not every round comes to its end, for stress
 * signals whom it meets; and what it says of pages and files in the end is not
 * true where others are at work.
 *
 * usage: mix SECONDS
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What runs side by side; %d is a number that is another each time. */
static struct job {
	const char *name, *command;
	pid_t pid;
	unsigned rounds, ended;
} jobs[] = {
	{ .name = "stress", .command = "exec stress %d 20000" },
	{ .name = "oracle",
	  .command = "busybox rm -rf /tmp/oracle; exec oracle %d 400" },
	{ .name = "applets",
	  .command = "mkdir /tmp/%1$d && cd /tmp/%1$d && "
		     "exec busybox sh /applets.sh /tmp/%1$d" },
	{ .name = "loop",
	  .command = "for i in `busybox seq 200`; do "
		     "busybox echo $i | busybox cat > /tmp/l%d; done" },
};

#define ALL_FILES                                                    \
	"busybox find / -path /proc -prune -o -path /dev -prune -o " \
	"-type f -exec busybox md5sum {} + | busybox sort | busybox md5sum"

/* Becomes the shell that runs a command: busybox's, which knows patterns. */
static void be(const char *command)
{
	execl("/bin/busybox", "sh", "-c", command, NULL);
	_exit(127);
}

/* Starts a job in a session of its own, with its output thrown away. */
static void start(struct job *job, unsigned number)
{
	char command[200];

	snprintf(command, sizeof(command), job->command, number);
	job->pid = fork();
	if (job->pid)
		return;
	setsid();
	if (!freopen("/dev/null", "r", stdin) ||
	    !freopen("/dev/null", "w", stdout) ||
	    !freopen("/dev/null", "w", stderr))
		_exit(126);
	be(command);
}

/* Waits for the next end of any process; counts it if it was a job's. */
static struct job *next_end(void)
{
	int status;
	pid_t pid = wait(&status);

	for (struct job *job = jobs; pid > 0 && job < jobs + COUNT(jobs);
	     job++) {
		if (job->pid != pid)
			continue;
		job->pid = 0;
		job->rounds++;
		job->ended += WIFEXITED(status) && WEXITSTATUS(status) < 2;
		return job;
	}
	return NULL;
}

static void run_until(time_t end, unsigned *number)
{
	time_t minute = time(NULL) / 60;

	for (unsigned i = 0; i < COUNT(jobs); i++)
		start(&jobs[i], ++*number);
	while (time(NULL) < end) {
		struct job *job = next_end();

		if (job)
			start(job, ++*number);
		if (time(NULL) / 60 == minute)
			continue;
		minute = time(NULL) / 60;
		for (unsigned i = 0; i < COUNT(jobs); i++)
			printf("%s %u of %u, ", jobs[i].name, jobs[i].ended,
			       jobs[i].rounds);
		printf("%u in all\n", *number);
	}
	kill(-1, SIGCONT);
	kill(-1, SIGKILL);
	while (wait(NULL) > 0)
		;
}

/* Runs a command; gives the first bytes that it prints. */
static void output_of(const char *command, char text[static 100])
{
	int ends[2];
	ssize_t count;

	if (pipe(ends) == 0 && fork() == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		be(command);
	}
	close(ends[1]);
	count = read(ends[0], text, 99);
	text[count < 0 ? 0 : count] = 0;
	close(ends[0]);
	while (wait(NULL) > 0)
		;
}

static unsigned long free_pages(void)
{
	struct sysinfo info;

	sysinfo(&info);
	return info.freeram * info.mem_unit / 4096;
}

static void clear_tmp(void)
{
	char line[100];

	/* What has a path too long for rm, stress takes away before and after. */
	output_of("stress 1 0; busybox rm -rf /tmp/* /tmp/.[!.]*", line);
}

int main(int argc, char **argv)
{
	char files[100], after[100];
	unsigned long pages;
	unsigned number = 0;

	if (argc != 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	setenv("PATH", "/bin", 1);
	run_until(time(NULL) + 5, &number); /* what stays is made now */
	clear_tmp();
	output_of(ALL_FILES, files);
	pages = free_pages();
	run_until(time(NULL) + atoi(argv[1]), &number);
	clear_tmp();
	output_of(ALL_FILES, after);
	printf("mix: free pages before %lu after %lu, files %.32s and %.32s\n",
	       pages, free_pages(), files, after);
	for (unsigned i = 0; i < COUNT(jobs); i++)
		if (!jobs[i].ended)
			return 3;
	return pages != free_pages() || !files[0] || strcmp(files, after);
}
