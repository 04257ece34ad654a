/*
 * Files and directories: reads the file named, by lines, by blocks, from
 * places sought, through descriptors that were duplicated or inherited, and
 * lists the directory named.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int main(int argc, char **argv)
{
	char line[256];
	struct stat about;

	if (argc != 3)
		return 2;
	FILE *file = fopen(argv[1], "r");
	if (!file)
		return 1;
	int lines = 0;
	unsigned sum = 0;
	while (fgets(line, sizeof line, file)) {
		lines++;
		for (char *c = line; *c; c++)
			sum = sum * 31 + (unsigned char)*c;
	}
	fstat(fileno(file), &about);
	printf("%d lines, sum %08x, size %ld, regular %d\n", lines, sum,
	       (long)about.st_size, S_ISREG(about.st_mode));
	fseek(file, -19, SEEK_END);
	printf("tail %s", fgets(line, sizeof line, file));
	rewind(file);
	printf("head %s", fgets(line, sizeof line, file));
	fclose(file);

	/* Descriptors made by dup and by fork share one place in the file. */
	int fd = open(argv[1], O_RDONLY);
	int twin = dup(fd);
	read(fd, line, 10);
	if (fork() == 0) {
		read(twin, line, 10);
		_exit(0);
	}
	wait(NULL);
	printf("shared place %ld\n", (long)lseek(fd, 0, SEEK_CUR));
	printf("beyond the end %zd\n", lseek(fd, 1000000, SEEK_SET) == 1000000
					       ? read(fd, line, 1)
					       : -1);
	close(fd);
	close(twin);

	struct dirent **entries;
	int count = scandir(argv[2], &entries, NULL, by_name);
	for (int i = 0; i < count; i++)
		if (entries[i]->d_name[0] != '.')
			printf("entry %s\n", entries[i]->d_name);
	stat(argv[2], &about);
	printf("directory %d\n", S_ISDIR(about.st_mode));

	char here[4096];
	printf("chdir %d\n", chdir(argv[2]));
	printf("cwd ends in %s\n",
	       strrchr(getcwd(here, sizeof here) ? here : "/?", '/'));
	printf("relative %d\n",
	       access(entries[count - 1]->d_name, F_OK) == 0 ||
		       open(entries[count - 1]->d_name, 0) > 0);
	return 0;
}
