/*
 * files: a sum of those that workers only read, and the playground's end.
 */
#include "fuzz/fuzz.h"

/* The first name in a directory but "." and "..", as getdents64 has it in buffer. */
static const char *first_name(const char *directory, char *buffer, size_t size)
{
	int fd = (int)open(directory, O_RDONLY | O_DIRECTORY);
	const struct dirent *entry = (const struct dirent *)buffer;
	long end = getdents64(fd, buffer, size);

	close(fd);
	while ((char *)entry < buffer + end && entry->name[0] == '.' &&
	       (!entry->name[1] || strcmp(entry->name, "..") == 0))
		entry = (const void *)((char *)entry + entry->length);
	return (char *)entry < buffer + end ? entry->name : NULL;
}

/* Workers may have moved directories into each other as deep as they like. */
void clear_playground(void)
{
	char buffer[1024] __attribute__((aligned(8)));
	const char *name;
	long deep = 0;

	if (chdir(PLAYGROUND) < 0)
		return;
	for (;;) {
		name = first_name(".", buffer, sizeof(buffer));
		if (!name && deep-- == 0)
			break;
		if (!name)
			chdir("..");
		else if (unlink(name) < 0 && rmdir(name) < 0)
			deep += chdir(name) == 0;
	}
	chdir("/");
	rmdir(PLAYGROUND);
}

/* A number that no other bytes are likely to have; of whole words. */
static uint64_t sum_of(uint64_t sum, const void *bytes, size_t size)
{
	const uint64_t *words = bytes;

	for (size_t i = 0; i < (size + 7) / 8; i++) {
		sum ^= words[i];
		sum = random_next(&(uint64_t){ sum });
	}
	return sum;
}

static uint64_t sum_of_file(uint64_t sum, const char *path)
{
	static uint64_t words[PAGE_SIZE / 8];
	int fd = (int)open(path, O_RDONLY);

	for (long n = 1; n > 0; sum = sum_of(sum, words, (size_t)n)) {
		memset(words, 0, sizeof(words));
		n = read(fd, words, sizeof(words));
		n = n < 0 ? 0 : n;
	}
	close(fd);
	return sum;
}

static uint64_t sum_of_files(uint64_t sum, char *path, char *end);

static uint64_t sum_of_entry(uint64_t sum, char *path, char *end,
			     const char *name)
{
	struct stat about;
	char *name_end;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return sum;
	name_end = append(append(end, "/"), name);
	memset(name_end, 0, 8);
	syscall2(SYS_lstat, (long)path, (long)&about);
	sum = sum_of(sum, path, (size_t)(name_end - path));
	sum = sum_of(sum, &about.links, 2 * 8); /* and the mode */
	if ((about.mode & S_IFMT) == S_IFREG)
		return sum_of_file(sum, path);
	if ((about.mode & S_IFMT) == S_IFDIR && strcmp(path, "/proc") != 0)
		return sum_of_files(sum, path, name_end);
	return sum;
}

/* Of all names, types, modes and bytes below a directory. */
static uint64_t sum_of_files(uint64_t sum, char *path, char *end)
{
	char buffer[1024] __attribute__((aligned(8)));
	int fd = (int)open(*path ? path : "/", O_RDONLY | O_DIRECTORY);
	long size;

	while ((size = getdents64(fd, buffer, sizeof(buffer))) > 0)
		for (long at = 0; at < size;) {
			struct dirent *entry = (struct dirent *)(buffer + at);

			at += entry->length;
			sum = sum_of_entry(sum, path, end, entry->name);
		}
	close(fd);
	return sum;
}

uint64_t sum_of_all_files(void)
{
	char path[PATH_ROOM] __attribute__((aligned(8))) = "";

	return sum_of_files(0, path, path);
}
