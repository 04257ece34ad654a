/*
 * mmap: mmap, munmap, mprotect, brk, in terms of vm's areas.
 */
#include "mmap.h"

#include "errno.h"
#include "sched.h"
#include "files/regular.h"

#define PROT_ALL            (PROT_READ | PROT_WRITE | PROT_EXEC)
#define MAP_SHARED          0x01
#define MAP_PRIVATE         0x02
#define MAP_SHARED_VALIDATE 0x03
#define MAP_FIXED           0x10
#define MAP_ANONYMOUS       0x20
#define MAP_FIXED_NOREPLACE 0x100000

#define MADV_WILLNEED       3 /* it and those below it are advice only */
#define MADV_DONTNEED       4
#define MADV_FREE           8

#define MS_ALL              7 /* asynchronous, invalidate, synchronous */
#define MS_BOTH             5

/* Rounds size up to whole pages; 0 if [address, address + size) is not a range
 * of whole pages within user space. */
static uint64_t whole_pages(uint64_t address, uint64_t size)
{
	if (size == 0 || size > USER_END || address % PAGE_SIZE)
		return 0;
	size = page_up(size);
	return address <= USER_END && size <= USER_END - address ? size : 0;
}

/* Where a mapping of whole pages goes; what is there stays for now. */
static int choose_place(struct areas *areas, uint64_t *address, uint64_t size,
			int flags)
{
	uint64_t wish = page_down(*address);
	bool fits = wish >= PAGE_SIZE && whole_pages(wish, size);

	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (wish != *address)
			return -EINVAL;
		if (!fits)
			return -ENOMEM;
		return flags & MAP_FIXED_NOREPLACE &&
				       !area_is_free(areas, wish, wish + size)
			       ? -EEXIST
			       : 0;
	}
	if (!fits || !area_is_free(areas, wish, wish + size))
		wish = area_gap(areas, size);
	*address = wish;
	return wish ? 0 : -ENOMEM;
}

/* Memory that children share is a file without a name. */
static int share_anonymous(struct area *area)
{
	struct inode *inode = inode_create(S_IFREG, &regular_ops);

	if (!inode)
		return -ENOMEM;
	inode->size = area->end - area->start;
	area->data_start = area->start;
	area->backing = &regular_backing;
	area->object = inode;
	return 0;
}

static int show_file(struct area *area, struct file *file, uint64_t offset)
{
	if (area->is_shared && !file->writable) {
		area->refused = PROT_WRITE;
		if (area->prot & PROT_WRITE)
			return -EACCES;
	}
	if (!file->readable)
		return -EACCES;
	if (file->node.ops != &regular_ops)
		return -ENODEV;
	area->data_start = area->start - offset;
	area->backing = &regular_backing;
	area->object = inode_hold(file->node.inode);
	return 0;
}

/* What fills the area: 0, or an error. It holds its object. */
static int find_backing(struct area *area, struct file *file, uint64_t offset,
			int type)
{
	bool is_shared =
		type == MAP_SHARED || (type == MAP_SHARED_VALIDATE && file);

	if (!is_shared && type != MAP_PRIVATE)
		return -EINVAL;
	area->is_shared = is_shared;
	if (file)
		return show_file(area, file, offset);
	return is_shared ? share_anonymous(area) : 0;
}

/* In place of what is there. */
static int enter(struct vm *vm, const struct area *area)
{
	int error = 0;

	if (!area_is_free(&vm->areas, area->start, area->end))
		error = vm_remove(vm, area->start, area->end);
	return error < 0 ? error : area_add(&vm->areas, area);
}

long sys_mmap(uint64_t address, size_t size, int prot, int flags, int fd,
	      uint64_t offset)
{
	struct vm *vm = &proc_current()->vm;
	struct file *file = flags & MAP_ANONYMOUS ? NULL : fd_file(fd);
	struct area area = { .prot = prot & PROT_ALL };
	int error;

	if (offset % PAGE_SIZE)
		return -EINVAL;
	if (!file && !(flags & MAP_ANONYMOUS))
		return -EBADF;
	if (size == 0)
		return -EINVAL;
	if (size > USER_END)
		return -ENOMEM;
	size = page_up(size);
	error = choose_place(&vm->areas, &address, size, flags);
	if (error < 0)
		return error;
	area.start = address;
	area.end = address + size;
	error = find_backing(&area, file, offset, flags & MAP_TYPE);
	if (error < 0)
		return error;
	error = enter(vm, &area);
	area_release(&area); /* the list has its own hold */
	return error < 0 ? error : (long)address;
}

long sys_munmap(uint64_t address, size_t size)
{
	size = whole_pages(address, size);
	if (!size)
		return -EINVAL;
	return vm_remove(&proc_current()->vm, address, address + size);
}

/* The area goes on where it ends; false where something is in the way. */
static bool grow_in_place(struct areas *areas, const struct area *area,
			  uint64_t end)
{
	struct area more = *area;

	more.start = area->end;
	more.end = end;
	return end <= USER_END && area_is_free(areas, more.start, end) &&
	       area_add(areas, &more) == 0;
}

/* From old_size to new_size bytes, which are more: of whole pages. */
static long grow(struct vm *vm, uint64_t start, size_t old_size,
		 size_t new_size, int flags)
{
	const struct area *area = area_find(&vm->areas, start);
	uint64_t to;
	int error;

	if (!area || old_size > area->end - start)
		return -EFAULT;
	if (area->end - start == old_size &&
	    grow_in_place(&vm->areas, area, start + new_size))
		return start;
	to = flags & MREMAP_MAYMOVE ? area_gap(&vm->areas, new_size) : 0;
	if (!to)
		return -ENOMEM;
	error = vm_move(vm, start, start + old_size, to, new_size);
	return error < 0 ? error : (long)to;
}

long sys_mremap(uint64_t address, size_t old_size, size_t new_size, int flags)
{
	struct vm *vm = &proc_current()->vm;
	int error;

	old_size = whole_pages(address, old_size);
	if (flags & ~MREMAP_MAYMOVE || !old_size || !new_size ||
	    new_size > USER_END)
		return -EINVAL;
	new_size = page_up(new_size);
	if (new_size > old_size)
		return grow(vm, address, old_size, new_size, flags);
	if (!area_find(&vm->areas, address))
		return -EFAULT;
	error = vm_remove(vm, address + new_size, address + old_size);
	return error < 0 ? error : (long)address;
}

long sys_mprotect(uint64_t address, size_t size, int prot)
{
	if (address % PAGE_SIZE)
		return -EINVAL;
	if (size == 0)
		return 0;
	size = whole_pages(address, size);
	if (!size)
		return -ENOMEM;
	if (prot & ~PROT_ALL)
		return -EINVAL;
	return vm_protect(&proc_current()->vm, address, address + size, prot);
}

long sys_madvise(uint64_t address, size_t size, int advice)
{
	struct vm *vm = &proc_current()->vm;

	if (advice < 0 || (advice > MADV_DONTNEED && advice != MADV_FREE))
		return -EINVAL;
	if (address % PAGE_SIZE)
		return -EINVAL;
	if (size == 0)
		return 0;
	size = whole_pages(address, size);
	if (!size)
		return -EINVAL;
	if (advice == MADV_DONTNEED)
		return vm_discard(vm, address, address + size);
	return vm_is_covered(vm, address, address + size) ? 0 : -ENOMEM;
}

/* A file's pages are where they stay. */
long sys_msync(uint64_t address, size_t size, int flags)
{
	if (flags & ~MS_ALL || (flags & MS_BOTH) == MS_BOTH ||
	    address % PAGE_SIZE)
		return -EINVAL;
	if (size == 0)
		return 0;
	size = whole_pages(address, size);
	return size && vm_is_covered(&proc_current()->vm, address,
				     address + size)
		       ? 0
		       : -ENOMEM;
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
