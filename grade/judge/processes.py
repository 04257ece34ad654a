"""Processes seen from outside: the kernel's table of them, what a probe tells,
and a new process's way to its first instruction in ring 3.

A probe tells by calling fact() (grade/probes/fork.h), where the host has a
breakpoint: who runs, what it says and which number with it are read from the
machine, so nothing the kernel prints can take their place. No wait is open:
when every process sleeps and no clock will wake one, the run is over at once.
"""

from __future__ import annotations

import dataclasses
import random
import struct
import time
from pathlib import Path
from typing import Iterator, NoReturn, Optional, Sequence

from machine import deadlines
from machine.gdb_remote import Gdb, GdbTimeout, MachineGone
from .lab import Lab
from .patience import HUNG_AGAIN_SHARE, LabMachine
from .verdict import Verdict
from machine.symbols import Symbols

STATES = ["UNUSED", "NEW", "RUNNABLE", "SLEEPING", "ZOMBIE"]
USER_TOP = 1 << 47
KERNEL_HALF = 0xFFFF800000000000

TF, IF, DF, NT, AC = 1 << 8, 1 << 9, 1 << 10, 1 << 14, 1 << 18
# Flags of the user that must not be in force while the kernel runs.
USERS_FLAGS = {TF: "TF", DF: "DF", NT: "NT", AC: "AC"}

VECTORS = {0: "#DE", 1: "#DB", 3: "#BP", 6: "#UD", 8: "#DF", 10: "#TS", 11: "#NP",
           12: "#SS", 13: "#GP", 14: "#PF", 17: "#AC"}

KSTACK_BYTES = 8192
STI = b"\xfb"  # holds interrupts off for one more instruction

# Facts that a probe may tell: none tells half as many.
MOST_FACTS = 200
# Stops at breakpoints, of any kind, in one run.
MOST_STOPS = 600
# Instructions of ring 0 that a child may need to reach ring 3; the stub's tail
# has about twenty.
LONGEST_WAY = 1500


@dataclasses.dataclass(frozen=True)
class Process:
    """What the kernel's table says about one process."""

    address: int
    slot: int
    pid: int
    state: str
    parent: int  # address
    kstack: int
    rsp: int
    channel: int
    pml4: int

    def __str__(self) -> str:
        return f"process {self.pid} ({self.state.lower()})"


class Table:
    """The kernel's processes, read from the stopped machine."""

    def __init__(self, gdb: Gdb, kernel: Symbols) -> None:
        self._gdb, self._kernel = gdb, kernel
        self._base = kernel.address("proc_table")
        self._size = kernel.size_of("proc")
        self._at = {name: kernel.offset_of("proc", name)
                    for name in ("pid", "state", "parent", "kstack", "rsp",
                                 "channel", "vm")}
        self._head = max(self._at.values()) + 8
        self._slots = kernel.object_size("proc_table") // self._size
        self._first = (kernel.address("per_cpu")
                       + kernel.offset_of("per_cpu_data", "first"))
        self._next = kernel.offset_of("proc", "next")
        self._current = (kernel.address("per_cpu")
                         + kernel.offset_of("per_cpu_data", "current"))

    def at(self, address: int) -> Process:
        """The process whose struct is there; pid 0 is the idle one."""
        data = self._gdb.read(address, self._head)

        def word(name: str) -> int:
            return int(struct.unpack_from("<Q", data, self._at[name])[0])

        state, = struct.unpack_from("<I", data, self._at["state"])
        pid, = struct.unpack_from("<i", data, self._at["pid"])
        return Process(address, (address - self._base) // self._size, pid,
                       STATES[state] if state < len(STATES) else f"state {state}",
                       word("parent"), word("kstack"), word("rsp"),
                       word("channel"), word("vm"))

    def current(self) -> Process:
        return self.at(self._gdb.read_u64(self._current))

    def current_pid(self) -> int:
        address = self._gdb.read_u64(self._current)
        data = self._gdb.read(address + self._at["pid"], 4)
        return int(struct.unpack("<i", data)[0])

    def all(self) -> list[Process]:
        """Every process but the idle one. Slots are taken from below, so the
        search ends behind four empty ones."""
        found: list[Process] = []
        empty = 0
        for slot in range(self._slots):
            process = self.at(self._base + slot * self._size)
            if process.state == "UNUSED":
                empty += 1
                if empty == 4:
                    break
                continue
            empty = 0
            found.append(process)
        return found

    def queue(self) -> list[int]:
        """The addresses of the processes in the CPU's queue, in their order. One
        that stands there twice makes it a ring, and ends the list."""
        address = self._gdb.read_u64(self._first)
        found: list[int] = []
        while address and found.count(address) < 2 and len(found) <= self._slots:
            found.append(address)
            address = self._gdb.read_u64(address + self._next)
        return found


@dataclasses.dataclass(frozen=True)
class Fact:
    """One thing a probe has told."""

    pid: int
    what: str
    value: int

    @property
    def signed(self) -> int:
        return self.value - (1 << 64) if self.value >> 63 else self.value


@dataclasses.dataclass
class Arrival:
    """How a process came to its first instruction of user code.

    registers  there, or where it was lost.
    dirty      the first place in ring 0 where a flag of the user's was in
               force: (address, flags).
    open       the first place in ring 0 where an interrupt could have come upon
               the user's RSP or GS: (address, what of the two it was).
    lost       why it did not arrive, as the second half of a sentence.
    """

    process: Process
    registers: dict[str, int]
    kernel_rsp: int = 0
    rsp0: int = 0
    dirty: Optional[tuple[int, int]] = None
    open: Optional[tuple[int, str]] = None
    lost: Optional[str] = None
    lost_at: int = 0


class Run:
    """A probe on the submission's kernel, from stop to stop."""

    def __init__(self, lab: Lab, command: str, patience: Optional[float] = None,
                 **options: object) -> None:
        self.lab = lab
        # How long the machine may run between two stops, in seconds: what the
        # probes here do takes milliseconds.
        self._patience = patience or 2 * deadlines.scale()
        self._until = time.monotonic() + 2 * self._patience
        self._facts = self._stops = 0
        name = command.split(",")[0].split()[0].rpartition("/")[2]
        self.probe = lab.probe(name)
        # Counting instructions, the same kernel does the same thing every time,
        # however busy the host is, and nobody waits while every process sleeps.
        options.setdefault("icount", "shift=0,sleep=off")
        self.machine: LabMachine = lab.machine(
            command, gdb=True, stopped=True, **options)  # type: ignore[arg-type]
        if lab.kernel_path in _hung:
            self.machine.hung_share = HUNG_AGAIN_SHARE
        self.gdb = self.machine.gdb()
        self.gdb.patience = self._patience
        self.table = Table(self.gdb, lab.kernel)
        self._fact = self.probe.address("fact")
        self._idle = _idle_loop(lab.kernel)
        self._stopped_at: Optional[int] = None
        for address in (self._fact, self._idle):
            self.gdb.insert_breakpoint(address)

    # ---- from stop to stop --------------------------------------------------

    def next(self) -> Optional[int]:
        """Runs to the next breakpoint and gives its address; None when the
        first program has ended with status 0. Any other end is raised."""
        while True:
            try:
                self._stops += 1
                if self._stops > MOST_STOPS or time.monotonic() > self._until:
                    self._too_long()
                if self._stopped_at is not None:
                    self.gdb.step()
                self.gdb.cont(self._patience)
                self._stopped_at = self.gdb.register("rip")
            except GdbTimeout:
                self._hung()
            except (MachineGone, OSError):
                self._ended()
                return None
            if self._stopped_at != self._idle:
                return self._stopped_at
            self._check_sleepers()

    def passed_breakpoint(self) -> None:
        """The breakpoint where the machine stands has been taken away."""
        self._stopped_at = None

    def facts(self) -> Iterator[Fact]:
        """What the probe tells, until the first program ends."""
        while (at := self.next()) is not None:
            if at == self._fact:
                yield self.fact_here()

    def fact_here(self) -> Fact:
        """The fact at whose breakpoint the machine stands."""
        self._facts += 1
        if self._facts > MOST_FACTS:
            self._too_long()
        what = self.gdb.register("rdi").to_bytes(8, "little").rstrip(b"\0")
        return Fact(self.table.current_pid(), what.decode(errors="replace"),
                    self.gdb.register("rsi"))

    def all_facts(self) -> list[Fact]:
        return list(self.facts())

    def way_to_ring_3(self) -> Arrival:
        """Follows the process that the machine, at switch_to, is about to go on
        with, one instruction after another, until user code is next."""
        kernel, gdb = self.lab.kernel, self.gdb
        arrival = Arrival(self.table.current(), {})
        handler, panic = kernel.address("trap_handler"), kernel.address("panic")
        self._stopped_at = None
        last = gdb.register("rip")
        for _ in range(LONGEST_WAY):
            try:
                gdb.step()
            except (MachineGone, OSError):
                arrival.lost = "the machine came to its end (a triple fault)"
                arrival.lost_at = last
                return arrival
            registers = gdb.registers()
            arrival.registers = registers
            rip = registers["rip"]
            if rip < USER_TOP:
                base = kernel.address("per_cpu")
                tss = (base + kernel.offset_of("per_cpu_data", "segments")
                       + kernel.offset_of("segments", "tss"))
                arrival.kernel_rsp = gdb.read_u64(base)
                arrival.rsp0 = gdb.read_u64(tss + 4)
                if registers["cs"] & 3 == 0:
                    arrival.lost = (f"it was in ring 0 (CS is "
                                    f"{registers['cs']:#x}) at {rip:#x}, which is "
                                    "user code")
                    arrival.lost_at = last
                return arrival
            if rip == panic:
                arrival.lost = (f"the kernel panicked in {kernel.name_at(last)}: "
                                + gdb.read_string(registers["rdi"]))
                arrival.lost_at = last
                return arrival
            if rip == handler:
                arrival.lost, arrival.lost_at = self._trap(registers["rdi"])
                return arrival
            flags = registers["eflags"]
            if arrival.dirty is None and any(flags & bit for bit in USERS_FLAGS):
                arrival.dirty = (rip, flags)
            if flags & IF and arrival.open is None and gdb.read(last, 1) != STI:
                top, block = arrival.process.kstack, kernel.address("per_cpu")
                if not top - KSTACK_BYTES <= registers["rsp"] <= top:
                    arrival.open = rip, "RSP"
                elif registers["gs_base"] != block:
                    arrival.open = rip, "GS"
            last = rip
        arrival.lost = (f"{LONGEST_WAY} instructions later it was still in ring 0, "
                        f"in {kernel.name_at(last)}")
        arrival.lost_at = last
        return arrival

    def _trap(self, frame: int) -> tuple[str, int]:
        """A fault in ring 0, from its struct trap_frame."""
        def field(name: str) -> int:
            return self.gdb.read_u64(
                frame + self.lab.kernel.offset_of("trap_frame", name))

        vector, rip = field("vector"), field("rip")
        text = f"a {VECTORS.get(vector, f'trap {vector}')} hit it in ring " \
               f"{field('cs') & 3} at {self.lab.kernel.name_at(rip)}"
        if vector == 14:
            text += f" (CR2 is {self.gdb.register('cr2'):#x})"
        if field("rsp") < USER_TOP:
            text += (f", with RSP {field('rsp'):#x}: on the user's stack, where no "
                     "trap in ring 0 can push its frame")
        return text, rip

    # ---- ends ---------------------------------------------------------------

    def _ended(self) -> None:
        result = self.machine.wait()
        if result.status != 0:
            self.lab.stopped(self.machine)

    def _check_sleepers(self) -> None:
        """In the idle loop: will the clock wake somebody? If not, nobody ever
        will, as these probes read nothing that comes from outside."""
        ticks = self.lab.kernel.address("ticks")
        processes = self.table.all()
        if any(p.state == "SLEEPING" and p.channel == ticks for p in processes):
            return
        raise Verdict(self._why_asleep(processes), "hung",
                      where=self.lab.place("fork"), gdb="ps")

    def _why_asleep(self, processes: Sequence[Process]) -> str:
        for p in processes:
            if p.state == "NEW":
                return (f"Process {p.pid} was made, but it is still PROC_NEW: "
                        "nobody has called proc_ready for it, so it never runs, "
                        "and who waits for it waits for ever")
            if p.state == "RUNNABLE":
                return (f"Process {p.pid} is PROC_RUNNABLE, but it is not in the "
                        "CPU's queue, so it never runs: only proc_ready puts it "
                        "there, once")
        waiting = [p for p in processes if p.channel == p.address]
        addresses = {p.address: p.pid for p in processes}
        for p in waiting:
            for other in processes:
                if other.state == "ZOMBIE" and other.parent == p.address:
                    return (f"Process {p.pid} sleeps in wait4, though its child "
                            f"{other.pid} has ended: nobody woke it")
        for other in processes:
            if other.state == "ZOMBIE" and waiting:
                parent = addresses.get(other.parent)
                whose = f"process {parent}" if parent else "none of the processes"
                return (f"Process {other.pid} has ended, and process "
                        f"{waiting[0].pid} waits for a child, but the parent of "
                        f"process {other.pid} is {whose}: its field parent is wrong")
        asleep = ", ".join(str(p.pid) for p in processes if p.state == "SLEEPING")
        return (f"Every process sleeps (numbers {asleep}), and nothing will wake "
                "one: each waits for another, in wait4 or at a pipe")

    def _too_long(self) -> NoReturn:
        """The machine is busy, but not with what the test waits for."""
        processes = self.table.all()
        most = max((p.pid for p in processes), default=0)
        raise Verdict(
            "The program comes to no end: it goes on and on, and by now there are "
            f"{len(processes)} processes, the last of them number {most}"
            + (". That is a fork bomb: children go on as if they were parents"
               if most > 20 else ""), "hung", where=self.lab.place("fork"), gdb="ps")

    def _hung(self) -> NoReturn:
        """Nothing stopped the machine in time: who runs, and where?"""
        _hung.add(self.lab.kernel_path)
        self.gdb.interrupt()
        registers = self.gdb.registers()
        process = self.table.current()
        rip, user = registers["rip"], registers["cs"] & 3 == 3
        place = (self.probe if user else self.lab.kernel).name_at(rip)
        if user and not registers["eflags"] & IF:
            cause = (f"Process {process.pid} runs in ring 3 with interrupts off "
                     "(RFLAGS.IF is 0), so the timer never takes the CPU from it: "
                     "the RFLAGS it started with, the frame's r11, lacked IF")
        elif user and any(p.state == "NEW" for p in self.table.all()):
            cause = self._why_asleep(self.table.all())
        elif user:
            others = [str(p) for p in self.table.all()
                      if p.address != process.address]
            cause = (f"Process {process.pid} runs at {place} and nobody else gets "
                     f"on; there are also: {', '.join(others) or 'no others'}")
        else:
            self.lab.stopped(self.machine)
        raise Verdict(cause, "hung", where=self.lab.place("fork"), gdb="ps")


# Kernels that hung once in this process: they get less time for it.
_hung: set[Path] = set()


def _idle_loop(kernel: Symbols) -> int:
    """The STI in front of the HLT with which the idle process waits."""
    code = kernel.code("proc_idle")
    at = code.find(b"\xfb\xf4")
    if at < 0:
        raise ValueError("proc_idle has no sti; hlt")
    return kernel.address("proc_idle") + at


# ---- what a probe has told --------------------------------------------------

@dataclasses.dataclass
class Told:
    """All the facts of one run, and how it ended if not as it should."""

    run: Run
    facts: list[Fact]
    ending: Optional[Verdict] = None

    def has(self, name: str) -> bool:
        return any(fact.what == name for fact in self.facts)

    def many(self, name: str) -> list[int]:
        """The numbers told under a name, in order."""
        return [fact.signed for fact in self.facts if fact.what == name]

    def one(self, name: str) -> Fact:
        """The first fact of a name; without one, the reason is raised."""
        for fact in self.facts:
            if fact.what == name:
                return fact
        raise self._missing(name)

    def next(self, facts: Iterator[Fact], name: str) -> Fact:
        """The next fact, which must have this name."""
        for fact in facts:
            if fact.what == name:
                return fact
        raise self._missing(name)

    def end(self) -> None:
        """Raises how the run ended, unless it ended well."""
        if self.ending:
            raise self.ending

    def lost(self, before: str) -> NoReturn:
        """The run ended too early: says what was under way, and how it ended."""
        ending = self.ending or Verdict("The program ended before it was done")
        raise dataclasses.replace(ending, cause=f"{before} {ending.cause}")

    def _missing(self, name: str) -> Verdict:
        return self.ending or Verdict(
            "The program ended without telling "
            f"{name!r}: a process left it behind the fork at a wrong place",
            where=self.run.lab.place("fork"), gdb="ps")


def tell(lab: Lab, command: str, **options: object) -> Told:
    """Runs a probe and gives what it tells, also when it comes to a bad end."""
    run = Run(lab, command, **options)  # type: ignore[arg-type]
    told = Told(run, [])
    try:
        for fact in run.facts():
            told.facts.append(fact)
            if fact.what == "refused":
                break
    except Verdict as verdict:
        told.ending = verdict
    return told


def page_entries(gdb: Gdb, pml4: int, va: int) -> list[int]:
    """The entries on the way to an address, PML4 first; fewer than four where
    one is not present."""
    entries: list[int] = []
    table = pml4
    for level in (3, 2, 1, 0):
        place = (table & 0x000FFFFFFFFFF000) + 8 * (va >> 12 + 9 * level & 511)
        entry = int.from_bytes(gdb.read_physical(place, 8), "little")
        entries.append(entry)
        if not entry & 1:
            break
        table = entry
    return entries


# ---- forks, with the registers on both sides --------------------------------

@dataclasses.dataclass
class Fork:
    """One call of fork.

    before         the caller's registers at its SYSCALL.
    parent         its registers behind it; None if it did not return.
    child          how the child came to ring 3; None if it never ran.
    others, made   the processes there were before, and those that are new when
                   the parent is back.
    queued         how often the child stands in the CPU's queue then.
    kstack_is_top  whether the child's kstack lies between a page of a stack and
                   a page that is not mapped.
    pml4s          the parent's and the child's top tables, entry by entry.
    unprotected    an address whose page both use and one may write to, and the
                   number of that process.
    stack          where the program's stack began.
    rsps_since     RSP at the parent's later calls, as far as the child had not
                   run yet.
    """

    caller: Process
    before: dict[str, int]
    others: list[Process]
    stack: int
    parent: Optional[dict[str, int]] = None
    child: Optional[Arrival] = None
    made: list[Process] = dataclasses.field(default_factory=list)
    queued: int = 0
    kstack_is_top: bool = False
    pml4s: Optional[tuple[tuple[int, ...], tuple[int, ...]]] = None
    unprotected: Optional[tuple[int, int]] = None
    rsps_since: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Story:
    """The four forks of /bin/fork_registers, as far as they came. `blocked` is
    what fork could not do without, and has not got."""

    entry: int
    blocked: Optional[str] = "a call of fork that reaches the kernel (labs 1 to 3)"
    forks: list[Fork] = dataclasses.field(default_factory=list)
    refused: Optional[int] = None
    verdict: Optional[Verdict] = None

    def why_it_ended(self) -> str:
        if self.verdict:
            return self.verdict.cause
        for fork in self.forks:
            if fork.child and fork.child.lost:
                return f"a child was lost: {fork.child.lost}"
        return "the program ended"


_stories: dict[Path, Story] = {}


def forks_of(lab: Lab) -> Story:
    """The four forks on this kernel; one run serves all tests of a process."""
    if lab.kernel_path not in _stories:
        _stories[lab.kernel_path] = _Recorder(lab).record()
    return _stories[lab.kernel_path]


class _Recorder:
    """Follows /bin/fork_registers."""

    def __init__(self, lab: Lab) -> None:
        seed = random.Random(lab.seed).getrandbits(63)
        self.lab = lab
        # By the clock: at each stop of the debugger a machine that counts
        # instructions goes on to its next timer interrupt, and then the parent
        # would never get to a call before the child runs.
        self.run = Run(lab, f"/bin/fork_registers {seed}", append="hz=50",
                       icount=None)
        self.gdb, self.table = self.run.gdb, self.run.table
        self.story = Story(self.run.probe.elf["e_entry"])
        self.behind = self.run.probe.address("registers_next")
        self.fork = self.behind - 2
        self.switch = lab.kernel.address("switch_to")
        self.entry = lab.kernel.address("syscall_handler")
        self.inside = lab.kernel.address("fork")
        self.after = 0  # where fork returns to
        for address in (self.behind, self.fork, self.switch, self.entry,
                        self.inside):
            self.gdb.insert_breakpoint(address)

    def record(self) -> Story:
        try:
            while (at := self.run.next()) is not None and self._stop(at):
                pass
        except Verdict as verdict:
            self.story.verdict = verdict
        except (MachineGone, OSError):
            try:
                self.lab.stopped(self.run.machine)
            except Verdict as verdict:
                self.story.verdict = verdict
        return self.story

    def _stop(self, at: int) -> bool:
        """One stop; false when there is no more to be learned."""
        if at == self.fork:
            self._call()
        elif at == self.behind:
            self._returned()
        elif at == self.entry:
            self._other_call()
        elif at == self.inside:
            self._check_frame()
            return self.story.blocked is None
        elif at == self.after:
            # Before any interrupt: a turn of the parent's would change the queue.
            self.gdb.remove_breakpoint(at)
            self.run.passed_breakpoint()
            self.after = 0
            self._look_at_child(self.story.forks[-1])
        elif at == self.switch:
            return self._switched()
        else:
            fact = self.run.fact_here()
            if fact.what == "refused":
                self.story.refused = fact.signed
                return False
        return True

    def _call(self) -> None:
        caller = self.table.current()
        stack = self.gdb.read_u64(caller.address
                                  + self.lab.kernel.offset_of("proc", "stack"))
        self.story.forks.append(
            Fork(caller, self.gdb.registers(), self.table.all(), stack))

    def _check_frame(self) -> None:
        """At the first instruction of fork(), once: is there a live frame?"""
        self.gdb.remove_breakpoint(self.inside)
        self.run.passed_breakpoint()
        self.after = self.gdb.read_u64(self.gdb.register("rsp"))
        self.gdb.insert_breakpoint(self.after)
        top = self.table.current().kstack
        frame = self.lab.call(self.gdb, "get_syscall_frame")
        if top - 256 <= frame <= top - 128 and frame % 16 == 0:
            self.story.blocked = None
            return
        self.story.blocked = (
            "a live frame to copy (lab 4): inside the call get_syscall_frame() gives "
            + (f"{frame:#x}, not {top - 128:#x}" if frame else "NULL"))

    def _returned(self) -> None:
        """Behind a SYSCALL: the parent's side, for a child is met before."""
        here = self.table.current()
        for fork in reversed(self.story.forks):
            if fork.caller.address == here.address and fork.parent is None:
                fork.parent = self.gdb.registers()
                if not fork.made:
                    self._look_at_child(fork)
                return

    def _look_at_child(self, fork: Fork) -> None:
        known = {p.address for p in fork.others}
        fork.made = [p for p in self.table.all() if p.address not in known]
        if not fork.made or fork.made[0].state == "ZOMBIE":
            return
        child = fork.made[0]
        fork.queued = self.table.queue().count(child.address)
        fork.kstack_is_top = (child.kstack % 16 == 0
                              and self.gdb.is_mapped(child.kstack - 8)
                              and not self.gdb.is_mapped(child.kstack))
        if child.pml4 and child.pml4 % 4096 == 0:
            parents, childs = (
                struct.unpack("<512Q", self.gdb.read_physical(pml4, 4096))
                for pml4 in (fork.caller.pml4, child.pml4))
            fork.pml4s = parents, childs
            self._look_at_pages(fork, child)

    def _look_at_pages(self, fork: Fork, child: Process) -> None:
        """Is a page that both use protected from writing, on both sides?"""
        for va in (fork.before["rsp"], self.run.probe.address("registers_before")):
            sides = [(p, page_entries(self.gdb, p.pml4, va))
                     for p in (fork.caller, child)]
            leaves = [entries[3] for _, entries in sides if len(entries) == 4]
            if len(leaves) < 2 or (leaves[0] ^ leaves[1]) & 0x000FFFFFFFFFF000:
                continue
            for process, entries in sides:
                if entries[3] & 2 and fork.unprotected is None:
                    fork.unprotected = va, process.pid

    def _other_call(self) -> None:
        """At syscall_handler: the frame of a later call of the parent's. Its RSP
        is the word that the stub pushed first."""
        if not self.story.forks:
            return
        fork = self.story.forks[-1]
        here = self.table.current()
        if fork.parent and fork.child is None and here.address == fork.caller.address:
            fork.rsps_since.append(self.gdb.read_u64(here.kstack - 8))

    def _switched(self) -> bool:
        if not self.story.forks or self.story.forks[-1].child:
            return True
        fork, here = self.story.forks[-1], self.table.current()
        if here.pid == 0 or here.address in {p.address for p in fork.others}:
            return True
        if not fork.made:
            self._look_at_child(fork)
        fork.child = self.run.way_to_ring_3()
        return not fork.child.lost and fork.child.registers["rip"] == self.behind
