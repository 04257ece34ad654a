/*
 * execve replaces the program and keeps the process: its number, its files,
 * its parent. The new program gets argv, envp and the auxiliary vector on its
 * stack, fresh memory, and nothing of the old one. When execve fails, the old
 * program goes on as if nothing had been.
 *
 * usage: exectest [N]	with N: execute N programs and count free pages
 */
#include <user.h>

/* Entries of the auxiliary vector, which follows the environment. */
enum {
	AT_PHDR = 3,
	AT_PHENT,
	AT_PHNUM,
	AT_PAGESZ,
	AT_ENTRY = 9,
	AT_RANDOM = 25
};

static char *self; /* the path of this program */
static char *arguments[] = { "exectest",  "--arrived", "",
			     "two words", "'\"$",      NULL };
static char *names[] = { "NAME=value", "EMPTY=", "=", NULL };

static long untouched = 42; /* in .data */

void _start(void);

static bool same_strings(char **found, char **expected)
{
	size_t i;

	for (i = 0; found[i] && expected[i]; i++)
		if (strcmp(found[i], expected[i]) != 0)
			return false;
	return !found[i] && !expected[i];
}

static unsigned long auxiliary(char **envp, unsigned long type)
{
	unsigned long *entry;

	while (*envp)
		envp++;
	for (entry = (unsigned long *)(envp + 1); *entry; entry += 2)
		if (*entry == type)
			return entry[1];
	return 0;
}

/* What the child says as the new program: 0, or which step failed. */
static int arrived(int argc, char **argv, char **envp)
{
	const uint8_t *random = (uint8_t *)auxiliary(envp, AT_RANDOM);
	const char *elf = (char *)auxiliary(envp, AT_PHDR) - 64;
	long pid = getpid();

	if (argc != COUNT(arguments) - 1 || !same_strings(argv, arguments))
		return 1;
	if (!same_strings(envp, names))
		return 2;
	if (untouched != 42)
		return 3;
	if (auxiliary(envp, AT_PAGESZ) != PAGE_SIZE || !random ||
	    auxiliary(envp, AT_ENTRY) != (unsigned long)_start)
		return 4;
	if (auxiliary(envp, AT_PHENT) != 56 || !auxiliary(envp, AT_PHNUM) ||
	    memcmp(elf, "\177ELF", 4) != 0)
		return 5;
	return write(9, &pid, sizeof(pid)) == sizeof(pid) ? 0 : 6;
}

static void check_arrival(void)
{
	static const char *const what[] = {
		"argc and argv arrive", "envp arrives",
		"memory is fresh",      "page size, entry, random bytes",
		"the program headers",  "an open file stays open",
	};
	long pid, said = 0;
	int fds[2], step;

	pipe(fds);
	pid = fork();
	if (pid == 0) {
		untouched = 0;
		dup2(fds[1], 9);
		exit(100 + (int)execve(self, arguments, names));
	}
	step = WEXITSTATUS(wait_for(pid));
	for (int i = 0; i < (int)COUNT(what); i++)
		if (check(step == 0 || step > i + 1, "%s", what[i]) == false)
			break;
	close(fds[1]);
	read(fds[0], &said, sizeof(said));
	close(fds[0]);
	check(said == pid, "the process has the same number");
}

static void check_failures(void)
{
	char *huge = map_pages(64), *with_huge[] = { self, huge, NULL };
	char *none[] = { NULL };
	long result;

	memset(huge, 'x', 64 * PAGE_SIZE - 1);
	check_equal("no such program", execve("/no", none, none), -ENOENT);
	check_equal("no such directory", execve("/no/no", none, none), -ENOENT);
	check_equal("an empty name", execve("", none, none), -ENOENT);
	check_equal("a directory", execve("/", none, none), -EACCES);
	result = execve("/etc/motd", none, none);
	check(result == -EACCES || result == -ENOEXEC, "a text");
	check_equal("256 KB of argument", execve(self, with_huge, none),
		    -E2BIG);
	check(untouched == 42, "after all that this program is whole");
	munmap(huge, 64 * PAGE_SIZE);
}

/* N times fork, execute, end, wait. */
static void count_pages(unsigned long times)
{
	char *quit[] = { self, "--quit", NULL };
	unsigned long before = 0, after;
	bool right = true;

	/* The first round is not counted: it makes what then stays. */
	for (unsigned long i = 0; i <= times; i++) {
		long pid = fork();

		if (pid == 0)
			exit(100 + (int)execve(self, quit, quit));
		right &= pid > 0 && WEXITSTATUS(wait_for(pid)) == 7;
		if (i == 0)
			before = free_pages();
	}
	after = free_pages();
	check(right, "%lu programs executed", times);
	printf("exectest: free pages before %lu after %lu\n", before, after);
	check(before == after || !on_threshold(), "no page was lost");
}

int main(int argc, char **argv, char **envp)
{
	unsigned long times = 0;

	self = strchr(argv[0], '/') ? argv[0] : "/bin/exectest";
	if (argc > 1 && strcmp(argv[1], "--arrived") == 0)
		return arrived(argc, argv, envp);
	if (argc > 1 && strcmp(argv[1], "--quit") == 0)
		return 7;
	if (argc > 2 || (argc == 2 && !parse_number(argv[1], &times))) {
		printf("usage: exectest [N]\n");
		return 2;
	}
	check_arrival();
	check_failures();
	if (times > 0)
		count_pages(times);
	return check_done();
}
