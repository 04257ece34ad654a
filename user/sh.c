/*
 * The shell: it reads a line, cuts it into pipelines (shell/words.c), and for each
 * program forks, connects the child's files, and executes (shell/jobs.c). What it
 * knows:
 *
 *	words, '...', "...", \x, $?, # to the end of the line
 *	a; b	a & b	a && b	a || b	a | b | c
 *	a < file	a > file	a >> file	a 2> file	a 2>&1
 *	cd [directory], exit [status], help, jobs, fg, bg [%job], wait
 *	kill [-signal] pid or %job
 *	Ctrl-C and Ctrl-Z, for what runs
 *	at a terminal: arrows, Home, End, Ctrl-A, E, K, U, W, Delete (shell/line.c)
 *
 * Names without a slash are programs in /bin.
 *
 * usage: sh, sh FILE, or sh -c 'commands'
 */
#include "shell/jobs.h"

int last_status;

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

/* A line for each command and program, from a file that is written by hand. */
static int help(char **argv)
{
	char text[512];
	long fd = open("/etc/help", O_RDONLY), size;

	(void)argv;
	if (fd < 0) {
		dprintf(2, "sh: /etc/help: %s\n", error_text(fd));
		return 1;
	}
	while ((size = read((int)fd, text, sizeof(text))) > 0)
		write_all(1, text, (size_t)size);
	close((int)fd);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **argv);
} builtins[] = {
	{ "cd", cd },
	{ "exit", leave },
	{ "help", help },
	{ "jobs", jobs_command },
	{ "fg", fg_command },
	{ "bg", bg_command },
	{ "wait", wait_command },
	{ "kill", kill_command },
};

bool run_builtin(char **argv)
{
	for (size_t i = 0; i < COUNT(builtins); i++) {
		if (strcmp(argv[0], builtins[i].name) == 0) {
			last_status = builtins[i].run(argv);
			return true;
		}
	}
	return false;
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

static int run_file(int fd)
{
	static char line[LINE_BYTES];
	bool too_long;

	for (;;) {
		jobs_tell();
		if (read_command(fd, line, sizeof(line), &too_long) < 0)
			break;
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
		if (ioctl(0, TCGETS, settings) == 0)
			jobs_take_terminal();
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
