/*
 * pic: the interrupt controller.
 */
#ifndef PIC_H
#define PIC_H

/* Routes the timer and COM1 to VECTOR_IRQ; masks all others. */
void pic_init(void);

/* Tells the controller that its interrupt irq (0 to 15) was seen. */
void pic_acknowledge(int irq);

#endif
