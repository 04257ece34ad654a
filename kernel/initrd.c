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
#define MAGIC     "070701"
#define PADDED_TO 4 /* bytes */
#define HEX       16

typedef char hex_number[8];

struct header {
	char magic[sizeof(MAGIC) - 1];
	hex_number ino, mode, uid, gid, nlink, mtime, size;
	hex_number dev_major, dev_minor, rdev_major, rdev_minor;
	hex_number name_size, check;
};

_Static_assert(sizeof(struct header) == 110, "cpio(5)");

static struct initrd_file files[MAX_FILES];
static int file_count;

static uint64_t padded(uint64_t offset)
{
	return (offset + PADDED_TO - 1) & -(uint64_t)PADDED_TO;
}

static uint32_t parse_hex(const char *digits, uint64_t at)
{
	static const char values[] = "0123456789abcdef0123456789ABCDEF";
	uint32_t value = 0;

	for (size_t i = 0; i < sizeof(hex_number); i++) {
		const char *digit =
			digits[i] ? strchr(values, digits[i]) : NULL;

		if (!digit)
			panic("initrd: the header at byte %lu of the archive "
			      "has a number that is not hexadecimal",
			      at);
		value = value * HEX + (digit - values) % HEX;
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
	if (memcmp(header->magic, MAGIC, sizeof(header->magic)) != 0)
		panic("initrd: no newc header at byte %lu of the archive (make "
		      "it with cpio -o -H newc)",
		      at);
	name_size = parse_hex(header->name_size, at);
	data = padded(at + sizeof(*header) + name_size);
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
			panic("initrd: more than %d files", MAX_FILES);
		files[file_count++] = (struct initrd_file){
			.name = name,
			.data = archive + data,
			.size = end - data,
			.mode = parse_hex(header->mode, at),
			.mtime = parse_hex(header->mtime, at),
		};
	}
	return padded(end);
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

const struct initrd_file *initrd_file(int i)
{
	return i < file_count ? &files[i] : NULL;
}
