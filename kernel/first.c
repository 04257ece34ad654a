/*
 * first: init= on the command line, and its words.
 */
#include "first.h"

#include "errno.h"
#include "string.h"
#include "panic.h"
#include "boot_info.h"
#include "foreground.h"
#include "files/path.h"
#include "proc.h"
#include "exec.h"

#define FIRST_GROUP    1 /* of all first programs; the terminal is theirs */
#define STANDARD_FILES 3 /* input, output, errors */
#define FIRST_PROGRAM  "/bin/init"
#define UMASK          022

/* Takes the next word off *at into word: up to a blank, a comma or the end; in
 * '…' both are ordinary. Returns its length, or -E2BIG. */
static int next_word(const char **at, char *word, int size)
{
	int length = 0;
	bool quoted = false;

	for (; **at && (quoted || (**at != ' ' && **at != ',')); (*at)++) {
		if (**at == '\'') {
			quoted = !quoted;
			continue;
		}
		if (length == size - 1)
			return -E2BIG;
		word[length++] = **at;
	}
	word[length] = 0;
	return length;
}

/* Starts the program at *at, "/bin/name arguments", up to a comma. */
static void start_program(const char **at)
{
	static char path[PATH_MAX], word[PATH_MAX];
	struct exec_args *args = exec_args();
	struct inode *file, *terminal;
	struct proc *p;
	int error = 0;

	path[0] = 0;
	while (**at && **at != ',' && error >= 0) {
		if (**at == ' ') {
			(*at)++;
			continue;
		}
		error = next_word(at, word, sizeof(word));
		if (error >= 0 && args->argc == 0)
			strlcpy(path, word, sizeof(path));
		if (error >= 0)
			error = exec_add_argument(args, word);
	}
	if (error >= 0 && args->argc == 0)
		panic("first: init= names no program");
	if (error >= 0)
		error = exec_add_environment(args, "PATH=/bin");
	if (error >= 0)
		error = exec_add_environment(args, "HOME=/");
	if (error < 0)
		panic("first: the arguments in init= are too long");

	p = proc_alloc(&error);
	file = p ? path_to_inode(path, &error) : NULL;
	if (file)
		error = exec_load(p, file, path, args);
	if (!p || error < 0)
		panic("first: cannot start %s: %s (error %d)", path,
		      error == -ENOENT ? "there is no such file in the archive"
		      : error == -EACCES  ? "it is not an executable file"
		      : error == -ENOEXEC ? "it is not a static x86-64 program"
		      : error == -ENOMEM  ? "memory is full"
					  : "too many programs",
		      error);
	p->group = p->session = FIRST_GROUP;
	terminal = path_to_inode("/dev/console", &error);
	if (!terminal)
		panic("first: the archive has something in /dev/console's "
		      "place");
	const struct node console = { .ops = terminal->ops, .inode = terminal };
	for (int fd = 0; fd < STANDARD_FILES; fd++)
		p->files[p->files_end++] = file_alloc(&console, O_RDWR);
	p->umask = UMASK;
	proc_set_start(p, proc_enter_user, p->kstack_top);
	proc_ready(p);
}

void first_start(void)
{
	const char *programs = boot_option_init();

	foreground_give(FIRST_GROUP, FIRST_GROUP);
	if (!programs)
		programs = FIRST_PROGRAM;
	start_program(&programs);
	while (*programs == ',') {
		programs++;
		start_program(&programs);
	}
}
