/*
 * area: what may be mapped. An address space's list of ranges, in order of their
 * addresses, each with what a program may do there and what fills its pages.
 */
#ifndef AREA_H
#define AREA_H

#include <stdbool.h>
#include <stdint.h>

#define AREAS_MAX 48

/* What a program may do in an area: mmap's PROT_ bits. */
#define PROT_READ  1
#define PROT_WRITE 2
#define PROT_EXEC  4

/* What fills pages besides zeros and a program's bytes: an object of a floor above
 * this one. */
struct backing {
	/* Gives *page one user more: the page for the byte at offset, or, if it
	 * is not for sharing, perhaps a copy. Returns 0, -ENOMEM, or -EIO where
	 * the object has no such byte. */
	int (*page)(void *object, uint64_t offset, bool for_sharing,
		    uint64_t *page);
	/* An area more, or less, has it. */
	void (*hold)(void *object);
	void (*release)(void *object);
};

/* Addresses [start, end) of whole pages. Where the file's bytes
 * [data_start, data_end) overlap a page they fill it; the rest is zeros. With a
 * backing the object's first byte is data_start's, and data counts for nothing. */
struct area {
	uint64_t start, end;
	uint8_t prot;
	uint8_t refused;     /* what mprotect may not add */
	bool is_shared;      /* what one process writes, all see */
	const uint8_t *data; /* the byte for data_start */
	uint64_t data_start, data_end;
	const struct backing *backing; /* NULL: none */
	void *object;
};

struct areas {
	int count;
	struct area list[AREAS_MAX];
};

static inline struct area *areas_end(struct areas *areas)
{
	return areas->list + areas->count;
}

#define for_each_area(area, areas) \
	for (struct area *area = (areas)->list; area < areas_end(areas); area++)

/* Returns the area that holds va, or NULL. */
struct area *area_find(struct areas *areas, uint64_t va);

/* Adds an area where nothing is. Returns 0, or -ENOMEM if there are AREAS_MAX
 * already. */
int area_add(struct areas *areas, const struct area *area);

/* Makes va a boundary between areas, if it is inside one. Returns 0 or
 * -ENOMEM. */
int area_split(struct areas *areas, uint64_t va);

/* Neighbours that differ in nothing become one. */
void area_merge(struct areas *areas);

void area_delete(struct areas *areas, struct area *area);

/* A copy of the area has its object, too; and a copy is gone. */
static inline void area_hold(const struct area *area)
{
	if (area->backing)
		area->backing->hold(area->object);
}

static inline void area_release(const struct area *area)
{
	if (area->backing)
		area->backing->release(area->object);
}

/* Does no area overlap [start, end)? */
bool area_is_free(struct areas *areas, uint64_t start, uint64_t end);

/* Returns the start of the highest free range of size bytes below MMAP_TOP, or
 * 0. */
uint64_t area_gap(struct areas *areas, uint64_t size);

#endif
