/*
 * The smallest lesson: one line by way of write(2), and an exit status.
 */
#include <user.h>

int main(void)
{
	printf("hello: greetings from ring 3, process %ld\n", getpid());
	return 0;
}
