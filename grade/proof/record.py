"""One call of a real machine, as somebody recorded it, in the terms of the proof.

A record judges nothing. It tells which instructions ran, and what each left, so that
a stub which the proof cannot follow by itself is followed along the way that a call
took, and judged by the same rules.
"""

from __future__ import annotations

import dataclasses
from typing import Optional

from machine.x86 import GENERAL, IF, PAGE, Registers

from .cpu import Cpu
from .values import STACK, Cell, Value


@dataclasses.dataclass
class Step:
    """One instruction of the stub; a call of a C function is one, too.

    writes  the words that it wrote, by address, with what they held after it.
    called  the function that it called.
    """

    rip: int
    before: Registers
    after: Registers
    writes: dict[int, int] = dataclasses.field(default_factory=dict)
    called: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Fault:
    """An exception that the last instruction raised, "#GP(0x0)"."""

    name: str
    cr2: Optional[int] = None


@dataclasses.dataclass
class Record:
    """What was recorded, from SYSCALL to ring 3 or as far as the machine came.

    entry       every register before SYSCALL.
    kernel_rsp  the top of the process's kernel stack, and how large that is.
    next_rip    the instruction after SYSCALL.
    fault       what the last instruction raised, or None.
    ended       how the machine was lost, or None.
    """

    entry: Registers
    kernel_rsp: int
    stack_bytes: int
    next_rip: int
    steps: list[Step] = dataclasses.field(default_factory=list)
    fault: Optional[Fault] = None
    ended: Optional[str] = None

    def value(self, n: int) -> Value:
        """The symbol that a number stands for: every register had a value of its
        own, so what equals one is that one."""
        if self.kernel_rsp - self.stack_bytes <= n <= self.kernel_rsp:
            return STACK.plus(n - self.kernel_rsp)
        for register in GENERAL:
            if register not in ("rcx", "r11") and self.entry[register] == n:
                return Value.entry(register)
        if n == self.next_rip:
            return Value.entry("rcx")
        if n == self.entry["eflags"]:
            return Value.entry("r11")
        distance = n - self.entry["rsp"]
        if abs(distance) < PAGE:
            return Value.entry("rsp").plus(distance)
        return Value.number(n)

    def take(self, cpu: Cpu, step: Step) -> None:
        """Gives the state what an instruction did that the CPU does not follow."""
        if step.called is not None:
            cpu.call(cpu.code.symbols.name_at(step.called))
            return
        for register in GENERAL:
            if step.after[register] != step.before[register]:
                cpu.set(register, self.value(step.after[register]))
        for address, word in step.writes.items():
            cpu.state.memory[self.value(address)] = Cell(self.value(word), cpu.rip)
        interrupts = bool(step.after["eflags"] & IF)
        if interrupts and not cpu.state.interrupts:
            cpu.state.interrupts_by = cpu.rip
        cpu.state.interrupts = interrupts
