/*
 * What a program finds at its start: argc, argv, envp, and the auxiliary
 * vector, on a stack aligned to 16. It starts itself a second time, so that
 * arguments and environment are the same everywhere.
 */
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;
extern void _start(void);
extern const Elf64_Ehdr __ehdr_start;

int main(int argc, char **argv)
{
	if (argc == 1) {
		char *arguments[] = { "startup",   "one", "",
				      "two words", "x",   NULL };
		char *environment[] = { "A=1", "LONG=a b c", "EMPTY=", NULL };
		execve(argv[0], arguments, environment);
		return 1;
	}
	for (int i = 0; i < argc; i++)
		printf("argv[%d] <%s>\n", i, argv[i]);
	printf("argv ends %d\n", argv[argc] == NULL);
	for (char **word = environ; *word; word++)
		printf("env <%s>\n", *word);

	/* argc lies below argv, and is what RSP pointed at. */
	printf("stack aligned %d\n", (uintptr_t)(argv - 1) % 16 == 0);
	printf("envp follows argv %d\n", environ == argv + argc + 1);

	const unsigned char *random = (void *)getauxval(AT_RANDOM);
	int different = 0;
	for (int i = 1; i < 16; i++)
		different += random[i] != random[0];
	printf("random bytes %d\n", different > 0);
	printf("page size %lu\n", getauxval(AT_PAGESZ));
	printf("secure %lu\n", getauxval(AT_SECURE));
	printf("entry right %d\n", getauxval(AT_ENTRY) == (uintptr_t)_start);
	printf("phdr right %d\n",
	       getauxval(AT_PHDR) ==
		       (uintptr_t)&__ehdr_start + __ehdr_start.e_phoff);
	printf("phnum right %d\n", getauxval(AT_PHNUM) == __ehdr_start.e_phnum);
	printf("phent %lu\n", getauxval(AT_PHENT));
	return 0;
}
