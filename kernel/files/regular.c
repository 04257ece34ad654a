/*
 * regular: six pages by their number, the others through a page of pointers to
 * pages of pointers. A page that was never written is not there, and reads as
 * zeros.
 */
#include "files/regular.h"

#include "errno.h"
#include "string.h"
#include "user_copy.h"
#include "page.h"

#define POINTERS         (PAGE_SIZE / sizeof(uint64_t))
#define PAGES_MAX        (DIRECT_PAGES + POINTERS * POINTERS)
#define SIZE_MAX_OF_FILE ((uint64_t)PAGES_MAX * PAGE_SIZE)

static const uint8_t zeros[PAGE_SIZE];

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Bytes from here to the end of the page. */
static uint64_t left_in_page(uint64_t at)
{
	return PAGE_SIZE - at % PAGE_SIZE;
}

/* The page that *slot names; made of zeros, if it is asked for and not there. */
static void *page_at(uint64_t *slot, bool make)
{
	if (!*slot && make && files_may_grow())
		*slot = page_alloc_zeroed();
	return *slot ? pa_to_va(*slot) : NULL;
}

/* Where the number of a file's page stands; NULL where no table is. */
static uint64_t *slot_of(struct inode *inode, uint64_t page, bool make)
{
	uint64_t *table;

	if (page < DIRECT_PAGES)
		return &inode->direct[page];
	page -= DIRECT_PAGES;
	table = page_at(&inode->table, make);
	if (table)
		table = page_at(&table[page / POINTERS], make);
	return table ? &table[page % POINTERS] : NULL;
}

/* The byte at offset and those that follow it in memory, up to *size. */
static const void *bytes_at(const struct inode *inode, uint64_t offset,
			    size_t *size)
{
	uint64_t *slot;

	if (inode->archived)
		return inode->archived + offset;
	*size = smaller(*size, left_in_page(offset));
	slot = slot_of((struct inode *)inode, offset / PAGE_SIZE, false);
	return slot && *slot ? pa_to_va(*slot + offset % PAGE_SIZE) : zeros;
}

size_t regular_copy(const struct inode *inode, uint64_t offset, void *to,
		    size_t size)
{
	size_t done = 0;

	if (offset >= inode->size)
		return 0;
	size = smaller(size, inode->size - offset);
	while (done < size) {
		size_t piece = size - done;
		const void *from = bytes_at(inode, offset + done, &piece);

		memcpy((char *)to + done, from, piece);
		done += piece;
	}
	return size;
}

/* Frees the pages from number first on, and the tables that held only such. */
static void free_pages(struct inode *inode, uint64_t first)
{
	uint64_t *table = page_at(&inode->table, false);

	for (uint64_t i = first; i < DIRECT_PAGES; i++)
		if (inode->direct[i]) {
			page_unref(inode->direct[i]);
			inode->direct[i] = 0;
		}
	for (uint64_t t = 0; table && t < POINTERS; t++) {
		uint64_t *pages = page_at(&table[t], false);
		uint64_t start = DIRECT_PAGES + t * POINTERS;

		if (!pages || start + POINTERS <= first)
			continue;
		for (uint64_t i = 0; i < POINTERS; i++)
			if (start + i >= first && pages[i]) {
				page_unref(pages[i]);
				pages[i] = 0;
			}
		if (start >= first) {
			page_unref(table[t]);
			table[t] = 0;
		}
	}
	if (table && first <= DIRECT_PAGES) {
		page_unref(inode->table);
		inode->table = 0;
	}
}

/* The page for the byte at offset, to be written. */
static char *page_for(struct inode *inode, uint64_t offset)
{
	uint64_t *slot = slot_of(inode, offset / PAGE_SIZE, true);
	char *page = slot ? page_at(slot, true) : NULL;

	return page ? page + offset % PAGE_SIZE : NULL;
}

int regular_put(struct inode *inode, uint64_t offset, const void *from,
		size_t size)
{
	for (size_t done = 0, piece; done < size; done += piece) {
		char *to = page_for(inode, offset + done);

		piece = smaller(size - done, left_in_page(offset + done));
		if (!to)
			return -ENOSPC;
		memcpy(to, (const char *)from + done, piece);
	}
	if (offset + size > inode->size)
		inode->size = offset + size;
	return 0;
}

/* The first write: the archive's first bytes, as many as are kept, become pages.
 * Returns 0, or -ENOSPC and has changed nothing. */
static int leave_archive(struct inode *inode, uint64_t kept)
{
	const uint8_t *archived = inode->archived;
	int error;

	if (!archived)
		return 0;
	inode->archived = NULL;
	error = regular_put(inode, 0, archived, smaller(kept, inode->size));
	if (error < 0) {
		free_pages(inode, 0);
		inode->archived = archived;
	}
	return error;
}

int regular_resize(struct inode *inode, uint64_t size)
{
	uint64_t rest = size % PAGE_SIZE, *slot;
	int error;

	if (size > SIZE_MAX_OF_FILE)
		return -EFBIG;
	error = leave_archive(inode, size);
	if (error < 0)
		return error;
	/* Where a write failed, pages may lie after the end, too. */
	free_pages(inode, page_up(size) / PAGE_SIZE);
	if (size < inode->size) {
		slot = rest ? slot_of(inode, size / PAGE_SIZE, false) : NULL;
		if (slot && *slot)
			memset(pa_to_va(*slot + rest), 0, PAGE_SIZE - rest);
	}
	inode->size = size;
	inode_touch(inode);
	return 0;
}

/* In reads and writes no piece leaves a page of the user's: what is right before
 * a bad address is done. */
static long regular_read(struct file *file, uint64_t buffer, size_t size)
{
	const struct inode *inode = file->node.inode;
	size_t done = 0, piece;

	if (file->offset >= inode->size)
		return 0;
	size = smaller(size, inode->size - file->offset);
	for (; done < size; done += piece) {
		const void *from;

		piece = smaller(size - done, left_in_page(buffer + done));
		from = bytes_at(inode, file->offset + done, &piece);
		if (copyout(buffer + done, from, piece) < 0)
			break;
	}
	file->offset += done;
	return done || size == 0 ? (long)done : -EFAULT;
}

static long regular_write(struct file *file, uint64_t buffer, size_t size)
{
	struct inode *inode = file->node.inode;
	uint64_t at = file->flags & O_APPEND ? inode->size : file->offset;
	size_t done = 0, piece;
	int error = size ? leave_archive(inode, inode->size) : 0;

	if (size && at >= SIZE_MAX_OF_FILE)
		return -EFBIG;
	size = smaller(size, SIZE_MAX_OF_FILE - at);
	for (; done < size && error == 0; done += piece) {
		char *to = page_for(inode, at + done);

		piece = smaller(smaller(size - done, left_in_page(at + done)),
				left_in_page(buffer + done));
		error = to ? copyin(to, buffer + done, piece) : -ENOSPC;
		if (error < 0)
			break;
	}
	if (done > 0) {
		file->offset = at + done;
		if (file->offset > inode->size)
			inode->size = file->offset;
		inode_touch(inode);
	}
	return done ? (long)done : error;
}

static uint64_t regular_waiting(struct file *file)
{
	return file->node.inode->size - file->offset;
}

static void regular_forget(struct inode *inode)
{
	free_pages(inode, 0);
}

const struct file_ops regular_ops = {
	.read = regular_read,
	.write = regular_write,
	.waiting = regular_waiting,
	.forget = regular_forget,
	.seekable = true,
};

/* The archive's bytes do not lie in pages; they become some for who shares them.
 * Who does not gets a page of the file as it is, to copy when it writes, or where
 * there is none a page with what is there. */
static int map_page(void *object, uint64_t offset, bool for_sharing,
		    uint64_t *page)
{
	struct inode *inode = object;
	uint64_t *slot;

	if (offset >= inode->size)
		return -EIO;
	if (for_sharing &&
	    (leave_archive(inode, inode->size) < 0 || !page_for(inode, offset)))
		return -ENOMEM;
	slot = inode->archived ? NULL
			       : slot_of(inode, offset / PAGE_SIZE, false);
	if (slot && *slot) {
		*page = *slot;
		page_ref(*page);
		return 0;
	}
	*page = page_alloc_zeroed();
	if (!*page)
		return -ENOMEM;
	regular_copy(inode, page_down(offset), pa_to_va(*page), PAGE_SIZE);
	return 0;
}

static void map_hold(void *object)
{
	inode_hold(object);
}

static void map_release(void *object)
{
	inode_release(object);
}

const struct backing regular_backing = {
	.page = map_page,
	.hold = map_hold,
	.release = map_release,
};
