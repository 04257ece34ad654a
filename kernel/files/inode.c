/*
 * inode: made, held, released, described.
 */
#include "files/inode.h"

#include "timer.h"
#include "pool.h"

#define STAT_BLOCK    512 /* bytes; what st_blocks counts */
#define PROGRAMS_PART 8

static struct pool inodes = { .size = sizeof(struct inode) };
static uint64_t last_number;

uint64_t files_pages_max(void)
{
	return page_total() - page_total() / PROGRAMS_PART;
}

bool files_may_grow(void)
{
	return page_free_count() > page_total() - files_pages_max();
}

struct inode *inode_create(uint32_t mode, const struct file_ops *ops)
{
	struct inode *inode = files_may_grow() ? pool_alloc(&inodes) : NULL;

	if (!inode)
		return NULL;
	inode->number = ++last_number;
	inode->mode = mode;
	inode->ops = ops;
	inode->users = 1;
	inode->accessed = timer_unix_time();
	inode_touch(inode);
	return inode;
}

struct inode *inode_hold(struct inode *inode)
{
	inode->users++;
	return inode;
}

/* The end of a directory may be that of its parent, and so on: a loop, for a user
 * chooses how deep they lie. */
void inode_release(struct inode *inode)
{
	while (inode && --inode->users == 0 && inode->links == 0) {
		struct inode *parent =
			inode_is(inode, S_IFDIR) ? inode->parent : NULL;

		if (inode->ops->forget)
			inode->ops->forget(inode);
		pool_free(&inodes, inode);
		inode = parent;
	}
}

void inode_touch(struct inode *inode)
{
	inode->modified = inode->changed = timer_unix_time();
}

static void give_time(uint64_t time[2], uint64_t ns)
{
	time[0] = ns / NANOSECONDS;
	time[1] = ns % NANOSECONDS;
}

void inode_stat(const struct inode *inode, struct stat *stat)
{
	stat->number = inode->number;
	stat->mode = inode->mode;
	stat->links = inode->links;
	stat->size = inode->size;
	if (inode_is(inode, S_IFREG))
		stat->blocks = page_up(inode->size) / STAT_BLOCK;
	if (inode_is(inode, S_IFCHR))
		stat->special_device = inode->device;
	give_time(stat->accessed, inode->accessed);
	give_time(stat->modified, inode->modified);
	give_time(stat->changed, inode->changed);
}
