/*
 * pool: small things of one size, many to a page. A page is taken when none has
 * room, and given back with the last thing in it.
 */
#ifndef POOL_H
#define POOL_H

#include "page.h"

struct pool {
	size_t size;         /* bytes of each thing, a multiple of 8 */
	struct slab *vacant; /* pages with room */
};

/* Returns zeroed memory for one thing, or NULL. */
void *pool_alloc(struct pool *pool);

/* Gives back what pool_alloc of the same pool gave. */
void pool_free(struct pool *pool, void *thing);

#endif
