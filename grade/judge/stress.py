"""The stress mode: the timer strikes between any two instructions, and at each
interrupt the host looks whether the kernel stood on its own feet.

QEMU takes interrupts only between blocks of translated instructions, so a
window of one or two instructions in the entry stub is never hit. When it counts
instructions (-icount), a block ends exactly where the timer is due: then every
place is hit in its turn, and at the same turn in every run. The program is left
alone meanwhile, for at each stop of the debugger the clock goes on to its next
alarm. What each interrupt found is read from QEMU's log.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Iterator, Optional, Sequence

from machine.gdb_remote import Gdb
from machine.kernel import Kernel, TrapFrame, in_kernel_half
from machine.processes import Table
from machine.x86 import DOUBLE_FAULT
from .lab import Lab
from .qemu_log import QemuLog

# One guest instruction takes 8 ns of the guest's time.
ICOUNT = "shift=3,sleep=off"
# Interrupts in a second of that time: one in about 6250 instructions.
FAST_TIMER = "hz=20000"
# What is kept of a log: some thousands of interrupts, in bytes.
LOG_LIMIT = 16 << 20
# How many interrupts of each ring are followed to trap_handler, and how many
# instructions of the program are stepped from one to the next: for each comes where
# the program stands. Fewer of ring 0 than a sleep has ticks: where a machine is
# stopped at each tick the next one is due at once, and the program never gets on.
# For the same reason those of ring 0 stop nothing while ring 3's are followed in a
# program that makes calls; one that waits has none.
FOLLOWED, STEPPED = {0: 3, 3: 12}, 5
# After so many interrupts of the other ring, one after another, none of this one is
# to come: where the next is due at each stop, the program may never get to its end.
IN_VAIN = 200


@dataclasses.dataclass(frozen=True)
class Interrupted:
    """What one interrupt or exception came upon."""

    vector: int
    cpl: int
    rip: int
    rsp: int
    gs_base: int


_HEAD = re.compile(
    r"^ *\d+: v=([0-9a-f]+) e=[0-9a-f]+ i=0 cpl=(\d) IP=[0-9a-f]+:([0-9a-f]+) "
    r".*? SP=[0-9a-f]+:([0-9a-f]+)", re.MULTILINE)
_GS = re.compile(r"^GS =[0-9a-f]+ ([0-9a-f]+)", re.MULTILINE)


def interrupted(log: str) -> Iterator[Interrupted]:
    """Every interrupt and exception of a log, in order."""
    for head in _HEAD.finditer(log):
        gs = _GS.search(log, head.end())
        if gs is None:
            return
        vector, cpl, rip, rsp = (int(group, 16) for group in head.groups())
        yield Interrupted(vector, cpl, rip, rsp, int(gs[1], 16))


def log_of(lab: Lab) -> QemuLog:
    """A log for a machine of this test."""
    log = QemuLog(lab.directory, LOG_LIMIT)
    lab.at_end(log.close)
    return log


def first_fault(kernel: Kernel, log: str, stack: Optional[int] = None
                ) -> Optional[tuple[str, Interrupted]]:
    """What the first interrupt of a log that found something wrong has found."""
    for seen in interrupted(log):
        fault = fault_of(kernel, seen, stack)
        if fault:
            return fault, seen
    return None


def fault_of(kernel: Kernel, seen: Interrupted, stack: Optional[int] = None
             ) -> Optional[str]:
    """What is wrong with the state that an interrupt came upon; None if nothing:
    ring 0 implies the kernel's stack and the kernel's GS. `stack` is the top of
    the one kernel stack, where there is one process."""
    if seen.cpl == 3:
        return None
    place = kernel.line_at(seen.rip) or kernel.name_at(seen.rip)
    if seen.vector == DOUBLE_FAULT:
        return (f"an interrupt in ring 0 at {place} found no stack to push its "
                f"frame on: RSP was {seen.rsp:#x}")
    if seen.gs_base != kernel.per_cpu():
        return (f"an interrupt in ring 0 at {place} found GS base "
                f"{seen.gs_base:#x}, which is the user's")
    idles = seen.rip in kernel.range("proc_idle")
    on_own = (in_kernel_half(seen.rsp) if stack is None or idles
              else kernel.on_stack(seen.rsp, stack))
    if not on_own:
        return (f"an interrupt in ring 0 at {place} came in on RSP {seen.rsp:#x}, "
                "which is not in the current process's kernel stack")
    return None


def entry_faults(kernel: Kernel, gdb: Gdb, ring: int, places: Sequence[int] = ()
                 ) -> Iterator[str]:
    """Follows some interrupts of a ring to trap_handler: what is wrong there.
    `places` are where the program of ring 3 waits for them, one after the other."""
    table, handler = Table(gdb, kernel), kernel.address("trap_handler")

    def trap() -> TrapFrame:
        return kernel.trap_at(gdb, gdb.register("rdi"))

    for number in range(FOLLOWED[ring]):
        if places:
            gdb.set_register("rip", places[number % len(places)])
        if ring == 3 and not places:
            gdb.run_to(kernel.address("trap_from_ring_3"))
        others = itertools.count(1)
        gdb.run_to({handler: lambda: trap().from_ring_3 == (ring == 3)
                    or next(others) > IN_VAIN})
        base, seen, top = gdb.register("gs_base"), trap(), table.kernel_rsp()
        if seen.from_ring_3 != (ring == 3):
            return
        if base != kernel.per_cpu():
            place = kernel.line_at(seen.rip) or f"{seen.rip:#x}"
            yield (f"trap_handler runs with GS base {base:#x} after an interrupt in "
                   f"ring {ring} at {place}: the interrupt's entry "
                   + ("did not swapgs" if ring == 3 else "swapped what was right"))
        elif ring == 3 and not kernel.on_stack(seen.at, top):
            yield (f"an interrupt of ring 3 pushed its frame at {seen.at:#x}, which is "
                   "not in the current process's kernel stack: TSS.rsp0 is another "
                   "one's")
        if ring == 3:
            gdb.run_to(seen.rip)
            for _ in range(STEPPED):
                gdb.step()
