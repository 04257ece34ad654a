/*
 * vm: areas and page tables joined, and page faults.
 *
 * Copy-on-write needs no mark of its own: an area that may be written and a
 * page that is mapped read-only can only mean that the page is (or was)
 * shared. Its count of users tells which.
 */
#include "vm.h"

#include "errno.h"
#include "string.h"
#include "page_table.h"
#include "per_cpu.h"

#define HALF_OF_PML4 (PAGE_SIZE / 2) /* bytes; the upper half is the kernel's */

int vm_create(struct vm *vm)
{
	memset(vm, 0, sizeof(*vm));
	vm->pml4 = page_alloc();
	if (!vm->pml4)
		return -ENOMEM;
	memset(pa_to_va(vm->pml4), 0, HALF_OF_PML4);
	memcpy(pa_to_va(vm->pml4) + HALF_OF_PML4,
	       pa_to_va(kernel_pml4) + HALF_OF_PML4, HALF_OF_PML4);
	return 0;
}

/* Gives back the pages of [va, end); their entries stay as they are. */
static void release_pages(struct vm *vm, uint64_t va, uint64_t end)
{
	uint64_t *entry, run_end;

	while ((entry = table_next_run(vm->pml4, &va, end, &run_end)))
		for (; va < run_end; va += PAGE_SIZE, entry++)
			if (*entry)
				page_unref(*entry & PTE_ADDR);
}

void vm_destroy(struct vm *vm)
{
	uint64_t table;

	for_each_area(area, &vm->areas)
		release_pages(vm, area->start, area->end);
	for_each_area(area, &vm->areas)
		area_release(area);
	while ((table = page_pop(&vm->tables)))
		page_unref(table);
	page_unref(vm->pml4);
	vm->pml4 = 0;
	vm->areas.count = 0;
}

/* Shares the pages of an area with the child, read-only on both sides: the
 * first to write gets a copy, from vm_fault. What is shared for good stays as
 * it is. */
static int clone_pages(struct vm *child, struct vm *parent,
		       const struct area *area)
{
	uint64_t va = area->start, run_end;
	uint64_t kept = area->is_shared ? UINT64_MAX : ~(uint64_t)PTE_W;
	uint64_t *from, *to;

	while ((from = table_next_run(parent->pml4, &va, area->end,
				      &run_end))) {
		to = table_entry_make(child->pml4, va, &child->tables);
		if (!to)
			return -ENOMEM;
		for (; va < run_end; va += PAGE_SIZE, from++, to++) {
			if (!*from)
				continue;
			*from &= kept;
			*to = *from;
			page_ref(*from & PTE_ADDR);
		}
	}
	return 0;
}

int vm_clone(struct vm *child, struct vm *parent)
{
	int error = vm_create(child);

	if (error < 0)
		return error;
	child->brk_start = parent->brk_start;
	child->brk = parent->brk;
	child->areas.count = parent->areas.count;
	memcpy(child->areas.list, parent->areas.list,
	       parent->areas.count * sizeof(struct area));
	for_each_area(area, &child->areas)
		area_hold(area);
	for_each_area(area, &parent->areas)
		if (error == 0)
			error = clone_pages(child, parent, area);
	/* The CPU may remember translations that allowed the parent to write. */
	write_cr3(read_cr3());
	if (error < 0)
		vm_destroy(child);
	return error;
}

void vm_activate(struct vm *vm)
{
	per_cpu_data_ptr()->vm = vm;
	write_cr3(vm ? vm->pml4 : kernel_pml4);
}

/* Makes start and end boundaries between areas, where they are inside one. */
static int split_at(struct vm *vm, uint64_t start, uint64_t end)
{
	int error = area_split(&vm->areas, start);

	return error < 0 ? error : area_split(&vm->areas, end);
}

/* Takes the pages of [start, end) out; the areas stay. */
static void empty(struct vm *vm, uint64_t start, uint64_t end)
{
	uint64_t va = start, run_end, *entry;

	while ((entry = table_next_run(vm->pml4, &va, end, &run_end)))
		for (; va < run_end; va += PAGE_SIZE, entry++)
			if (*entry) {
				page_unref(*entry & PTE_ADDR);
				*entry = 0;
			}
	write_cr3(read_cr3());
}

int vm_remove(struct vm *vm, uint64_t start, uint64_t end)
{
	int error = split_at(vm, start, end);

	if (error < 0)
		return error;
	empty(vm, start, end);
	for (struct area *area = vm->areas.list; area < areas_end(&vm->areas);)
		if (area->start >= start && area->end <= end)
			area_delete(&vm->areas, area);
		else
			area++;
	return 0;
}

/* Page tables at `to` for the pages of [start, end). */
static int make_tables(struct vm *vm, uint64_t start, uint64_t end, uint64_t to)
{
	uint64_t va = start, run_end, *from;

	while ((from = table_next_run(vm->pml4, &va, end, &run_end)))
		for (; va < run_end; va += PAGE_SIZE, from++)
			if (*from &&
			    !table_entry_make(vm->pml4, to + (va - start),
					      &vm->tables))
				return -ENOMEM;
	return 0;
}

/* They stay what they are, at other addresses. */
static void move_pages(struct vm *vm, uint64_t start, uint64_t end, uint64_t to)
{
	uint64_t va = start, run_end, *from;

	while ((from = table_next_run(vm->pml4, &va, end, &run_end)))
		for (; va < run_end; va += PAGE_SIZE, from++)
			if (*from) {
				*table_entry(vm->pml4, to + (va - start)) =
					*from;
				*from = 0;
			}
}

int vm_move(struct vm *vm, uint64_t start, uint64_t end, uint64_t to,
	    uint64_t size)
{
	struct area area;
	int error = split_at(vm, start, end);

	if (error < 0)
		return error;
	area = *area_find(&vm->areas, start);
	area.start = to;
	area.end = to + size;
	if (area.data || area.backing) {
		area.data_start += to - start;
		area.data_end += to - start;
	}
	error = area_add(&vm->areas, &area);
	if (error < 0)
		return error;
	error = make_tables(vm, start, end, to);
	if (error < 0) {
		vm_remove(vm, to, to + size);
		return error;
	}
	move_pages(vm, start, end, to);
	return vm_remove(vm, start, end);
}

int vm_discard(struct vm *vm, uint64_t start, uint64_t end)
{
	for_each_area(area, &vm->areas)
		if (area->start < end && area->end > start)
			empty(vm, start > area->start ? start : area->start,
			      end < area->end ? end : area->end);
	return vm_is_covered(vm, start, end) ? 0 : -ENOMEM;
}

/* The entry's rights in an area, but for writing, which vm_fault grants. */
static uint64_t rights_of(int prot)
{
	return PTE_P | (prot ? PTE_U : 0) | (prot & PROT_EXEC ? 0 : no_execute);
}

/* How far, from start on and at most to end, areas follow one another that do not
 * refuse this. *error says what is in the way. */
static uint64_t protectable(struct vm *vm, uint64_t start, uint64_t end,
			    int prot, int *error)
{
	*error = 0;
	for_each_area(area, &vm->areas) {
		if (start >= end || area->start > start)
			break;
		if (area->end <= start)
			continue;
		if (prot & area->refused) {
			*error = -EACCES;
			return start;
		}
		start = area->end;
	}
	if (start < end)
		*error = -ENOMEM;
	return start < end ? start : end;
}

bool vm_is_covered(struct vm *vm, uint64_t start, uint64_t end)
{
	int error;

	return protectable(vm, start, end, 0, &error) == end;
}

static int protect(struct vm *vm, uint64_t start, uint64_t end, int prot)
{
	uint64_t va = start, run_end, *entry;
	int error = split_at(vm, start, end);

	if (error < 0)
		return error;
	for_each_area(area, &vm->areas)
		if (area->start >= start && area->end <= end)
			area->prot = prot;
	area_merge(&vm->areas);
	while ((entry = table_next_run(vm->pml4, &va, end, &run_end)))
		for (; va < run_end; va += PAGE_SIZE, entry++)
			if (*entry)
				*entry = (*entry & PTE_ADDR) | rights_of(prot);
	write_cr3(read_cr3());
	return 0;
}

int vm_protect(struct vm *vm, uint64_t start, uint64_t end, int prot)
{
	int blocked, error = 0;

	end = protectable(vm, start, end, prot, &blocked);
	if (start < end)
		error = protect(vm, start, end, prot);
	return error < 0 ? error : blocked;
}

/* The part of the area's file that belongs into this page. */
static void fill_from_file(uint64_t page, uint64_t va, const struct area *area)
{
	uint64_t from = va > area->data_start ? va : area->data_start;
	uint64_t end = va + PAGE_SIZE < area->data_end ? va + PAGE_SIZE
						       : area->data_end;

	if (area->data && from < end)
		memcpy(pa_to_va(page + (from - va)),
		       area->data + (from - area->data_start), end - from);
}

/* The CPU has no page that can be written or executed and not read. */
static bool allows(const struct area *area, int access)
{
	return access == PROT_READ ? area->prot : area->prot & access;
}

/* The page for an address that has none yet. */
static int first_page(const struct area *area, uint64_t va, uint64_t *page)
{
	if (area->backing)
		return area->backing->page(area->object, va - area->data_start,
					   area->is_shared, page);
	*page = page_alloc_zeroed();
	if (!*page)
		return -ENOMEM;
	fill_from_file(*page, va, area);
	return 0;
}

/* A page of one's own in place of one that others have, too. */
static int own_page(uint64_t *page)
{
	uint64_t copy = page_alloc();

	if (!copy)
		return -ENOMEM;
	memcpy(pa_to_va(copy), pa_to_va(*page), PAGE_SIZE);
	page_unref(*page);
	*page = copy;
	return 0;
}

int vm_fault(struct vm *vm, uint64_t va, int access)
{
	struct area *area = area_find(&vm->areas, va);
	uint64_t *entry, page;
	int error = 0;

	if (!area || !allows(area, access))
		return -EFAULT;
	entry = table_entry_make(vm->pml4, va, &vm->tables);
	if (!entry)
		return -ENOMEM;
	va = page_down(va);
	page = *entry & PTE_ADDR;
	if (!page)
		error = first_page(area, va, &page);
	if (error < 0)
		return error;
	*entry = page | rights_of(area->prot);
	if (access == PROT_WRITE && !area->is_shared && page_refs(page) > 1) {
		error = own_page(&page);
		if (error < 0)
			return error;
		*entry = page | rights_of(area->prot);
	}
	if (area->prot & PROT_WRITE &&
	    (area->is_shared || page_refs(page) == 1))
		*entry |= PTE_W;
	invlpg(va);
	return 0;
}

void *vm_page_for_write(struct vm *vm, uint64_t va)
{
	if (vm_fault(vm, va, PROT_WRITE) < 0)
		return NULL;
	return pa_to_va((*table_entry(vm->pml4, va) & PTE_ADDR) +
			va % PAGE_SIZE);
}
