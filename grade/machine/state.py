"""What a running machine is doing, as QEMU's monitor tells it."""

from __future__ import annotations

import dataclasses
import re
from typing import Optional

from .qemu import Machine
from .result import MachineError
from .x86 import IF


@dataclasses.dataclass(frozen=True)
class State:
    """A machine's registers, as QEMU's `info registers` lists them."""

    rip: int
    rsp: int
    cpl: int
    interrupts: bool  # IF
    halted: bool  # HLT
    text: str = ""  # all that QEMU said

    @property
    def is_dead(self) -> bool:
        """Halted, and no interrupt can wake it."""
        return self.halted and not self.interrupts


def state_of(machine: Machine, stop: bool = False) -> Optional[State]:
    """The state of a running machine, or None where QEMU does not tell. `stop`
    stops it first: then RIP is exact, else at most some instructions old."""
    try:
        if stop:
            machine.monitor("stop")
        text = machine.monitor("info registers")
    except (MachineError, OSError, ValueError):
        return None
    for bits in "R", "E":  # before 64-bit mode the registers have other names
        match = re.search(rf"{bits}IP=([0-9a-f]+) [RE]FL=([0-9a-f]+) "
                          r".*?CPL=(\d) .*?HLT=(\d)", text)
        rsp = re.search(rf"{bits}SP=([0-9a-f]+)", text)
        if match and rsp:
            return State(int(match[1], 16), int(rsp[1], 16), int(match[3]),
                         bool(int(match[2], 16) & IF), match[4] == "1", text)
    return None
