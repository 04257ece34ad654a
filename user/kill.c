/*
 * Send a signal to processes: `kill PID...` asks them to end (SIGTERM), `kill -9
 * PID...` sends the signal with that number.
 */
#include <user.h>

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
		failed |= send_signal(argv[i], (int)signal);
	return failed;
}
