/*
 * syscall_entry: where SYSCALL arrives and SYSRET leaves.
 *
 * The stub saves the user's sixteen words below kernel_rsp, so the frame of a
 * process that is inside a call lies at a place of its own, the top of its
 * kernel stack, whatever runs in between.
 */
#ifndef SYSCALL_ENTRY_H
#define SYSCALL_ENTRY_H

/* The frame's slots, in bytes above RSP after the last push. Lab 4's struct
 * syscall_frame gives them names that C can use. The debugger and the player
 * read them here; that they are these sixteen, the graders know by themselves
 * (grade/judge/frames.py). */
#define FRAME_R9   0
#define FRAME_R8   8
#define FRAME_R10  16
#define FRAME_RDX  24
#define FRAME_RSI  32
#define FRAME_RDI  40
#define FRAME_R15  48
#define FRAME_R14  56
#define FRAME_R13  64
#define FRAME_R12  72
#define FRAME_RBX  80
#define FRAME_RBP  88
#define FRAME_R11  96
#define FRAME_RCX  104
#define FRAME_RAX  112
#define FRAME_RSP  120
#define FRAME_SIZE 128

/* What LSTAR points to. Never called. */
void syscall_entry(void);

/* The stub's tail, a label in it: with RSP at a frame, restores every register
 * from it and returns to ring 3. A forked child begins here. */
void syscall_exit(void);

/* The C side (syscall.c): carries out call number nr and returns its result, which
 * the stub stores into the frame's rax. Of the number only the low 32 bits count, as
 * on Linux: the stub may move all 64, or these. */
long syscall_handler(int nr, long a1, long a2, long a3, long a4, long a5,
		     long a6);

#endif
