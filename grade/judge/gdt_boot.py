"""Lab 1's boot, watched from gdt_init to the first interrupts of ring 3.

Most of lab 1's tests look at the same few moments of the machine, so they share
one boot: `watch` goes through it once and writes down what it saw, a moment after
the other, until one does not come.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import struct
from typing import Iterator, Optional

from machine.finding import Finding
from machine.gdb_remote import SIGTRAP, GdbTimeout, MachineGone
from machine.kernel import TrapFrame
from machine.symbols import Symbols
from machine.x86 import (
    C_ARGUMENTS, CALLER_SAVED, DOUBLE_FAULT, FIRST_IRQ, IRETQ, UD)
from . import segments
from .lab import Lab
from .places import line_in
from .segments import Descriptor, Tss
from .watcher import REACHED, STOPPED, Event, Tables, Watcher

PROBE = "probe_ring3"
FILE = "kernel/gdt.c"
# LGDT of a place in memory.
LGDT = re.compile(rb"\x0f\x01[\x10-\x17\x50-\x57\x90-\x97]", re.DOTALL)
# An address of the kernel's half where nothing is ever mapped.
NOWHERE = 0xFFFFE00000001000
# What C leaves in the registers that it may change.
SPENT = 0x5BE7_5BE7_5BE7_5BE7
# Instructions of enter_user before its IRETQ, at most.
MOST_BEFORE_IRETQ = 200


class Moment(enum.Enum):
    """What is waited for, in this order."""

    INIT = "gdt_init returns"
    ENTRY = "IRETQ enters ring 3"
    TICK = "the timer interrupts ring 3"
    AFTER_TICK = "that interrupt returns"
    LEAVE = "UD2 leaves ring 3"
    DOUBLE = "a push without a stack is a double fault"


@dataclasses.dataclass
class GdtBoot:
    """What was seen.

    events   what came at each moment, as far as it went.
    traps    the trap that was waited for, where it came.
    at_init  the tables when gdt_init returned, or the machine died in it.
    at_entry the tables on the way to ring 3, just before.
    writes   address of a word: RIP after the last write to it.
    strayed  selector: what lies at the index that is the selector.
    mapped   stack top: whether the kilobyte below is memory.
    in_ring_3  registers at its first instruction.
    changed  registers of ring 3 that a tick changed: before and after.
    """

    lab: Lab
    at_init: Tables
    writes: dict[int, int]
    strayed: dict[int, int]
    mapped: dict[int, bool]
    events: dict[Moment, Event]
    traps: dict[Moment, TrapFrame] = dataclasses.field(default_factory=dict)
    at_entry: Optional[Tables] = None
    in_ring_3: dict[str, int] = dataclasses.field(default_factory=dict)
    changed: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)

    def came_to(self, moment: Moment) -> bool:
        """Whether what was waited for came."""
        event = self.events.get(moment)
        return event is not None and event.is_there

    # ---- the tables -----------------------------------------------------------

    @property
    def uses_boot_table(self) -> bool:
        """Whether GDTR still holds what boot.S loaded."""
        return self.at_init.cpu.gdt[0] == self.lab.kernel.address("boot_gdt")

    @property
    def table(self) -> bytes:
        """The seven entries: those that GDTR names, or, where it names none,
        those in segments->gdt."""
        at = self.at_init
        base = at.cpu.gdt[0]
        if self.uses_boot_table or at.loaded is None or not self.in_image(base) \
                or self.on_boot_stack(base) and any(at.table):
            return at.table
        return at.loaded

    def in_image(self, address: int) -> bool:
        kernel = self.lab.kernel
        return kernel.address("kernel_start") <= address < kernel.address("kernel_end")

    def on_boot_stack(self, address: int) -> bool:
        """Whether an address is on the stack on which gdt_init runs."""
        kernel = self.lab.kernel
        top = kernel.address("boot_stack_top")
        return top - kernel.stack_bytes <= address < top

    @property
    def gdb_table(self) -> str:
        """Commands that show the student's table: `gdt` does once it is loaded."""
        if not self.uses_boot_table:
            return "gdt"
        return self._in_memory("gdt")

    @property
    def gdb_tss(self) -> str:
        """Commands that show the student's TSS: `tss` does once TR names one."""
        if self.at_init.cpu.tr[0] == segments.TSS:
            return "tss"
        return self._in_memory("tss")

    def _in_memory(self, field: str) -> str:
        until = ("break gdt_check_user" if self.came_to(Moment.INIT)
                 else f"break {(self.lgdt or FILE).removeprefix('kernel/')}")
        return f"{until}, continue, print/x per_cpu.segments.{field}"

    def entry_at(self, selector: int) -> Descriptor:
        return Descriptor(selector, struct.unpack_from("<Q", self.table, selector)[0])

    @property
    def tss(self) -> Tss:
        return Tss.parse(self.at_init.tss)

    def where(self, address: int) -> Optional[str]:
        """The line that last wrote to this place of the tables; gdt_init's
        first where none is known."""
        rip = self.writes.get(address & ~7)
        line = line_in(self.lab.kernel_path, FILE, rip - 1) if rip else None
        return line or self.lab.place("gdt_init")

    def where_entry(self, selector: int) -> Optional[str]:
        """The line that wrote an entry, be it to a wrong place."""
        index = self.strayed_to(selector)
        return self.where(self.lab.kernel.table + (
            selector if index is None else 8 * index))

    @property
    def lgdt(self) -> Optional[str]:
        """The line of gdt_init's LGDT; its first where that is not found."""
        kernel = self.lab.kernel
        found = LGDT.search(kernel.code("gdt_init"))
        line = found and line_in(self.lab.kernel_path, FILE,
                                 kernel.address("gdt_init") + found.start())
        return line or self.lab.place("gdt_init")

    def strayed_to(self, selector: int) -> Optional[int]:
        """The index at which an entry that is zero was written instead, if that
        is its selector."""
        if self.entry_at(selector).value:
            return None
        return next((index for index in (selector, selector | 3) if Descriptor(
            selector, self.strayed.get(index, 0)).bit(47)), None)

    def segment_flaws(self, selector: int) -> Iterator[Finding]:
        """What is wrong with the entry of a segment."""
        index = self.strayed_to(selector)
        if index is None:
            yield from segments.segment_flaws(
                self.entry_at(selector), *segments.SEGMENTS[selector])
            return
        yield segments.flaw(
            f"{self.entry_at(selector).name} is zero, and there is a descriptor at "
            f"index {index:#x}, past the end of the table: a selector is a byte "
            "offset, and the index of its entry is that divided by 8",
            f"a descriptor at index {selector // 8}", f"one at index {index}")

    def exchanged(self) -> bool:
        """Whether user data and user code stand in each other's place."""
        return self.entry_at(segments.USER_DS).is_code \
            and self.entry_at(segments.USER_CS).is_data


# ---- the boot ---------------------------------------------------------------

def watch(lab: Lab) -> GdtBoot:
    """Boots once and writes everything down."""
    watcher = Watcher(lab, f"/bin/{PROBE}")
    gdb = watcher.gdb
    event = watcher.advance(lab.kernel.address("gdt_init"), traps=False)
    if event.verdict is not None:
        raise event.verdict
    event = watcher.advance(gdb.read_u64(gdb.register("rsp")), traps=False,
                            watching=True)
    if event.verdict is not None:
        raise event.verdict
    tables = watcher.tables()
    boot = GdtBoot(
        lab, tables, watcher.writes,
        {index: gdb.read_u64(watcher.table + 8 * index)
         for selector in segments.SEGMENTS for index in (selector, selector | 3)},
        {top: gdb.peek(top - 1024, 1024) is not None
         for top in Tss.parse(tables.tss).ist if top},
        {Moment.INIT: event})
    if event.is_there:
        _follow(watcher, boot)
    return boot


def _follow(watcher: Watcher, boot: GdtBoot) -> None:
    """From gdt_init's end to ring 3, out of it and back: until a moment does not
    come."""
    coming = iter([m for m in Moment if m is not Moment.INIT])
    steps = _moments(watcher, boot, boot.lab.probe(PROBE))
    for moment in coming:
        try:
            event = next(steps)
        except (MachineGone, GdbTimeout):
            event = Event(STOPPED, verdict=boot.lab.verdict_of(watcher.machine))
        boot.events[moment] = event
        if not event.is_there:
            return


def _moments(watcher: Watcher, boot: GdtBoot, probe: Symbols) -> Iterator[Event]:
    """What comes, moment by moment."""
    gdb, main = watcher.gdb, watcher.kernel.address("main")
    yield _entry(watcher, boot, probe)
    boot.in_ring_3 = gdb.registers()
    event = watcher.advance(probe.address("ring3_spin"))
    before = gdb.registers() if event.is_there else {}
    event = _trapped(watcher, boot, Moment.TICK, FIRST_IRQ) if before else event
    if event.is_there:
        _spend(watcher)
    yield event
    yield watcher.advance(boot.traps[Moment.TICK].rip)
    boot.changed = _changed(before, gdb.registers())
    gdb.set_register("rax", 1)
    yield _trapped(watcher, boot, Moment.LEAVE, UD)
    gdb.set_register("rsp", NOWHERE)
    gdb.set_register("rip", main)  # it begins with a push
    yield _trapped(watcher, boot, Moment.DOUBLE, DOUBLE_FAULT)


def _entry(watcher: Watcher, boot: GdtBoot, probe: Symbols) -> Event:
    """Into enter_user, then to its IRETQ and over it. What comes after that, such
    as the page fault that brings the program's first page, is another matter."""
    gdb = watcher.gdb
    event = watcher.advance(watcher.kernel.address("enter_user"))
    if not event.is_there:
        return event
    boot.at_entry = watcher.tables()
    for _ in range(MOST_BEFORE_IRETQ):
        if gdb.read(gdb.register("rip"), len(IRETQ)) == IRETQ:
            break
        gdb.step()
    if gdb.step().signal != SIGTRAP:
        return watcher.dead()
    if gdb.in_ring_3():
        return Event(REACHED, gdb.register("rip"))
    return watcher.advance(probe.elf["e_entry"])


def _spend(watcher: Watcher) -> None:
    """At the first instruction of trap_handler: every register that a C function
    may change is changed, so that the stub around it has to restore each."""
    for name in CALLER_SAVED:
        if name not in C_ARGUMENTS[:2]:  # its own
            watcher.gdb.set_register(name, SPENT)


def _trapped(watcher: Watcher, boot: GdtBoot, moment: Moment, vector: int) -> Event:
    """A trap that has to come, and is kept."""
    event, trap = watcher.next_trap(vector)
    if trap is not None:
        boot.traps[moment] = trap
    return event


def _changed(before: dict[str, int], after: dict[str, int]
             ) -> dict[str, tuple[int, int]]:
    """Registers of ring 3 that an interrupt has changed: before and after."""
    return {name: (value, after[name]) for name, value in before.items()
            if name not in ("rip", "eflags", "cr2") and not name.startswith("f")
            and value != after[name]}
