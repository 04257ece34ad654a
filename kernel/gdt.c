/*
 * gdt: lab 1. The global descriptor table and the task state segment.
 */
#include "gdt.h"

#include "print.h"

/* Loads all six segment registers. CS cannot be moved to: a far return pops it
 * together with the address to go on at. */
static inline void reload_segments(uint16_t code, uint16_t data)
{
	asm volatile("pushq %0\n\t"
		     "leaq 1f(%%rip), %%rax\n\t"
		     "pushq %%rax\n\t"
		     "lretq\n"
		     "1:\n\t"
		     "movl %1, %%ss\n\t"
		     "movl %1, %%ds\n\t"
		     "movl %1, %%es\n\t"
		     "movl %1, %%fs\n\t"
		     "movl %1, %%gs"
		     :
		     : "r"((uint64_t)code), "r"((uint32_t)data)
		     : "rax", "memory");
}

void gdt_init(struct segments *segments)
{
	/* LAB 1: Fill in the seven entries of segments->gdt and the fields of
	 * segments->tss that the CPU will read. Then tell the CPU: lgdt, all
	 * six segment registers, ltr. gdt.h has the selectors. */

	uint64_t *gdt = segments->gdt;
	struct tss *tss = &segments->tss;
	uint64_t base = (uint64_t)tss;
	struct table_register gdtr = { sizeof(segments->gdt) - 1,
				       (uint64_t)gdt };

	for (int i = 0; i < IST_COUNT; i++)
		tss->ist[i] = (uint64_t)segments->ist_stacks[i + 1];
	tss->iomap_base = sizeof(*tss);

	/* Access 9a: present, DPL 0, code, readable; 92: data, writable; fa and
	 * f2: the same for DPL 3. Flags af: 4 KB limit, 64-bit (L); cf: D. */
	gdt[KERNEL_CS / 8] = 0x00af9a000000ffff;
	gdt[KERNEL_DS / 8] = 0x00cf92000000ffff;
	gdt[USER_DS / 8] = 0x00cff2000000ffff;
	gdt[USER_CS / 8] = 0x00affa000000ffff;

	/* Access 89: present, system, available 64-bit TSS. Its base lies in
	 * four pieces: bits 23:0 at 16, 31:24 at 56, 63:32 in the next entry. */
	gdt[TSS_SELECTOR / 8] = (sizeof(*tss) - 1) | (base & 0xffffff) << 16 |
				(uint64_t)0x89 << 40 |
				(base >> 24 & 0xff) << 56;
	gdt[TSS_SELECTOR / 8 + 1] = base >> 32;

	lgdt(&gdtr);
	reload_segments(KERNEL_CS, KERNEL_DS);
	ltr(TSS_SELECTOR);

	/* END LAB 1 */
}

void gdt_check_user(void)
{
	if (!selector_is_valid(USER_CS))
		panic("gdt: no code segment for ring 3 at selector 0x%x of the "
		      "GDT in force (lab 1)",
		      USER_CS & ~3);
	if (!selector_is_valid(USER_DS))
		panic("gdt: no data segment for ring 3 at selector 0x%x of the "
		      "GDT in force (lab 1)",
		      USER_DS & ~3);
}
