/*
 * pic: a pair of 8259 PICs, and the local APIC that their signal goes through.
 * The firmware may have left them in any state: SeaBIOS leaves the timer
 * running on vector 8, qboot leaves both pins of the local APIC masked.
 * Source: Intel 8259A data sheet; Intel SDM vol. 3A section 11.5.1 (local vector
 * table).
 */
#include "pic.h"

#include "boot_info.h"
#include "trap.h"

#define PIC1_COMMAND      0x20
#define PIC1_DATA         0x21
#define PIC2_COMMAND      0xa0
#define PIC2_DATA         0xa1
#define PIC_INIT          0x11 /* begin set-up, four words follow */
#define PIC_8086          0x01
#define PIC_EOI           0x20
#define PIC_CASCADE       2 /* the first one's pin that the second is at */
#define PIC_PINS          8
#define PIC_ALL           0xff

#define APIC_BASE_ENABLED (1 << 11)
#define APIC_LINT0        0x350
#define APIC_LINT1        0x360
#define APIC_NMI          0x400
#define APIC_EXTINT       0x700 /* what comes in is the PIC's, with its vector */

/* The local APIC's two pins: the PIC's interrupts, and the NMI. */
static void local_apic_init(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);
	volatile uint32_t *apic = pa_to_va(base & PTE_ADDR);

	if (!(base & APIC_BASE_ENABLED))
		return;
	apic[APIC_LINT0 / sizeof(*apic)] = APIC_EXTINT;
	apic[APIC_LINT1 / sizeof(*apic)] = APIC_NMI;
}

void pic_init(void)
{
	outb(PIC1_COMMAND, PIC_INIT);
	outb(PIC2_COMMAND, PIC_INIT);
	outb(PIC1_DATA, VECTOR_IRQ);
	outb(PIC2_DATA, VECTOR_IRQ + PIC_PINS);
	outb(PIC1_DATA, 1 << PIC_CASCADE);
	outb(PIC2_DATA, PIC_CASCADE);
	outb(PIC1_DATA, PIC_8086);
	outb(PIC2_DATA, PIC_8086);
	outb(PIC1_DATA, ~(1 << IRQ_TIMER | 1 << IRQ_COM1));
	outb(PIC2_DATA, PIC_ALL);

	if (cpuid(CPUID_FEATURES).edx & CPUID_EDX_APIC)
		local_apic_init();
}

void pic_acknowledge(int irq)
{
	if (irq >= PIC_PINS)
		outb(PIC2_COMMAND, PIC_EOI);
	outb(PIC1_COMMAND, PIC_EOI);
}
