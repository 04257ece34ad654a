/*
 * boot: from the loader's 32-bit jump to main() in the higher half.
 *
 * QEMU (or any loader that knows PVH) finds the note below, loads the image at
 * physical 1 MB and jumps to pvh_start: 32-bit protected mode, flat segments,
 * paging off, EBX = the physical address of struct hvm_start_info. The rest of
 * the machine's state is not to be relied on.
 * Source: Xen's "x86/HVM direct boot ABI"; AMD APM vol. 2 section 14.6.1 for
 * the way into long mode.
 */
#include "layout.h"
#include "x86.h"

#define PA(symbol) ((symbol) - KERNEL_BASE)

	/* The boot selectors differ from the final ones on purpose: a kernel
	 * that forgets to reload a segment register is seen at once. */
#define BOOT_CS 0x20
#define BOOT_DS 0x28

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 8, 18		/* name size, value size, PHYS32_ENTRY */
	.asciz "Xen"
	.quad PA(pvh_start)

	.section .text.boot, "ax"
	.code32
	.globl pvh_start
pvh_start:
	cli
	cld
	movl %ebx, %ebp		/* CPUID below overwrites EBX */

	/* The first 4 GB in 2 MB pages: four page directories in a row. */
	movl $PA(boot_pd), %edi
	movl $(PTE_P | PTE_W | PTE_PS), %eax
	xorl %ecx, %ecx
1:	movl %eax, (%edi, %ecx, 8)
	addl $0x200000, %eax
	incl %ecx
	cmpl $2048, %ecx
	jb 1b
	movl $PA(boot_pd) + PTE_P + PTE_W, %eax
	movl $PA(boot_pdpt), %edi
	movl $4, %ecx
2:	movl %eax, (%edi)
	addl $4096, %eax
	addl $8, %edi
	loop 2b

	/* They are seen at 0 (this code runs there), at DIRECT_MAP (so that C
	 * reaches physical memory) and, the first of them, at KERNEL_BASE. */
	movl $PA(boot_pd) + PTE_P + PTE_W, PA(boot_pdpt_kernel) + 510 * 8
	movl $PA(boot_pdpt) + PTE_P + PTE_W, PA(boot_pml4)
	movl $PA(boot_pdpt) + PTE_P + PTE_W, PA(boot_pml4) + 256 * 8
	movl $PA(boot_pdpt_kernel) + PTE_P + PTE_W, PA(boot_pml4) + 511 * 8

	movl %cr4, %eax
	orl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $PA(boot_pml4), %eax
	movl %eax, %cr3

	/* EFER: long mode, and no-execute pages where the CPU has them. */
	movl $0x80000001, %eax
	cpuid
	movl %edx, %esi
	movl $MSR_EFER, %ecx
	rdmsr
	orl $EFER_LME, %eax
	testl $(1 << 20), %esi
	jz 3f
	orl $EFER_NXE, %eax
3:	wrmsr

	/* Paging on makes long mode active; WP makes ring 0 respect read-only
	 * pages. The FPU is there (EM off, MP on), and tells of its errors by
	 * #MF (NE). */
	movl %cr0, %eax
	andl $~(CR0_EM | CR0_TS), %eax
	orl $(CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE), %eax
	movl %eax, %cr0
	lgdt PA(boot_gdtr_low)
	ljmp $BOOT_CS, $PA(long_mode)

	.code64
long_mode:
	movabsq $higher_half, %rax
	jmp *%rax
higher_half:
	lgdt boot_gdtr		/* by its high address: the low ones go */
	movl $BOOT_DS, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	leaq boot_stack_top(%rip), %rsp
	movl %ebp, %edi		/* main(start_info) */
	xorl %ebp, %ebp		/* a backtrace ends here */
	call main
	ud2

	.section .rodata
	.balign 8
boot_gdt:
	.quad 0, 0, 0, 0
	.quad 0x00af9a000000ffff	/* BOOT_CS: code, 64-bit, DPL 0 */
	.quad 0x00cf92000000ffff	/* BOOT_DS: data, DPL 0 */
boot_gdt_end:
boot_gdtr_low:
	.word boot_gdt_end - boot_gdt - 1
	.long PA(boot_gdt)
boot_gdtr:
	.word boot_gdt_end - boot_gdt - 1
	.quad boot_gdt

	.bss
	.balign 4096
	.globl boot_pdpt
boot_pml4:
	.skip 4096
boot_pdpt:
	.skip 4096
boot_pdpt_kernel:
	.skip 4096
boot_pd:
	.skip 4 * 4096

	/* main() runs here and stays: it becomes the idle process. */
	.globl boot_stack_top
	.skip 8192
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
