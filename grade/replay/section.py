"""One part of a trace: a state of the machine, and the steps that lead from it to
others. Numbers are texts in a trace, "0x1f", as docs/trace-format.md has them.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

from machine.gdb_remote import Gdb
from machine.x86 import GENERAL, MASK, SEGMENTS, Registers

# The registers of a trace, by the names that the machine's description has.
RECORDED = {name: name for name in ("rip", *GENERAL)} | {"eflags": "rflags"} | {
    name: name for name in (*SEGMENTS, "fs_base", "gs_base")} | {
    "k_gs_base": "kernel_gs_base", "cr3": "cr3"}


class Ended(Exception):
    """The section ends here, for a reason other than its own end."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind, self.text = kind, text


@dataclasses.dataclass
class Section:
    """A part of a trace: a state, and steps that lead from it to others."""

    id: str
    title: str
    start: dict[str, str]
    memory: dict[str, str]
    about: dict[str, Any] = dataclasses.field(default_factory=dict)
    steps: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    end: dict[str, Any] = dataclasses.field(default_factory=dict)
    stepped: int = 0  # instructions, without those of calls stepped over

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.id, "title": self.title, **self.about,
                "start": self.start, "memory": self.memory,
                "steps": [{k: v for k, v in step.items() if v or k == "set"}
                          for step in self.steps],
                "end": self.end}

    def state(self) -> dict[str, str]:
        """The registers at its end."""
        state = dict(self.start)
        for step in self.steps:
            state.update(step["set"])
        return state


def hexa(value: int) -> str:
    """A number, as a trace has it."""
    return f"{value & MASK:#x}"


def shown(registers: Registers) -> dict[str, str]:
    """The registers of a trace, CPL among them."""
    values = {ours: hexa(registers[theirs]) for theirs, ours in RECORDED.items()}
    return {**values, "cpl": str(registers["cs"] & 3)}


def words(gdb: Gdb, start: int, end: int) -> dict[str, str]:
    """The words of memory from `start` to `end`, by their addresses; none where
    nothing is."""
    data = gdb.peek(start, end - start) or b""
    return {hexa(start + 8 * i): hexa(word)
            for i, (word,) in enumerate(struct.iter_unpack("<Q", data))}
