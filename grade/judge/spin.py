"""Where a machine that hangs goes round: the same place however often it is asked.

A machine is stopped anywhere in its loop. So it is stepped once round, and what
names the loop is its lowest instruction in the outermost function.
"""

from __future__ import annotations

from typing import Optional

from machine.gdb_remote import Gdb, GdbError
from machine.result import MachineError
from .patience import LabMachine

# Instructions that are followed; a longer loop is named by what came first.
STEPS = 1000


def place_of(machine: LabMachine) -> Optional[int]:
    """The RIP that names the loop, or None where no debugger is connected."""
    if not machine.has_gdb:
        return None
    try:
        gdb = machine.gdb()
        if "running" in machine.monitor("info status"):
            gdb.interrupt()
        return _round(gdb)
    except (GdbError, MachineError, OSError, ValueError):
        return None


def _round(gdb: Gdb) -> int:
    seen = set()
    outermost = (0, 0)  # RSP, and RIP from below
    for _ in range(STEPS):
        registers = gdb.registers()
        state = tuple(registers.values())
        if state in seen:
            break
        seen.add(state)
        outermost = max(outermost, (registers["rsp"], -registers["rip"]))
        gdb.step()
    return -outermost[1]
