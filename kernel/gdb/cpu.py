"""cpu: registers, flags and vectors in words. The names of bits are those of the
kernel's headers; what no header has, since the kernel does not use it, is here.
Source: AMD APM vol. 2 sections 3.1.6 and 5.4.
"""

from __future__ import annotations

import functools

from .headers import number, numbers
from .symbols import variable

GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split()

RESULT_FLAGS = {"CF": 1 << 0, "PF": 1 << 2, "AF": 1 << 4, "ZF": 1 << 6,
                "SF": 1 << 7, "OF": 1 << 11}  # of arithmetic
# Set in what a fault pushes. QEMU sets it in what an interrupt pushes, too, since 9.1:
# no CPU does, and no program sees it.
RF = 1 << 16
OTHER_FLAGS = {"RF": RF, "VM": 1 << 17, "VIF": 1 << 19, "VIP": 1 << 20,
               "ID": 1 << 21}
PAGE_BITS = {"PWT": 1 << 3, "PCD": 1 << 4, "A": 1 << 5, "D": 1 << 6, "G": 1 << 8}


def bits(value: int, names: dict[str, int]) -> str:
    """The names of the bits that are set, from the lowest up."""
    return " ".join(name for name, bit in sorted(names.items(), key=lambda n: n[1])
                    if value & bit)


@functools.lru_cache(maxsize=None)
def control_flags() -> dict[str, int]:
    """The flags that say how the CPU runs: SFMASK is about these."""
    flags = numbers("RFLAGS_")
    del flags["FIXED"]
    return flags


def flags_text(rflags: int) -> str:
    """RFLAGS in words."""
    names = {**RESULT_FLAGS, **OTHER_FLAGS, **control_flags()}
    iopl = names.pop("IOPL")
    level = (rflags & iopl) // (iopl & -iopl)
    return bits(rflags, names) + (f" IOPL={level}" if level else "")


def entry_text(entry: int) -> str:
    """The bits of a page table's entry, in words."""
    names = numbers("PTE_")
    del names["ADDR"]
    return bits(entry, {**names, **PAGE_BITS})


def vector_name(vector: int) -> str:
    """An exception's name, or an IRQ's number, or nothing."""
    names = variable("vector_names")
    if vector <= names.type.range()[1]:
        name = names[vector].string()
        return "" if name.strip("#").isdigit() else name  # one of the reserved
    irq = vector - number("VECTOR_IRQ")
    return f"IRQ {irq}" if 0 <= irq < 16 else ""
