/*
 * jobs: a process for each stage, a group for each pipeline. Which group the
 * terminal's keys reach, the shell says each time that it waits, and takes the
 * terminal back after it.
 */
#include "shell/jobs.h"

#include "shell/line.h"

#define MAX_JOBS 64

/* A pipeline that has been started. */
struct job {
	long group; /* the first process's number; 0: no job */
	long pids[MAX_STAGES];
	bool halted[MAX_STAGES];
	size_t started, alive, stopped; /* how many of them */
	int status; /* of the last stage, as wait4 gives it */
	bool interrupted;
	bool killed; /* by kill: whoever typed it knows why it ends */
	char text[80];
};

bool interactive;
int script_fd = -1;

static struct job jobs[MAX_JOBS];
static long shell_group;   /* 0: no job control */
static volatile int noted; /* the signal of a key, which came to the shell */

/* ---- the terminal ---- */

static void note_key(int signal)
{
	noted = signal;
}

/* A key that comes from the moment on at which the line is done is for what it
 * starts, so nothing is forgotten then. */
long read_command(int fd, char *line, size_t size, bool *too_long)
{
	noted = 0;
	return interactive ? edit_line("$ ", line, size, too_long)
			   : read_line(fd, line, size, too_long);
}

static void give_terminal(long group)
{
	int number = (int)group;

	if (shell_group)
		ioctl(0, TIOCSPGRP, &number);
}

void jobs_take_terminal(void)
{
	long group = getpgrp();
	int number = (int)group;

	interactive = true;
	on_signal(SIGINT, (uintptr_t)note_key, 0); /* wait is interrupted */
	on_signal(SIGTSTP, (uintptr_t)note_key, SA_RESTART);
	on_signal(SIGQUIT, SIG_IGN, 0);
	on_signal(SIGTTOU, SIG_IGN, 0);
	if (ioctl(0, TIOCSPGRP, &number) == 0)
		shell_group = group;
}

/* In a child. Without groups what runs in the background has to be deaf to the
 * keys. One that came until now has met the shell's handler: it is taken again. */
static void child_signals(bool background)
{
	bool deaf = background && !shell_group;

	if (!interactive)
		return;
	on_signal(SIGINT, deaf ? SIG_IGN : SIG_DFL, 0);
	on_signal(SIGQUIT, deaf ? SIG_IGN : SIG_DFL, 0);
	on_signal(SIGTSTP, SIG_DFL, 0);
	if (noted && !background)
		kill(getpid(), noted);
}

/* ---- files ---- */

/* Makes fd, if there is one, the file number to. */
static void move_fd(int fd, int to)
{
	if (fd >= 0 && fd != to) {
		dup2(fd, to);
		close(fd);
	}
}

/* Opens what stands after the arrows, from left to right. */
static bool redirect(const struct stage *stage)
{
	for (size_t i = 0; i < stage->redirection_count; i++) {
		const struct redirection *r = &stage->redirections[i];
		long fd = r->path ? open(r->path, r->flags)
				  : dup2(r->same_as, r->fd);

		if (fd < 0) {
			if (r->path)
				dprintf(2, "sh: %s: %s\n", r->path,
					error_text(fd));
			else
				dprintf(2, "sh: %d: %s\n", r->same_as,
					error_text(fd));
			return false;
		}
		if (r->path)
			move_fd((int)fd, r->fd);
	}
	return true;
}

/* A command of the shell's own, in the shell: its files are put back after it. */
static bool run_in_shell(const struct stage *stage)
{
	int saved[MAX_REDIRECTIONS];
	size_t count = stage->redirection_count;
	bool known = true;

	for (size_t i = 0; i < count; i++)
		saved[i] = (int)dup(stage->redirections[i].fd);
	if (redirect(stage))
		known = run_builtin(stage->argv);
	else
		last_status = 1;
	while (count-- > 0) {
		if (saved[count] >= 0)
			move_fd(saved[count], stage->redirections[count].fd);
		else
			close(stage->redirections[count].fd);
	}
	return known;
}

/* ---- starting ---- */

_Noreturn static void execute(char **argv)
{
	char path[LINE_BYTES + 8];
	bool has_slash = strchr(argv[0], '/');
	long error;

	snprintf(path, sizeof(path), "%s%s", has_slash ? "" : "/bin/", argv[0]);
	error = execve(path, argv, environment);
	if (error == -ENOENT)
		dprintf(2, "sh: %s: not found\n", argv[0]);
	else
		dprintf(2, "sh: %s: %s\n", argv[0], error_text(error));
	exit(error == -ENOENT ? 127 : 126);
}

/* In the child: its files, then the program. */
_Noreturn static void run_stage(const struct stage *stage, int in, int out)
{
	move_fd(in, 0);
	move_fd(out, 1);
	if (script_fd >= 0)
		close(script_fd);
	if (!redirect(stage))
		exit(1);
	shell_group =
		0; /* a command of the shell's own controls nothing here */
	if (run_builtin(stage->argv))
		exit(last_status);
	execute(stage->argv);
}

static struct job *free_job(void)
{
	for (size_t i = 0; i < MAX_JOBS; i++)
		if (!jobs[i].group)
			return &jobs[i];
	return NULL;
}

static void begin_job(struct job *job, const struct pipeline *p)
{
	size_t length = p->text_length;

	*job = (struct job){ 0 };
	if (length >= sizeof(job->text))
		length = sizeof(job->text) - 1;
	memcpy(job->text, p->text, length);
	while (length > 0 && strchr(" \t", job->text[length - 1]))
		job->text[--length] = '\0';
}

/* One more process of the job. Parent and child both say to which group it
 * belongs, for nobody knows which of them comes first. */
static void join(struct job *job, long pid, bool background)
{
	if (!job->group)
		job->group = pid;
	if (!shell_group)
		return;
	setpgid(pid, job->group);
	if (!background)
		give_terminal(job->group);
}

/* Starts every stage, each reading what the one before it writes. The result is
 * an error if one could not start. */
static long start(struct job *job, const struct pipeline *p, bool background)
{
	bool no_input = background && !shell_group;
	int in = no_input ? (int)open("/dev/null", O_RDONLY) : -1;
	long error = 0;

	for (size_t i = 0; i < p->count && error >= 0; i++) {
		int fds[2] = { -1, -1 };

		if (i + 1 < p->count && (error = pipe(fds)) < 0)
			break;
		error = fork();
		if (error == 0) {
			if (fds[0] >= 0)
				close(fds[0]);
			/* First, or a key that reaches the new group would be
			 * noted by a handler that is the shell's. */
			child_signals(background);
			join(job, getpid(), background);
			on_signal(SIGTTOU, SIG_DFL, 0);
			run_stage(&p->stages[i], in, fds[1]);
		}
		if (error > 0) {
			join(job, error, background);
			job->pids[job->started++] = error;
			job->alive++;
		}
		if (in >= 0)
			close(in);
		if (fds[1] >= 0)
			close(fds[1]);
		in = fds[0];
	}
	if (in >= 0)
		close(in);
	return error;
}

/* ---- waiting ---- */

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Says why a process has ended, where nobody knows. By SIGPIPE ends all but the
 * last stage of many a pipeline, by SIGINT what a person has ended. */
static void explain_end(const struct job *job, int status)
{
	int signal = WTERMSIG(status);

	if (!WIFEXITED(status) && signal != SIGPIPE && signal != SIGINT &&
	    !job->killed)
		dprintf(2, "sh: %s: killed by signal %d, %s\n", job->text,
			signal, signal_text(signal));
}

static void note_in(struct job *job, size_t stage, int status)
{
	job->stopped -= job->halted[stage];
	job->halted[stage] = WIFSTOPPED(status);
	job->stopped += job->halted[stage];
	if (job->halted[stage])
		return;
	job->alive--;
	explain_end(job, status);
	job->interrupted |= WTERMSIG(status) == SIGINT;
	if (stage + 1 == job->started)
		job->status = status;
}

/* What wait4 has told. Of nobody here, perhaps: where the shell is process 1, the
 * parent of that one has ended. */
static void note(long pid, int status)
{
	for (struct job *job = jobs; job < jobs + MAX_JOBS; job++)
		for (size_t i = 0; job->group && i < job->started; i++)
			if (job->pids[i] == pid) {
				note_in(job, i, status);
				return;
			}
}

static void tell(const struct job *job, const char *what)
{
	dprintf(2, "[%ld] %s  %s\n", (long)(job - jobs + 1), what, job->text);
}

/* The shell waits until the job has ended, or all that is left of it has stopped.
 * A key that came while the terminal was still the shell's is handed on. */
static void wait_in_front(struct job *job)
{
	int status;
	long pid;

	give_terminal(job->group);
	if (noted)
		kill(-job->group, noted);
	noted = 0;
	while (job->stopped < job->alive) {
		pid = wait4(-1, &status, shell_group ? WUNTRACED : 0, NULL);
		if (pid > 0)
			note(pid, status);
		else if (pid != -EINTR) /* the programs have heard it too */
			break;
	}
	give_terminal(shell_group);
	if (job->alive > 0) {
		dprintf(2, "\n");
		tell(job, "stopped");
		last_status = 128 + SIGTSTP;
		return;
	}
	last_status = exit_status(job->status);
	if (job->interrupted)
		dprintf(2, "\n"); /* after the ^C */
	job->group = 0;
}

void run_pipeline(const struct pipeline *p)
{
	bool background = strcmp(p->end, "&") == 0;
	struct job *job;
	long error;

	if (p->count == 1 && !background && run_in_shell(&p->stages[0]))
		return;
	job = free_job();
	if (!job) {
		complain("too many jobs");
		return;
	}
	begin_job(job, p);
	error = start(job, p, background);
	if (error < 0)
		dprintf(2, "sh: cannot start a process: %s\n",
			error_text(error));
	if (background && interactive && job->started)
		dprintf(2, "[%ld] %ld\n", (long)(job - jobs + 1), job->group);
	if (background)
		last_status = 0;
	else if (job->started)
		wait_in_front(job);
	if (error < 0)
		last_status = 1;
}

void jobs_tell(void)
{
	int status;
	long pid;

	while ((pid = wait4(-1, &status, WNOHANG | WUNTRACED, NULL)) > 0)
		note(pid, status);
	for (struct job *job = jobs; job < jobs + MAX_JOBS; job++) {
		if (!job->group || job->alive > 0)
			continue;
		if (interactive)
			dprintf(2, "[%ld] ended, status %d  %s\n",
				(long)(job - jobs + 1),
				exit_status(job->status), job->text);
		job->group = 0;
	}
}

/* ---- commands ---- */

int wait_command(char **argv)
{
	int status;
	long pid;

	(void)argv;
	while ((pid = wait4(-1, &status, 0, NULL)) > 0)
		note(pid, status);
	jobs_tell();
	return pid == -EINTR ? 128 + SIGINT : 0;
}

int jobs_command(char **argv)
{
	(void)argv;
	for (struct job *job = jobs; job < jobs + MAX_JOBS; job++)
		if (job->group)
			printf("[%ld] %s  %s\n", (long)(job - jobs + 1),
			       job->stopped ? "stopped" : "running", job->text);
	return 0;
}

/* The job that argv names, "2" or "%2", or the last; NULL after a complaint. */
static struct job *named_job(char **argv)
{
	unsigned long number = MAX_JOBS;

	if (argv[1] &&
	    (!parse_number(argv[1] + (argv[1][0] == '%'), &number) ||
	     number < 1 || number > MAX_JOBS || !jobs[number - 1].group)) {
		dprintf(2, "sh: %s: there is no such job; try jobs\n", argv[1]);
		return NULL;
	}
	while (number > 0 && !jobs[number - 1].group)
		number--;
	if (number == 0)
		dprintf(2, "sh: there is no job\n");
	return number ? &jobs[number - 1] : NULL;
}

/* Lets a job go on, in front or not. */
static int go_on(char **argv, bool in_front)
{
	struct job *job = named_job(argv);
	bool stands = job && job->stopped > 0;

	if (!job)
		return 1;
	if (!shell_group) {
		dprintf(2, "sh: no terminal here to control jobs from\n");
		return 1;
	}
	dprintf(2, "%s%s\n", job->text, in_front ? "" : " &");
	memset(job->halted, false, sizeof(job->halted));
	job->stopped = 0;
	if (in_front)
		give_terminal(job->group);
	/* To one that runs it would undo a Control-Z that has just come. */
	if (stands)
		kill(-job->group, SIGCONT);
	if (!in_front)
		return 0;
	wait_in_front(job);
	return last_status;
}

int fg_command(char **argv)
{
	return go_on(argv, true);
}

int bg_command(char **argv)
{
	return go_on(argv, false);
}

/* All of a job: its group, or without job control one by one. What has stopped can
 * only end when it goes on. */
static void send_to_job(struct job *job, int signal)
{
	job->killed = true;
	for (size_t i = 0; i < job->started; i++) {
		long to = shell_group ? -job->group : job->pids[i];

		kill(to, signal);
		if (job->stopped && signal == SIGTERM)
			kill(to, SIGCONT);
		if (shell_group)
			return;
	}
}

/* Here, since only the shell knows its jobs, and since it works too where no other
 * process can be had. */
int kill_command(char **argv)
{
	unsigned long signal = SIGTERM;
	int failed = 0;

	if (argv[1] && argv[1][0] == '-' && parse_number(argv[1] + 1, &signal))
		argv++;
	if (!argv[1]) {
		dprintf(2, "usage: kill [-SIGNAL] PID|%%JOB...\n");
		return 2;
	}
	for (; argv[1]; argv++) {
		struct job *job;

		if (argv[1][0] != '%') {
			failed |= send_signal(argv[1], (int)signal);
			continue;
		}
		job = named_job(argv);
		failed |= !job;
		if (job)
			send_to_job(job, (int)signal);
	}
	return failed;
}
