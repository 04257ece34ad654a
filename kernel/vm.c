/*
 * vm: page tables, the areas they serve, and page faults.
 *
 * Copy-on-write needs no mark of its own: an area that may be written and a
 * page that is mapped read-only can only mean that the page is (or was)
 * shared. Its count of users tells which.
 */
#include "vm.h"

#include "errno.h"
#include "per_cpu.h"
#include "print.h"
#include "string.h"

#define ENTRIES      512
#define MMAP_TOP     0x00007f0000000000
#define TABLE_RIGHTS (PTE_P | PTE_W | PTE_U)

extern const char kernel_start[], text_end[], rodata_end[], kernel_end[];
extern uint64_t boot_pdpt[];

static uint64_t kernel_pml4; /* physical; the upper half that all share */
static uint64_t kernel_tables;
static uint64_t no_execute; /* PTE_NX, or 0 on a CPU without it */
static bool has_smap;

struct vm_sharing vm_sharing;

/* The entry for va in the table at a level: 3 = PML4 … 0 = page table. */
static inline uint64_t *entry_at(uint64_t table, uint64_t va, int level)
{
	uint64_t *entries = pa_to_va(table & PTE_ADDR);

	return &entries[va >> (12 + 9 * level) & (ENTRIES - 1)];
}

/* How many bytes one entry at a level covers. */
static inline uint64_t span_of(int level)
{
	return (uint64_t)PAGE_SIZE << 9 * level;
}

/* Finds the page table entry for va. Missing tables are added to *tables; if
 * tables is NULL, or there is no memory, the result is NULL. */
static uint64_t *walk(uint64_t pml4, uint64_t va, uint64_t *tables)
{
	uint64_t table = pml4;

	for (int level = 3; level > 0; level--) {
		uint64_t *entry = entry_at(table, va, level);

		if (!(*entry & PTE_P)) {
			uint64_t new = tables ? page_alloc_zeroed() : 0;

			if (!new)
				return NULL;
			page_push(tables, new);
			*entry = new | TABLE_RIGHTS;
		} else if (*entry & PTE_PS) {
			return entry;
		}
		table = *entry;
	}
	return entry_at(table, va, 0);
}

const uint64_t *vm_walk(const struct vm *vm, uint64_t va)
{
	return walk(vm ? vm->pml4 : kernel_pml4, va, NULL);
}

/* Page tables hold entries by the run: those from *va to the end of its page
 * table, or to end. Returns the first entry of the next run that has a table,
 * with *va and *run_end the addresses it covers, or NULL. Addresses without
 * tables are stepped over, up to 512 GB at once. */
static uint64_t *next_run(uint64_t pml4, uint64_t *va, uint64_t end,
			  uint64_t *run_end)
{
	while (*va < end) {
		uint64_t *entry = entry_at(pml4, *va, 3);
		int level = 3;
		uint64_t span_end;

		while (level > 0 && (*entry & PTE_P))
			entry = entry_at(*entry, *va, --level);
		span_end = (*va | (span_of(level ? level : 1) - 1)) + 1;
		if (level == 0) {
			*run_end = span_end < end ? span_end : end;
			return entry;
		}
		*va = span_end;
	}
	return NULL;
}

static void map_image(const char *start, const char *end, uint64_t rights)
{
	for (uint64_t va = (uint64_t)start; va < (uint64_t)end;
	     va += PAGE_SIZE) {
		uint64_t *entry = walk(kernel_pml4, va, &kernel_tables);

		*entry = (va - KERNEL_BASE) | rights | PTE_P;
	}
}

static void enable_protections(void)
{
	uint64_t cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (cpuid(0).eax >= 7) {
		struct cpuid features = cpuid(7);

		has_smap = features.ebx & 1 << 20;
		if (features.ebx & 1 << 7)
			cr4 |= CR4_SMEP;
		if (has_smap)
			cr4 |= CR4_SMAP;
		if (features.ecx & 1 << 2)
			cr4 |= CR4_UMIP;
	}
	write_cr4(cr4);
}

void vm_init(void)
{
	uint64_t pdpt = (uint64_t)boot_pdpt - KERNEL_BASE;

	no_execute = rdmsr(MSR_EFER) & EFER_NXE ? PTE_NX : 0;
	kernel_pml4 = page_alloc_zeroed();
	if (!kernel_pml4)
		panic("vm: no memory for the kernel's page tables");

	/* The direct map stays as boot.S made it, but nothing in it runs. */
	*entry_at(kernel_pml4, DIRECT_MAP, 3) =
		pdpt | PTE_P | PTE_W | no_execute;
	map_image(kernel_start, text_end, 0);
	map_image(text_end, rodata_end, no_execute);
	map_image(rodata_end, kernel_end, PTE_W | no_execute);
	/* Its top level entry must be there before it is copied. */
	walk(kernel_pml4, KSTACK_BASE, &kernel_tables);
	write_cr3(kernel_pml4);
	enable_protections();
}

uint64_t kstack_alloc(int slot)
{
	uint64_t guard = KSTACK_BASE + (uint64_t)slot * KSTACK_STRIDE;

	for (uint64_t va = guard + PAGE_SIZE; va < guard + KSTACK_STRIDE;
	     va += PAGE_SIZE) {
		uint64_t *entry = walk(kernel_pml4, va, &kernel_tables);
		uint64_t page = entry ? page_alloc() : 0;

		if (!page) {
			kstack_free(slot);
			return 0;
		}
		*entry = page | PTE_P | PTE_W | no_execute;
	}
	return guard + KSTACK_STRIDE;
}

void kstack_free(int slot)
{
	uint64_t guard = KSTACK_BASE + (uint64_t)slot * KSTACK_STRIDE;

	for (uint64_t va = guard + PAGE_SIZE; va < guard + KSTACK_STRIDE;
	     va += PAGE_SIZE) {
		uint64_t *entry = walk(kernel_pml4, va, NULL);

		if (!entry || !(*entry & PTE_P))
			continue;
		page_unref(*entry & PTE_ADDR);
		*entry = 0;
		invlpg(va);
	}
}

int vm_create(struct vm *vm)
{
	memset(vm, 0, sizeof(*vm));
	vm->pml4 = page_alloc();
	if (!vm->pml4)
		return -ENOMEM;
	memset(pa_to_va(vm->pml4), 0, PAGE_SIZE / 2);
	memcpy(pa_to_va(vm->pml4) + PAGE_SIZE / 2,
	       pa_to_va(kernel_pml4) + PAGE_SIZE / 2, PAGE_SIZE / 2);
	return 0;
}

/* Gives back the pages of [va, end), and leaves their entries behind. */
static void release_pages(struct vm *vm, uint64_t va, uint64_t end)
{
	uint64_t *entry, run_end;

	while ((entry = next_run(vm->pml4, &va, end, &run_end)))
		for (; va < run_end; va += PAGE_SIZE, entry++)
			if (*entry)
				page_unref(*entry & PTE_ADDR);
}

void vm_destroy(struct vm *vm)
{
	uint64_t table;

	for (int i = 0; i < vm->area_count; i++)
		release_pages(vm, vm->areas[i].start, vm->areas[i].end);
	while ((table = page_pop(&vm->tables)))
		page_unref(table);
	page_unref(vm->pml4);
	vm->pml4 = 0;
	vm->area_count = 0;
}

/* Shares the pages of an area with the child, read-only on both sides: the
 * first to write gets a copy, from vm_fault. */
static int clone_pages(struct vm *child, struct vm *parent,
		       const struct vm_area *area)
{
	uint64_t va = area->start, run_end;
	uint64_t *from, *to;

	while ((from = next_run(parent->pml4, &va, area->end, &run_end))) {
		to = walk(child->pml4, va, &child->tables);
		if (!to)
			return -ENOMEM;
		for (; va < run_end; va += PAGE_SIZE, from++, to++) {
			if (!*from)
				continue;
			*from &= ~(uint64_t)PTE_W;
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
	child->area_count = parent->area_count;
	memcpy(child->areas, parent->areas,
	       parent->area_count * sizeof(struct vm_area));
	for (int i = 0; i < parent->area_count && error == 0; i++)
		error = clone_pages(child, parent, &parent->areas[i]);
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

static struct vm_area *find_area(struct vm *vm, uint64_t va)
{
	for (int i = 0; i < vm->area_count; i++)
		if (va >= vm->areas[i].start && va < vm->areas[i].end)
			return &vm->areas[i];
	return NULL;
}

static void insert_area(struct vm *vm, int at, const struct vm_area *area)
{
	memmove(&vm->areas[at + 1], &vm->areas[at],
		(vm->area_count - at) * sizeof(*area));
	vm->areas[at] = *area;
	vm->area_count++;
}

static void delete_area(struct vm *vm, int at)
{
	vm->area_count--;
	memmove(&vm->areas[at], &vm->areas[at + 1],
		(vm->area_count - at) * sizeof(vm->areas[0]));
}

/* Neighbours that differ in nothing become one. */
static void merge_areas(struct vm *vm)
{
	for (int i = 0; i + 1 < vm->area_count;) {
		struct vm_area *a = &vm->areas[i], *b = a + 1;

		if (a->end == b->start && a->prot == b->prot &&
		    a->data == b->data && a->data_start == b->data_start) {
			a->end = b->end;
			delete_area(vm, i + 1);
		} else {
			i++;
		}
	}
}

/* Makes va a boundary between areas, if it is inside one. */
static int split_area(struct vm *vm, uint64_t va)
{
	struct vm_area *area = find_area(vm, va), upper;

	if (!area || area->start == va)
		return 0;
	if (vm->area_count == VM_AREAS)
		return -ENOMEM;
	upper = *area;
	upper.start = va;
	area->end = va;
	insert_area(vm, area - vm->areas + 1, &upper);
	return 0;
}

int vm_add(struct vm *vm, const struct vm_area *area)
{
	int at = 0;

	if (vm->area_count == VM_AREAS)
		return -ENOMEM;
	while (at < vm->area_count && vm->areas[at].start < area->start)
		at++;
	insert_area(vm, at, area);
	merge_areas(vm);
	return 0;
}

bool vm_is_unused(const struct vm *vm, uint64_t start, uint64_t end)
{
	for (int i = 0; i < vm->area_count; i++)
		if (start < vm->areas[i].end && end > vm->areas[i].start)
			return false;
	return true;
}

uint64_t vm_find_gap(const struct vm *vm, uint64_t size)
{
	uint64_t top = MMAP_TOP;

	for (int i = vm->area_count - 1; i >= 0; i--) {
		const struct vm_area *area = &vm->areas[i];

		if (area->start >= top)
			continue;
		if (area->end + size <= top)
			break;
		top = area->start;
	}
	return top >= size + PAGE_SIZE ? top - size : 0;
}

int vm_remove(struct vm *vm, uint64_t start, uint64_t end)
{
	if (split_area(vm, start) < 0 || split_area(vm, end) < 0)
		return -ENOMEM;
	for (int i = 0; i < vm->area_count;) {
		struct vm_area area = vm->areas[i];
		uint64_t va = area.start, run_end;
		uint64_t *entry;

		if (area.start < start || area.end > end) {
			i++;
			continue;
		}
		release_pages(vm, area.start, area.end);
		while ((entry = next_run(vm->pml4, &va, area.end, &run_end)))
			for (; va < run_end; va += PAGE_SIZE, entry++)
				*entry = 0;
		delete_area(vm, i);
	}
	write_cr3(read_cr3());
	return 0;
}

/* The entry's rights in an area, but for writing, which vm_fault grants. */
static uint64_t rights_of(int prot)
{
	return PTE_P | (prot ? PTE_U : 0) | (prot & PROT_EXEC ? 0 : no_execute);
}

int vm_protect(struct vm *vm, uint64_t start, uint64_t end, int prot)
{
	uint64_t covered = start, va, run_end, *entry;

	if (split_area(vm, start) < 0 || split_area(vm, end) < 0)
		return -ENOMEM;
	for (int i = 0; i < vm->area_count; i++)
		if (vm->areas[i].start == covered && covered < end)
			covered = vm->areas[i].end;
	if (covered < end) {
		merge_areas(vm);
		return -ENOMEM;
	}

	for (int i = 0; i < vm->area_count; i++)
		if (vm->areas[i].start >= start && vm->areas[i].end <= end)
			vm->areas[i].prot = prot;
	merge_areas(vm);
	va = start;
	while ((entry = next_run(vm->pml4, &va, end, &run_end)))
		for (; va < run_end; va += PAGE_SIZE, entry++)
			if (*entry)
				*entry = (*entry & PTE_ADDR) | rights_of(prot);
	write_cr3(read_cr3());
	return 0;
}

/* The part of the area's file that belongs into this page. */
static void fill_from_file(uint64_t page, uint64_t va,
			   const struct vm_area *area)
{
	uint64_t from = va > area->data_start ? va : area->data_start;
	uint64_t end = va + PAGE_SIZE < area->data_end ? va + PAGE_SIZE
						       : area->data_end;

	if (area->data && from < end)
		memcpy(pa_to_va(page + (from - va)),
		       area->data + (from - area->data_start), end - from);
}

int vm_fault(struct vm *vm, uint64_t va, int access)
{
	struct vm_area *area = find_area(vm, va);
	uint64_t *entry, old, page;

	if (!area || !(area->prot & access))
		return -EFAULT;
	entry = walk(vm->pml4, va, &vm->tables);
	if (!entry)
		return -ENOMEM;
	va &= -(uint64_t)PAGE_SIZE;
	page = old = *entry & PTE_ADDR;

	if (!old) {
		page = page_alloc_zeroed();
		if (!page)
			return -ENOMEM;
		fill_from_file(page, va, area);
	} else if (access == PROT_WRITE && page_refs(old) > 1) {
		page = page_alloc();
		if (!page)
			return -ENOMEM;
		memcpy(pa_to_va(page), pa_to_va(old), PAGE_SIZE);
		page_unref(old);
	}
	*entry = page | rights_of(area->prot);
	if (area->prot & PROT_WRITE && page_refs(page) == 1)
		*entry |= PTE_W;
	invlpg(va);
	return 0;
}

void *vm_page_for_write(struct vm *vm, uint64_t va)
{
	if (vm_fault(vm, va, PROT_WRITE) < 0)
		return NULL;
	return pa_to_va((*vm_walk(vm, va) & PTE_ADDR) + va % PAGE_SIZE);
}

/* Makes [va, va + size) ready for ring 0 to touch without a fault. */
static int make_ready(uint64_t va, size_t size, int access)
{
	struct vm *vm = per_cpu_data_ptr()->vm;
	uint64_t need = PTE_P | PTE_U | (access == PROT_WRITE ? PTE_W : 0);

	if (va >= USER_END || size > USER_END - va)
		return -EFAULT;
	for (uint64_t page = va & -(uint64_t)PAGE_SIZE; page < va + size;
	     page += PAGE_SIZE) {
		uint64_t *entry = walk(vm->pml4, page, NULL);
		int error = 0;

		if (!entry || (*entry & need) != need)
			error = vm_fault(vm, page, access);
		if (error < 0)
			return error;
	}
	return 0;
}

/* The copies below run with SMAP lifted; nothing else ever does. */
static void copy_user(void *dst, const void *src, size_t size)
{
	if (has_smap)
		stac();
	memcpy(dst, src, size);
	if (has_smap)
		clac();
}

int copyin(void *dst, uint64_t user_src, size_t size)
{
	int error = make_ready(user_src, size, PROT_READ);

	if (error == 0)
		copy_user(dst, (const void *)user_src, size);
	return error;
}

int copyout(uint64_t user_dst, const void *src, size_t size)
{
	int error = make_ready(user_dst, size, PROT_WRITE);

	if (error == 0)
		copy_user((void *)user_dst, src, size);
	return error;
}

long copyinstr(char *dst, uint64_t user_src, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		int error = copyin(&dst[i], user_src + i, 1);

		if (error < 0)
			return error;
		if (!dst[i])
			return i;
	}
	return -ENAMETOOLONG;
}
