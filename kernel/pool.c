/*
 * pool: a page begins with its slab; the things that are free in it are a list,
 * each holding the address of the next.
 */
#include "pool.h"

#include "string.h"

struct slab {
	struct slab *next, *previous; /* of those with room */
	void *free;
	int used;
};

static void link_slab(struct pool *pool, struct slab *slab)
{
	slab->previous = NULL;
	slab->next = pool->vacant;
	if (slab->next)
		slab->next->previous = slab;
	pool->vacant = slab;
}

static void unlink_slab(struct pool *pool, struct slab *slab)
{
	if (slab->previous)
		slab->previous->next = slab->next;
	else
		pool->vacant = slab->next;
	if (slab->next)
		slab->next->previous = slab->previous;
}

static void put(struct slab *slab, void *thing)
{
	*(void **)thing = slab->free;
	slab->free = thing;
}

static struct slab *slab_create(struct pool *pool)
{
	uint64_t page = page_alloc();
	struct slab *slab = pa_to_va(page);
	char *thing = (char *)(slab + 1);

	if (!page)
		return NULL;
	*slab = (struct slab){ 0 };
	for (; thing + pool->size <= (char *)slab + PAGE_SIZE;
	     thing += pool->size)
		put(slab, thing);
	link_slab(pool, slab);
	return slab;
}

void *pool_alloc(struct pool *pool)
{
	struct slab *slab = pool->vacant ? pool->vacant : slab_create(pool);
	void *thing;

	if (!slab)
		return NULL;
	thing = slab->free;
	slab->free = *(void **)thing;
	slab->used++;
	if (!slab->free)
		unlink_slab(pool, slab);
	memset(thing, 0, pool->size);
	return thing;
}

void pool_free(struct pool *pool, void *thing)
{
	struct slab *slab = (struct slab *)page_down((uint64_t)thing);

	if (!slab->free)
		link_slab(pool, slab);
	put(slab, thing);
	if (--slab->used == 0) {
		unlink_slab(pool, slab);
		page_unref(va_to_pa(slab));
	}
}
