/*
 * The smallest probe: ends with the status it is given.
 *
 * usage: probe_exit STATUS
 */
#include <user.h>

int main(int argc, char **argv)
{
	unsigned long status;

	return argc == 2 && parse_number(argv[1], &status) ? (int)status : 1;
}
