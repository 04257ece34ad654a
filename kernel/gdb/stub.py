"""stub: syscall_entry, kernel/syscall_entry.c (lab 3), as it is in memory, and
the words that it puts on the kernel stack."""

from __future__ import annotations

import re
from typing import NamedTuple

import gdb

from .headers import numbers
from .machine import disassemble, need_kernel
from .symbols import address_of, offsets


def frame_names() -> dict[int, str]:
    """The frame's fields by their offsets: from struct syscall_frame or, while
    lab 4 has not defined it, from the FRAME_ macros."""
    try:
        fields = offsets("syscall_frame")
    except gdb.error:
        fields = {}
    if not fields:
        fields = numbers("FRAME_")
        del fields["SIZE"]
    return {offset: name.lower() for name, offset in fields.items()}


class Slot(NamedTuple):
    """A word that the stub puts on the kernel stack."""

    name: str  # a field of the frame, or what else it is
    operand: str  # what is pushed; nothing where RSP only moves
    line: int

    def is_wrong(self) -> bool:
        """Is another register pushed than the frame's field says?"""
        return self.name in frame_names().values() and self.name != "rsp" and (
            self.operand != f"%{self.name}")


class Stub:
    """syscall_entry as it is in memory: its instructions tell which words it
    puts on the stack, the debug information tells by which lines."""

    def __init__(self) -> None:
        need_kernel()
        self.start = address_of("syscall_entry")
        block = gdb.block_for_pc(self.start)
        self.end = block.end if block else self.start
        self.slots: list[Slot] = []  # from kernel_rsp downwards
        self.back = self.tail = 0  # after the call; after the result's store
        names = frame_names()
        for line in disassemble(self.start, self.end):
            after = line["addr"] + line["length"]
            push = re.match(r"push\w*\s+(\S+)", line["asm"])
            room = re.match(r"sub\w*\s+\$(\w+),%rsp", line["asm"])
            slots = []
            if self.back:
                if not self.tail and re.match(r"mov\w*\s+%rax,.*%rsp", line["asm"]):
                    self.tail = after
            elif push:
                offset = 8 * (len(names) - 1 - len(self.slots))
                name = names.get(offset, f"a copy of {push[1].strip('%')}")
                slots = [(name, push[1])]
            elif room:
                slots = [("alignment", "")] * (int(room[1], 0) // 8)
            elif line["asm"].startswith("call"):
                slots, self.back = [("return address", "")], after
            place = gdb.find_pc_line(line["addr"]).line
            self.slots += [Slot(*slot, place) for slot in slots]
        # A stub that is not finished: what is not there would come after it.
        self.back = self.back or self.end
        self.tail = self.tail or self.back
        if not self.slots:
            raise gdb.GdbError("syscall_entry pushes nothing yet (lab 3).")

    def holds(self, address: int) -> bool:
        return self.start <= address < self.end
