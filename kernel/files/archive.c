/*
 * archive: reads a file's bytes where they lie; nothing can be written.
 */
#include "files/archive.h"

#include "layout.h"
#include "errno.h"
#include "string.h"
#include "user_copy.h"
#include "sched.h"
#include "initrd.h"

#define STAT_BLOCK        512 /* bytes; what st_blocks counts */
#define DIRENT_TYPE_SHIFT 12  /* d_type is the mode's type bits */

/* struct linux_dirent64 as programs for Linux expect it. */
struct dirent {
	uint64_t number;
	int64_t next_offset;
	uint16_t size; /* of this record */
	uint8_t type;
	char name[];
} __attribute__((packed));

static int archive_open(int flags)
{
	return flags & (O_ACCMODE | O_TRUNC) ? -EROFS : 0;
}

static long archive_read(struct file *file, uint64_t buffer, size_t size)
{
	const struct initrd_file *archived = file->node.archived;

	if (file->offset >= archived->size)
		return 0;
	if (size > archived->size - file->offset)
		size = archived->size - file->offset;
	if (copyout(buffer, archived->data + file->offset, size) < 0)
		return -EFAULT;
	file->offset += size;
	return size;
}

static void archive_stat(const struct node *node, struct stat *stat)
{
	const struct initrd_file *archived = node->archived;

	stat->number = initrd_number(archived);
	stat->mode = archived->mode;
	stat->size = archived->size;
	stat->blocks = (archived->size + STAT_BLOCK - 1) / STAT_BLOCK;
	stat->modified[0] = archived->mtime;
}

static int directory_open(int flags)
{
	return flags & (O_ACCMODE | O_TRUNC) ? -EISDIR : 0;
}

static long directory_read(struct file *file, uint64_t buffer, size_t size)
{
	(void)file, (void)buffer, (void)size;
	return -EISDIR;
}

static long directory_list(struct file *file, uint64_t buffer, size_t size)
{
	const struct initrd_file *entry;
	uint64_t position = file->offset;
	size_t done = 0;

	while ((entry = initrd_list(file->node.archived, &position))) {
		uint8_t record[sizeof(struct dirent) + PATH_MAX];
		struct dirent *dirent = (struct dirent *)record;
		const char *name = initrd_base_name(entry);
		size_t length = sizeof(*dirent) + strlen(name) + 1;

		length = (length + sizeof(uint64_t) - 1) & -sizeof(uint64_t);
		if (length > sizeof(record))
			continue; /* a name too long to be opened */
		if (length > size - done)
			return done ? (long)done : -EINVAL;
		memset(record, 0, sizeof(record));
		dirent->number = initrd_number(entry);
		dirent->next_offset = position;
		dirent->size = length;
		dirent->type = (entry->mode & S_IFMT) >> DIRENT_TYPE_SHIFT;
		strlcpy(dirent->name, name, PATH_MAX);
		if (copyout(buffer + done, record, length) < 0)
			return done ? (long)done : -EFAULT;
		done += length;
		file->offset = position;
	}
	return done;
}

const struct file_ops archive_ops = {
	.open = archive_open,
	.read = archive_read,
	.stat = archive_stat,
	.seekable = true,
};

const struct file_ops directory_ops = {
	.open = directory_open,
	.read = directory_read,
	.stat = archive_stat,
	.list = directory_list,
	.seekable = true,
};

struct node archive_node(const struct initrd_file *archived)
{
	bool is_directory = (archived->mode & S_IFMT) == S_IFDIR;

	return (struct node){
		.ops = is_directory ? &directory_ops : &archive_ops,
		.archived = archived,
	};
}
