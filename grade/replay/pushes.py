"""What the CPU pushes by itself, as it takes an exception or an interrupt.

A watchpoint cannot show it: where the CPU writes to a watched word, QEMU 7.2 begins
anew to take the exception, for ever, since the recording has it once. So the
exceptions are found by breakpoints at the handlers, and no word is watched while one
is taken.
Source: AMD APM vol. 2 section 8.9.3.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple, Optional

from machine.x86 import HAS_ERROR_CODE
from .moment import Moment


class Push(NamedTuple):
    """An exception or an interrupt that was taken.

    moment   before it.
    handler  where the CPU went.
    start    of what was pushed, its lowest address.
    size     in bytes.
    """

    moment: int
    handler: int
    start: int
    size: int

    def covers(self, address: int, size: int) -> bool:
        """Were any of these bytes pushed?"""
        return self.start < address + size and address < self.start + self.size


def handlers(moment: Moment) -> dict[int, int]:
    """The vectors of the interrupt table in force, by the addresses they lead to."""
    found = re.search(r"^IDT= *([0-9a-f]+) ([0-9a-f]+)", moment.gdb.monitor(
        "info registers"), re.MULTILINE)
    assert found
    base, limit = (int(text, 16) for text in found.groups())
    if not base or moment.gdb.register("cr0") >> 31 == 0:
        return {}
    gates = struct.iter_unpack("<HHHHLL", moment.gdb.read(base, (limit + 1) // 16 * 16))
    return {low | middle << 16 | high << 32: vector
            for vector, (low, _, _, middle, high, _) in enumerate(gates)}


def pushes(moment: Moment, table: dict[int, int], end: int) -> list[Push]:
    """Every one from a moment up to another, in order. The replay goes on to there;
    the table is that of handlers()."""
    found = []
    for address in table:
        moment.insert(f"1,{address:x},1")
    while moment.count() < end:
        moment.resume_to(end)
        push = taken(moment, table)
        if push and push.moment < end:
            found.append(push)
            moment.step()  # off the breakpoint
    return found


def taken(moment: Moment, table: dict[int, int]) -> Optional[Push]:
    """The one that has just been taken, at a handler's first instruction."""
    rip, rsp = moment.gdb.register("rip"), moment.gdb.register("rsp")
    if rip not in table:
        return None
    return Push(moment.count(), rip, rsp, 48 if table[rip] in HAS_ERROR_CODE else 40)
