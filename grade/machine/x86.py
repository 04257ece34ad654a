"""The CPU's vocabulary: registers and their parts, the bits of RFLAGS, exceptions,
model-specific registers, and the selectors of this kernel's GDT.

Whatever drives or judges the machine takes these from here. What kernel/x86.h
says of the same, a test compares.
Source: AMD APM vol. 2 sections 3.1, 8.2 and appendix A.
"""

from __future__ import annotations

import re
from typing import Dict, Optional

# A machine's registers, by the names that the debugger's stub has for them.
Registers = Dict[str, int]

PAGE = 4096
MASK = (1 << 64) - 1
# The first address of the half that is the kernel's. What the CPU fetches from
# lies below 1 << 47 or from here on; nothing else is canonical.
KERNEL_HALF = 0xFFFF800000000000

# ---- registers ---------------------------------------------------------------

# In the order in which reports name them.
GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9",
           "r10", "r11", "r12", "r13", "r14", "r15")
SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")
# Where a system call's arguments are, and where a C function's are.
SYSCALL_ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
C_ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
# What a C function may change.
CALLER_SAVED = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")


def whole(name: str) -> tuple[str, int]:
    """The 64-bit register that a name is part of, and the bits of the part:
    ("rax", 8) for "ah"; KeyError for what is no general register."""
    if name in GENERAL:
        return name, 64
    match = re.fullmatch(r"(r\d+)([dwb])", name)
    if match and match[1] in GENERAL:
        return match[1], {"d": 32, "w": 16, "b": 8}[match[2]]
    match = re.fullmatch(r"(e?)(ax|bx|cx|dx|si|di|bp|sp)", name)
    if match:
        return f"r{match[2]}", 32 if match[1] else 16
    match = re.fullmatch(r"([abcd])[lh]", name)
    if match:
        return f"r{match[1]}x", 8
    match = re.fullmatch(r"(si|di|bp|sp)l", name)
    if match:
        return f"r{match[1]}", 8
    raise KeyError(name)


def signed(value: int) -> int:
    """The signed number that 64 bits are."""
    return value - (1 << 64) if value >> 63 else value


# ---- RFLAGS ------------------------------------------------------------------

CF, PF, AF, ZF, SF = 1 << 0, 1 << 2, 1 << 4, 1 << 6, 1 << 7
TF, IF, DF, OF, IOPL, NT, AC, ID = (
    1 << 8, 1 << 9, 1 << 10, 1 << 11, 3 << 12, 1 << 14, 1 << 18, 1 << 21)
FLAGS = {"CF": CF, "PF": PF, "AF": AF, "ZF": ZF, "SF": SF, "TF": TF, "IF": IF,
         "DF": DF, "OF": OF, "IOPL": IOPL, "NT": NT, "AC": AC, "ID": ID}
# The resume flag. A CPU sets it in what a fault pushes, never in what an interrupt
# between two instructions pushes, and clears it after the instruction that it
# concerns (APM volume 2, 3.1.6; SDM volume 3, "Instruction-Breakpoint Exception
# Condition"). QEMU sets it for interrupts, too, since 9.1, so that a stop right
# after an IRET may find it. PUSHF and SYSCALL save it as 0: what can be promised of
# RFLAGS is promised without it.
RF = 1 << 16
# What a program's RFLAGS always have: bit 1, which reads as one, and IF.
FLAGS_BASE = 1 << 1 | IF
# What a program may have as it likes, and which does nothing by itself.
FLAGS_FREE = CF | PF | AF | ZF | SF | DF | OF | ID


def flags_in(rflags: int, *names: str) -> list[str]:
    """Which of the named flags are set."""
    return [name for name in names if rflags & FLAGS[name]]


# ---- exceptions ----------------------------------------------------------------

DE, DB, NMI, BP, UD, DOUBLE_FAULT, NP, SS, GP, PAGE_FAULT = (
    0, 1, 2, 3, 6, 8, 11, 12, 13, 14)
FIRST_IRQ = 0x20  # the timer's vector; above it, the other devices'

VECTORS = ("#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#9",
           "#TS", "#NP", "#SS", "#GP", "#PF", "#15", "#MF", "#AC", "#MC", "#XM",
           "#VE", "#CP")
HAS_ERROR_CODE = {8, 10, 11, 12, 13, 14, 17, 21, 29, 30}
# Those whose error code names a selector.
NAMES_SELECTOR = {10, 11, 12, 13}


def vector_name(vector: int) -> str:
    """`#GP`, or `vector 0x20` where there is no name."""
    return VECTORS[vector] if vector < len(VECTORS) else f"vector {vector:#x}"


# ---- model-specific registers --------------------------------------------------

EFER, STAR, LSTAR, CSTAR, SFMASK = (
    0xC0000080, 0xC0000081, 0xC0000082, 0xC0000083, 0xC0000084)
FS_BASE, GS_BASE, KERNEL_GS_BASE = 0xC0000100, 0xC0000101, 0xC0000102
MSRS = {"EFER": EFER, "STAR": STAR, "LSTAR": LSTAR, "SFMASK": SFMASK,
        "FS_BASE": FS_BASE, "GS_BASE": GS_BASE, "KERNEL_GS_BASE": KERNEL_GS_BASE}
MSR_NAMES = {number: name for name, number in MSRS.items()} | {CSTAR: "CSTAR"}
EFER_SCE, EFER_LME, EFER_LMA, EFER_NXE = 1 << 0, 1 << 8, 1 << 10, 1 << 11


def msr_name(number: int) -> Optional[str]:
    """`LSTAR`, or None for one that no lab is about."""
    return MSR_NAMES.get(number)


# ---- selectors -----------------------------------------------------------------

# The entries of the GDT that lab 1 builds, with RPL 0.
KERNEL_CS, KERNEL_DS, TSS, USER_DS, USER_CS = 0x08, 0x10, 0x18, 0x28, 0x30
# What CS and SS hold in ring 3.
RING3_CS, RING3_SS = USER_CS | 3, USER_DS | 3


# ---- instructions that are known by their bytes ----------------------------------

SYSCALL = b"\x0f\x05"
SYSRETQ = b"\x48\x0f\x07"
IRETQ = b"\x48\xcf"
RDMSR = b"\x0f\x32"
WRMSR = b"\x0f\x30"
STI = b"\xfb"  # holds interrupts off for one more instruction
