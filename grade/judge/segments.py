"""Descriptors, the TSS and the machine's segment registers, as bytes and bits.

A flaw is a finding about one field that is not what it has to be, with the
sentence that says what the CPU makes of it. Bits are counted as the manuals do, from 0 at the
right of the descriptor's eight bytes.
Source: AMD APM vol. 2 sections 4.7, 4.8 and 12.2.5.
"""

from __future__ import annotations

import dataclasses
import re
import struct
from typing import Iterator, Optional

from machine.finding import Finding
from machine.x86 import (
    HAS_ERROR_CODE, KERNEL_CS, KERNEL_DS, TSS, USER_CS, USER_DS, vector_name)
from .verdict import Ground

ENTRIES = 7
TABLE_SIZE = 8 * ENTRIES
TSS_SIZE = 104
# Where the TSS has RSP0, IST1 and the offset of the I/O map.
RSP0, IST1, IO_MAP_BASE = 4, 36, 102
# The segments: whether each is code, and its ring.
SEGMENTS = {KERNEL_CS: (True, 0), KERNEL_DS: (False, 0), USER_CS: (True, 3),
            USER_DS: (False, 3)}


def set_by_the_cpu(offset: int) -> int:
    """The bits of the table's word at an offset that the CPU sets by itself: a
    TSS's busy, a segment's accessed."""
    if offset not in ROLES or offset in (0, TSS + 8):
        return 0
    return 1 << (41 if offset == TSS else 40)


def flaw(cause: str, expected: Optional[str] = None, found: Optional[str] = None
         ) -> Finding:
    """One field that is wrong."""
    return Finding(Ground.WRONG, cause, expected=expected, found=found)


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """One entry of the table."""

    selector: int
    value: int

    def bit(self, number: int) -> int:
        return self.value >> number & 1

    @property
    def name(self) -> str:
        return f"Entry {self.selector:#04x} ({ROLES[self.selector]})"

    @property
    def dpl(self) -> int:
        return self.value >> 45 & 3

    @property
    def type(self) -> int:
        return self.value >> 40 & 15

    @property
    def base(self) -> int:
        """Bits 31:0 of the base."""
        return self.value >> 16 & 0xFFFFFF | self.value >> 56 << 24

    @property
    def limit(self) -> int:
        """In bytes less one, with G taken into account."""
        limit = self.value & 0xFFFF | (self.value >> 48 & 15) << 16
        return limit << 12 | 0xFFF if self.bit(55) else limit

    @property
    def is_code(self) -> bool:
        return bool(self.bit(44) and self.bit(43))

    @property
    def is_data(self) -> bool:
        return bool(self.bit(44) and not self.bit(43))


ROLES = {
    0: "null", KERNEL_CS: "kernel code", KERNEL_DS: "kernel data",
    TSS: "TSS", TSS + 8: "TSS, upper half", USER_DS: "user data",
    USER_CS: "user code",
}


def segment_flaws(d: Descriptor, code: bool, ring: int) -> Iterator[Finding]:
    """What is wrong with a code or data descriptor for a ring. The accessed
    bit, AVL, G, the limit and a data segment's D/B are free: long mode does not
    look at them."""
    kind = "code" if code else "data"
    if d.value == 0:
        yield flaw(f"{d.name} is all zero: nobody has filled it in, and loading "
                   f"selector {d.selector:#x} is a #GP", "a descriptor", "0")
        return
    if not d.bit(44):
        yield flaw(f"{d.name} has S = 0 (bit 44): that makes it a system "
                   f"descriptor, which no segment register takes", "S = 1", "S = 0")
        return
    if d.bit(43) != code:
        yield flaw(f"{d.name} is a {'data' if code else 'code'} segment (bit 43): "
                   f"its type is {d.type:#x}", f"a {kind} segment",
                   f"type {d.type:#x}")
        return
    if not d.bit(47):
        yield flaw(f"{d.name} has P = 0 (bit 47): a segment that is not present "
                   "cannot be loaded", "P = 1", "P = 0")
    if d.dpl != ring:
        why = ("IRETQ to ring 3 with it is a #GP" if ring == 3
               else "it is not ring 0's, and ring 0 cannot load it as CS or SS")
        yield flaw(f"{d.name} has DPL {d.dpl} (bits 46:45): {why}",
                   f"DPL {ring}", f"DPL {d.dpl}")
    if code:
        yield from _code_flaws(d)
    else:
        yield from _data_flaws(d)
    if d.base:
        yield flaw(f"{d.name} has the base {d.base:#x} (bits 63:56 and 39:16): "
                   "the limit's or another field's bits have slipped there",
                   "base 0", f"base {d.base:#x}")


def _code_flaws(d: Descriptor) -> Iterator[Finding]:
    if not d.bit(53):
        yield flaw(f"{d.name} has L = 0 (bit 53): the CPU would run it in "
                   "compatibility mode and decode 64-bit code as 32-bit code",
                   "L = 1", "L = 0")
    if d.bit(42):
        yield flaw(f"{d.name} is conforming (C, bit 42): other rings could "
                   "jump into it and keep their own privilege", "C = 0", "C = 1")
    if not d.bit(41):
        yield flaw(f"{d.name} is execute-only (R, bit 41, is 0)", "R = 1", "R = 0")


def _data_flaws(d: Descriptor) -> Iterator[Finding]:
    if not d.bit(41):
        yield flaw(f"{d.name} is read-only (W, bit 41, is 0): SS cannot be "
                   "loaded with it", "W = 1", "W = 0")
    if d.bit(42):
        yield flaw(f"{d.name} grows downwards (E, bit 42)", "E = 0", "E = 1")
    if d.bit(53):
        yield flaw(f"{d.name} has L = 1 (bit 53), which belongs to code",
                   "L = 0", "L = 1")


def both_sizes_flaws(d: Descriptor) -> Iterator[Finding]:
    """L and D together, which this QEMU lets pass and a CPU does not."""
    if d.bit(44) and d.bit(53) and d.bit(54):
        yield flaw(f"{d.name} has L and D both set (bits 53 and 54): a real CPU "
                   "raises #GP when it is loaded, QEMU lets it pass",
                   "D = 0 where L = 1", "L = 1, D = 1")


def tss_flaws(d: Descriptor, tss: int) -> Iterator[Finding]:
    """What is wrong with the lower half of the TSS descriptor, less its base: but
    a base at another place has spoilt what is there."""
    if d.value == 0:
        yield flaw(f"{d.name} is all zero: nobody has filled it in, and LTR "
                   f"{d.selector:#x} is a #GP", "a descriptor", "0")
        return
    slipped = next((at for at in (0, 8, 24, 32) if (
        d.value >> at ^ tss) & 0xFFFFFF == 0), None)
    if slipped is not None and d.value >> 16 & 0xFFFF != tss & 0xFFFF:
        yield flaw(f"{d.name} has the TSS's address from bit {slipped} on: bits 23:0 "
                   "of the base stand at bits 39:16 of the entry, and here they "
                   "spoil another field", f"{tss & 0xFFFFFF:#x} at bit 16",
                   f"{d.value:#x}")
        return
    if d.bit(44):
        yield flaw(f"{d.name} has S = 1 (bit 44): that makes it a code or data "
                   "segment, and LTR a #GP", "S = 0", "S = 1")
    elif d.type & ~2 != 9:
        yield flaw(f"{d.name} has type {d.type:#x} (bits 43:40): that is no "
                   "available 64-bit TSS, and LTR is a #GP", "an available "
                   "64-bit TSS", f"type {d.type:#x}")
    if not d.bit(47):
        yield flaw(f"{d.name} has P = 0 (bit 47): LTR is a #NP", "P = 1", "P = 0")
    if d.dpl != 0:
        yield flaw(f"{d.name} has DPL {d.dpl} (bits 46:45)", "DPL 0", f"DPL {d.dpl}")
    if d.limit != TSS_SIZE - 1:
        what = ("shorter than the TSS: where the CPU looks for RSP0 or an IST "
                "stack past it, it raises #TS" if d.limit < TSS_SIZE - 1 else
                "longer than the TSS: bytes after it would be the I/O "
                "permission map")
        yield flaw(f"{d.name} has the limit {d.limit:#x} (bits 51:48 and 15:0), "
                   f"{what}", "the TSS's size less one", f"{d.limit:#x}")


def tss_base_flaws(lower: Descriptor, upper: int, tss: int) -> Iterator[Finding]:
    """What is wrong with the three pieces of the TSS's address."""
    base = lower.base | (upper & 0xFFFFFFFF) << 32
    if upper >> 32:
        yield flaw(f"Entry 0x20 (the TSS descriptor's upper half) has bits 63:32 "
                   f"set ({upper:#x}): only its lower half belongs to the base",
                   "bits 63:32 = 0", f"{upper:#x}")
    if base == tss:
        return
    if upper & 0xFFFFFFFF == 0 and lower.base == tss & 0xFFFFFFFF:
        cause = ("Entry 0x20 (the TSS descriptor's upper half) is 0: bits 63:32 of "
                 "the base are missing, and the CPU would look for the TSS at "
                 f"{base:#x}")
    elif (base ^ tss) & 0xFFFFFFFF == (base ^ tss) & 0xFF000000:
        cause = ("Bits 31:24 of the TSS's base are wrong: they lie apart from the "
                 "others, at bits 63:56 of entry 0x18")
    elif (base ^ tss) & 0xFFFFFFFF == 0:
        cause = ("Entry 0x20 (the TSS descriptor's upper half) does not hold bits "
                 "63:32 of the TSS's base")
    elif base == 0:
        cause = "The TSS descriptor's base is 0: it names no TSS"
    else:
        cause = ("The TSS descriptor names another place than segments->tss, where "
                 "set_kernel_stack writes RSP0")
    yield flaw(cause, f"{tss:#x}", f"{base:#x}")


@dataclasses.dataclass(frozen=True)
class CpuSegments:
    """What `info registers` says of the segments."""

    gdt: tuple[int, int]  # base, limit
    idt: tuple[int, int]
    tr: tuple[int, int, int]  # selector, hidden base, hidden limit
    selectors: dict[str, int]

    @staticmethod
    def parse(text: str) -> CpuSegments:
        def numbers(pattern: str) -> tuple[int, ...]:
            match = re.search(pattern, text, re.MULTILINE)
            assert match, pattern
            return tuple(int(group, 16) for group in match.groups())
        base_limit = r"= +([0-9a-f]+) ([0-9a-f]+)"
        gdt, idt = numbers("^GDT" + base_limit), numbers("^IDT" + base_limit)
        tr = numbers(r"^TR =(\w+) (\w+) (\w+)")
        return CpuSegments(
            (gdt[0], gdt[1]), (idt[0], idt[1]), (tr[0], tr[1], tr[2]),
            {name: numbers(rf"^{name.upper()} =(\w+)")[0]
             for name in ("cs", "ss", "ds", "es", "fs", "gs")})


@dataclasses.dataclass(frozen=True)
class Tss:
    """The fields of a TSS that the CPU reads."""

    rsp0: int
    ist: tuple[int, ...]
    io_map_base: int

    @staticmethod
    def parse(data: bytes) -> Tss:
        return Tss(
            struct.unpack_from("<Q", data, RSP0)[0],
            struct.unpack_from("<7Q", data, IST1),
            struct.unpack_from("<H", data, IO_MAP_BASE)[0])


def exception_text(vector: int, error: int) -> str:
    """`#GP(0x30)`."""
    name = vector_name(vector)
    return f"{name}({error:#x})" if vector in HAS_ERROR_CODE else name
