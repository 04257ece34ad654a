/*
 * printf and malloc of a C library made for Linux: numbers of every kind,
 * doubles (which need the SSE registers), small blocks (brk) and large ones
 * (mmap), and blocks that grow.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE (4 << 20)

int main(void)
{
	printf("%d %u %x %lld %s|%-8s|%08.3f %g %c\n", -7, 7u, 0xbeef,
	       -1234567890123LL, "text", "left", 3.14159265, 1e-9, 'c');

	/* A sum of square roots by Newton's method, for doubles in registers. */
	double sum = 0;
	for (int i = 1; i <= 1000; i++) {
		double root = i;
		for (int step = 0; step < 20; step++)
			root = (root + i / root) / 2;
		sum += root;
	}
	printf("sum of roots %.6f\n", sum);

	unsigned checksum = 0;
	char *blocks[100];
	for (int i = 0; i < 100; i++) {
		blocks[i] = malloc(10 + i * 37);
		memset(blocks[i], i, 10 + i * 37);
	}
	for (int i = 0; i < 100; i += 2)
		blocks[i] = realloc(blocks[i], 5000);
	for (int i = 0; i < 100; i++) {
		checksum = checksum * 31 + (unsigned char)blocks[i][9];
		free(blocks[i]);
	}
	printf("small blocks %08x\n", checksum);

	char *large = malloc(LARGE);
	int zeros = 1;
	for (size_t i = 0; i < LARGE; i += 4096)
		zeros = zeros && large[i] == 0;
	memset(large, 0x5a, LARGE);
	printf("large block zero %d, last byte %x\n", zeros, large[LARGE - 1]);
	free(large);

	char *zeroed = calloc(1000, 1000);
	printf("calloc %d\n", zeroed[999999]);
	return 42;
}
