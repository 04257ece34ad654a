/*
 * page_table: four levels of tables, each a page of 512 entries.
 */
#include "page_table.h"

#include "panic.h"

#define TOP_LEVEL      3 /* the PML4; at level 0 stands the page table */
#define BITS_PER_LEVEL 9
#define ENTRIES        (1 << BITS_PER_LEVEL)
#define PAGE_BITS      12
#define TABLE_RIGHTS   (PTE_P | PTE_W | PTE_U)

extern const char kernel_start[], text_end[], rodata_end[], kernel_end[];
extern uint64_t boot_pdpt[];

uint64_t kernel_pml4;
uint64_t no_execute;
bool smap_is_on;

static uint64_t kernel_tables;

/* The entry for va in the table at a level. */
static inline uint64_t *entry_at(uint64_t table, uint64_t va, int level)
{
	uint64_t *entries = pa_to_va(table & PTE_ADDR);

	return &entries[va >> (PAGE_BITS + BITS_PER_LEVEL * level) &
			(ENTRIES - 1)];
}

/* How many bytes one entry at a level covers. */
static inline uint64_t span_of(int level)
{
	return (uint64_t)PAGE_SIZE << BITS_PER_LEVEL * level;
}

uint64_t *table_entry(uint64_t pml4, uint64_t va)
{
	uint64_t table = pml4;

	for (int level = TOP_LEVEL; level > 0; level--) {
		uint64_t *entry = entry_at(table, va, level);

		if (!(*entry & PTE_P))
			return NULL;
		if (*entry & PTE_PS)
			return entry;
		table = *entry;
	}
	return entry_at(table, va, 0);
}

uint64_t *table_entry_make(uint64_t pml4, uint64_t va, uint64_t *tables)
{
	uint64_t table = pml4;

	for (int level = TOP_LEVEL; level > 0; level--) {
		uint64_t *entry = entry_at(table, va, level);

		if (!(*entry & PTE_P)) {
			uint64_t new = page_alloc_zeroed();

			if (!new)
				return NULL;
			page_push(tables, new);
			*entry = new | TABLE_RIGHTS;
		}
		table = *entry;
	}
	return entry_at(table, va, 0);
}

uint64_t *table_next_run(uint64_t pml4, uint64_t *va, uint64_t end,
			 uint64_t *run_end)
{
	while (*va < end) {
		uint64_t *entry = entry_at(pml4, *va, TOP_LEVEL);
		int level = TOP_LEVEL;
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
		uint64_t *entry =
			table_entry_make(kernel_pml4, va, &kernel_tables);

		*entry = (va - KERNEL_BASE) | rights | PTE_P;
	}
}

static void enable_protections(void)
{
	uint64_t cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (cpuid(CPUID_LARGEST).eax >= CPUID_EXTENDED) {
		struct cpuid features = cpuid(CPUID_EXTENDED);

		smap_is_on = features.ebx & CPUID_EBX_SMAP;
		if (features.ebx & CPUID_EBX_SMEP)
			cr4 |= CR4_SMEP;
		if (smap_is_on)
			cr4 |= CR4_SMAP;
		if (features.ecx & CPUID_ECX_UMIP)
			cr4 |= CR4_UMIP;
	}
	write_cr4(cr4);
}

void page_table_init(void)
{
	uint64_t pdpt = (uint64_t)boot_pdpt - KERNEL_BASE;

	no_execute = rdmsr(MSR_EFER) & EFER_NXE ? PTE_NX : 0;
	kernel_pml4 = page_alloc_zeroed();
	if (!kernel_pml4)
		panic("page_table: no memory for the kernel's page tables");

	/* The direct map stays as boot.S made it, but nothing in it runs. */
	*entry_at(kernel_pml4, DIRECT_MAP, TOP_LEVEL) =
		pdpt | PTE_P | PTE_W | no_execute;
	map_image(kernel_start, text_end, 0);
	map_image(text_end, rodata_end, no_execute);
	map_image(rodata_end, kernel_end, PTE_W | no_execute);
	/* Its top level entry must be there before it is copied. */
	table_entry_make(kernel_pml4, KSTACK_BASE, &kernel_tables);
	write_cr3(kernel_pml4);
	enable_protections();
}

uint64_t kstack_alloc(int slot)
{
	uint64_t guard = KSTACK_BASE + (uint64_t)slot * KSTACK_STRIDE;

	for (uint64_t va = guard + PAGE_SIZE; va < guard + KSTACK_STRIDE;
	     va += PAGE_SIZE) {
		uint64_t *entry =
			table_entry_make(kernel_pml4, va, &kernel_tables);
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
		uint64_t *entry = table_entry(kernel_pml4, va);

		if (!entry || !(*entry & PTE_P))
			continue;
		page_unref(*entry & PTE_ADDR);
		*entry = 0;
		invlpg(va);
	}
}
