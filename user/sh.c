/*
 * The shell: it reads a line, cuts it into pipelines, and for each program
 * forks, connects the child's files, and executes. What it knows:
 *
 *	words, '...', "...", \x, $?, # to the end of the line
 *	a; b	a & b	a && b	a || b	a | b | c	a < file
 *	cd [directory], exit [status], wait
 *
 * Names without a slash are programs in /bin.
 *
 * usage: sh, sh FILE, or sh -c 'commands'
 */
#include <user.h>

#define LINE_BYTES 1024
#define MAX_WORDS  128
#define MAX_STAGES 32
#define MAX_JOBS   64

/* One program of a pipeline. */
struct stage {
	char **argv; /* ends with NULL */
	char *input; /* after <, or NULL */
};

/* What stands between two of ; & && || and the ends of the line. */
struct pipeline {
	struct stage stages[MAX_STAGES];
	size_t count;    /* of stages; 0: nothing to run */
	const char *end; /* the operator after it; "" at the end of the line */

	/* Where the stages' words lie. */
	char *words[MAX_WORDS];
	size_t word_count;
	char text[2 * LINE_BYTES];
	size_t text_used;
};

static int last_status;           /* $? */
static bool interactive;          /* the commands come from a terminal */
static long jobs[MAX_JOBS];       /* the last processes of pipelines with & */
static int script_fd = -1;        /* of sh FILE; not for the children */
static volatile bool interrupted; /* Ctrl-C, and nobody has seen to it yet */

/* ---- cutting the line ---- */

static bool complain(const char *what)
{
	dprintf(2, "sh: %s\n", what);
	last_status = 2;
	return false;
}

static bool put_char(struct pipeline *p, char c)
{
	if (p->text_used == sizeof(p->text))
		return complain("the words are too long");
	p->text[p->text_used++] = c;
	return true;
}

static bool put_status(struct pipeline *p)
{
	char digits[16];
	bool fits = true;

	snprintf(digits, sizeof(digits), "%d", last_status);
	for (const char *d = digits; *d; d++)
		fits = fits && put_char(p, *d);
	return fits;
}

static const char *skip_blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	if (*s == '#')
		s = strchr(s, '\n') ? strchr(s, '\n') : s + strlen(s);
	return s;
}

static bool ends_word(char c)
{
	return !c || strchr(" \t\n;&|<", c);
}

/* The operator at s, or NULL. A newline is as good as a semicolon. */
static const char *operator_at(const char *s)
{
	static const char *const all[] = {
		"&&", "||", ";", "&", "|", "<", "\n"
	};

	for (size_t i = 0; i < COUNT(all); i++)
		if (strncmp(s, all[i], strlen(all[i])) == 0)
			return all[i];
	return NULL;
}

/* Copy one word without its quotes; NULL after a complaint. */
static char *parse_word(struct pipeline *p, const char **cursor)
{
	char *word = p->text + p->text_used;
	const char *s = *cursor;
	char quote = 0;
	bool fits = true;

	for (; fits && (quote ? *s : !ends_word(*s)); s++) {
		if (*s == quote)
			quote = 0;
		else if (!quote && (*s == '\'' || *s == '"'))
			quote = *s;
		else if (quote != '\'' && s[0] == '$' && s[1] == '?')
			fits = put_status(p), s++;
		else if (quote != '\'' && s[0] == '\\' && s[1])
			fits = put_char(p, *++s);
		else
			fits = put_char(p, *s);
	}
	if (quote && fits)
		fits = complain("a quote is not closed");
	*cursor = s;
	return fits && put_char(p, '\0') ? word : NULL;
}

static bool add_word(struct pipeline *p, char *word)
{
	if (p->word_count == MAX_WORDS)
		return complain("too many words");
	p->words[p->word_count++] = word;
	return true;
}

/* The words and the input of one stage. False after a complaint. */
static bool parse_stage(struct pipeline *p, const char **cursor)
{
	struct stage *stage = &p->stages[p->count];

	stage->argv = p->words + p->word_count;
	stage->input = NULL;
	for (;;) {
		const char *s = skip_blanks(*cursor);
		bool input = *s == '<';
		char *word;

		*cursor = input ? skip_blanks(s + 1) : s;
		if (ends_word(**cursor)) {
			if (input)
				return complain("a file name must follow <");
			return add_word(p, NULL);
		}
		word = parse_word(p, cursor);
		if (!word)
			return false;
		if (input)
			stage->input = word;
		else if (!add_word(p, word))
			return false;
	}
}

/* The next pipeline of the line. False after a complaint. */
static bool parse_pipeline(struct pipeline *p, const char **cursor)
{
	p->count = p->word_count = p->text_used = 0;
	do {
		if (p->count == MAX_STAGES)
			return complain("the pipeline is too long");
		if (!parse_stage(p, cursor))
			return false;
		p->end = operator_at(*cursor);
		if (!p->end)
			p->end = "";
		*cursor += strlen(p->end);
		if (!p->stages[p->count].argv[0]) {
			/* An empty line is right, an empty command is not. */
			if (p->count == 0 && !p->stages[0].input &&
			    strchr("\n", *p->end))
				return true;
			dprintf(2, "sh: a command is missing%s%s\n",
				*p->end > ' ' ? " before " : "",
				*p->end > ' ' ? p->end : "");
			last_status = 2;
			return false;
		}
		p->count++;
	} while (strcmp(p->end, "|") == 0);
	return true;
}

/* ---- running it ---- */

static int exit_status(const char *name, int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (WTERMSIG(status) == SIGPIPE) /* so ends all but the last stage */
		return 128 + SIGPIPE;
	if (WTERMSIG(status) == SIGINT) { /* a person knows why */
		dprintf(2, "\n");
		return 128 + SIGINT;
	}
	dprintf(2, "sh: %s: killed by signal %d, %s\n", name, WTERMSIG(status),
		signal_text(WTERMSIG(status)));
	return 128 + WTERMSIG(status);
}

static void add_job(long pid)
{
	for (size_t i = 0; i < MAX_JOBS; i++) {
		if (!jobs[i]) {
			jobs[i] = pid;
			break;
		}
	}
	if (interactive)
		dprintf(2, "[%ld]\n", pid);
}

/* A child has ended that no command waits for: one from the background, or,
 * where the shell is process 1, one whose parent has ended. */
static void child_ended(long pid, int status)
{
	for (size_t i = 0; i < MAX_JOBS; i++) {
		if (jobs[i] != pid)
			continue;
		jobs[i] = 0;
		status = exit_status("in the background", status);
		if (interactive)
			dprintf(2, "[%ld] ended, status %d\n", pid, status);
	}
}

static int cd(char **argv)
{
	const char *path = argv[1] ? argv[1] : "/";
	long error = chdir(path);

	if (error < 0)
		dprintf(2, "sh: cd: %s: %s\n", path, error_text(error));
	return error < 0;
}

static int leave(char **argv)
{
	unsigned long status = (unsigned long)last_status;

	if (argv[1] && !parse_number(argv[1], &status)) {
		dprintf(2, "sh: exit: %s: not a number\n", argv[1]);
		status = 2;
	}
	exit((int)status);
}

static int wait_all(char **argv)
{
	int status;
	long pid;

	(void)argv;
	while ((pid = wait4(-1, &status, 0, NULL)) > 0)
		child_ended(pid, status);
	return pid == -EINTR ? 128 + SIGINT : 0;
}

static const struct {
	const char *name;
	int (*run)(char **argv);
} builtins[] = { { "cd", cd }, { "exit", leave }, { "wait", wait_all } };

/* True if argv is a command of the shell's own; it has been run. */
static bool run_builtin(char **argv)
{
	for (size_t i = 0; i < COUNT(builtins); i++) {
		if (strcmp(argv[0], builtins[i].name) == 0) {
			last_status = builtins[i].run(argv);
			return true;
		}
	}
	return false;
}

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

/* Make fd, if there is one, the child's file number to. */
static void move_fd(int fd, int to)
{
	if (fd >= 0 && fd != to) {
		dup2(fd, to);
		close(fd);
	}
}

/* ---- the keys that send signals ---- */

static void note_interrupt(int signal)
{
	(void)signal;
	interrupted = true;
}

/* They are for the program that runs, and at the prompt for the line. */
static void shell_signals(void)
{
	on_signal(SIGINT, (uintptr_t)note_interrupt, 0);
	on_signal(SIGQUIT, SIG_IGN, 0);
}

/* What runs in the background hears none. A Ctrl-C that came while the line was
 * being started is for the programs, too. */
static void child_signals(bool background)
{
	if (!interactive)
		return;
	on_signal(SIGINT, background ? SIG_IGN : SIG_DFL, 0);
	on_signal(SIGQUIT, background ? SIG_IGN : SIG_DFL, 0);
	if (interrupted)
		kill(getpid(), SIGINT);
}

/* ---- processes ---- */

/* In the child: files 0 and 1, then the program. */
_Noreturn static void run_stage(const struct stage *stage, int in, int out)
{
	move_fd(in, 0);
	move_fd(out, 1);
	if (script_fd >= 0)
		close(script_fd);
	if (stage->input) {
		long fd = open(stage->input, O_RDONLY);

		if (fd < 0) {
			dprintf(2, "sh: %s: %s\n", stage->input,
				error_text(fd));
			exit(1);
		}
		move_fd((int)fd, 0);
	}
	if (run_builtin(stage->argv))
		exit(last_status);
	execute(stage->argv);
}

/* Start every stage, each reading what the one before it writes. The result is
 * the number of processes; fewer than the stages when one could not start. */
static size_t start(const struct pipeline *p, long *pids, bool background)
{
	int in = background ? (int)open("/dev/null", O_RDONLY) : -1;
	size_t started = 0;
	long error = 0;

	for (; started < p->count && error >= 0; started++) {
		int fds[2] = { -1, -1 };

		if (started + 1 < p->count && (error = pipe(fds)) < 0)
			break;
		pids[started] = error = fork();
		if (error == 0) {
			if (fds[0] >= 0)
				close(fds[0]);
			child_signals(background);
			run_stage(&p->stages[started], in, fds[1]);
		}
		if (in >= 0)
			close(in);
		if (fds[1] >= 0)
			close(fds[1]);
		in = fds[0];
		if (error < 0)
			break;
	}
	if (in >= 0)
		close(in);
	if (error < 0) {
		dprintf(2, "sh: cannot start a process: %s\n",
			error_text(error));
		last_status = 1;
	}
	return started;
}

/* Until all of them have ended; $? is the status of the last. */
static void wait_for_stages(const struct pipeline *p, const long *pids,
			    size_t running)
{
	size_t started = running;

	while (running > 0) {
		int status = 0;
		long pid = wait4(-1, &status, 0, NULL);
		size_t i = 0;

		if (pid == -EINTR)
			continue; /* the programs have heard it too */
		if (pid < 0)
			return;
		while (i < started && pids[i] != pid)
			i++;
		if (i == started) {
			child_ended(pid, status);
			continue;
		}
		running--;
		status = exit_status(p->stages[i].argv[0], status);
		if (i + 1 == p->count)
			last_status = status;
	}
}

static void run_pipeline(const struct pipeline *p)
{
	bool background = strcmp(p->end, "&") == 0;
	long pids[MAX_STAGES];
	size_t started;

	if (p->count == 1 && !background && run_builtin(p->stages[0].argv))
		return;
	started = start(p, pids, background);
	if (background) {
		if (started == p->count)
			add_job(pids[started - 1]);
		last_status = 0;
		return;
	}
	wait_for_stages(p, pids, started);
}

/* The commands of a line: first look at all of it, then run it. */
static void run_line(const char *line)
{
	static struct pipeline p;
	const char *cursor;

	for (cursor = line; *cursor;)
		if (!parse_pipeline(&p, &cursor))
			return;
	p.end = ";";
	for (cursor = line; *cursor;) {
		bool skip = (strcmp(p.end, "&&") == 0 && last_status != 0) ||
			    (strcmp(p.end, "||") == 0 && last_status == 0);

		if (!parse_pipeline(&p, &cursor))
			return;
		if (!skip && p.count > 0)
			run_pipeline(&p);
	}
}

/* Those that have ended meanwhile. */
static void reap(void)
{
	int status;
	long pid;

	while ((pid = wait4(-1, &status, WNOHANG, NULL)) > 0)
		child_ended(pid, status);
}

static int run_file(int fd)
{
	static char line[LINE_BYTES];
	bool too_long;

	for (;;) {
		reap();
		if (interactive)
			dprintf(2, "$ ");
		interrupted = false;
		if (read_line(fd, line, sizeof(line), &too_long) < 0) {
			if (!interrupted)
				break;
			dprintf(2, "\n");
			continue;
		}
		if (too_long)
			complain("the line is too long");
		else
			run_line(line);
	}
	if (interactive)
		dprintf(2, "\n");
	return last_status;
}

int main(int argc, char **argv)
{
	char settings[64];

	if (argc == 3 && strcmp(argv[1], "-c") == 0) {
		run_line(argv[2]);
		return last_status;
	}
	if (argc == 1) {
		interactive = ioctl(0, TCGETS, settings) == 0;
		if (interactive)
			shell_signals();
		return run_file(0);
	}
	if (argc != 2 || argv[1][0] == '-') {
		dprintf(2, "usage: sh, sh FILE, or sh -c 'commands'\n");
		return 2;
	}
	script_fd = (int)open(argv[1], O_RDONLY);
	if (script_fd < 0) {
		dprintf(2, "sh: %s: %s\n", argv[1], error_text(script_fd));
		return 127;
	}
	return run_file(script_fd);
}
