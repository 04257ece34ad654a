/*
 * The C half of the probe in registers.h: the patterns, and telling what
 * became of them.
 */
#include "registers.h"

_Static_assert(offsetof(struct registers, rax) == RAX, "probe.S stores it");
_Static_assert(offsetof(struct registers, rcx) == RCX, "probe.S stores it");
_Static_assert(offsetof(struct registers, rdx) == RDX, "probe.S stores it");
_Static_assert(offsetof(struct registers, rbx) == RBX, "probe.S stores it");
_Static_assert(offsetof(struct registers, rsp) == RSP, "probe.S stores it");
_Static_assert(offsetof(struct registers, rbp) == RBP, "probe.S stores it");
_Static_assert(offsetof(struct registers, rsi) == RSI, "probe.S stores it");
_Static_assert(offsetof(struct registers, rdi) == RDI, "probe.S stores it");
_Static_assert(offsetof(struct registers, r8) == R8, "probe.S stores it");
_Static_assert(offsetof(struct registers, r9) == R9, "probe.S stores it");
_Static_assert(offsetof(struct registers, r10) == R10, "probe.S stores it");
_Static_assert(offsetof(struct registers, r11) == R11, "probe.S stores it");
_Static_assert(offsetof(struct registers, r12) == R12, "probe.S stores it");
_Static_assert(offsetof(struct registers, r13) == R13, "probe.S stores it");
_Static_assert(offsetof(struct registers, r14) == R14, "probe.S stores it");
_Static_assert(offsetof(struct registers, r15) == R15, "probe.S stores it");
_Static_assert(offsetof(struct registers, rflags) == RFLAGS, "and pops it");
_Static_assert(offsetof(struct registers, xmm) == XMM, "and stores them");

struct registers registers_before, registers_after;
uint8_t registers_stack[REGISTERS_STACK_BYTES] __attribute__((aligned(16)));

/* The general registers and RFLAGS, in the order of struct registers. */
static const char *const names[] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",    "r8",
	"r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rflags",
};

/* The same registers of a struct, as numbers 0 to 16. */
static uint64_t *word(struct registers *registers, size_t n)
{
	return (uint64_t *)registers + n;
}

void registers_fill(uint64_t seed)
{
	struct registers *r = &registers_before;

	for (size_t n = 0; n < COUNT(names); n++)
		*word(r, n) = random_next(&seed);
	for (size_t n = 0; n < 16; n++) {
		r->xmm[n][0] = random_next(&seed);
		r->xmm[n][1] = random_next(&seed);
	}
	r->rflags = (r->rflags & FLAGS_FREE) | FLAGS_BASE;
	r->rsp = (uint64_t)registers_stack + REGISTERS_STACK_BYTES / 2;
}

void registers_fill_call(uint64_t seed, long number, const long *arguments,
			 size_t count)
{
	struct registers *r = &registers_before;
	uint64_t *const slots[] = { &r->rdi, &r->rsi, &r->rdx,
				    &r->r10, &r->r8,  &r->r9 };

	registers_fill(seed);
	r->rax = (uint64_t)number;
	for (size_t n = 0; n < count; n++)
		*slots[n] = (uint64_t)arguments[n];
}

/* The register whose pattern the value is, or NULL. */
static const char *owner(uint64_t value)
{
	for (size_t n = 0; n < COUNT(names); n++)
		if (*word(&registers_before, n) == value)
			return names[n];
	return NULL;
}

static int report_word(const char *what, const char *name, uint64_t expected,
		       uint64_t found)
{
	const char *whose = owner(found);

	if (found == expected)
		return 0;
	printf("%s: %s: %s is %016lx, expected %016lx", program_name, what,
	       name, found, expected);
	if (whose && strcmp(whose, name) != 0)
		printf(": %s holds %s's pattern", name, whose);
	printf("\n");
	return 1;
}

/* All but RAX, RCX and R11. */
static int report_most(const char *what)
{
	struct registers *before = &registers_before, *after = &registers_after;
	int wrong = 0;

	for (size_t n = 0; n < COUNT(names); n++) {
		if (n == RAX / 8 || n == RCX / 8 || n == R11 / 8)
			continue;
		wrong += report_word(what, names[n], *word(before, n),
				     *word(after, n));
	}
	for (size_t n = 0; n < 16; n++) {
		char name[16];

		snprintf(name, sizeof(name), "xmm%lu, low", n);
		wrong += report_word(what, name, before->xmm[n][0],
				     after->xmm[n][0]);
		snprintf(name, sizeof(name), "xmm%lu, high", n);
		wrong += report_word(what, name, before->xmm[n][1],
				     after->xmm[n][1]);
	}
	return wrong;
}

int registers_report_call(const char *what)
{
	struct registers *before = &registers_before, *after = &registers_after;
	int wrong = report_most(what);

	if (after->rcx != before->rcx)
		wrong += report_word(what, "rcx", (uint64_t)registers_next,
				     after->rcx);
	if (after->r11 != before->r11)
		wrong += report_word(what, "r11", before->rflags, after->r11);
	return wrong;
}

int registers_report_spin(const char *what)
{
	int wrong = report_most(what);

	wrong += report_word(what, "rcx", 0, registers_after.rcx);
	wrong += report_word(what, "rax", registers_before.rax,
			     registers_after.rax);
	wrong += report_word(what, "r11", registers_before.r11,
			     registers_after.r11);
	return wrong;
}
