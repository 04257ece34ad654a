"""The stress mode: the timer strikes between any two instructions, and at each
interrupt the host looks whether the kernel stood on its own feet.

QEMU takes interrupts only between blocks of translated instructions, so a
window of one or two instructions in the entry stub is never hit. When it counts
instructions (-icount), a block ends exactly where the timer is due: then every
place is hit in its turn.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Iterator, Optional, Union

from machine.x86 import DOUBLE_FAULT, FIRST_IRQ
from machine.kernel import in_kernel_half
from .caller import Caller

if TYPE_CHECKING:
    from .lab import Lab

# One guest instruction takes 8 ns of the guest's time. sleep=on, for with sleep=off
# the clock leaps to its next alarm whenever the debugger lets the machine go on, and
# each interrupt would come at the place where the one before it came.
ICOUNT = "shift=3,sleep=on"
# Interrupts in a second of that time: one in about 6250 instructions.
FAST_TIMER = "hz=20000"


@dataclasses.dataclass(frozen=True)
class Interrupt:
    """One interrupt or exception, as trap_handler finds it.

    rip, cs, rsp, rflags   of what was interrupted.
    gs_base                at trap_handler, where it has to be the kernel's.
    frame                  where all this was saved.
    kernel_rsp             top of the current process's kernel stack.
    idle                   whether the idle process was running.
    """

    vector: int
    rip: int
    cs: int
    rsp: int
    rflags: int
    gs_base: int
    frame: int
    kernel_rsp: int
    idle: bool

    @property
    def from_ring_3(self) -> bool:
        return self.cs & 3 == 3


class Program:
    """A probe that is left to itself under the fast timer."""

    def __init__(self, lab: Lab, command: str) -> None:
        self.kernel = lab.kernel
        self.per_cpu = lab.kernel.address("per_cpu")
        self.gdb = lab.machine(command, gdb=True, stopped=True, icount=ICOUNT,
                               append=FAST_TIMER).gdb()

    def run_to(self, place: int) -> int:
        """Runs until this instruction is next, and not where it is now."""
        return self.gdb.run_to(place)


def interrupts(caller: Union[Caller, Program], count: int) -> Iterator[Interrupt]:
    """The next `count` interrupts of a machine that runs. What the program does
    meanwhile is the caller's business; it must not end."""
    kernel, gdb = caller.kernel, caller.gdb
    handler = kernel.address("trap_handler")
    at = {name: kernel.offset_of("trap_frame", name)
          for name in ("vector", "rip", "cs", "rsp", "rflags")}
    size = max(at.values()) + 8
    current = caller.per_cpu + kernel.offset_of("per_cpu_data", "current")
    for _ in range(count):
        caller.run_to(handler)
        registers = gdb.registers()
        frame = gdb.read(registers["rdi"], size)
        words = {name: int.from_bytes(frame[offset:offset + 8], "little")
                 for name, offset in at.items()}
        block = gdb.read(caller.per_cpu, current - caller.per_cpu + 16)
        running = block[current - caller.per_cpu:]
        yield Interrupt(
            gs_base=registers["gs_base"],
            frame=registers["rdi"],
            kernel_rsp=int.from_bytes(block[:8], "little"),
            idle=running[:8] == running[8:16],
            **words)


def fault_of(caller: Union[Caller, Program], seen: Interrupt) -> Optional[str]:
    """What is wrong with the state that an interrupt found; None if nothing:
    ring 0 implies the kernel's stack and the kernel's GS."""
    place = caller.kernel.line_at(seen.rip) or caller.kernel.name_at(seen.rip)
    if seen.from_ring_3:
        if seen.gs_base != caller.per_cpu:
            return (f"trap_handler runs with GS base {seen.gs_base:#x} after an "
                    "interrupt of ring 3: the interrupt's entry did not swapgs")
        if seen.vector >= FIRST_IRQ and not caller.kernel.on_stack(
                seen.frame, seen.kernel_rsp):
            return (f"an interrupt of ring 3 pushed its frame at {seen.frame:#x}, which "
                    "is not in the current process's kernel stack: TSS.rsp0 is "
                    "another one's")
        return None
    if seen.vector == DOUBLE_FAULT:
        return (f"an interrupt in ring 0 at {place} found no stack to push its "
                f"frame on: RSP was {seen.rsp:#x}")
    if seen.gs_base != caller.per_cpu:
        return (f"an interrupt in ring 0 at {place} found GS base "
                f"{seen.gs_base:#x}, which is the user's")
    on_own = caller.kernel.on_stack(seen.rsp, seen.kernel_rsp)
    on_idle = seen.idle and in_kernel_half(seen.rsp)
    if not (on_own or on_idle):
        return (f"an interrupt in ring 0 at {place} came in on RSP {seen.rsp:#x}, "
                "which is not in the current process's kernel stack")
    return None
