/*
 * The first process: it greets, starts the shell, and from then on waits for
 * children, its own and those whose parents ended before them. When the shell
 * ends, init ends with the shell's status, and the kernel leaves QEMU.
 */
#include <user.h>

static void print_motd(void)
{
	char text[1024];
	long fd = open("/etc/motd", O_RDONLY);
	long size = read((int)fd, text, sizeof(text));

	if (size > 0)
		write_all(1, text, (size_t)size);
	close((int)fd);
}

static long start(const char *path)
{
	char *argv[] = { (char *)path, NULL };
	long pid = fork();

	if (pid == 0) {
		long error;

		/* A session of its own, and the terminal is that one's: what
		 * the keys there send does not reach this process. */
		setsid();
		ioctl(0, TIOCSCTTY, (void *)1);
		error = execve(path, argv, environment);

		printf("init: %s: %s\n", path, error_text(error));
		exit(127);
	}
	return pid;
}

int main(void)
{
	long shell, pid;
	int status = 0;

	print_motd();
	shell = start("/bin/sh");
	if (shell < 0) {
		printf("init: fork: %s\n", error_text(shell));
		return 1;
	}
	do
		pid = wait4(-1, &status, 0, NULL);
	while (pid >= 0 && pid != shell);
	if (!WIFEXITED(status)) {
		printf("init: the shell was killed by signal %d, %s\n",
		       WTERMSIG(status), signal_text(WTERMSIG(status)));
		return 128 + WTERMSIG(status);
	}
	return WEXITSTATUS(status);
}
