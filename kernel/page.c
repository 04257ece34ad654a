/*
 * page: reference counts for physical pages, and the pages nobody uses.
 *
 * Memory that was never used is handed out from the ranges of boot_info in
 * ascending order; what comes back goes onto a list and is handed out first.
 * So starting the kernel costs the same with 64 MB and with 4 GB.
 */
#include "page.h"

#include "string.h"
#include "panic.h"

struct page {
	uint32_t refs;
	uint32_t next; /* page number of the next one on its list, or 0 */
};

static struct page *pages; /* by page number */
static uint64_t free_list;
static uint64_t free_pages, total_pages;
static int range; /* of boot_info.memory: where unused memory begins */

static inline struct page *page_of(uint64_t pa)
{
	return &pages[pa / PAGE_SIZE];
}

void page_init(void)
{
	struct memory_range *first = &boot_info.memory[0];
	uint64_t end = 0, table;

	for (int i = 0; i < boot_info.memory_ranges; i++) {
		struct memory_range *r = &boot_info.memory[i];

		total_pages += (r->end - r->start) / PAGE_SIZE;
		if (r->end > end)
			end = r->end;
	}
	table = (end / PAGE_SIZE * sizeof(struct page) + PAGE_SIZE - 1) &
		-(uint64_t)PAGE_SIZE;
	if (total_pages == 0 || first->end - first->start < table)
		panic("page: no room for the page table of pages; give the "
		      "machine more memory (-m 64)");
	pages = pa_to_va(first->start);
	first->start += table;
	total_pages -= table / PAGE_SIZE;
	free_pages = total_pages;
}

void page_push(uint64_t *list, uint64_t pa)
{
	page_of(pa)->next = *list / PAGE_SIZE;
	*list = pa;
}

uint64_t page_pop(uint64_t *list)
{
	uint64_t pa = *list;

	if (pa)
		*list = (uint64_t)page_of(pa)->next * PAGE_SIZE;
	return pa;
}

/* The next page that was never handed out. */
static uint64_t take_unused(void)
{
	for (; range < boot_info.memory_ranges; range++) {
		struct memory_range *r = &boot_info.memory[range];

		if (r->start < r->end) {
			r->start += PAGE_SIZE;
			return r->start - PAGE_SIZE;
		}
	}
	return 0;
}

uint64_t page_alloc(void)
{
	uint64_t pa = page_pop(&free_list);

	if (!pa)
		pa = take_unused();
	if (!pa)
		return 0;
	page_of(pa)->refs = 1;
	free_pages--;
	return pa;
}

uint64_t page_alloc_zeroed(void)
{
	uint64_t pa = page_alloc();

	if (pa)
		memset(pa_to_va(pa), 0, PAGE_SIZE);
	return pa;
}

void page_ref(uint64_t pa)
{
	page_of(pa)->refs++;
}

void page_unref(uint64_t pa)
{
	struct page *page = page_of(pa);

	if (page->refs == 0)
		panic("page: %lx is given back, but nobody has it", pa);
	if (--page->refs > 0)
		return;
	page_push(&free_list, pa);
	free_pages++;
}

uint32_t page_refs(uint64_t pa)
{
	return page_of(pa)->refs;
}

uint64_t page_total(void)
{
	return total_pages;
}

uint64_t page_free_count(void)
{
	return free_pages;
}
