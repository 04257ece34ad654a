/*
 * What the probe's assembly and C both know: the offsets of struct registers,
 * in bytes, and two sets of flags.
 */
#ifndef PROBE_H
#define PROBE_H

#define RAX    0
#define RCX    8
#define RDX    16
#define RBX    24
#define RSP    32
#define RBP    40
#define RSI    48
#define RDI    56
#define R8     64
#define R9     72
#define R10    80
#define R11    88
#define R12    96
#define R13    104
#define R14    112
#define R15    120
#define RFLAGS 128
#define XMM    144

/* Bit 1 is always set; IF is, and a program cannot clear it. */
#define FLAGS_BASE 0x202
/* CF, PF, AF, ZF, SF, DF, OF and ID: a program may set them as it likes, and
 * by themselves they do nothing. */
#define FLAGS_FREE 0x200cd5

#endif
