/*
 * One line per path and the answer to open: how many bytes the file has, or the
 * error. The Linux host prints the same lines. All but the last are asked from
 * within the directory named.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const paths[] = {
	"text",
	"./text",
	".//text",
	"../poem/text",
	"../poem/../poem/./text",
	"text/",
	"text//",
	"text/.",
	"text/..",
	"text/../text",
	"text/x",
	"text/x/y",
	"text/x/..",
	"nonesuch",
	"nonesuch/",
	"nonesuch/.",
	"nonesuch/..",
	"nonesuch/../text",
	"nonesuch/x",
	"nonesuch/text/../../text",
	"other/nonesuch/../text",
	"/../../dev/null",
	"/dev/../dev/null",
	"/dev/null/../null",
	"/dev/nonesuch/../null",
};

static void tell(const char *path)
{
	struct stat about;
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		printf("open %s: error %d\n", path, errno);
	} else {
		fstat(fd, &about);
		printf("open %s: a file of %ld bytes\n", path,
		       (long)about.st_size);
		close(fd);
	}
	if (stat(path, &about) < 0)
		printf("stat %s: error %d\n", path, errno);
}

/* There no name is, a long one neither. */
static void in_a_removed_directory(void)
{
	char name[257] = "";

	memset(name, 'n', 256);
	printf("too long: %d\n", open(name, O_RDONLY) < 0 ? errno : 0);
	if (mkdir("gone", 0755) < 0 || chdir("gone") < 0 ||
	    rmdir("../gone") < 0)
		printf("gone: error %d\n", errno);
	printf("too long: %d\n", open(name, O_RDONLY) < 0 ? errno : 0);
	printf("and made: %d\n", open(name, O_CREAT, 0600) < 0 ? errno : 0);
	printf("short: %d\n", open("n", O_RDONLY) < 0 ? errno : 0);
}

int main(int argc, char **argv)
{
	char deep[128] = "";

	if (argc != 2 || chdir(argv[1]) < 0)
		return 2;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		tell(paths[i]);
	printf("chdir text/..: %d\n", chdir("text/..") ? errno : 0);
	printf("chdir ../poem/: %d\n", chdir("../poem/") ? errno : 0);

	in_a_removed_directory();

	/* As many parts as the kernel's longest path can have. */
	for (int i = 0; i < 63; i++)
		strcat(deep, "/a");
	tell(deep);
	printf("chdir: %d\n", chdir(deep) ? errno : 0);
	execl(deep, deep, NULL);
	printf("execve: %d\n", errno);
	return 0;
}
