/*
 * It exits with status 0, and is what others execute to measure execve.
 */
#include <user.h>

int main(void)
{
	return 0;
}
