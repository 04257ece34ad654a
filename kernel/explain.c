/*
 * explain: a fault in words: which instruction wanted what, and why it could not
 * have it.
 */
#include "explain.h"

#include "errno.h"
#include "string.h"
#include "print.h"
#include "panic.h"
#include "page_table.h"
#include "user_copy.h"
#include "sched.h"

/* Bytes of instructions: of the opcodes, the second one after TWO_BYTES. */
#define REX       0x40
#define REX_MASK  0xf0
#define TWO_BYTES 0x0f
#define SYSCALL   0x05
#define UD2       0x0b

/* An error code that is a selector's. Source: AMD APM vol. 2 section 8.4.1. */
#define ERROR_EXTERNAL 0x1
#define ERROR_IDT      0x2
#define ERROR_LDT      0x4
#define ERROR_SELECTOR 0xfff8

static const char *const vector_names[EXCEPTIONS] = {
	"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM",
	"#DF", "#9",  "#TS", "#NP", "#SS", "#GP", "#PF", "#15",
	"#MF", "#AC", "#MC", "#XM", "#VE", "#CP", "#22", "#23",
	"#24", "#25", "#26", "#27", "#HV", "#VC", "#SX", "#31",
};

static const char *vector_name(uint64_t vector)
{
	return vector < EXCEPTIONS ? vector_names[vector] : "interrupt";
}

static bool has_error_code(uint64_t vector)
{
	return vector < EXCEPTIONS && VECTORS_WITH_ERROR_CODE >> vector & 1;
}

/* Instructions that only ring 0 may execute, by their first bytes. */
static const struct {
	uint8_t size, bytes[2];
	const char *name;
} privileged[] = {
	{ 1, { 0xf4 }, "hlt" },
	{ 1, { 0xfa }, "cli" },
	{ 1, { 0xfb }, "sti" },
	{ 1, { 0xe4 }, "in" },
	{ 1, { 0xe5 }, "in" },
	{ 1, { 0xec }, "in" },
	{ 1, { 0xed }, "in" },
	{ 1, { 0xe6 }, "out" },
	{ 1, { 0xe7 }, "out" },
	{ 1, { 0xee }, "out" },
	{ 1, { 0xef }, "out" },
	{ 2, { 0x0f, 0x07 }, "sysret" },
	{ 2, { 0x0f, 0x20 }, "mov from cr" },
	{ 2, { 0x0f, 0x21 }, "mov from dr" },
	{ 2, { 0x0f, 0x22 }, "mov to cr" },
	{ 2, { 0x0f, 0x23 }, "mov to dr" },
	{ 2, { 0x0f, 0x30 }, "wrmsr" },
	{ 2, { 0x0f, 0x32 }, "rdmsr" },
};

/* Those that start with 0f 00 and 0f 01, by bits 5 to 3 of the third byte. The
 * first two of each are for ring 0 only because CR4.UMIP is set. */
static const char *const group_6[8] = { "sldt", "str", "lldt", "ltr" };
static const char *const group_7[8] = {
	"sgdt", "sidt", "lgdt", "lidt", "smsw", NULL, "lmsw", "invlpg",
};

static const char *privileged_name(const uint8_t *bytes)
{
	if (memcmp(bytes, "\x0f\x01\xf8", 3) == 0)
		return "swapgs";
	if (memcmp(bytes, "\x0f\x00", 2) == 0)
		return group_6[bytes[2] >> 3 & 7];
	if (memcmp(bytes, "\x0f\x01", 2) == 0)
		return group_7[bytes[2] >> 3 & 7];
	for (size_t i = 0; i < sizeof(privileged) / sizeof(privileged[0]); i++)
		if (memcmp(bytes, privileged[i].bytes, privileged[i].size) == 0)
			return privileged[i].name;
	return NULL;
}

static const char *page_fault_access(uint64_t error)
{
	return error & PF_FETCH   ? "fetch of an instruction from"
	       : error & PF_WRITE ? "write to"
				  : "read of";
}

static const char *page_fault_reason(uint64_t error, int vm_error, uint64_t va)
{
	if (vm_error == -ENOMEM)
		return "allowed, but memory is full";
	if (va >= USER_END)
		return "the kernel's";
	if (!(error & PF_USER))
		return "not for an access with ring 0's rights";
	if (area_is_free(&proc_current()->vm.areas, va, va + 1))
		return "not mapped";
	return "mapped, but not for that";
}

static void explain_ud(const uint8_t *code)
{
	if (code[0] == TWO_BYTES && code[1] == SYSCALL)
		kprintf("syscall, but EFER.SCE is 0: nobody has turned it on "
			"(lab 2)");
	else
		kprintf("no instruction of this CPU: %02x %02x", code[0],
			code[1]);
}

static void explain_gp(uint64_t error, const uint8_t *code)
{
	const char *instruction = privileged_name(code);

	if (instruction)
		kprintf("%s is for ring 0 only", instruction);
	else if (error & ERROR_IDT)
		kprintf("an interrupt that ring 3 may not raise");
	else if (error)
		kprintf("selector 0x%lx is not for ring 3", error);
	else
		kprintf("an address that is not canonical, or a misaligned "
			"operand");
}

static void explain_pf(uint64_t error, int vm_error)
{
	uint64_t va = read_cr2();

	kprintf("%s 0x%lx, which is %s", page_fault_access(error), va,
		page_fault_reason(error, vm_error, va));
}

static void explain(const struct trap_frame *frame, int vm_error)
{
	uint8_t code[4] = { 0 };
	const uint8_t *bytes = code;

	for (size_t i = 0; i < sizeof(code); i++) /* the page may end */
		copyin(&code[i], frame->rip + i, 1);
	if ((code[0] & REX_MASK) == REX)
		bytes++;
	switch (frame->vector) {
	case VECTOR_DE:
		kprintf("division by zero, or a quotient that does not fit");
		break;
	case VECTOR_DB:
		kprintf("a single step (RFLAGS.TF is set)");
		break;
	case VECTOR_BP:
		kprintf("int3, a breakpoint");
		break;
	case VECTOR_UD:
		explain_ud(bytes);
		break;
	case VECTOR_GP:
		explain_gp(frame->error, bytes);
		break;
	case VECTOR_PF:
		explain_pf(frame->error, vm_error);
		break;
	case VECTOR_MF:
	case VECTOR_XM:
		kprintf("a floating point error that the program unmasked");
		break;
	default:
		kprintf("an exception");
	}
}

RARE void explain_user_fault(const struct trap_frame *frame, int vm_error)
{
	const struct proc *p = proc_current();

	kprintf("%s[%d]: %s", p->name, p->pid, vector_name(frame->vector));
	if (has_error_code(frame->vector))
		kprintf("(0x%lx)", frame->error);
	kprintf(" at 0x%lx: ", frame->rip);
	explain(frame, vm_error);
	kprintf("\n");
}

/* GS as it was, which a SWAPGS may have exchanged since. */
static void print_gs(bool gs_swapped)
{
	uint64_t now = rdmsr(MSR_GS_BASE), other = rdmsr(MSR_KERNEL_GS_BASE);
	uint64_t gs = gs_swapped ? other : now;

	kprintf("gs base %p%s  kernel gs base %p\n", (void *)gs,
		gs == (uint64_t)per_cpu_data_ptr() ? "" : " (not the kernel's)",
		(void *)(gs_swapped ? now : other));
}

static void print_registers(const struct trap_frame *f)
{
	kprintf("rax %p  rbx %p  rcx %p\n", (void *)f->rax, (void *)f->rbx,
		(void *)f->rcx);
	kprintf("rdx %p  rsi %p  rdi %p\n", (void *)f->rdx, (void *)f->rsi,
		(void *)f->rdi);
	kprintf("rbp %p  rsp %p  r8  %p\n", (void *)f->rbp, (void *)f->rsp,
		(void *)f->r8);
	kprintf("r9  %p  r10 %p  r11 %p\n", (void *)f->r9, (void *)f->r10,
		(void *)f->r11);
	kprintf("r12 %p  r13 %p  r14 %p\n", (void *)f->r12, (void *)f->r13,
		(void *)f->r14);
	kprintf("r15 %p  rip %p  rflags %lx\n", (void *)f->r15, (void *)f->rip,
		f->rflags);
	kprintf("cs %lx  ss %lx  cr2 %p  cr3 %p\n", f->cs, f->ss,
		(void *)read_cr2(), (void *)read_cr3());
}

/* What an error code says. */
static void print_error(const struct trap_frame *frame)
{
	uint64_t error = frame->error, cr2 = read_cr2();

	if (frame->vector == VECTOR_PF) {
		kprintf("error code 0x%lx: %s 0x%lx, %s, in ring %s%s\n", error,
			page_fault_access(error), cr2,
			error & PF_PRESENT ? "mapped but not allowed"
					   : "not mapped",
			error & PF_USER ? "3" : "0",
			error & PF_RESERVED ? ", a reserved bit set" : "");
		if (in_kstack_guard(cr2))
			kprintf("that is the guard page of a kernel stack: the "
				"stack has overflowed\n");
	} else if (error) {
		kprintf("error code 0x%lx: selector 0x%lx in the %s%s\n", error,
			error & ERROR_SELECTOR,
			error & ERROR_IDT   ? "IDT"
			: error & ERROR_LDT ? "LDT"
					    : "GDT",
			error & ERROR_EXTERNAL ? ", from outside the program"
					       : "");
	}
}

void explain_kernel_fault(const struct trap_frame *frame, bool gs_swapped)
{
	const uint8_t *code = (const uint8_t *)frame->rip;

	kprintf("\npanic: %s in ring %lu at 0x%lx\n",
		vector_name(frame->vector), frame->cs & CPL_MASK, frame->rip);
	if (frame->vector == VECTOR_DF)
		kprintf("a double fault: an exception whose own frame could "
			"not be pushed at RSP\n");
	print_error(frame);
	if (table_entry(kernel_pml4, frame->rip) && code[0] == TWO_BYTES &&
	    code[1] == UD2)
		kprintf("the instruction is ud2: code that is not there yet, "
			"or a place never to be reached\n");
	print_registers(frame);
	print_gs(gs_swapped);
	print_backtrace(frame->rip, frame->rbp);
}
