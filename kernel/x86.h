/*
 * x86: the CPU's vocabulary. Register bits, MSR numbers and page table bits by
 * the manuals' names, and the instructions that C has no word for as inline
 * functions, one instruction each.
 * Source: AMD APM vol. 2 chapter 3 and appendix A; Intel SDM vol. 3A chapter 2
 * and vol. 4.
 */
#ifndef X86_H
#define X86_H

#include "layout.h"

#define CR0_PE             (1 << 0)
#define CR0_MP             (1 << 1)
#define CR0_EM             (1 << 2)
#define CR0_TS             (1 << 3)
#define CR0_NE             (1 << 5)
#define CR0_WP             (1 << 16)
#define CR0_PG             0x80000000

#define CR4_PAE            (1 << 5)
#define CR4_OSFXSR         (1 << 9)
#define CR4_OSXMMEXCPT     (1 << 10)
#define CR4_UMIP           (1 << 11)
#define CR4_SMEP           (1 << 20)
#define CR4_SMAP           (1 << 21)

#define CPL_MASK           3 /* of a saved CS: the ring it was in */

#define RFLAGS_FIXED       (1 << 1) /* always reads as one */
#define RFLAGS_TF          (1 << 8)
#define RFLAGS_IF          (1 << 9)
#define RFLAGS_DF          (1 << 10)
#define RFLAGS_IOPL        (3 << 12)
#define RFLAGS_NT          (1 << 14)
#define RFLAGS_AC          (1 << 18)
#define RFLAGS_ID          (1 << 21)

#define MSR_APIC_BASE      0x1b
#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_SFMASK         0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

#define EFER_SCE           (1 << 0)
#define EFER_LME           (1 << 8)
#define EFER_LMA           (1 << 10)
#define EFER_NXE           (1 << 11)

/* CPUID: leaves, and what their bits say is there. */
#define CPUID_LARGEST  0
#define CPUID_FEATURES 1
#define CPUID_EDX_APIC (1 << 9)
#define CPUID_EXTENDED 7
#define CPUID_EBX_SMEP (1 << 7)
#define CPUID_EBX_SMAP (1 << 20)
#define CPUID_ECX_UMIP (1 << 2)

/* A page table entry. Source: AMD APM vol. 2 section 5.4. */
#define PTE_P    0x1                /* present */
#define PTE_W    0x2                /* writable */
#define PTE_U    0x4                /* for ring 3 too */
#define PTE_PS   0x80               /* in a page directory: a 2 MB page */
#define PTE_NX   0x8000000000000000 /* no instruction is fetched from it */
#define PTE_ADDR 0x000ffffffffff000 /* the physical address */

/* A page fault's error code. Source: AMD APM vol. 2 section 8.2.15. */
#define PF_PRESENT  0x1 /* the page was there, the access not allowed */
#define PF_WRITE    0x2
#define PF_USER     0x4
#define PF_RESERVED 0x8
#define PF_FETCH    0x10

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a macro stands for, as text for asm(). */
#define STR_(x) #x
#define STR(x)  STR_(x)

/* The operand of lgdt and lidt. */
struct table_register {
	uint16_t limit; /* size in bytes, less one */
	uint64_t base;
} __attribute__((packed));

static inline void outb(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void cli(void)
{
	asm volatile("cli" : : : "memory");
}

/* Wait for an interrupt. STI holds interrupts off for one more instruction, so
 * none can slip in between the two and leave the CPU asleep. */
static inline void sti_hlt_cli(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

/* Let in the interrupts that wait: the first could come only after the
 * instruction that follows STI. */
static inline void sti_nop_cli(void)
{
	asm volatile("sti; nop; cli" : : : "memory");
}

static inline void swapgs(void)
{
	asm volatile("swapgs" : : : "memory");
}

/* The CPU looks at the entries of these tables by itself: what C has written to
 * them has to be in memory by then. LTR writes there, too. */
static inline void lgdt(const struct table_register *gdtr)
{
	asm volatile("lgdt %0" : : "m"(*gdtr) : "memory");
}

static inline void lidt(const struct table_register *idtr)
{
	asm volatile("lidt %0" : : "m"(*idtr) : "memory");
}

static inline void ltr(uint16_t selector)
{
	asm volatile("ltr %0" : : "r"(selector) : "memory");
}

/* Does this selector name a descriptor of the GDT in force? */
static inline bool selector_is_valid(uint16_t selector)
{
	uint32_t rights;
	bool valid;

	asm volatile("lar %2, %0"
		     : "=r"(rights), "=@ccz"(valid)
		     : "r"((uint32_t)selector)
		     : "memory");
	return valid;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	asm volatile("wrmsr"
		     :
		     : "c"(msr), "a"((uint32_t)value), "d"(value >> 32)
		     : "memory");
}

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf)
{
	struct cpuid id;

	asm volatile("cpuid"
		     : "=a"(id.eax), "=b"(id.ebx), "=c"(id.ecx), "=d"(id.edx)
		     : "a"(leaf), "c"(0));
	return id;
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline uint64_t read_cr2(void)
{
	uint64_t value;

	asm volatile("movq %%cr2, %0" : "=r"(value));
	return value;
}

static inline uint64_t read_cr3(void)
{
	uint64_t value;

	asm volatile("movq %%cr3, %0" : "=r"(value));
	return value;
}

/* Switch the address space, and forget every cached translation. */
static inline void write_cr3(uint64_t pml4)
{
	asm volatile("movq %0, %%cr3" : : "r"(pml4) : "memory");
}

static inline uint64_t read_cr4(void)
{
	uint64_t value;

	asm volatile("movq %%cr4, %0" : "=r"(value));
	return value;
}

static inline void write_cr4(uint64_t value)
{
	asm volatile("movq %0, %%cr4" : : "r"(value) : "memory");
}

static inline void invlpg(uint64_t va)
{
	asm volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* RFLAGS.AC on and off: with SMAP, ring 0 reaches user pages only between. */
static inline void stac(void)
{
	asm volatile("stac" : : : "memory");
}

static inline void clac(void)
{
	asm volatile("clac" : : : "memory");
}

/* The x87, MMX and SSE state. */
#define FXSAVE_SIZE  512
#define FXSAVE_ALIGN 16

static inline void fxsave(void *area)
{
	asm volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static inline void fxrstor(const void *area)
{
	asm volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

/* The exceptions that have happened and that are not masked, a bit each: invalid,
 * denormal, by zero, overflow, underflow, inexact. x87's flags and masks are two
 * words; SSE's are in MXCSR, the masks seven bits above the flags (Intel SDM
 * volume 1, "x87 FPU Status Register" and "MXCSR Control and Status Register"). */
#define FLOAT_EXCEPTIONS 0x3f

static inline uint32_t x87_exceptions(void)
{
	uint16_t status, control;

	asm volatile("fnstsw %0" : "=m"(status));
	asm volatile("fnstcw %0" : "=m"(control));
	return status & ~control & FLOAT_EXCEPTIONS;
}

static inline uint32_t sse_exceptions(void)
{
	uint32_t mxcsr;

	asm volatile("stmxcsr %0" : "=m"(mxcsr));
	return mxcsr & ~(mxcsr >> 7) & FLOAT_EXCEPTIONS;
}

#endif /* __ASSEMBLER__ */
#endif
