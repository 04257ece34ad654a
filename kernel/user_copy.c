/*
 * user_copy: first make sure that ring 0 may touch the bytes, then touch them.
 */
#include "user_copy.h"

#include "errno.h"
#include "string.h"
#include "page_table.h"
#include "per_cpu.h"
#include "vm.h"

/* Makes [va, va + size) ready for ring 0 to touch without a fault. */
static int make_ready(uint64_t va, size_t size, int access)
{
	struct vm *vm = per_cpu_data_ptr()->vm;
	uint64_t need = PTE_P | PTE_U | (access == PROT_WRITE ? PTE_W : 0);

	if (va >= USER_END || size > USER_END - va)
		return -EFAULT;
	for (uint64_t page = page_down(va); page < va + size;
	     page += PAGE_SIZE) {
		uint64_t *entry = table_entry(vm->pml4, page);
		int error = 0;

		if (!entry || (*entry & need) != need)
			error = vm_fault(vm, page, access);
		if (error < 0)
			return error == -EIO ? -EFAULT : error;
	}
	return 0;
}

/* User memory is touched between these two; with SMAP, nowhere else. */
static inline void lift_smap(void)
{
	if (smap_is_on)
		stac();
}

static inline void lower_smap(void)
{
	if (smap_is_on)
		clac();
}

static void copy_user(void *dst, const void *src, size_t size)
{
	lift_smap();
	memcpy(dst, src, size);
	lower_smap();
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

/* Copies up to and with the zero byte. Returns how many bytes stand before it,
 * or size if there is none. */
static size_t copy_user_string(char *dst, const char *src, size_t size)
{
	size_t length = 0;

	lift_smap();
	while (length < size && (dst[length] = src[length]))
		length++;
	lower_smap();
	return length;
}

/* Page by page: the page after the zero byte need not be there. */
long copyinstr(char *dst, uint64_t user_src, size_t size)
{
	size_t length = 0;

	while (length < size) {
		uint64_t src = user_src + length;
		size_t piece = PAGE_SIZE - src % PAGE_SIZE, copied;
		int error;

		if (piece > size - length)
			piece = size - length;
		error = make_ready(src, piece, PROT_READ);
		if (error < 0)
			return error;
		copied = copy_user_string(dst + length, (const char *)src,
					  piece);
		length += copied;
		if (copied < piece)
			return length;
	}
	return -ENAMETOOLONG;
}
