"""The state of the machine while it is in the stub, with symbols for numbers."""

from __future__ import annotations

import dataclasses
from typing import Optional

from machine.code import Code
from machine.x86 import GENERAL

from .values import STACK, Cell, Origin, Value

# Bytes: the two words of the per-CPU block that the stub uses.
KERNEL_RSP, USER_RSP = 0, 8


@dataclasses.dataclass
class State:
    """What is known between two instructions.

    memory         by address, which is a number or lies in a stack.
    per_cpu        the words of the per-CPU block, by offset in bytes.
    kernel_gs      GS_BASE is the per-CPU block.
    interrupts     IF may be 1, and which instruction let it.
    shadow         the instruction after STI, which is not interrupted, is next.
    direction      DF is 1, and which instruction set it.
    user_memory    AC is 1, which lifts SMAP.
    called         the call of syscall_handler that has been made.
    """

    registers: dict[str, Cell]
    memory: dict[Value, Cell]
    per_cpu: dict[int, Cell]
    kernel_gs: bool = False
    interrupts: bool = False
    interrupts_by: Optional[int] = None
    shadow: bool = False
    direction: bool = False
    direction_by: Optional[int] = None
    user_memory: bool = False
    called: Optional[int] = None

    @classmethod
    def after_syscall(cls) -> State:
        """As SYSCALL leaves it, where lab 2 is right."""
        return cls(
            {register: Cell(Value.entry(register)) for register in GENERAL}, {},
            {KERNEL_RSP: Cell(STACK),
             USER_RSP: Cell(Value.other(f"what an earlier call left in gs:{USER_RSP}"))})

    @property
    def rsp(self) -> Value:
        return self.registers["rsp"].value

    def copy(self) -> State:
        return dataclasses.replace(
            self, registers=dict(self.registers), memory=dict(self.memory),
            per_cpu=dict(self.per_cpu))

    def in_stack(self, value: Value) -> bool:
        """Whether it stands on the kernel stack."""
        return any(cell.value == value and at.origin is Origin.STACK
                   for at, cell in self.memory.items())

    def others_make_calls(self, code: Code) -> None:
        """Another process may have gone through the stub: what is not this
        process's own is unknown now, except kernel_rsp."""
        for offset, cell in self.per_cpu.items():
            if offset != KERNEL_RSP:
                self.per_cpu[offset] = _left_in(f"gs:{offset}", cell)
        for at, cell in self.memory.items():
            if at.is_number:
                self.memory[at] = _left_in(
                    code.symbols.variable_at(at.offset), cell)


def _left_in(place: str, cell: Cell) -> Cell:
    return Cell(Value.other(f"what another process's call left in {place}"),
                cell.writer)
