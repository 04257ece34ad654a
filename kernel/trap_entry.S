/*
 * trap_entry: 256 ways in, one way out.
 *
 * The CPU says only by where it jumps which vector it was, so each has a stub
 * that pushes the number; those without an error code push a zero first, so
 * that every frame has the same shape, struct trap_frame.
 *
 * SWAPGS is due exactly when ring 3 was interrupted, which the saved CS tells.
 * That is not enough for NMI, #DB, #MC and #DF: they can arrive between the
 * first SWAPGS of the entry stub and its last, where CS says ring 0 and GS may
 * be either. They read GS_BASE: the kernel's addresses are the negative ones.
 */
#include "trap.h"
#include "x86.h"

	.macro push_registers
	pushq %rax
	pushq %rbx
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %rbp
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq $RFLAGS_FIXED	/* a gate keeps the user's DF, which C wants */
	popfq			/* clear, and AC, which would lift SMAP */
	movq %rsp, %rdi
	xorl %esi, %esi
	.endm

	.macro pop_registers
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rbp
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rbx
	popq %rax
	.endm

	/* For GDB: where struct trap_frame keeps what was interrupted, so that
	 * a backtrace goes on there. The frame ends at RSP + 176. */
	.macro frame_is_complete
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 176
	.cfi_offset rip, -40
	.cfi_offset rsp, -16
	.cfi_offset rax, -64
	.cfi_offset rbx, -72
	.cfi_offset rcx, -80
	.cfi_offset rdx, -88
	.cfi_offset rsi, -96
	.cfi_offset rdi, -104
	.cfi_offset rbp, -112
	.cfi_offset r12, -152
	.cfi_offset r13, -160
	.cfi_offset r14, -168
	.cfi_offset r15, -176
	.endm

	.cfi_sections .debug_frame
	.text
	.type trap_common, @function
trap_common:
	push_registers
	testb $3, TRAP_FRAME_CS(%rsp)
	jz trap_call
trap_from_ring_3:
	swapgs
trap_call:
	frame_is_complete
	call trap_handler
trap_exit:
	testb $3, TRAP_FRAME_CS(%rsp)
	jz 1f
	swapgs
	.cfi_endproc
1:	pop_registers
	addq $16, %rsp		/* the vector and the error code */
	iretq

	.globl trap_return
	.type trap_return, @function
trap_return:
	movq %rdi, %rsp
	jmp trap_exit

	.type trap_any_gs, @function
trap_any_gs:
	push_registers
	testb $3, TRAP_FRAME_CS(%rsp)
	jz 2f
	swapgs
	call trap_leave_ist
	movq %rax, %rsp
	movq %rax, %rdi
	jmp trap_call

2:	movl $MSR_GS_BASE, %ecx
	rdmsr
	xorl %ebx, %ebx		/* C keeps RBX: do we have to swap back? */
	testl %edx, %edx
	js 3f
	swapgs
	incl %ebx
3:	movl %ebx, %esi
	call trap_handler
	testl %ebx, %ebx
	jz 4f
	swapgs
4:	pop_registers
	addq $16, %rsp
	iretq

	.macro stub vector, has_error_code
1:
	.if !\has_error_code
	pushq $0
	.endif
	pushq $\vector
	.if \vector == VECTOR_DB || \vector == VECTOR_NMI || \vector == VECTOR_DF || \vector == VECTOR_MC
	jmp trap_any_gs
	.else
	jmp trap_common
	.endif
	.pushsection .rodata
	.quad 1b
	.popsection
	.endm

	.section .rodata
	.balign 8
	.globl trap_entries
trap_entries:
	.text
	.type trap_stubs, @function
trap_stubs:
	.altmacro
	.set i, 0
	.rept EXCEPTIONS
	stub %i, %((VECTORS_WITH_ERROR_CODE >> i) & 1)
	.set i, i + 1
	.endr
	.rept VECTORS - EXCEPTIONS
	stub %i, 0
	.set i, i + 1
	.endr

	.section .note.GNU-stack, "", @progbits
