/*
 * page_table: what is mapped. Four levels of tables for each address space; the
 * upper half (PML4 entries 256 to 511) is the kernel's and the same in all. A
 * table tree is named by the physical address of its PML4.
 * Source: AMD APM vol. 2 section 5.3.
 */
#ifndef PAGE_TABLE_H
#define PAGE_TABLE_H

#include "page.h"

/* Replaces the boot page tables: the image gets its permissions, the identity
 * map goes. Turns on SMEP, SMAP and UMIP where the CPU has them. */
void page_table_init(void);

/* Written by page_table_init only. */
extern uint64_t kernel_pml4; /* the tables of no process: the upper half */
extern uint64_t no_execute;  /* PTE_NX, or 0 on a CPU without it */
extern bool smap_is_on;

/* Returns the page table entry for va (of a 2 MB page, the page directory's),
 * or NULL where there is no table for it. */
uint64_t *table_entry(uint64_t pml4, uint64_t va);

/* Returns the page table entry for va; makes the tables that are missing and
 * adds them to the list *tables. NULL without memory. */
uint64_t *table_entry_make(uint64_t pml4, uint64_t va, uint64_t *tables);

/* Entries lie in runs: 512 of one page table. Returns the entry for the first
 * address at or after *va, and below end, that has a table; *va becomes that
 * address, *run_end where the run ends, or end. NULL when there is no more.
 * Addresses without tables are stepped over, up to 512 GB at once. */
uint64_t *table_next_run(uint64_t pml4, uint64_t *va, uint64_t end,
			 uint64_t *run_end);

/* Maps the pages of kernel stack number slot and returns its top, or 0 when
 * there is no memory; and the reverse. */
uint64_t kstack_alloc(int slot);
void kstack_free(int slot);

#endif
