/*
 * The probe of registers.h: registers_call and registers_spin. Between the
 * loads and the stores no register is free, not even to hold an address, so
 * registers_before and registers_after are named directly, relative to RIP.
 * The offsets are those of struct registers; registers.c holds them to it.
 */
#include "probe.h"

.macro load offset, register
	movq	registers_before+\offset(%rip), \register
.endm

.macro store offset, register
	movq	\register, registers_after+\offset(%rip)
.endm

/* MOV changes no flag, so RFLAGS is loaded first, while RSP is still a stack
 * that it can be popped from, and stored last, when RSP is one again. */
.macro load_all
	pushq	%rbx			/* what a C caller wants back */
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, own_rsp(%rip)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	registers_before+XMM+16*\n(%rip), %xmm\n
	.endr
	pushq	registers_before+RFLAGS(%rip)
	popfq
	load	RAX, %rax
	load	RCX, %rcx
	load	RDX, %rdx
	load	RBX, %rbx
	load	RBP, %rbp
	load	RSI, %rsi
	load	RDI, %rdi
	load	R8,  %r8
	load	R9,  %r9
	load	R10, %r10
	load	R11, %r11
	load	R12, %r12
	load	R13, %r13
	load	R14, %r14
	load	R15, %r15
	load	RSP, %rsp		/* from here on nothing may be pushed */
.endm

.macro store_all
	store	RAX, %rax
	store	RCX, %rcx
	store	RDX, %rdx
	store	RBX, %rbx
	store	RSP, %rsp
	store	RBP, %rbp
	store	RSI, %rsi
	store	RDI, %rdi
	store	R8,  %r8
	store	R9,  %r9
	store	R10, %r10
	store	R11, %r11
	store	R12, %r12
	store	R13, %r13
	store	R14, %r14
	store	R15, %r15
	movq	own_rsp(%rip), %rsp
	pushfq
	popq	registers_after+RFLAGS(%rip)
	pushq	$FLAGS_BASE		/* C code expects DF, NT and AC clear */
	popfq
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	%xmm\n, registers_after+XMM+16*\n(%rip)
	.endr
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
.endm

	.text
	.globl	registers_call
	.type	registers_call, @function
registers_call:
	load_all
	syscall
	.globl	registers_next
registers_next:				/* RCX holds this address */
	store_all
	ret
	.size	registers_call, . - registers_call

	.globl	registers_spin
	.type	registers_spin, @function
registers_spin:
	load_all
1:	loop	1b			/* LOOP counts RCX down, changes no flag */
	store_all
	ret
	.size	registers_spin, . - registers_spin

	.bss
own_rsp:
	.skip	8			/* the caller's RSP, while RSP is tested */

	.section .note.GNU-stack, "", @progbits
