"""A probe that tells: one of the grader's programs, run from stop to stop.

A probe tells by calling fact() (grade/probes/fork.h), where the host has a
breakpoint: who runs, what it says and which number with it are read from the
machine, so nothing the kernel prints can take their place. No wait is unbounded:
when every process sleeps and no clock will wake one, the run is over at once.
"""

from __future__ import annotations

import dataclasses
from typing import Iterator, NoReturn, Optional, Sequence

from machine import deadlines
from machine.gdb_remote import GdbTimeout, MachineGone, Places
from machine.processes import Process, Table
from machine.symbols import Symbols
from machine.x86 import IF, STI
from .lab import Lab
from .patience import LabMachine, hangs
from .verdict import Ground, Verdict, verdict

# Facts that a probe may tell: none tells half as many.
MOST_FACTS = 200
# Stops at breakpoints, of any kind, in one run.
MOST_STOPS = 600
# More processes than this are a fork bomb: no probe makes so many.
MANY = 20
HLT = b"\xf4"


@dataclasses.dataclass(frozen=True)
class Fact:
    """One thing a probe has told."""

    pid: int
    what: str
    value: int

    @property
    def signed(self) -> int:
        return self.value - (1 << 64) if self.value >> 63 else self.value


class ProbeRun:
    """A probe on the submission's kernel, from stop to stop."""

    def __init__(self, lab: Lab, command: str, patience: Optional[float] = None,
                 **options: object) -> None:
        self.lab = lab
        # How long the machine may run between two stops, in seconds: what the
        # probes here do takes milliseconds.
        self._patience = patience or 2 * deadlines.scale()
        self._facts = self._stops = 0
        name = command.split(",")[0].split()[0].rpartition("/")[2]
        self.probe = lab.probe(name)
        self.machine: LabMachine = lab.machine(
            command, gdb=True, stopped=True, **options)  # type: ignore[arg-type]
        self.gdb = self.machine.gdb()
        self.gdb.patience = self._patience
        self.table = Table(self.gdb, lab.kernel)
        self._fact = self.probe.address("fact")
        self._idle = _idle_loop(lab.kernel)
        self._exit = lab.kernel.address("machine_exit")
        # The address that the last page fault was about, when the machine ended.
        self.last_cr2 = 0
        # Where the run stops, each with its condition.
        self.places: Places = {self._fact: None, self._idle: self._idles,
                               self._exit: self._ends}

    # ---- from stop to stop --------------------------------------------------

    def next(self) -> Optional[int]:
        """Runs to the next of its places and gives it; None when the first program
        has ended with status 0. Any other end is raised."""
        self._counts()
        try:
            return self.gdb.run_to(self.places, self._patience)
        except GdbTimeout:
            self._hung()
        except (MachineGone, OSError):
            self._ended()
            return None

    def _counts(self) -> bool:
        """There are not too many stops yet."""
        self._stops += 1
        if (self._stops > MOST_STOPS
                or self.machine.cpu_seconds() > 2 * self._patience):
            self._too_long()
        return True

    def _idles(self) -> bool:
        """The idle process runs, and goes on unless nobody will ever wake."""
        self._counts()
        self._check_sleepers()
        return False

    def _ends(self) -> bool:
        """The kernel leaves QEMU."""
        self.last_cr2 = self.gdb.register("cr2")
        return False

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

    # ---- ends ---------------------------------------------------------------

    def _ended(self) -> None:
        result = self.machine.wait()
        if result.status != 0:
            raise self.lab.verdict_of(self.machine)

    def _check_sleepers(self) -> None:
        """In the idle loop: will the clock wake somebody? If not, nobody ever
        will, as these probes read nothing that comes from outside."""
        ticks = self.lab.kernel.address("ticks")
        processes = self.table.all()
        if any(p.state == "SLEEPING" and p.channel == ticks for p in processes):
            return
        raise verdict(Ground.HUNG, self._why_asleep(processes),
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
        raise verdict(
            Ground.HUNG,
            "The program never ends: it goes on and on, and by now there are "
            f"{len(processes)} processes, the last of them number {most}"
            + (". That is a fork bomb: children go on as if they were parents"
               if most > MANY else ""), where=self.lab.place("fork"), gdb="ps")

    def _hung(self) -> NoReturn:
        """Nothing stopped the machine in time: who runs, and where?"""
        hangs[self.lab.kernel_path] += 1
        registers = self.gdb.registers()
        process = self.table.current()
        rip, user = registers["rip"], registers["cs"] & 3 == 3
        place = (self.probe if user else self.lab.kernel).name_at(rip).partition("+")[0]
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
            raise self.lab.verdict_of(self.machine)
        raise verdict(Ground.HUNG, cause, where=self.lab.place("fork"), gdb="ps")


def _idle_loop(kernel: Symbols) -> int:
    """The STI in front of the HLT with which the idle process waits."""
    code = kernel.code("proc_idle")
    at = code.find(STI + HLT)
    if at < 0:
        raise ValueError("proc_idle has no sti; hlt")
    return kernel.address("proc_idle") + at


# ---- what a probe has told --------------------------------------------------

@dataclasses.dataclass
class Told:
    """All the facts of one run, and how it ended if not as it should."""

    run: ProbeRun
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
        ending = self.ending or verdict(Ground.ENDED,
                                        "The program ended before it was done")
        raise ending.during(before)

    def _missing(self, name: str) -> Verdict:
        return self.ending or verdict(
            Ground.WRONG, "The program ended without telling "
            f"{name!r}: a process left it after the fork at a wrong place",
            where=self.run.lab.place("fork"), gdb="ps")


def tell(lab: Lab, command: str, **options: object) -> Told:
    """Runs a probe and gives what it tells, also when it comes to a bad end."""
    run = ProbeRun(lab, command, **options)  # type: ignore[arg-type]
    told = Told(run, [])
    try:
        for fact in run.facts():
            told.facts.append(fact)
            if fact.what == "refused":
                break
    except Verdict as found:
        told.ending = found
    return told
