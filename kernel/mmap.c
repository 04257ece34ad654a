/*
 * mmap: mmap, munmap, mprotect, brk, in terms of vm's areas.
 */
#include "mmap.h"

#include "errno.h"
#include "sched.h"
#include "files/file.h"

#define PROT_ALL      (PROT_READ | PROT_WRITE | PROT_EXEC)
#define MAP_TYPE      0x0f
#define MAP_PRIVATE   0x02
#define MAP_FIXED     0x10
#define MAP_ANONYMOUS 0x20

/* Rounds size up to whole pages; 0 if [address, address + size) is not a range
 * of whole pages within user space, above page 0. */
static uint64_t whole_pages(uint64_t address, uint64_t size)
{
	if (size == 0 || size > USER_END || address % PAGE_SIZE)
		return 0;
	size = page_up(size);
	if (address < PAGE_SIZE || address > USER_END ||
	    size > USER_END - address)
		return 0;
	return size;
}

long sys_mmap(uint64_t address, size_t size, int prot, int flags, int fd,
	      uint64_t offset)
{
	struct vm *vm = &proc_current()->vm;
	struct area area = { .prot = prot & PROT_ALL };
	int error;

	if (offset % PAGE_SIZE)
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS))
		return fd_file(fd) ? -ENODEV : -EBADF;
	if ((flags & MAP_TYPE) != MAP_PRIVATE)
		return -EINVAL;
	if (size == 0)
		return -EINVAL;
	if (size > USER_END)
		return -ENOMEM;
	size = page_up(size);
	if (flags & MAP_FIXED) {
		if (!whole_pages(address, size))
			return address % PAGE_SIZE ? -EINVAL : -ENOMEM;
		error = vm_remove(vm, address, address + size);
		if (error < 0)
			return error;
	} else {
		/* An address without MAP_FIXED is a wish. */
		address = page_down(address);
		if (!whole_pages(address, size) ||
		    !area_is_free(&vm->areas, address, address + size))
			address = area_gap(&vm->areas, size);
		if (!address)
			return -ENOMEM;
	}
	area.start = address;
	area.end = address + size;
	error = area_add(&vm->areas, &area);
	return error < 0 ? error : (long)address;
}

long sys_munmap(uint64_t address, size_t size)
{
	size = whole_pages(address, size);
	if (!size)
		return -EINVAL;
	return vm_remove(&proc_current()->vm, address, address + size);
}

long sys_mprotect(uint64_t address, size_t size, int prot)
{
	if (address % PAGE_SIZE || prot & ~PROT_ALL)
		return -EINVAL;
	if (size == 0)
		return 0;
	size = whole_pages(address, size);
	if (!size)
		return -ENOMEM;
	return vm_protect(&proc_current()->vm, address, address + size, prot);
}

/* The break is a byte address; its area ends at the next page. On failure the
 * result is the old break, which is how callers see it. */
long sys_brk(uint64_t address)
{
	struct vm *vm = &proc_current()->vm;
	uint64_t old_end = page_up(vm->brk);
	uint64_t new_end = page_up(address);
	struct area grown = { .start = old_end,
			      .end = new_end,
			      .prot = PROT_READ | PROT_WRITE };

	if (address < vm->brk_start || address > USER_END)
		return vm->brk;
	if (new_end > old_end && (!area_is_free(&vm->areas, old_end, new_end) ||
				  area_add(&vm->areas, &grown) < 0))
		return vm->brk;
	if (new_end < old_end && vm_remove(vm, new_end, old_end) < 0)
		return vm->brk;
	vm->brk = address;
	return address;
}
