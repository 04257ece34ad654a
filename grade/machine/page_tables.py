"""The page tables as the CPU walks them, read from physical memory."""

from __future__ import annotations

import dataclasses
import struct
from typing import Iterator

from .gdb_remote import Gdb

PRESENT = 1 << 0
WRITABLE = 1 << 1
USER = 1 << 2
LARGE = 1 << 7
NO_EXECUTE = 1 << 63

ADDRESS = 0x000FFFFFFFFFF000

# How many bytes an entry of each table spans, PML4 first, as a shift.
LEVELS = (39, 30, 21, 12)


@dataclasses.dataclass(frozen=True)
class Mapping:
    """One page, of 4 KB, 2 MB or 1 GB, with what all four levels allow."""

    va: int
    size: int
    pa: int
    writable: bool
    user: bool
    executable: bool

    def __str__(self) -> str:
        rights = "r" + "w-"[not self.writable] + "x-"[not self.executable]
        who = "user" if self.user else "kernel"
        return f"{self.va:#x} -> {self.pa:#x} ({self.size:#x} bytes, {who} {rights})"


def entries(gdb: Gdb, pml4: int, va: int) -> list[int]:
    """The entries on the way to an address, from the PML4 down; fewer than four
    where one is not present or maps a large page."""
    found: list[int] = []
    table = pml4
    for shift in LEVELS:
        place = (table & ADDRESS) + 8 * (va >> shift & 511)
        entry = int.from_bytes(gdb.read_physical(place, 8), "little")
        found.append(entry)
        if is_last(entry, shift):
            break
        table = entry
    return found


def is_last(entry: int, shift: int) -> bool:
    """Whether the walk ends at this entry, which spans 1 << shift bytes: nothing is
    there, or it is a page."""
    return not entry & PRESENT or shift == 12 or bool(entry & LARGE)


def mappings(gdb: Gdb) -> Iterator[Mapping]:
    """Every page that the current page tables map, in order of addresses."""
    gdb.physical(True)
    try:
        # A list, so that memory is read physically only inside this function.
        found = list(_table(gdb, gdb.register("cr3") & ADDRESS, 0, LEVELS[0],
                            PRESENT | WRITABLE | USER))
    finally:
        gdb.physical(False)
    return iter(found)


def _table(gdb: Gdb, table: int, va: int, shift: int, allowed: int
           ) -> Iterator[Mapping]:
    """The pages below one table; each of its entries spans 1 << shift bytes,
    and `allowed` is what the levels above allow (NO_EXECUTE: they forbid it)."""
    for index, entry in enumerate(struct.unpack("<512Q", gdb.read(table, 4096))):
        if not entry & PRESENT:
            continue
        here = va + (index << shift)
        if here & 1 << 47:
            here |= 0xFFFF << 48
        rights = allowed & entry & (WRITABLE | USER)
        rights |= (allowed | entry) & NO_EXECUTE
        if not is_last(entry, shift):
            yield from _table(gdb, entry & ADDRESS, here, shift - 9, rights)
        else:
            yield Mapping(
                here, 1 << shift, entry & ADDRESS & -(1 << shift),
                bool(rights & WRITABLE), bool(rights & USER),
                not rights & NO_EXECUTE)
