/*
 * idt: 256 interrupt gates. All clear IF on entry, so the kernel is entered
 * with interrupts off whichever way. Ring 3 may raise #BP and #OF by an
 * instruction; any other INT is a #GP.
 * Source: AMD APM vol. 2 section 4.8.4.
 */
#include "idt.h"

#include "gdt.h"
#include "trap.h"

#define GATE_INTERRUPT 0x8e /* present, DPL 0, 64-bit interrupt gate */
#define GATE_DPL_3     0x60

struct gate {
	uint16_t offset_low; /* bits 15:0 of the stub's address */
	uint16_t selector;
	uint8_t ist; /* 0: the stack at hand, or RSP0; else tss.ist[ist - 1] */
	uint8_t type;
	uint16_t offset_middle; /* 31:16 */
	uint32_t offset_high;   /* 63:32 */
	uint32_t reserved;
};

_Static_assert(sizeof(struct gate) == 16, "a gate of long mode");

static struct gate idt[VECTORS];

static const uint8_t ist_of[VECTORS] = {
	[VECTOR_DB] = IST_DEBUG,
	[VECTOR_NMI] = IST_NMI,
	[VECTOR_DF] = IST_DOUBLE_FAULT,
	[VECTOR_MC] = IST_MACHINE_CHECK,
};

void idt_init(void)
{
	struct table_register idtr = { sizeof(idt) - 1, (uint64_t)idt };

	for (int vector = 0; vector < VECTORS; vector++) {
		uint64_t stub = trap_entries[vector];
		bool by_user = vector == VECTOR_BP || vector == VECTOR_OF;

		idt[vector] = (struct gate){
			.offset_low = stub,
			.selector = KERNEL_CS,
			.ist = ist_of[vector],
			.type = GATE_INTERRUPT | (by_user ? GATE_DPL_3 : 0),
			.offset_middle = stub >> 16,
			.offset_high = stub >> 32,
		};
	}
	lidt(&idtr);
}
