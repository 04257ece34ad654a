/*
 * A function inside a function: the address that its caller gets is code on the
 * stack, and the program says in its headers that this must be executable.
 */
#include <stdio.h>

#pragma GCC diagnostic ignored "-Wpedantic"

static __attribute__((noinline)) int twice(int (*f)(int), int x)
{
	return f(f(x));
}

int main(int argc, char **argv)
{
	int add(int x)
	{
		return x + argc + 1;
	}

	(void)argv;
	printf("twice two: %d\n", twice(add, 0));
	return 0;
}
