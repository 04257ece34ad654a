/*
 * Send a signal to processes: `kill PID...` asks them to end (SIGTERM), `kill -9
 * PID...` sends the signal with that number.
 */
#include <user.h>

static bool parse_pid(const char *text, long *pid)
{
	unsigned long number;
	bool group = text[0] == '-'; /* a group of processes */

	if (!parse_number(text + group, &number))
		return false;
	*pid = group ? -(long)number : (long)number;
	return true;
}

static int send(const char *text, int signal)
{
	long pid, error;

	if (!parse_pid(text, &pid)) {
		dprintf(2, "kill: %s: not a process's number\n", text);
		return 1;
	}
	error = kill(pid, signal);
	if (error < 0)
		dprintf(2, "kill: %s: %s\n", text, error_text(error));
	return error < 0;
}

int main(int argc, char **argv)
{
	unsigned long signal = SIGTERM;
	bool given = argc > 2 && argv[1][0] == '-' &&
		     parse_number(argv[1] + 1, &signal);
	int failed = 0;

	if (argc < 2) {
		dprintf(2, "usage: kill [-SIGNAL] PID...\n");
		return 2;
	}
	for (int i = 1 + given; i < argc; i++)
		failed |= send(argv[i], (int)signal);
	return failed;
}
