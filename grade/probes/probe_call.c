/*
 * The program behind lab 3's tests. It decides nothing: the host stops it at a
 * label, puts what it likes into every register, lets it run to the next label,
 * and reads every register back. What a kernel prints does not count.
 */
#include <user.h>

/* Memory whose place the host knows: a stack, with room on both sides, and a
 * buffer for what calls read and write. */
uint8_t probe_stack[3 * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
uint8_t probe_buffer[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* For the loops below. Every register belongs to the host's patterns, so they
 * count in memory. */
uint64_t probe_count;  /* rounds still to go */
uint64_t probe_number; /* the call to make in each */
uint64_t probe_sum;    /* of all results */

__attribute__((naked, used)) static void labels(void)
{
	/* One call. */
	asm(".globl probe_before, probe_after");
	asm("probe_before:");
	asm("syscall");
	asm("probe_after:");
	asm("nop");
	asm("jmp probe_before");

	/* The same, after a move to GS, which changes its base, too. */
	asm(".globl probe_gs");
	asm("probe_gs:");
	asm("movl %eax, %gs");
	asm("movq probe_number(%rip), %rax");
	asm("jmp probe_before");

	/* Many calls; no register is loaded again but RAX. */
	asm(".globl probe_many, probe_done");
	asm("probe_many:");
	asm("movq probe_number(%rip), %rax");
	asm("syscall");
	asm("addq %rax, probe_sum(%rip)");
	asm("decq probe_count(%rip)");
	asm("jnz probe_many");
	asm("jmp probe_done");

	/* Where a process waits that is done, without a breakpoint. */
	asm(".globl probe_park");
	asm("probe_park:");
	asm("jmp probe_park");

	/* No call at all. */
	asm(".globl probe_spin");
	asm("probe_spin:");
	asm("decq probe_count(%rip)");
	asm("jnz probe_spin");
	asm("jmp probe_done");

	/* Four places to wait for an interrupt at, five bytes apart: the last two
	 * bits of RIP, where CS has its RPL, are 0, 1, 2 and 3. */
	asm(".globl probe_waits");
	asm(".balign 4");
	asm("probe_waits: .rept 4; jmp .; nop; nop; nop; .endr");

	/* Many calls, between them a pause of one to sixteen turns out of R12,
	 * so that no clock keeps step with the loop. */
	asm(".globl probe_vary");
	asm("probe_vary:");
	asm("movq probe_number(%rip), %rax");
	asm("syscall");
	asm("imulq $0x5851f42d, %r12, %r12");
	asm("incq %r12");
	asm("movq %r12, %rcx");
	asm("shrq $60, %rcx");
	asm("incq %rcx");
	asm("1: loop 1b");
	asm("decq probe_count(%rip)");
	asm("jnz probe_vary");
	asm("jmp probe_done");

	/* Where they end, on another page: QEMU runs all code of a page that
	 * has a breakpoint in it one instruction at a time. */
	asm(".balign 4096");
	asm("probe_done:");
	asm("nop");
	asm("jmp probe_done");
}

extern const char probe_before[], probe_done[];

static void touch(const char *code)
{
	(void)*(const volatile char *)code;
}

int main(void)
{
	/* Pages come when they are touched; the debugger touches nothing. */
	touch(probe_before);
	touch(probe_done);
	memset(probe_stack, 0x5a, sizeof(probe_stack));
	memset(probe_buffer, 0, sizeof(probe_buffer));
	probe_count = 1;
	asm volatile("jmp probe_before");
	return 0;
}
