/*
 * vm: address spaces. Each process has one: a list of areas, which says what
 * may be there, and page tables, which say what is. A page arrives when it is
 * first touched, by a page fault, from the program's file or as zeros; after a
 * fork, pages are shared until one side writes.
 */
#ifndef VM_H
#define VM_H

#include "page.h"
#include "area.h"

struct vm {
	uint64_t pml4;   /* physical address; what CR3 holds; 0: no vm */
	uint64_t tables; /* every page table of the lower half: page_push */
	uint64_t brk_start, brk;
	struct areas areas;
};

/* Makes vm an empty address space. Returns 0 or -ENOMEM. */
int vm_create(struct vm *vm);

/* Makes child a copy of parent, all pages shared until written. Returns 0 or
 * -ENOMEM, in which case child holds nothing. */
int vm_clone(struct vm *child, struct vm *parent);

/* Gives back every page and table. It must not be the active one. */
void vm_destroy(struct vm *vm);

/* Loads CR3. NULL is the kernel alone, with an empty lower half. user_copy
 * works on the active address space. */
void vm_activate(struct vm *vm);

/* Takes [start, end) away, whatever was there. Returns 0 or -ENOMEM. */
int vm_remove(struct vm *vm, uint64_t start, uint64_t end);

/* Moves the range [start, end), which is a part of one area, with its pages to an
 * unused place for `size` bytes, no fewer: what is after the old ones is filled as the
 * area is. Returns 0 or -ENOMEM, and has then moved nothing. */
int vm_move(struct vm *vm, uint64_t start, uint64_t end, uint64_t to,
	    uint64_t size);

/* Changes what may be done in [start, end), from start on until something is in
 * the way. Returns 0, -ENOMEM where a part of it is unused, or -EACCES where an
 * area refuses it. */
int vm_protect(struct vm *vm, uint64_t start, uint64_t end, int prot);

/* Forgets what the pages of [start, end) hold: they are filled anew. Returns 0, or
 * -ENOMEM where a part of it is unused. */
int vm_discard(struct vm *vm, uint64_t start, uint64_t end);

/* Is there an area at every address of [start, end)? */
bool vm_is_covered(struct vm *vm, uint64_t start, uint64_t end);

/* Makes va usable for an access that is one of PROT_READ, _WRITE, _EXEC.
 * Returns 0, -EFAULT (it is not allowed), -EIO (what is mapped has no such byte)
 * or -ENOMEM. */
int vm_fault(struct vm *vm, uint64_t va, int access);

/* Returns where the kernel sees a user address of an inactive vm (the page
 * made present and writable if need be), or NULL. Valid to the page's end. */
void *vm_page_for_write(struct vm *vm, uint64_t va);

#endif
