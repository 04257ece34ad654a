/*
 * initrd: the archive's index.
 *
 * An entry is a header of 110 characters, the name with its zero byte, the
 * data; name and data are each padded to 4 bytes. All numbers are eight hex
 * digits. The entry named TRAILER!!! ends the archive.
 */
#include "initrd.h"

#include "string.h"
#include "panic.h"
#include "boot_info.h"

#define MAX_FILES 256

struct header {
	char magic[6]; /* "070701" */
	char ino[8], mode[8], uid[8], gid[8], nlink[8], mtime[8], size[8];
	char dev_major[8], dev_minor[8], rdev_major[8], rdev_minor[8];
	char name_size[8], check[8];
};

_Static_assert(sizeof(struct header) == 110, "cpio(5)");

static struct initrd_file files[MAX_FILES] = {
	{ .name = "", .mode = S_IFDIR | 0755 }, /* the root */
};
static int file_count = 1;

static uint64_t align4(uint64_t offset)
{
	return (offset + 3) & ~(uint64_t)3;
}

static uint32_t parse_hex(const char *digits, uint64_t at)
{
	uint32_t value = 0;

	for (int i = 0; i < 8; i++) {
		char c = digits[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			value = value << 4 | (c - 'A' + 10);
		else
			panic("initrd: the header at byte %lu of the archive "
			      "has a number that is not hexadecimal",
			      at);
	}
	return value;
}

/* Archives name files "bin/sh", "./bin/sh" or "/bin/sh". */
static const char *plain_name(const char *name)
{
	while (name[0] == '/' || (name[0] == '.' && name[1] == '/'))
		name++;
	return strcmp(name, ".") == 0 ? "" : name;
}

/* Enters the file whose header is at byte at. Returns where the next one is,
 * or 0 if this was the trailer. */
static uint64_t add_file(uint64_t at)
{
	const uint8_t *archive = boot_info.initrd;
	const struct header *header = (const struct header *)(archive + at);
	uint64_t size = boot_info.initrd_size, data, end, name_size;
	const char *name = (const char *)(header + 1);

	if (at + sizeof(*header) > size)
		panic("initrd: the archive ends at byte %lu without a trailer",
		      size);
	if (memcmp(header->magic, "070701", 6) != 0)
		panic("initrd: no newc header at byte %lu of the archive (make "
		      "it with cpio -o -H newc)",
		      at);
	name_size = parse_hex(header->name_size, at);
	data = align4(at + sizeof(*header) + name_size);
	end = data + parse_hex(header->size, at);
	if (name_size == 0 || data > size || end > size || name[name_size - 1])
		panic("initrd: the file at byte %lu does not fit into the "
		      "archive of %lu bytes",
		      at, size);
	if (strcmp(name, "TRAILER!!!") == 0)
		return 0;
	name = plain_name(name);
	if (*name) {
		if (file_count == MAX_FILES)
			panic("initrd: more than %d files", MAX_FILES - 1);
		files[file_count++] = (struct initrd_file){
			.name = name,
			.data = archive + data,
			.size = end - data,
			.mode = parse_hex(header->mode, at),
			.mtime = parse_hex(header->mtime, at),
		};
	}
	return align4(end);
}

void initrd_init(void)
{
	uint64_t at = 0;

	if (!boot_info.initrd)
		panic("initrd: no archive of programs was given (-initrd)");
	do {
		at = add_file(at);
	} while (at);
}

/* A later file of the same name counts, as when cpio unpacks. */
const struct initrd_file *initrd_find(const char *path)
{
	for (int i = file_count - 1; i >= 0; i--)
		if (strcmp(files[i].name, path) == 0)
			return &files[i];
	return NULL;
}

const struct initrd_file *initrd_list(const struct initrd_file *directory,
				      uint64_t *position)
{
	size_t length = strlen(directory->name);

	while (*position < (uint64_t)file_count) {
		const struct initrd_file *file = &files[(*position)++];
		const char *rest = file->name + length;

		if (file == files ||
		    strncmp(file->name, directory->name, length))
			continue;
		if (length > 0 && *rest++ != '/')
			continue;
		if (*rest && !strchr(rest, '/') &&
		    initrd_find(file->name) == file)
			return file;
	}
	return NULL;
}

const char *initrd_base_name(const struct initrd_file *file)
{
	const char *base = file->name, *slash;

	while ((slash = strchr(base, '/')))
		base = slash + 1;
	return base;
}

uint64_t initrd_number(const struct initrd_file *file)
{
	return file - files + 1;
}
