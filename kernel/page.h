/*
 * page: physical memory, one page of 4096 bytes at a time, each with a count
 * of its users: an address space that maps it, a page table that it is, a
 * kernel stack. A page is named by its physical address.
 */
#ifndef PAGE_H
#define PAGE_H

#include "boot_info.h"

/* Takes over the memory in boot_info. */
void page_init(void);

/* Returns a page with one user, its contents unknown, or 0 if none is free. */
uint64_t page_alloc(void);

/* As page_alloc, filled with zeros. */
uint64_t page_alloc_zeroed(void);

/* One user more. */
void page_ref(uint64_t pa);

/* One user less; the last one returns the page. */
void page_unref(uint64_t pa);

/* How many users the page has. */
uint32_t page_refs(uint64_t pa);

/* Pages in all, and free at this moment. */
uint64_t page_total(void);
uint64_t page_free_count(void);

/* A list of pages threaded through the allocator's own table, so that it
 * takes no memory: free pages are on one, and each address space keeps its
 * page tables on another. Empty is 0. */
void page_push(uint64_t *list, uint64_t pa);
uint64_t page_pop(uint64_t *list);

#endif
