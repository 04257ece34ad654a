/*
 * vm: address spaces. Each process has one: a list of areas, which says what
 * may be there, and four levels of page tables, which say what is. A page
 * arrives when it is first touched, by a page fault, from the program's file or
 * as zeros; after a fork, pages are shared until one side writes.
 * The upper half (PML4 entries 256 to 511) is the kernel's and the same in all.
 * Source: AMD APM vol. 2 section 5.3.
 */
#ifndef VM_H
#define VM_H

#include "page.h"

#define VM_AREAS 48

/* What a program may do in an area: mmap's PROT_ bits. */
#define PROT_READ  1
#define PROT_WRITE 2
#define PROT_EXEC  4

/* Addresses [start, end) of whole pages. Where the file's bytes
 * [data_start, data_end) overlap a page they fill it; the rest is zeros. */
struct vm_area {
	uint64_t start, end;
	int prot;
	const uint8_t *data; /* the byte for data_start */
	uint64_t data_start, data_end;
};

struct vm {
	uint64_t pml4;   /* physical address; what CR3 holds; 0: no vm */
	uint64_t tables; /* every page table of the lower half: page_push */
	uint64_t brk_start, brk;
	int area_count;
	struct vm_area areas[VM_AREAS]; /* in order of their addresses */
};

/* The challenge of lab 5 counts here; nothing else reads or writes it. */
extern struct vm_sharing {
	uint64_t shared; /* pages that forks gave to children uncopied */
	uint64_t copied; /* copies that had to be made of such pages later */
} vm_sharing;

/* Replaces the boot page tables: the image gets its permissions, the identity
 * map goes. Turns on SMEP, SMAP and UMIP where the CPU has them. */
void vm_init(void);

/* Makes vm an empty address space. Returns 0 or -ENOMEM. */
int vm_create(struct vm *vm);

/* Makes child a copy of parent, all pages shared until written. Returns 0 or
 * -ENOMEM, and then child is no vm. */
int vm_clone(struct vm *child, struct vm *parent);

/* Gives back every page and table. It must not be the active one. */
void vm_destroy(struct vm *vm);

/* Loads CR3. NULL is the kernel alone, with an empty lower half. The copy
 * functions below work on the active address space. */
void vm_activate(struct vm *vm);

/* Adds an area. It must lie in user space and touch no other. Returns 0 or
 * -ENOMEM when there are too many. */
int vm_add(struct vm *vm, const struct vm_area *area);

/* Is nothing in [start, end)? */
bool vm_is_unused(const struct vm *vm, uint64_t start, uint64_t end);

/* Finds size bytes of unused addresses, as high as possible. 0: none. */
uint64_t vm_find_gap(const struct vm *vm, uint64_t size);

/* Takes [start, end) away, whatever was there. Returns 0 or -ENOMEM. */
int vm_remove(struct vm *vm, uint64_t start, uint64_t end);

/* Changes what may be done in [start, end). Returns 0, or -ENOMEM where a part
 * of it is unused. */
int vm_protect(struct vm *vm, uint64_t start, uint64_t end, int prot);

/* Makes va usable for an access that is one of PROT_READ, _WRITE, _EXEC.
 * Returns 0, -EFAULT (it is not allowed) or -ENOMEM. */
int vm_fault(struct vm *vm, uint64_t va, int access);

/* Returns the page table entry that maps va, or NULL: for those who want to
 * look, at user and kernel addresses. */
const uint64_t *vm_walk(const struct vm *vm, uint64_t va);

/* Returns where the kernel sees a user address of an inactive vm (the page
 * made present and writable if need be), or NULL. Valid to the page's end. */
void *vm_page_for_write(struct vm *vm, uint64_t va);

/* The only ways to a user's memory: 0, -EFAULT, or -ENOMEM when a page could
 * not be had. copyinstr also -ENAMETOOLONG; it returns the string's length. */
int copyin(void *dst, uint64_t user_src, size_t size);
int copyout(uint64_t user_dst, const void *src, size_t size);
long copyinstr(char *dst, uint64_t user_src, size_t size);

/* Maps the pages of kernel stack number slot and returns its top, or 0 when
 * there is no memory; and the reverse. */
uint64_t kstack_alloc(int slot);
void kstack_free(int slot);

#endif
