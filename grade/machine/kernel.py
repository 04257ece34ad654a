"""This kernel's shapes: its structs and numbers, by its debug information and the
headers of its tree. Where something lies in the kernel is asked here and nowhere
else, so that a change of the kernel is a change of this file.
"""

from __future__ import annotations

import dataclasses
import functools
import struct
from pathlib import Path
from typing import Mapping, Optional

from . import headers
from .gdb_remote import Gdb
from .qemu import TREE
from .symbols import Structure, Symbols
from .x86 import KERNEL_HALF, PAGE

__all__ = ["Kernel", "TrapFrame", "in_kernel_half"]

# Of struct syscall_frame: lab 4 writes it, so a submission may have none.
FRAME, FRAME_SEEN_BY = "syscall_frame", "get_syscall_frame"


@dataclasses.dataclass(frozen=True)
class TrapFrame:
    """struct trap_frame (kernel/trap.h), but for the general registers: what an
    interrupt or exception came upon.

    at    where it is.
    end   the first address after it.
    """

    at: int
    end: int
    vector: int
    error: int
    rip: int
    cs: int
    rflags: int
    rsp: int
    ss: int

    @property
    def from_ring_3(self) -> bool:
        """Was it ring 3 that was interrupted?"""
        return self.cs & 3 == 3


class Kernel(Symbols):
    """A kernel, with the tree whose headers it was built with."""

    def __init__(self, path: Path, tree: Path = TREE) -> None:
        super().__init__(path)
        self.tree = tree

    @property
    def constants(self) -> Mapping[str, int]:
        """The numbers that the kernel's headers define."""
        return headers.kernel_constants(self.tree)

    # ---- one CPU ------------------------------------------------------------

    def per_cpu(self, member: Optional[str] = None, cpu: int = 0) -> int:
        """The address of a CPU's block, or of one of its members."""
        block = self.address("per_cpu") + cpu * self.size_of("per_cpu_data")
        return block + (self.offset_of("per_cpu_data", member) if member else 0)

    @property
    def table(self) -> int:
        """The address of the GDT, in the CPU's block."""
        return self.per_cpu("segments") + self.offset_of("segments", "gdt")

    @property
    def tss(self) -> int:
        """The address of the TSS, in the CPU's block."""
        return self.per_cpu("segments") + self.offset_of("segments", "tss")

    # ---- stacks and frames --------------------------------------------------

    @functools.cached_property
    def stack_bytes(self) -> int:
        """Bytes of a process's kernel stack: of each stride, all but the page that
        guards it."""
        return self.constants["KSTACK_STRIDE"] - PAGE

    def on_stack(self, address: int, top: int) -> bool:
        """Whether an address, as RSP holds it, is on the kernel stack of that top;
        an empty stack's RSP is the top itself."""
        return top - self.stack_bytes <= address <= top

    @functools.cached_property
    def frame_offsets(self) -> dict[str, int]:
        """Where each register is saved in a system call's frame, by the contract, in
        bytes from the frame's start: FRAME_R9 and so on."""
        offsets = headers.with_prefix(self.constants, "FRAME_")
        return {name.lower(): offset for name, offset in sorted(
            offsets.items(), key=lambda item: item[1]) if name != "SIZE"}

    @property
    def frame_bytes(self) -> int:
        """Bytes of that frame, which ends at the kernel stack's top."""
        return self.constants["FRAME_SIZE"]

    @functools.cached_property
    def frame_struct(self) -> Optional[Structure]:
        """struct syscall_frame, as the file of get_syscall_frame has it; None where
        there is none."""
        try:
            return self.structure(FRAME, FRAME_SEEN_BY)
        except KeyError:
            return None

    def trap_at(self, gdb: Gdb, at: int) -> TrapFrame:
        """The struct trap_frame at an address: RDI where trap_handler begins."""
        layout = self.structure("trap_frame")
        data = gdb.read(at, layout.size)
        words = {field.name: struct.unpack_from(
            "<Q", data, layout.fields[field.name].offset)[0]
            for field in dataclasses.fields(TrapFrame)
            if field.name not in ("at", "end")}
        return TrapFrame(at, at + layout.size, **words)

    # ---- traps --------------------------------------------------------------

    @functools.cached_property
    def vectors(self) -> Mapping[int, int]:
        """Which vector leads to an address: each has an entry of its own."""
        at = self.address("trap_entries")
        entries = struct.unpack("<256Q", self.bytes_at(at, 256 * 8))
        return {entry: vector for vector, entry in enumerate(entries)}

    def trap_entry(self, vector: int) -> int:
        """Where a vector arrives."""
        return next(entry for entry, number in self.vectors.items()
                    if number == vector)


def in_kernel_half(address: int) -> bool:
    """Whether an address is the kernel's; all others are the user's."""
    return address >= KERNEL_HALF
