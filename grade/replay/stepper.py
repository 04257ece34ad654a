"""Follows a machine and writes down every step.

Each section begins with the machine as it is; a step is one instruction, or a call
that is stepped over as one, and notes which registers and which memory changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator, Optional

from machine import deadlines
from machine.code import Access, accesses
from machine.gdb_remote import GdbError, GdbTimeout, MachineGone, Places
from machine.kernel import Kernel, in_kernel_half
from machine.processes import Process, Table
from machine.qemu import Machine
from machine.recording import instruction_count
from machine.result import tail
from machine.x86 import Registers
from .events import Events, exception
from .listing import Listing
from .section import Ended, Section, hexa, shown, words

LIMIT = 5000  # instructions of one section
WORDS_OF_STACK = 32  # how many words of a stack's top a section begins with
# Where a process leaves a call without returning from it; and where the kernel gives
# up.
BEGINS, ENDS, PANICS = "proc_enter_user", "proc_exit", "panic"


class Stepper:
    """One machine, and the sections that it has been followed through."""

    def __init__(self, machine: Machine, kernel: Kernel, tree: Path,
                 limit: int = LIMIT, outcome: str = "") -> None:
        self.outcome = outcome  # of the run that was recorded
        self.machine, self.kernel, self.limit = machine, kernel, limit
        self.gdb = machine.gdb()
        self.table = Table(self.gdb, kernel)
        self.listing = Listing(self.gdb, kernel, self.table, tree)
        self.sections: list[Section] = []
        self._events = Events(self.gdb)
        self._base: dict[str, str] = {}  # the registers where the step began

    def registers(self) -> Registers:
        """All of them, as they are now."""
        return self.gdb.registers()

    def run_to(self, places: Places) -> int:
        """Runs until one of the places is reached and its condition holds."""
        return self.gdb.run_to(places, deadlines.trace())

    # ---- sections -----------------------------------------------------------

    def begin(self, id: str, title: str, **about: Any) -> Section:
        """A new section that starts with the machine as it is."""
        registers = self.registers()
        memory = words(self.gdb, self.kernel.per_cpu(), self.kernel.per_cpu("segments"))
        if "stack" in about:
            top = int(about["stack"]["top"], 16)
            memory |= words(self.gdb, top - 8 * WORDS_OF_STACK, top)
        rsp = registers["rsp"] & ~7
        memory |= words(self.gdb, rsp - 64, rsp + 64)
        section = Section(id, title, shown(registers), memory, about)
        self.listing.note(registers["rip"])
        self.sections.append(section)
        return section

    def finish(self, section: Section, follow: Callable[[], tuple[str, str]]) -> bool:
        """Follows to the section's end and writes down how it ended; False
        where nothing more can be recorded."""
        try:
            kind, text = follow()
        except Ended as ended:
            kind, text = ended.kind, ended.text
        except MachineGone:
            kind, text = "gone", f"The recording ends here: {self.outcome}."
        except GdbTimeout:
            kind, text = "hung", ("The machine went on and on: not back within "
                                  f"{deadlines.trace():g} s.")
        section.end = {"kind": kind, "text": text}
        if kind in ("exception", "panic", "gone"):
            section.end["console"] = tail(self._last_words())
        return kind in ("end", "returned", "handler", "resumed", "begins")

    def _last_words(self) -> str:
        """The console, once the machine has said why it gives up."""
        try:
            self.gdb.cont(deadlines.answer())
        except GdbError:
            pass
        return self.machine.console if not self.machine.is_running else (
            self.machine.end().console)

    # ---- one instruction ----------------------------------------------------

    def step(self, section: Section, before: Registers,
             join: bool = False) -> Registers:
        """Runs one instruction: a step of its own, or part of the last one."""
        self._count_step(section)
        rip = before["rip"]
        text = self.listing.note(rip)["asm"]
        instruction = self.listing.decode(rip)
        reads, writes = accesses(instruction, before) if instruction else ([], [])
        old = [self.gdb.peek(*place) for place in writes]
        event = self._events.before(instruction, text, before)
        self.gdb.step()
        after = self.registers()
        record = self._joined(section) if join else self._new_step(section, before)
        record.setdefault("reads", []).extend(
            {"at": hexa(at), "size": size} for at, size in reads)
        if self._is_trap(rip, after["rip"]):
            record["exception"] = exception(
                self.gdb, self.kernel, after, self.kernel.vectors[after["rip"]])
        for place, was in zip(writes, old):
            record.setdefault("writes", []).extend(self._changes(place, was))
        if event:
            self._events.complete(event, after)
            record.setdefault("events", []).append(event)
        self._set(record, after)
        self.listing.note(after["rip"])
        if "exception" in record:
            raise Ended("exception", record["exception"]["text"])
        return after

    def _count_step(self, section: Section) -> None:
        # The kernel's start is always shown.
        limit = self.limit if "pid" in section.about else LIMIT
        if section.stepped == limit:
            raise Ended("limit", f"The trace ends after {limit} instructions (LIMIT=).")
        section.stepped += 1

    def _is_trap(self, rip: int, after: int) -> bool:
        """Whether the instruction led to a vector's entry instead of the next."""
        return (in_kernel_half(after) and after in self.kernel.vectors
                and rip not in self.kernel.vectors)

    def _changes(self, place: Access, was: Optional[bytes]) -> Iterator[dict[str, Any]]:
        """What was written there: a word, or the changed words of a range."""
        address, size = place
        now = self.gdb.peek(*place)
        if was is None or now is None:
            return
        for at in range(0, size, 8):
            old, new = was[at:at + 8], now[at:at + 8]
            if size <= 8 or old != new:
                yield {"at": hexa(address + at), "size": len(new),
                       "old": hexa(int.from_bytes(old, "little")),
                       "new": hexa(int.from_bytes(new, "little"))}

    def _new_step(self, section: Section, before: Registers) -> dict[str, Any]:
        self._base = shown(before)
        section.steps.append({"set": {}})
        return section.steps[-1]

    @staticmethod
    def _joined(section: Section) -> dict[str, Any]:
        record = section.steps[-1]
        record["n"] = record.get("n", 1) + 1
        return record

    def _set(self, record: dict[str, Any], after: Registers) -> None:
        """The registers that differ from those at the step's beginning."""
        record["set"] = {name: value for name, value in shown(after).items()
                         if value != self._base[name]}

    # ---- a call as one step ---------------------------------------------------

    def step_over(self, section: Section, before: Registers, target: int,
                  process: Process, others: Callable[[], Places]) -> Registers:
        """Runs a call instruction to where it returns, as one step: only the
        words of the stack above RSP that are different then are known."""
        rip, name = before["rip"], self.kernel.name_at(target)
        self.listing.note(rip)
        instruction = self.listing.decode(rip)
        assert instruction is not None
        back, rsp, top = rip + instruction.size, before["rsp"], process.kstack_top
        above = (rsp, top - rsp) if self.kernel.on_stack(rsp, top) else (rsp, 0)
        was = self.gdb.read(*above)
        record = self._new_step(section, before)
        base, record["over"] = self._base, name
        count, switched = instruction_count(self.gdb), []
        reached = self.run_to({
            back: lambda: self.gdb.register("rsp") == rsp,
            **self._ends(process), **others(),
            self.kernel.address("switch_to"): lambda: bool(switched.append(True))})
        self._base = base  # a child may have been recorded meanwhile
        if reached == self.kernel.address(PANICS):
            raise Ended("panic", f"The kernel gives up in {name}.")
        after = self.registers()
        if reached != back:
            self._never_returns(record, after)
        if switched:
            record["slept"] = True
        else:
            record["n"] = instruction_count(self.gdb) - count
        changed = list(self._changed_words(rsp, was, self.gdb.read(*above)))
        if changed:
            record["writes"] = changed
        self._set(record, after)
        self.listing.note(after["rip"])
        return after

    def _never_returns(self, record: dict[str, Any], after: Registers) -> None:
        """The process has left the call by its end, or by a program that begins."""
        record["never"] = True
        self.listing.note(after["rip"])
        self._set(record, after)
        begins = after["rip"] == self.kernel.address(BEGINS)
        raise Ended("begins" if begins else "exits",
                    "The process does not return from this call: it "
                    + ("begins a program." if begins else "ends."))

    @staticmethod
    def _changed_words(start: int, was: bytes, now: bytes) -> Iterator[dict[str, Any]]:
        for at in range(0, len(was) - 7, 8):
            old, new = (int.from_bytes(data[at:at + 8], "little")
                        for data in (was, now))
            if old != new:
                yield {"at": hexa(start + at), "size": 8, "old": hexa(old),
                       "new": hexa(new)}

    def _ends(self, process: Process) -> Places:
        def ours() -> bool:
            return self.table.current_address() == process.address
        return {self.kernel.address(PANICS): None,
                self.kernel.address(BEGINS): ours, self.kernel.address(ENDS): ours}
