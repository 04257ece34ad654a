/*
 * msr: the five registers that say what SYSCALL and SYSRET do.
 * Source: AMD APM vol. 2 section 6.1.1; Intel SDM vol. 3A section 5.8.8.
 */
#ifndef MSR_H
#define MSR_H

/* Turns the SYSCALL instruction on. After gdt_init, before any user code. */
void init_syscall(void);

#endif
