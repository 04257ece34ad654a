/* idt: the table that leads each vector to its stub. */
#ifndef IDT_H
#define IDT_H

/* Fills in the interrupt descriptor table and loads it. After gdt_init. */
void idt_init(void);

#endif
