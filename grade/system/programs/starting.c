/*
 * How programs begin: with many arguments or none, as a script's interpreter, by
 * vfork and posix_spawn, and what is refused. Started again by itself, it says
 * with what. Its argument is a directory for scripts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY  3000
#define LARGE 100000 /* bytes of one argument */
#define HUGE_ 200000

extern char **environ;

static const char *self, *directory;
static char huge[HUGE_];

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What a program started by this one has to say. */
static int started(int argc, char **argv)
{
	size_t sum = 0;
	int variables = 0;

	for (char **v = environ; *v; v++)
		variables++;
	printf("started: %d arguments, %d variables,", argc, variables);
	for (int i = 0; i < argc; i++) {
		sum += strlen(base_name(argv[i]));
		if (i < 5)
			printf(" <%.20s>", base_name(argv[i]));
	}
	printf(" %zu in all\n", sum);
	return argc % 100;
}

static void finish(const char *what, pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) >= 100)
		printf("%s: %s\n", what, strerror(WEXITSTATUS(status) - 100));
	else
		printf("%s: status %#x\n", what, status);
}

static void execute(const char *what, const char *path, char **argv,
		    char **envp)
{
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		syscall(SYS_execve, path, argv, envp);
		_exit(100 + errno);
	}
	finish(what, pid);
}

static void arguments(void)
{
	static char *many[MANY + 3] = { "started", "started" };
	char *large[] = { "started", "started", huge, NULL };
	char *none[] = { NULL };
	char *variables[] = { "A=1", "B=2", NULL };
	char *bad[] = { "started", (char *)8, NULL };

	for (int i = 2; i < MANY; i++)
		many[i] = i % 2 ? "odd" : "";
	execute("many", self, many, variables);
	execute("many variables", self, large + 3, many);
	memset(huge, 'x', LARGE);
	execute("a large one", self, large, none);
	memset(huge, 'x', sizeof(huge) - 1);
	execute("too large", self, large, none);
	execute("none", self, none, none);
	execute("no array", self, NULL, NULL);
	execute("a bad one", self, bad, none);
	execute("a bad array", self, (char **)8, none);
	execute("a bad array, and no file", "/nothing", (char **)8, none);
}

/* Makes a file in the directory, and returns its path. */
static char *file(const char *name, const char *text, mode_t mode)
{
	char *path;
	FILE *f;

	asprintf(&path, "%s/%s", directory, name);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
	return path;
}

/* A script of this one line, called with two arguments. */
static void script(const char *name, const char *format, const char *program)
{
	char *argv[] = { "lost", "one", "two", NULL }, *text, *path;

	asprintf(&text, format, program);
	path = file(name, text, 0755);
	execute(name, path, argv, argv + 3);
	free(text);
}

static void scripts(void)
{
	char *argv[] = { "lost", "one", NULL }, *path = NULL, *last;

	script("plain", "#!%s\nstarted\n", self);
	script("spaces", "#! \t %s \t \n", self);
	script("argument", "#!%s started with  blanks \n", self);
	script("no newline", "#!%s started", self);
	script("nothing", "#!%s\n", "");
	script("blanks", "#!  %s\n", "");
	script("no file", "#!%s\n", "/nothing/here");
	script("a directory", "#!%s\n", "/");
	script("text", "echo %s\n", "text");
	script("empty", "%s", "");
	memset(huge, 'x', 300);
	huge[300] = 0;
	script("a long line", "#!/%s\n", huge);
	/* One script is the interpreter of the next. */
	last = file("script0", "#!/nothing\n", 0755);
	asprintf(&path, "#!%s started\n", self);
	last = file("script0", path, 0755);
	for (int i = 1; i < 7; i++) {
		char name[16], *text;

		snprintf(name, sizeof(name), "script%d", i);
		asprintf(&text, "#!%s\n", last);
		last = file(name, text, 0755);
		execute(name, last, argv, argv + 2);
	}
}

static void refusals(void)
{
	char *argv[] = { "started", NULL }, *path;

	path = file("not for execution", "#!/bin/true\n", 0644);
	execute("not executable", path, argv, argv + 1);
	execute("a directory", directory, argv, argv + 1);
	execute("nothing", "/nothing", argv, argv + 1);
	execute("an empty name", "", argv, argv + 1);
	execute("a device", "/dev/null", argv, argv + 1);
	asprintf(&path, "%s/below", self);
	execute("below a file", path, argv, argv + 1);
	execute("a bad name", (char *)8, argv, argv + 1);
}

static void vforks(void)
{
	volatile int seen = 0;
	pid_t pid = vfork();
	char *argv[] = { "started", "by vfork", NULL };
	char *const *envp = argv + 2;

	if (pid == 0) {
		seen = 1;
		_exit(7);
	}
	printf("the child's write is seen: %d\n", seen);
	finish("vfork", pid);
	pid = vfork();
	if (pid == 0) {
		seen = 2;
		execve(self, argv, envp);
		_exit(1);
	}
	finish("vfork and exec", pid);
	printf("and before exec: %d\n", seen);
	/* Signals wait until the memory is back. */
	pid = vfork();
	if (pid == 0) {
		kill(getppid(), SIGCHLD);
		seen = 3;
		execve("/nothing", argv, envp);
		_exit(8);
	}
	printf("and after a signal: %d\n", seen);
	finish("vfork that cannot exec", pid);
	/* A child that is killed gives the memory back, too. */
	pid = vfork();
	if (pid == 0)
		kill(getpid(), SIGKILL);
	finish("vfork that is killed", pid);
	/* And a child of the child. */
	pid = vfork();
	if (pid == 0) {
		pid_t next = vfork();

		if (next == 0)
			_exit(4);
		seen = next > 0 ? 4 : 5;
		_exit(5);
	}
	printf("two at once: %d\n", seen);
	finish("vfork in vfork", pid);
}

static void spawns(void)
{
	char *argv[] = { "started", "by posix_spawn", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	error = posix_spawn(&pid, self, NULL, NULL, argv, argv + 2);
	finish("posix_spawn", pid);
	printf("posix_spawn: %d\n", error);
	error = posix_spawn(&pid, "/nothing", NULL, NULL, argv, argv + 2);
	printf("posix_spawn of nothing: %s\n", strerror(error));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	error = posix_spawn(&pid, self, &actions, NULL, argv, argv + 2);
	finish("posix_spawn to /dev/null", pid);
	printf("system: %#x\n", system("exit 3"));
}

static void clones(void)
{
	pid_t in_parent = 0, in_child = 0;
	long pid = syscall(SYS_clone,
			   SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |
				   CLONE_CHILD_CLEARTID,
			   0, &in_parent, &in_child, 0);

	if (pid == 0)
		_exit(in_child == getpid() ? 0 : 1);
	printf("told the parent: %d\n", in_parent == pid && in_child == 0);
	finish("told the child", pid);
	pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(9);
	finish("clone", pid);
	errno = 0;
	printf("clone of nonsense: %ld %s\n",
	       syscall(SYS_clone, SIGCHLD | CLONE_SIGHAND, 0, 0, 0, 0),
	       strerror(errno));
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2 || strncmp(argv[1], "/", 1) != 0 ||
	    strcmp(argv[0], "started") == 0 || argv[0][0] == 0)
		return started(argc, argv);
	self = argv[0];
	directory = argv[1];
	signal(SIGCHLD, SIG_DFL);
	arguments();
	scripts();
	refusals();
	vforks();
	spawns();
	clones();
	return 0;
}
