/*
 * memory: the calls about a program's own memory.
 */
#include "decode/decode.h"

#include "mmap.h"
#include "print.h"

CONSTANT(advice, advices)
FLAGS(protection, protections)
FLAGS(sync, msync_flags)

static void mapping(const struct call *c, uint64_t flags)
{
	(void)c;
	put_constant(&map_types, flags & MAP_TYPE);
	put_more_flags(&map_flags, (uint32_t)flags & ~MAP_TYPE);
}

static void remapping(const struct call *c, uint64_t flags)
{
	put_flags(&mremap_flags, (uint32_t)flags);
	if (flags & ~(uint64_t)MREMAP_MAYMOVE) {
		kprintf(", ");
		as_address(c, next_argument(c));
	}
}

const struct row memory_rows[] = {
	CALL(mmap, as_hex, as_address, as_size, protection, mapping, as_number,
	     as_hex),
	CALL(mprotect, as_number, as_address, as_size, protection),
	CALL(munmap, as_number, as_address, as_size),
	CALL(mremap, as_hex, as_address, as_size, as_size, remapping),
	CALL(brk, as_hex, as_address),
	CALL(msync, as_number, as_address, as_size, sync),
	CALL(madvise, as_number, as_address, as_size, advice),
	{ .name = NULL },
};
