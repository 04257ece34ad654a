"""One way through the stub: each instruction, with what is known before it."""

from __future__ import annotations

import dataclasses
from typing import Iterator, Optional

import capstone

from machine.code import Code

from .cpu import Access, Cpu, Undecided, is_end
from .record import Record
from .state import State

STEPS = 1000  # a stub that takes more is not decided


@dataclasses.dataclass
class Moment:
    """One instruction: the state before it, whether an interrupt may come there,
    and what the instruction did to memory."""

    instruction: capstone.CsInsn
    state: State
    interruptible: bool
    accesses: list[Access] = dataclasses.field(default_factory=list)

    @property
    def rip(self) -> int:
        return int(self.instruction.address)

    @property
    def mnemonic(self) -> str:
        return str(self.instruction.mnemonic)


@dataclasses.dataclass
class Run:
    """What was followed.

    moments  the instructions in their order; the last one is the end.
    state    what is known at the end, before that instruction.
    whole    the end is one: a return to ring 3, or where a stub stops.
    """

    code: Code
    state: State
    moments: list[Moment] = dataclasses.field(default_factory=list)
    whole: bool = False

    @property
    def end(self) -> Moment:
        return self.moments[-1]

    @property
    def call(self) -> Optional[Moment]:
        """The call of syscall_handler."""
        return next((m for m in self.moments if m.rip == self.state.called), None)

    def before_call(self) -> Iterator[Moment]:
        """The moments before that call; all, where there is none."""
        for moment in self.moments:
            if moment.rip == self.state.called:
                return
            yield moment

    def at(self, address: int) -> Optional[Moment]:
        """The first time that this instruction ran."""
        return next((m for m in self.moments if m.rip == address), None)

    def begin(self, cpu: Cpu) -> Moment:
        """Notes the next instruction; lets an interrupt come, where one may."""
        state = cpu.state
        interruptible = state.interrupts and not state.shadow
        state.shadow = False
        if interruptible:
            state.others_make_calls(self.code)
        moment = Moment(self.code.decode(cpu.rip), state.copy(), interruptible)
        self.moments.append(moment)
        return moment


def follow(code: Code, start: int, state: State) -> Run:
    """Goes from an address to the end of the stub, or raises Undecided."""
    cpu, run = Cpu(code, state, start), Run(code, state)
    while len(run.moments) < STEPS:
        moment = run.begin(cpu)
        if not cpu.step(moment.instruction):
            run.whole = True
            return run
        moment.accesses = cpu.accesses
    raise Undecided(f"no end after {STEPS} instructions")


def retrace(code: Code, record: Record) -> Run:
    """Goes the way that a recorded call has gone."""
    state = State.after_syscall()
    cpu, run = Cpu(code, state, 0), Run(code, state)
    for step in record.steps:
        cpu.rip = step.rip
        moment = run.begin(cpu)
        if is_end(moment.instruction):
            run.whole = True
            break
        try:
            cpu.step(moment.instruction)
        except Undecided:
            record.take(cpu, step)
        moment.accesses = cpu.accesses
    return run
