"""One boot, watched from gdt_init to the first interrupts of ring 3.

Most of lab 1's tests look at the same few moments of the machine, so they share
one boot: `watch` goes through it once and writes down what it saw. QEMU is told
to stop, not to end, at a triple fault; so the machine can be read even there.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import subprocess
from pathlib import Path
from typing import Any, Callable, Generic, Iterator, Optional, TypeVar

from . import segments
from machine import deadlines, toolchain
from machine.gdb_remote import SIGTRAP, Gdb, GdbError, GdbTimeout, MachineGone
from .lab import Lab
from .patience import LabMachine
from .verdict import Verdict
from machine.qemu import MachineError
from .segments import Descriptor, Flaw, Tss
from machine.symbols import Symbols

PROBE = "probe_ring3"
TIMER = 0x20
DOUBLE_FAULT = 8
# What struct trap_frame has below the vector: the general registers but RSP.
TRAP_SAVED = 15 * 8
IRETQ = b"\x48\xcf"
# An address of the kernel's half where nothing is ever mapped.
NOWHERE = 0xFFFFE00000001000

# How an event ended.
REACHED, EXCEPTION, DEAD, STOPPED = "reached", "exception", "dead", "stopped"


@dataclasses.dataclass(frozen=True)
class Event:
    """What came of letting the machine run to a place.

    kind     REACHED: it is there. EXCEPTION: ring 0 raised one. DEAD: a triple
             fault. STOPPED: it ended or hung; `verdict` says how.
    """

    kind: str
    rip: int = 0
    vector: int = 0
    error: int = 0
    code: bytes = b""  # the bytes at rip
    verdict: Optional[Verdict] = None


@dataclasses.dataclass(frozen=True)
class State:
    """The machine at one moment."""

    machine: segments.Machine
    registers: dict[str, int]
    table: bytes  # the seven entries where the student is told to put them
    loaded: Optional[bytes]  # those that GDTR names, where they can be read
    tss: bytes
    kernel_rsp: int
    kernel_stack: int  # the current process's, its top
    rsp0: Optional[int]  # as the CPU will read it, through TR


@dataclasses.dataclass(frozen=True)
class Trap:
    """An entry into the kernel, seen at trap_handler."""

    vector: int
    error: int
    rip: int
    cs: int
    rsp: int
    ss: int
    frame: int  # where it was saved
    top: int  # the end of what the CPU pushed
    kernel_rsp: int


@dataclasses.dataclass
class Journey:
    """What was seen. What was not reached is None."""

    lab: Lab
    tss_address: int
    table_address: int
    init: Event
    at_init: State
    writes: dict[int, int]  # address of a word: RIP behind the last write to it
    mapped: dict[int, bool]  # stack top: whether the kilobyte below is memory
    entry: Optional[Event] = None
    at_entry: Optional[State] = None  # just before the IRETQ's function
    in_ring_3: dict[str, int] = dataclasses.field(default_factory=dict)
    tick: Optional[Event] = None
    tick_trap: Optional[Trap] = None
    after_tick: Optional[Event] = None
    changed: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    leave: Optional[Event] = None
    leave_trap: Optional[Trap] = None
    double: Optional[Event] = None
    double_trap: Optional[Trap] = None

    # ---- the tables -----------------------------------------------------------

    @property
    def uses_boot_table(self) -> bool:
        """Whether GDTR still holds what boot.S loaded."""
        base = self.at_init.machine.gdt[0]
        return base == self.lab.kernel.address("boot_gdt")

    @property
    def table(self) -> bytes:
        """The seven entries: those that GDTR names, or, where it names none,
        those in segments->gdt."""
        at = self.at_init
        if self.uses_boot_table or at.loaded is None or not self.in_image(
                at.machine.gdt[0]):
            return at.table
        return at.loaded

    def in_image(self, address: int) -> bool:
        kernel = self.lab.kernel
        return kernel.address("kernel_start") <= address < kernel.address("kernel_end")

    def entry_at(self, selector: int) -> Descriptor:
        return Descriptor(selector, struct.unpack_from("<Q", self.table, selector)[0])

    @property
    def tss(self) -> Tss:
        return Tss.parse(self.at_init.tss)

    def where(self, address: int) -> Optional[str]:
        """The line that last wrote to this place of the tables; gdt_init's
        first where none is known."""
        rip = self.writes.get(address & ~7)
        line = line_in(self.lab, "kernel/gdt.c", rip - 1) if rip else None
        return line or self.lab.place("gdt_init")

    def where_entry(self, selector: int) -> Optional[str]:
        return self.where(self.table_address + selector)

    def exchanged(self) -> bool:
        """Whether user data and user code stand in each other's place."""
        return self.entry_at(segments.USER_DS).is_code \
            and self.entry_at(segments.USER_CS).is_data

    # ---- what is wrong ----------------------------------------------------------

    def flaws(self) -> Iterator[Flaw]:
        """What is wrong with the tables, the likeliest culprit first."""
        base, limit = self.at_init.machine.gdt
        if self.uses_boot_table:
            yield Flaw("GDTR still holds the boot table: gdt_init has not loaded "
                       "its own", "", "")
            return
        if not self.in_image(base):
            yield Flaw(f"GDTR.base is {base:#x}, which is not in the kernel", "", "")
        stack = self.lab.kernel.address("boot_stack_top")
        if stack - 8192 <= base < stack:
            yield Flaw("The table lies on the boot stack, and has been overwritten", "", "")
        if limit < segments.ENTRIES * 8 - 1:
            yield Flaw(f"GDTR.limit is {limit:#x}: entry {(limit + 1) // 8 * 8:#04x} "
                       "ends past it", "", "")
        if self.exchanged():
            yield Flaw("Entry 0x28 is code and entry 0x30 is data: user data and user "
                       "code have changed places", "", "")
            return
        for selector, code, ring in ((segments.KERNEL_CS, True, 0),
                                     (segments.KERNEL_DS, False, 0),
                                     (segments.USER_CS, True, 3),
                                     (segments.USER_DS, False, 3)):
            yield from segments.segment_flaws(self.entry_at(selector), code, ring)
        yield from self.tss_flaws()

    def tss_flaws(self) -> Iterator[Flaw]:
        """What is wrong with the way to the TSS."""
        lower = self.entry_at(segments.TSS)
        yield from segments.tss_flaws(lower)
        yield from segments.tss_base_flaws(
            lower, self.entry_at(segments.TSS + 8).value, self.tss_address)
        if self.init.kind == REACHED and \
                self.at_init.machine.tr[0] != segments.TSS:
            yield Flaw(f"TR is {self.at_init.machine.tr[0]:#x}: no LTR has told the "
                       "CPU where the TSS is", "", "")

    def selector_flaws(self, selector: int) -> Iterator[Flaw]:
        """What is wrong with one entry, for a CPU that refused it."""
        limit = self.at_init.machine.gdt[1]
        if selector + 7 > limit:
            yield Flaw(f"selector {selector:#x} ends past GDTR.limit, {limit:#x}", "", "")
        if selector >= segments.ENTRIES * 8:
            yield Flaw(f"selector {selector:#x} is none of the seven", "", "")
            return
        entry = self.entry_at(selector)
        if selector in (segments.USER_CS, segments.USER_DS) and self.exchanged():
            yield Flaw("user data and user code have changed places", "", "")
        elif selector in (segments.KERNEL_CS, segments.USER_CS):
            ring = 3 if selector == segments.USER_CS else 0
            yield from segments.segment_flaws(entry, True, ring)
        elif selector in (segments.KERNEL_DS, segments.USER_DS):
            ring = 3 if selector == segments.USER_DS else 0
            yield from segments.segment_flaws(entry, False, ring)
        elif selector == segments.TSS:
            yield from segments.tss_flaws(entry)
            if entry.type == 0xB:
                yield Flaw("the TSS descriptor's type is 0xb, busy: LTR takes only an "
                           "available one, and sets the busy bit itself; was it busy "
                           "from the start, or is this a second LTR?", "", "")

    def why(self, event: Event, ring_3: bool) -> str:
        """The likeliest reason of an exception, as half a sentence. With ring_3
        the way to the TSS is looked at first."""
        if event.vector in (10, 11, 12, 13) and event.error & 0xFFFC \
                and not event.error & 2:
            for flaw in self.selector_flaws(event.error & 0xFFF8):
                return flaw.cause
        candidates = [*(self.tss_flaws() if ring_3 else ()), *self.flaws()]
        for flaw in candidates:
            return flaw.cause
        state = self.at_entry or self.at_init
        if ring_3 and state.rsp0 != state.kernel_stack:
            return (f"RSP0 in the TSS that TR names is {_hex(state.rsp0)}, not the "
                    "top of the process's kernel stack")
        return ""

    def describe(self, event: Event, during: str, ring_3: bool = False) -> Verdict:
        """The verdict for an event that is not REACHED."""
        if event.verdict is not None:
            return self._with_reason(event.verdict, ring_3)
        what = segments.exception_text(event.vector, event.error)
        name = _instruction(event.code)
        end = ("a triple fault: " if event.kind == DEAD else "")
        line = line_in(self.lab, "kernel/gdt.c", event.rip) \
            or self.lab.kernel.line_at(event.rip)
        at = f" at {line}" if line else ""
        cause = f"{during} ended in {end}{what}{at}"
        if name:
            cause += f", raised by {name}"
        why = self.why(event, ring_3)
        return Verdict(f"{cause}. {why[:1].upper() + why[1:]}" if why else cause,
                       "fail" if why else "stopped",
                       where=line or self.lab.place("gdt_init"),
                       gdb="break gdt_init")


    def _with_reason(self, verdict: Verdict, ring_3: bool) -> Verdict:
        """The same verdict; with what is wrong with the tables, if anything is."""
        why = self.why(Event(STOPPED), ring_3)
        if not why or verdict.outcome not in ("stopped", "fail"):
            return verdict
        return dataclasses.replace(
            verdict, cause=f"{verdict.cause.rstrip('.')}. {why[:1].upper() + why[1:]}")


def _hex(number: Optional[int]) -> str:
    return "unreadable" if number is None else f"{number:#x}"


def _instruction(code: bytes) -> str:
    """The instructions that load segments, by their bytes."""
    if code[:1] in (b"\x48",):
        code = code[1:]
    if code[:1] == b"\x8e":
        register = ["ES", "CS", "SS", "DS", "FS", "GS", "?", "?"][code[1] >> 3 & 7]
        return f"the move to {register}"
    if code[:2] == b"\x0f\x00" and code[2] >> 3 & 7 == 3:
        return "LTR"
    if code[:2] == b"\x0f\x01":
        return "LGDT"
    return {b"\xcf": "IRETQ", b"\xcb": "the far return that loads CS"}.get(
        code[:1], "")


# ---- the boot ---------------------------------------------------------------


def line_in(lab: Lab, file: str, rip: int) -> Optional[str]:
    """The line of this file that an instruction belongs to, be it inside an
    inline function of another; None where it belongs to none."""
    done = subprocess.run(
        [f"{toolchain.tool_prefix()}addr2line", "-i", "-e", str(lab.kernel_path),
         f"{rip:#x}"],
        capture_output=True, text=True, timeout=deadlines.host(), check=False)
    match = re.search(rf"{re.escape(file)}:\d+", done.stdout)
    return match[0] if match else None


def end_of(lab: Lab, machine: LabMachine, error: GdbError) -> Verdict:
    """What became of a machine whose debugger raised an error."""
    if isinstance(error, MachineGone):
        machine.wait()  # the connection ends a moment before QEMU does
    try:
        lab.stopped(machine)
    except Verdict as verdict:
        return verdict


class Watcher:
    """A machine, and what it takes to run it to a place."""

    def __init__(self, lab: Lab, init: str = f"/bin/{PROBE}", **options: Any
                 ) -> None:
        self.lab = lab
        self.kernel = lab.kernel
        self.log: Path = lab.directory / "interrupts.log"
        self.machine: LabMachine = lab.machine(
            init, gdb=True, stopped=True,
            flags=["-no-shutdown", "-d", "int", "-D", str(self.log)], **options)
        self.gdb: Gdb = self.machine.gdb()
        self.block = self.kernel.address("per_cpu")
        segments_at = self.block + self.kernel.offset_of("per_cpu_data", "segments")
        self.table = segments_at + self.kernel.offset_of("segments", "gdt")
        self.tss = segments_at + self.kernel.offset_of("segments", "tss")
        self.writes: dict[int, int] = {}

    def advance(self, *targets: int, traps: bool = True, watching: bool = False
                ) -> Event:
        """Runs to one of these places, and says what came of it. With `traps`,
        an entry of trap_handler from ring 0 is an EXCEPTION."""
        handler = self.kernel.address("trap_handler")
        places = {*targets, *([handler] if traps else [])}
        for place in places:
            self.gdb.insert_breakpoint(place)
        old = self._words() if watching else b""
        try:
            while True:
                stop = self.gdb.cont()
                rip = self.gdb.register("rip")
                if watching and stop.watch is not None:
                    old = self._note(old, rip)
                    continue
                if stop.signal != SIGTRAP:
                    return self.dead()
                if rip in targets:
                    return Event(REACHED, rip)
                if rip == handler and traps:
                    trap = self.trap()
                    if trap.cs & 3 == 0:
                        return Event(EXCEPTION, trap.rip, trap.vector, trap.error,
                                     self._code(trap.rip))
                    self.gdb.step()
        except (MachineGone, GdbTimeout) as error:
            return Event(STOPPED, verdict=end_of(self.lab, self.machine, error))
        finally:
            try:
                for place in places:
                    self.gdb.remove_breakpoint(place)
            except GdbError:
                pass

    def dead(self) -> Event:
        """A triple fault: the log says what it began with. Or a reset that the
        kernel asked for."""
        log = self.log.read_text(errors="replace") if self.log.exists() else ""
        vector, error = segments.first_exception(log) or (DOUBLE_FAULT, 0)
        rip = self.gdb.register("rip")
        if not segments.is_triple_fault(log):
            return Event(STOPPED, rip, verdict=Verdict(
                "The machine reset itself or was switched off without a triple "
                f"fault: the kernel asked for it in {self.kernel.name_at(rip)}, by a "
                "port", "stopped", where=self.kernel.line_at(rip)))
        return Event(DEAD, rip, vector, error, self._code(rip))

    def _code(self, rip: int) -> bytes:
        try:
            return self.gdb.read(rip, 4)
        except GdbError:
            return b""

    def _words(self) -> bytes:
        return self.gdb.read(self.table, self.tss + segments.TSS_SIZE - self.table)

    def _note(self, old: bytes, rip: int) -> bytes:
        """Which words of the tables a write has changed."""
        new = self._words()
        for offset in range(0, len(new), 8):
            if new[offset:offset + 8] != old[offset:offset + 8]:
                self.writes[self.table + offset & ~7] = rip
        return new

    def state(self) -> State:
        gdb = self.gdb
        machine = segments.Machine.parse(gdb.monitor("info registers"))
        current = gdb.read_u64(
            self.block + self.kernel.offset_of("per_cpu_data", "current"))
        top = gdb.read_u64(current + self.kernel.offset_of("proc", "kstack")) \
            if current else 0
        return State(
            machine, gdb.registers(), gdb.read(self.table, segments.ENTRIES * 8),
            self.memory(machine.gdt[0], segments.ENTRIES * 8),
            gdb.read(self.tss, segments.TSS_SIZE), gdb.read_u64(self.block), top,
            _number(self.memory(machine.tr[1] + 4, 8)))

    def memory(self, address: int, size: int) -> Optional[bytes]:
        """What stands there, or None where nothing is mapped."""
        try:
            return self.gdb.read(address, size)
        except GdbTimeout:
            raise
        except GdbError:
            return None

    def trap(self) -> Trap:
        """The frame that trap_handler was just given."""
        frame = self.gdb.register("rdi")
        words = struct.unpack("<7Q", self.gdb.read(frame + TRAP_SAVED, 56))
        vector, error, rip, cs, _, rsp, ss = words
        return Trap(vector, error, rip, cs, rsp, ss, frame, frame + TRAP_SAVED + 56,
                    self.gdb.read_u64(self.block))

    def next_trap(self, vector: int) -> tuple[Event, Optional[Trap]]:
        """Runs to the next entry of trap_handler with this vector; another one
        from ring 0 is an EXCEPTION."""
        handler = self.kernel.address("trap_handler")
        for _ in range(100):
            event = self.advance(handler)
            if event.kind != REACHED:
                return event, None
            trap = self.trap()
            if trap.vector == vector:
                return event, trap
            if trap.cs & 3 == 0:
                return Event(EXCEPTION, trap.rip, trap.vector, trap.error,
                             self._code(trap.rip)), None
            self.gdb.step()
        raise GdbTimeout("100 traps, and none of the kind that was waited for")


    def gate(self, vector: int) -> int:
        """Where a vector arrives."""
        return self.gdb.read_u64(self.kernel.address("trap_entries") + 8 * vector)

    def pushed(self, error_code: bool) -> tuple[int, int, int]:
        """Error code, RIP and CS, as the CPU has just pushed them at a gate."""
        words = struct.unpack("<3Q", self.gdb.read(self.gdb.register("rsp"), 24))
        return words if error_code else (0, words[0], words[1])


def _number(data: Optional[bytes]) -> Optional[int]:
    return None if data is None else int.from_bytes(data, "little")


def watch(lab: Lab) -> Journey:
    """Boots once and writes everything down."""
    watcher = Watcher(lab)
    gdb, kernel = watcher.gdb, lab.kernel
    probe = lab.probe(PROBE)
    event = watcher.advance(kernel.address("gdt_init"), traps=False)
    if event.verdict is not None:
        raise event.verdict
    size = watcher.tss + segments.TSS_SIZE - watcher.table
    gdb.insert_watchpoint(watcher.table, size)
    event = watcher.advance(gdb.read_u64(gdb.register("rsp")), traps=False,
                            watching=True)
    if event.verdict is not None:
        raise event.verdict
    state = watcher.state()
    tops = Tss.parse(state.tss).ist
    journey = Journey(
        lab, watcher.tss, watcher.table, event, state, watcher.writes,
        {top: watcher.memory(top - 1024, 1024) is not None for top in tops if top})
    if event.kind != REACHED:
        return journey
    gdb.remove_watchpoint(watcher.table, size)

    try:
        _enter_and_leave(watcher, journey, probe)
    except (MachineGone, GdbTimeout) as error:
        verdict = end_of(lab, watcher.machine, error)
        # It belongs to the moment that was not reached.
        for name in ("entry", "tick", "after_tick", "leave", "double"):
            if getattr(journey, name) is None:
                setattr(journey, name, Event(STOPPED, verdict=verdict))
                break
    return journey


def _iretq(watcher: Watcher, probe: Symbols) -> Event:
    """Steps enter_user to its IRETQ and over it. What comes then, such as the page
    fault that brings the program's first page, is another matter."""
    gdb = watcher.gdb
    for _ in range(200):
        if gdb.read(gdb.register("rip"), len(IRETQ)) == IRETQ:
            break
        gdb.step()
    if gdb.step().signal != SIGTRAP:
        return watcher.dead()
    if gdb.in_ring_3():
        return Event(REACHED, gdb.register("rip"))
    return watcher.advance(probe.elf["e_entry"])


def _enter_and_leave(watcher: Watcher, journey: Journey, probe: Symbols) -> None:
    """From gdt_init's end to ring 3, out of it and back."""
    gdb = watcher.gdb
    event = watcher.advance(watcher.kernel.address("enter_user"))
    if event.kind != REACHED:
        journey.entry = event
        return
    journey.at_entry = watcher.state()
    journey.entry = _iretq(watcher, probe)
    if journey.entry.kind != REACHED:
        return
    journey.in_ring_3 = gdb.registers()

    # One tick of the timer in ring 3, and the way back.
    event = watcher.advance(probe.address("ring3_spin"))
    if event.kind != REACHED:
        journey.tick = event
        return
    before = gdb.registers()
    journey.tick, journey.tick_trap = watcher.next_trap(TIMER)
    if journey.tick_trap is None:
        return
    journey.after_tick = watcher.advance(journey.tick_trap.rip)
    if journey.after_tick.kind != REACHED:
        return
    after = gdb.registers()
    journey.changed = {
        name: (before[name], after[name]) for name in before
        if name not in ("rip", "eflags", "cr2") and not name.startswith("f")
        and before[name] != after[name]}

    # An exception, and on its stack, a double fault.
    gdb.set_register("rax", 1)
    journey.leave, journey.leave_trap = watcher.next_trap(6)
    if journey.leave_trap is None:
        return
    gdb.set_register("rsp", NOWHERE)
    gdb.set_register("rip", watcher.kernel.address("main"))  # it begins with a push
    journey.double, journey.double_trap = watcher.next_trap(DOUBLE_FAULT)


Seen = TypeVar("Seen")


class Shared(Generic[Seen]):
    """A watched boot that a module's tests share; the first to ask makes it.

    watch  makes it, and raises the verdict where it cannot.
    need   what the tests that ask later lack then: theirs is the outcome
           "blocked", for the first one has told the cause.
    """

    def __init__(self, watch: Callable[[Lab], Seen], need: str) -> None:
        self._watch = watch
        self._need = need
        self._seen: Optional[Seen] = None
        self._verdict: Optional[Verdict] = None

    def __call__(self, lab: Lab) -> Seen:
        if self._seen is not None:
            return self._seen
        if self._verdict is not None:
            lab.needs(self._need)
            raise self._verdict
        try:
            self._seen = self._make(lab)
        except Verdict as verdict:
            self._verdict = verdict
            raise
        return self._seen

    def _make(self, lab: Lab) -> Seen:
        try:
            return self._watch(lab)
        except (MachineGone, GdbTimeout, MachineError):
            lab.stopped(lab.machines[-1])
            raise
