/*
 * directory: a list of entries.
 */
#include "files/directory.h"

#include "errno.h"
#include "string.h"
#include "user_copy.h"
#include "pool.h"

#define DIRENT_TYPE_SHIFT 12 /* d_type is the mode's type bits */
#define PLACE_OF_DOT      1  /* and of "..", and then the entries' */
#define PLACE_OF_PARENT   2

/* struct linux_dirent64 as programs for Linux expect it. */
struct dirent {
	uint64_t number;
	int64_t next_offset;
	uint16_t size; /* of this record */
	uint8_t type;
	char name[];
} __attribute__((packed));

static struct pool entries = { .size = sizeof(struct entry) };
static struct pool names = { .size = NAME_MAX + 1 };

struct entry *directory_find(const struct inode *directory, const char *name,
			     size_t length)
{
	for (struct entry *e = directory->first; e; e = e->next)
		if (e->length == length && memcmp(e->name, name, length) == 0)
			return e;
	return NULL;
}

static const char *own_name(const char *name, size_t length)
{
	char *copy = pool_alloc(&names);

	return copy ? memcpy(copy, name, length) : NULL;
}

int directory_add(struct inode *directory, const char *name, size_t length,
		  struct inode *inode, bool copy_name)
{
	struct entry **link = &directory->first;
	struct entry *entry = files_may_grow() ? pool_alloc(&entries) : NULL;

	if (!entry)
		return -ENOSPC;
	if (copy_name)
		name = own_name(name, length);
	if (!name) {
		pool_free(&entries, entry);
		return -ENOSPC;
	}
	if (directory->last_place < PLACE_OF_PARENT)
		directory->last_place = PLACE_OF_PARENT;
	*entry = (struct entry){
		.inode = inode,
		.place = ++directory->last_place,
		.name = name,
		.length = length,
		.is_own = copy_name,
	};
	while (*link)
		link = &(*link)->next;
	*link = entry;
	inode->links++;
	inode_touch(directory);
	return 0;
}

void directory_remove(struct inode *directory, struct entry *entry)
{
	struct entry **link = &directory->first;

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	/* Held for a moment, so that the last link's end is seen. */
	inode_hold(entry->inode)->links--;
	inode_release(entry->inode);
	if (entry->is_own)
		pool_free(&names, (char *)entry->name);
	pool_free(&entries, entry);
	inode_touch(directory);
}

struct inode *directory_create(struct inode *parent, uint32_t mode)
{
	struct inode *inode = inode_create(S_IFDIR | mode, &directory_ops);

	if (inode)
		inode->parent = parent ? inode_hold(parent) : NULL;
	return inode;
}

int directory_open(int flags)
{
	return flags & (O_ACCMODE | O_TRUNC) ? -EISDIR : 0;
}

long directory_read(struct file *file, uint64_t buffer, size_t size)
{
	(void)file, (void)buffer, (void)size;
	return -EISDIR;
}

/* The first entry whose place is after the file's offset, "." and ".." first; or
 * false. */
static bool next_entry(const struct file *file, struct entry *found)
{
	struct inode *directory = file->node.inode;
	struct entry *entry = directory->first;

	if (file->offset < PLACE_OF_DOT) {
		*found = (struct entry){ .inode = directory,
					 .place = PLACE_OF_DOT,
					 .name = ".",
					 .length = 1 };
		return true;
	}
	if (file->offset < PLACE_OF_PARENT) {
		*found = (struct entry){ .inode = directory->parent
							  ? directory->parent
							  : directory,
					 .place = PLACE_OF_PARENT,
					 .name = "..",
					 .length = 2 };
		return true;
	}
	while (entry && entry->place <= file->offset)
		entry = entry->next;
	if (entry)
		*found = *entry;
	return entry;
}

long directory_list(struct file *file, uint64_t buffer, size_t size)
{
	struct entry entry;
	size_t done = 0;

	if (file->node.inode->links == 0)
		return -ENOENT; /* it was removed */
	while (next_entry(file, &entry)) {
		uint8_t record[sizeof(struct dirent) + NAME_MAX +
			       sizeof(uint64_t)];
		struct dirent *dirent = (struct dirent *)record;
		size_t length = sizeof(*dirent) + entry.length + 1;

		length = (length + sizeof(uint64_t) - 1) & -sizeof(uint64_t);
		if (length > size - done)
			return done ? (long)done : -EINVAL;
		memset(record, 0, length);
		dirent->number = entry.inode->number;
		dirent->next_offset = entry.place;
		dirent->size = length;
		dirent->type =
			(entry.inode->mode & S_IFMT) >> DIRENT_TYPE_SHIFT;
		memcpy(dirent->name, entry.name, entry.length);
		if (copyout(buffer + done, record, length) < 0)
			return done ? (long)done : -EFAULT;
		done += length;
		file->offset = entry.place;
	}
	return done;
}

const struct file_ops directory_ops = {
	.open = directory_open,
	.read = directory_read,
	.list = directory_list,
	.seekable = true,
};
