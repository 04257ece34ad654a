/*
 * area: a sorted array; a few dozen entries need no tree.
 */
#include "area.h"

#include "layout.h"
#include "errno.h"
#include "string.h"

struct area *area_find(struct areas *areas, uint64_t va)
{
	for_each_area(area, areas)
		if (va >= area->start && va < area->end)
			return area;
	return NULL;
}

static void insert(struct areas *areas, struct area *at,
		   const struct area *area)
{
	memmove(at + 1, at, (char *)areas_end(areas) - (char *)at);
	*at = *area;
	area_hold(at);
	areas->count++;
}

void area_delete(struct areas *areas, struct area *at)
{
	area_release(at);
	areas->count--;
	memmove(at, at + 1, (char *)areas_end(areas) - (char *)at);
}

static bool is_alike(const struct area *a, const struct area *b)
{
	return a->prot == b->prot && a->refused == b->refused &&
	       a->is_shared == b->is_shared && a->data == b->data &&
	       a->data_start == b->data_start && a->object == b->object;
}

void area_merge(struct areas *areas)
{
	struct area *a = areas->list;

	while (a + 1 < areas_end(areas)) {
		struct area *b = a + 1;

		if (a->end == b->start && is_alike(a, b)) {
			a->end = b->end;
			area_delete(areas, b);
		} else {
			a = b;
		}
	}
}

int area_split(struct areas *areas, uint64_t va)
{
	struct area *area = area_find(areas, va), upper;

	if (!area || area->start == va)
		return 0;
	if (areas->count == AREAS_MAX)
		return -ENOMEM;
	upper = *area;
	upper.start = va;
	area->end = va;
	insert(areas, area + 1, &upper);
	return 0;
}

int area_add(struct areas *areas, const struct area *area)
{
	struct area *at = areas->list;

	if (areas->count == AREAS_MAX)
		return -ENOMEM;
	while (at < areas_end(areas) && at->start < area->start)
		at++;
	insert(areas, at, area);
	area_merge(areas);
	return 0;
}

bool area_is_free(struct areas *areas, uint64_t start, uint64_t end)
{
	for_each_area(area, areas)
		if (start < area->end && end > area->start)
			return false;
	return true;
}

uint64_t area_gap(struct areas *areas, uint64_t size)
{
	uint64_t top = MMAP_TOP;

	for (struct area *area = areas_end(areas); area-- > areas->list;) {
		if (area->start >= top)
			continue;
		if (area->end + size <= top)
			break;
		top = area->start;
	}
	return top >= size + PAGE_SIZE ? top - size : 0;
}
