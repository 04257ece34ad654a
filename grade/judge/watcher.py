"""A boot that is watched: run to a place, and what came instead of it.

QEMU is told to stop, not to end, at a triple fault; so the machine can be read
even there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from typing import Any, Callable, Generic, Optional, TypeVar

from machine.gdb_remote import (
    SIGTRAP, Gdb, GdbTimeout, MachineGone, Places, StoppedElsewhere)
from machine.kernel import TrapFrame
from machine.result import MachineError
from machine.x86 import DOUBLE_FAULT
from . import loads, qemu_log, segments
from .lab import Lab
from .patience import LabMachine
from .qemu_log import QemuLog
from .raised import OF_THE_KERNEL, explained
from .segments import CpuSegments
from .verdict import Ground, Verdict, verdict


class Came(enum.Enum):
    """What came of letting the machine run to a place."""

    REACHED = "it is there"
    EXCEPTION = "ring 0 raised an exception"
    DEAD = "a triple fault"
    STOPPED = "it ended or hung"


REACHED, EXCEPTION, DEAD, STOPPED = Came

# Instructions that are stepped to see who writes to the tables.
MOST_WATCHED = 2000


@dataclasses.dataclass(frozen=True)
class Event:
    """What came, where, and of an exception its vector and error code, and the
    selector that the instruction was to load, if it was; of what is STOPPED the
    verdict says how."""

    kind: Came
    rip: int = 0
    vector: int = 0
    error: int = 0
    code: bytes = b""  # the bytes at rip
    selector: Optional[int] = None
    verdict: Optional[Verdict] = None

    @property
    def is_there(self) -> bool:
        return self.kind is REACHED


@dataclasses.dataclass(frozen=True)
class Tables:
    """The machine's segments at one moment."""

    cpu: CpuSegments
    registers: dict[str, int]
    table: bytes  # the seven entries where the student is told to put them
    loaded: Optional[bytes]  # those that GDTR names, where they can be read
    tss: bytes
    kernel_rsp: int
    kernel_stack: int  # the current process's, its top
    rsp0: Optional[int]  # as the CPU will read it, through TR


class Watcher:
    """A machine, and what it takes to run it to a place."""

    def __init__(self, lab: Lab, init: str, **options: Any) -> None:
        self.lab = lab
        self.kernel = lab.kernel
        self.log = QemuLog(lab.directory)
        lab.at_end(self.log.close)
        self.machine: LabMachine = lab.machine(
            init, gdb=True, stopped=True,
            flags=["-no-shutdown", *self.log.flags], **options)
        self.gdb: Gdb = self.machine.gdb()
        self.table, self.tss = self.kernel.table, self.kernel.tss
        # The bytes that are watched: as far as an entry whose index is a selector.
        self.watched = 8 * ((segments.USER_CS | 3) + 1)
        self.writes: dict[int, int] = {}
        self._old = b""  # the tables, as they were before the next write

    def advance(self, *targets: int, traps: bool = True, watching: bool = False
                ) -> Event:
        """Runs to one of these places, and says what came of it. With `traps`,
        an entry of trap_handler from ring 0 is an EXCEPTION."""
        handler = self.kernel.address("trap_handler")
        places: Places = dict.fromkeys(targets)
        if traps:
            places.setdefault(handler, lambda: not self.trap().from_ring_3)
        try:
            if watching and self._step_to(places):
                return Event(REACHED, self.gdb.register("rip"))
            rip = self.gdb.run_to(places)
        except StoppedElsewhere:
            return self.dead()
        except (MachineGone, GdbTimeout):
            return Event(STOPPED, verdict=self.lab.verdict_of(self.machine))
        return Event(REACHED, rip) if rip in targets else self._exception(self.trap())

    def next_trap(self, vector: int) -> tuple[Event, Optional[TrapFrame]]:
        """Runs to the next entry of trap_handler with this vector; another one
        from ring 0 is an EXCEPTION."""
        handler = self.kernel.address("trap_handler")

        def wanted() -> bool:
            trap = self.trap()
            return trap.vector == vector or not trap.from_ring_3

        try:
            self.gdb.run_to({handler: wanted})
        except StoppedElsewhere:
            return self.dead(), None
        except (MachineGone, GdbTimeout):
            return Event(STOPPED, verdict=self.lab.verdict_of(self.machine)), None
        trap = self.trap()
        if trap.vector == vector:
            return Event(REACHED, handler), trap
        return self._exception(trap), None

    def trap(self) -> TrapFrame:
        """The frame that trap_handler was just given."""
        return self.kernel.trap_at(self.gdb, self.gdb.register("rdi"))

    def dead(self) -> Event:
        """A triple fault: the log says what it began with. Or a reset that the
        kernel asked for."""
        log = self.log.text()
        rip = self.gdb.register("rip")
        if not qemu_log.is_triple_fault(log):
            if self._ends_with_status():
                return Event(STOPPED, rip, verdict=self.lab.verdict_of(self.machine))
            return Event(STOPPED, rip, verdict=verdict(
                Ground.RESET, "The machine reset itself or was switched off without a "
                "triple fault: the kernel asked for it in "
                f"{self.kernel.name_at(rip)}, by a port",
                where=self.kernel.line_at(rip)))
        root = qemu_log.root(log)
        code, registers = self._code(rip), self.gdb.registers()
        return Event(DEAD, rip, root.vector if root else DOUBLE_FAULT,
                     root.error if root else 0, code,
                     loads.selector(code, registers, registers["rsp"], self.gdb))

    def _ends_with_status(self) -> bool:
        """Lets a machine end that has stopped at its end; true if the kernel gave it
        a status. From QEMU 9.1 on, -no-shutdown stops such a machine, too."""
        with contextlib.suppress(MachineGone):
            self.gdb.monitor("quit")
        return self.machine.wait().status is not None

    def tables(self) -> Tables:
        """The segments as they are now."""
        gdb, kernel = self.gdb, self.kernel
        cpu = CpuSegments.parse(gdb.monitor("info registers"))
        current = gdb.read_u64(kernel.per_cpu("current"))
        top = gdb.read_u64(current + kernel.offset_of("proc", "kstack_top")) \
            if current else 0
        rsp0 = gdb.peek(cpu.tr[1] + segments.RSP0, 8)
        return Tables(
            cpu, gdb.registers(), gdb.read(self.table, segments.TABLE_SIZE),
            gdb.peek(cpu.gdt[0], segments.TABLE_SIZE),
            gdb.read(self.tss, segments.TSS_SIZE),
            gdb.read_u64(kernel.per_cpu("kernel_rsp")), top,
            None if rsp0 is None else int.from_bytes(rsp0, "little"))

    def pushed(self, error_code: bool) -> tuple[int, int, int]:
        """Error code, RIP and CS, as the CPU has just pushed them at a gate."""
        at = self.gdb.register("rsp")
        error = self.gdb.read_u64(at) if error_code else 0
        at += 8 * error_code
        return error, self.gdb.read_u64(at), self.gdb.read_u64(at + 8)

    def _exception(self, trap: TrapFrame) -> Event:
        code = self._code(trap.rip)
        return Event(EXCEPTION, trap.rip, trap.vector, trap.error, code,
                     loads.selector(code, {}, trap.rsp, self.gdb))

    def _code(self, rip: int) -> bytes:
        return self.gdb.peek(rip, 4) or b""

    def _words(self) -> bytes:
        return self.gdb.read(self.table, self.watched)

    def _step_to(self, places: Places) -> bool:
        """Steps to one of these places, noting who writes to the tables; false if
        it is far, or never reached: an instruction that changes no register, RIP
        neither, goes round for ever. (A watchpoint would do, but a QEMU that counts
        instructions, before 6, ends itself at one.)"""
        self._old = self._words()
        before, fills = self.gdb.registers(), self.kernel.address("memset")
        for _ in range(MOST_WATCHED):
            stop = self.gdb.step()
            after = self.gdb.registers()
            if stop.signal != SIGTRAP:
                raise StoppedElsewhere(stop, after["rip"])
            if after["rip"] == fills:  # thousands of steps, and all write the same
                self.gdb.run_to({self.gdb.read_u64(after["rsp"]): None})
                after = self.gdb.registers()
            self._note(after["rip"])
            if after["rip"] in places:
                return True
            if after == before:
                return False
            before = after
        return False

    def _note(self, rip: int) -> None:
        """Which words of the tables the instruction before RIP has changed. Where only
        a bit differs that the CPU sets itself, it was LTR or the load of a segment."""
        new = self._words()
        for offset in range(0, len(new), 8):
            was, now = (int.from_bytes(words[offset:offset + 8], "little")
                        for words in (self._old, new))
            if (was ^ now) & ~segments.set_by_the_cpu(offset):
                self.writes[self.table + offset & ~7] = rip
        self._old = new


Seen = TypeVar("Seen")


class Shared(Generic[Seen]):
    """A watched boot that a module's tests share; the first to ask makes it.

    watch  makes it, and raises the verdict where it cannot.
    need   what the tests that ask later lack then: theirs is the outcome
           "blocked", with the cause that the first one has told.
    """

    def __init__(self, watch: Callable[[Lab], Seen], need: str) -> None:
        self._watch = watch
        self._need = need
        self._seen: Optional[Seen] = None
        self._verdict: Optional[Verdict] = None

    def __call__(self, lab: Lab) -> Seen:
        if self._verdict is not None:
            lab.needs(f"{self._need}. {self._verdict.cause}")
        if self._seen is None:
            try:
                self._seen = self._make(lab)
            except Verdict as found:
                self._verdict = found
                raise
        return self._seen

    def _make(self, lab: Lab) -> Seen:
        try:
            return self._watch(lab)
        except (*OF_THE_KERNEL, MachineError) as error:
            raise explained(lab, error) from None
