/*
 * timer: the 8254 PIT through a pair of 8259 PICs, as every PC has them. The
 * firmware may have left both in any state: SeaBIOS leaves the timer running
 * on vector 8, qboot leaves both pins of the local APIC masked.
 * Source: Intel 8254 and 8259A data sheets; Intel SDM vol. 3A section 11.5.1
 * (local vector table); Motorola MC146818 data sheet (the CMOS clock).
 */
#include "timer.h"

#include "boot_info.h"
#include "print.h"
#include "proc.h"
#include "trap.h"

#define PIC1               0x20
#define PIC2               0xa0
#define PIC_INIT           0x11 /* begin set-up, four words follow */
#define PIC_8086           0x01
#define PIC_EOI            0x20
#define PIC_CASCADE        2

#define PIT_CHANNEL0       0x40
#define PIT_MODE           0x43
#define PIT_RATE_GENERATOR 0x34 /* channel 0, both bytes, mode 2 */
#define PIT_HZ             1193182

#define APIC_BASE_ENABLED  (1 << 11)
#define APIC_LINT0         0x350
#define APIC_LINT1         0x360
#define APIC_NMI           0x400
#define APIC_EXTINT        0x700 /* what comes in is the PIC's, with its vector */

#define CMOS_INDEX         0x70
#define CMOS_DATA          0x71

#define NANOSECONDS        1000000000

static uint64_t ticks, hz, boot_time; /* boot_time: seconds since 1970 */

/* The local APIC's two pins: the PIC's interrupts, and the NMI. */
static void local_apic_init(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);
	volatile uint32_t *apic = pa_to_va(base & PTE_ADDR);

	if (!(base & APIC_BASE_ENABLED))
		return;
	apic[APIC_LINT0 / 4] = APIC_EXTINT;
	apic[APIC_LINT1 / 4] = APIC_NMI;
}

static void pic_init(void)
{
	outb(PIC1, PIC_INIT);
	outb(PIC2, PIC_INIT);
	outb(PIC1 + 1, VECTOR_IRQ);
	outb(PIC2 + 1, VECTOR_IRQ + 8);
	outb(PIC1 + 1, 1 << PIC_CASCADE);
	outb(PIC2 + 1, PIC_CASCADE);
	outb(PIC1 + 1, PIC_8086);
	outb(PIC2 + 1, PIC_8086);
	outb(PIC1 + 1, ~(1 << IRQ_TIMER | 1 << IRQ_COM1));
	outb(PIC2 + 1, 0xff);

	if (cpuid(1).edx & 1 << 9)
		local_apic_init();
}

/* A register of the CMOS clock, which counts in decimal digits. */
static int cmos(uint8_t index)
{
	uint8_t value;

	outb(CMOS_INDEX, index);
	value = inb(CMOS_DATA);
	return (value >> 4) * 10 + (value & 15);
}

/* Days from 1970 to the first of March of year, then on to the date: in years
 * that begin in March the leap day comes last. */
static uint64_t cmos_time(void)
{
	int month = cmos(8), year = cmos(9) + 2000 - (month < 3);
	int from_march = (month + 9) % 12;
	int64_t days = 365 * (year - 1970) + year / 4 - year / 100 +
		       year / 400 - 477 + 59 + (153 * from_march + 2) / 5 +
		       cmos(7) - 1;

	return days * 86400 + cmos(4) * 3600 + cmos(2) * 60 + cmos(0);
}

void timer_init(void)
{
	uint64_t divisor;

	hz = boot_option("hz", 100);
	if (hz < 19 || hz > 20000)
		panic("timer: hz=%lu on the command line: the timer goes from "
		      "19 to 20000",
		      hz);
	boot_time = cmos_time();
	pic_init();
	divisor = PIT_HZ / hz;
	outb(PIT_MODE, PIT_RATE_GENERATOR);
	outb(PIT_CHANNEL0, divisor);
	outb(PIT_CHANNEL0, divisor >> 8);
}

void timer_acknowledge(int irq)
{
	if (irq >= 8)
		outb(PIC2, PIC_EOI);
	outb(PIC1, PIC_EOI);
}

void timer_tick(void)
{
	ticks++;
	wakeup(&ticks);
}

uint64_t timer_now(void)
{
	return ticks * (NANOSECONDS / hz);
}

uint64_t timer_unix_time(void)
{
	return boot_time * NANOSECONDS + timer_now();
}

void timer_sleep_until(uint64_t when)
{
	while (timer_now() < when)
		sleep(&ticks);
}
