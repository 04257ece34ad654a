"""A new process's way to its first instruction in ring 3, followed instruction by
instruction."""

from __future__ import annotations

import dataclasses
from typing import Optional

from machine.gdb_remote import MachineGone
from machine.kernel import in_kernel_half
from machine.processes import Process
from machine.x86 import IF, PAGE_FAULT, STI, flags_in, vector_name
from .probe_run import ProbeRun
from .segments import RSP0

# Flags of the user that must not be in force while the kernel runs.
USERS_FLAGS = ("TF", "DF", "NT", "AC")
# Instructions of ring 0 that a child may need to reach ring 3; the stub's tail
# has about twenty.
LONGEST_WAY = 1500


@dataclasses.dataclass
class ChildWay:
    """How a process came to its first instruction of user code.

    registers   there, or where it was lost.
    kernel_rsp  where the next SYSCALL pushes, and
    rsp0        the next interrupt.
    dirty       the first place in ring 0 where a flag of the user's was in
                force: (address, flags).
    open        the first place in ring 0 where an interrupt could have come upon
                the user's RSP or GS: (address, what of the two it was).
    lost        why it did not arrive, as the second half of a sentence.
    """

    process: Process
    registers: dict[str, int]
    kernel_rsp: int = 0
    rsp0: int = 0
    dirty: Optional[tuple[int, int]] = None
    open: Optional[tuple[int, str]] = None
    lost: Optional[str] = None
    lost_at: int = 0


def follow(run: ProbeRun) -> ChildWay:
    """Follows the process that the machine, at switch_to, is about to go on with,
    one instruction after another, until user code is next."""
    way = ChildWay(run.table.current(), {})
    last = run.gdb.register("rip")
    for _ in range(LONGEST_WAY):
        try:
            run.gdb.step()
        except (MachineGone, OSError):
            way.lost, way.lost_at = "the machine ended (a triple fault)", last
            return way
        way.registers = run.gdb.registers()
        if _ended(run, way, last):
            return way
        _look(run, way, last)
        last = way.registers["rip"]
    way.lost = (f"{LONGEST_WAY} instructions later it was still in ring 0, "
                f"in {run.lab.kernel.name_at(last)}")
    way.lost_at = last
    return way


def _ended(run: ProbeRun, way: ChildWay, last: int) -> bool:
    """Whether the way ends here: in user code, in panic or in a trap."""
    kernel, registers = run.lab.kernel, way.registers
    rip = registers["rip"]
    if not in_kernel_half(rip):
        way.kernel_rsp = run.gdb.read_u64(kernel.per_cpu("kernel_rsp"))
        way.rsp0 = run.gdb.read_u64(kernel.tss + RSP0)
        if registers["cs"] & 3 == 0:
            way.lost = (f"it was in ring 0 (CS is {registers['cs']:#x}) at {rip:#x}, "
                        "which is user code")
            way.lost_at = last
        return True
    if rip == kernel.address("panic"):
        way.lost = (f"the kernel panicked in {kernel.name_at(last)}: "
                    + run.gdb.read_string(registers["rdi"]))
        way.lost_at = last
        return True
    if rip == kernel.address("trap_handler"):
        way.lost, way.lost_at = _trap(run, registers["rdi"])
        return True
    return False


def _look(run: ProbeRun, way: ChildWay, last: int) -> None:
    """In ring 0: what an interrupt would find here, after the instruction at
    `last`."""
    kernel, registers = run.lab.kernel, way.registers
    flags = registers["eflags"]
    if way.dirty is None and flags_in(flags, *USERS_FLAGS):
        way.dirty = registers["rip"], flags
    if flags & IF and way.open is None and run.gdb.read(last, 1) != STI:
        if not kernel.on_stack(registers["rsp"], way.process.kstack_top):
            way.open = registers["rip"], "RSP"
        elif registers["gs_base"] != kernel.per_cpu():
            way.open = registers["rip"], "GS"


def _trap(run: ProbeRun, frame: int) -> tuple[str, int]:
    """A fault in ring 0, from its struct trap_frame."""
    trap = run.lab.kernel.trap_at(run.gdb, frame)
    text = (f"a {vector_name(trap.vector)} hit it in ring {trap.cs & 3} at "
            f"{run.lab.kernel.name_at(trap.rip)}")
    if trap.vector == PAGE_FAULT:
        text += f" (CR2 is {run.gdb.register('cr2'):#x})"
    if not in_kernel_half(trap.rsp):
        text += (f", with RSP {trap.rsp:#x}: on the user's stack, where no trap in "
                 "ring 0 can push its frame")
    return text, trap.rip
