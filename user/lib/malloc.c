/*
 * The heap: memory from brk, handed out first-fit from one list of free
 * blocks. The list is ordered by address, so that a freed block grows together
 * with its free neighbours.
 */
#include "user.h"

/* Stands before every block, free or not. */
struct block {
	size_t size;        /* in bytes, this header included */
	struct block *next; /* the next free one; unused while handed out */
};
_Static_assert(sizeof(struct block) == 16, "malloc's results are 16-aligned");

/* The heap grows by so much at least: one brk serves many mallocs. */
#define GROW_BYTES (16 * (size_t)PAGE_SIZE)

static struct block *free_list;

static void insert(struct block *block)
{
	struct block **link = &free_list;
	struct block *before = NULL;

	while (*link && *link < block) {
		before = *link;
		link = &before->next;
	}
	block->next = *link;
	*link = block;
	if (block->next && (char *)block + block->size == (char *)block->next) {
		block->size += block->next->size;
		block->next = block->next->next;
	}
	if (before && (char *)before + before->size == (char *)block) {
		before->size += block->size;
		before->next = block->next;
	}
}

static bool grow(size_t size)
{
	struct block *block;
	long end = (brk(NULL) + 15) & -16L;

	if (size < GROW_BYTES)
		size = GROW_BYTES;
	/* brk answers with the old end, not with an error, when it fails. */
	if (brk((void *)(end + (long)size)) != end + (long)size)
		return false;
	block = (struct block *)end;
	block->size = size;
	insert(block);
	return true;
}

/* The first block of the list that is large enough, cut to size. */
static struct block *take(size_t size)
{
	for (struct block **link = &free_list; *link; link = &(*link)->next) {
		struct block *block = *link;

		if (block->size < size)
			continue;
		if (block->size == size) {
			*link = block->next;
			return block;
		}
		block->size -= size; /* hand out its upper end */
		block = (struct block *)((char *)block + block->size);
		block->size = size;
		return block;
	}
	return NULL;
}

void *malloc(size_t size)
{
	struct block *block;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + sizeof(*block) + 15) & ~(size_t)15;
	block = take(size);
	if (!block && grow(size))
		block = take(size);
	return block ? block + 1 : NULL;
}

void free(void *memory)
{
	if (memory)
		insert((struct block *)memory - 1);
}

void *realloc(void *memory, size_t size)
{
	size_t old = memory ? ((struct block *)memory)[-1].size - 16 : 0;
	void *bigger;

	if (size <= old)
		return memory;
	bigger = malloc(size);
	if (!bigger)
		return NULL;
	memcpy(bigger, memory, old);
	free(memory);
	return bigger;
}
