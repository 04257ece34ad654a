"""Records a system call instruction by instruction, for the trace player.

    trace = Recorder("/bin/hello", number=1).record()

QEMU first records the whole run, undisturbed; what is stepped through are
replays of it, so that stopping changes nothing. The first replay finds the call,
as only at the stub is it known which call it is; the second stops before the
very SYSCALL in ring 3 and follows it to the instruction after it. Instructions are
counted instead of time: the same kernel and program give the same trace. What a
trace holds is documented in docs/trace-format.md.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, Optional

from machine import archive, deadlines, headers
from machine.gdb_remote import GdbTimeout, MachineGone
from machine.kernel import Kernel
from machine.processes import Table
from machine.qemu import INITRD, TREE, Machine
from machine.recording import recording
from machine.result import STATUS_FAULT, Result
from machine.x86 import MSRS, SYSCALL, SYSCALL_ARGUMENTS
from .follower import DEPTH, FORKS, Follower
from .section import RECORDED, hexa, shown
from .stepper import LIMIT, Stepper

SCHEMA = "threshold-trace/1"
# The functions of the kernel's start that prepare calls: name, id, title.
ROOMS = (("gdt_init", "gdt", "The GDT and the TSS are made and loaded"),
         ("init_syscall", "msr", "SYSCALL is turned on"))


class TraceError(Exception):
    """Why there is no trace, in a sentence."""


class NoSuchCall(Exception):
    """The call that is to be recorded was not made; how many were."""


@dataclasses.dataclass(frozen=True)
class Found:
    """Which of the calls of a run is meant."""

    entry: int  # which SYSCALL of the run, counted from 1
    number: int
    site: int  # the address of its SYSCALL
    arguments: list[int]
    pid: int
    process: str
    msrs: dict[str, str]


def call_names(tree: Path) -> dict[int, str]:
    """The calls that a tree's kernel has, by their numbers."""
    numbers = headers.with_prefix(
        headers.constants(tree / "kernel/syscall.h"), "SYS_")
    return {number: name.lower() for name, number in numbers.items()}


def first_program(text: str, initrd: Path = INITRD) -> str:
    """PROG as the kernel's command line wants it; refuses a missing program. A comma
    ends a program, a quote in its name is the kernel's to read."""
    text = text.strip()
    name = re.split("[ ,]", text)[0]
    if not name:
        raise TraceError("which program? As in: make trace PROG=/bin/hello NR=write")
    path = name if name.startswith(("/", "'", '"')) else f"/bin/{name}"
    if path[0] == "/" and path[1:] not in archive.unpack(initrd.read_bytes()):
        raise TraceError(f"there is no program {path}; user/ has their sources.")
    return path + text[len(name):]


class Recorder:
    """Records one call of a program.

    init    the first program and its arguments, as "/bin/regs 7".
    number  the call's number; None for the first call that is made.
    count   which such call, counted from 1.
    body    how the handler is followed, and how deep: see Follower.
    limit   the most instructions of one section.
    """

    def __init__(self, init: str, number: Optional[int] = None, count: int = 1, *,
                 body: str = "lines", depth: int = DEPTH, limit: int = LIMIT,
                 tree: Path = TREE, **options: Any) -> None:
        self.init, self.number, self.count, self.body = init, number, count, body
        self.depth, self.limit, self.tree = depth, limit, tree
        self.kernel = Kernel(tree / "build/kernel.elf", tree)
        self.options = {"kernel": tree / "build/kernel.elf",
                        "initrd": tree / "build/initrd.cpio", **options}
        self.names = call_names(tree)
        self.found: Optional[Found] = None
        self.problem: Optional[str] = None

    def record(self) -> dict[str, Any]:
        """The trace; TraceError where no such call is made. Of a kernel that died
        before it, a trace up to there, and `problem` says so."""
        # A program that runs longer is taken to wait for input.
        with recording(self.init, deadlines.trace() / 6, **self.options) as recorded:
            if not recorded.result.console:
                raise TraceError(recorded.result.report)
            with recorded.replay() as machine:
                try:
                    self.found = self._find(machine)
                except NoSuchCall as error:
                    self.problem = f"{error}; then {end_of(recorded.result)}"
                    if not died(recorded.result):
                        raise TraceError(self.problem) from None
            with recorded.replay() as machine:
                stepper = Stepper(machine, self.kernel, self.tree, self.limit,
                                  recorded.result.outcome)
                result = self._follow(stepper, self.found)
                return self._trace(stepper, self.found, result)

    def _name(self, number: int) -> str:
        return self.names.get(number, str(number))

    # ---- which call ----

    def _find(self, machine: Machine) -> Found:
        """The call among all that are made, by a replay of its own."""
        entry = self.kernel.address("syscall_entry")
        entries = matches = 0
        gdb = machine.gdb()
        try:
            while matches < self.count:
                gdb.run_to(entry, deadlines.trace())
                entries += 1
                matches += self.number in (None, gdb.register("rax"))
        except (MachineGone, GdbTimeout):
            what = "" if self.number is None else f"{self._name(self.number)} "
            raise NoSuchCall(f"{self.init} made {matches} {what}call"
                             f"{'s' * (matches != 1)}, {entries} of any kind") from None
        table, registers = Table(gdb, self.kernel), gdb.registers()
        process = table.current()
        # Asking for these disturbs the replay, which has served now.
        scratch = self.kernel.address("main")
        msrs = {name: hexa(gdb.rdmsr(number, scratch))
                for name, number in MSRS.items()}
        return Found(entries, registers["rax"], registers["rcx"] - len(SYSCALL),
                     [registers[name] for name in SYSCALL_ARGUMENTS], process.pid,
                     table.name_of(process), msrs)

    # ---- following it ----

    def _follow(self, stepper: Stepper, found: Optional[Found]) -> dict[str, Any]:
        """Through all sections; gives the call's result, where it returned."""
        follower = Follower(stepper, self.body, self.depth)
        for name, id, title in ROOMS:
            stepper.run_to({self.kernel.address(name): None})
            if not follower.room(id, title):
                return {}
        if found is None:
            return {}
        self._to_syscall(stepper, found)
        process, name = stepper.table.current(), self._name(found.number)
        section, children, goes_on = follower.call(name, process)
        if not goes_on:
            return {}
        if section.end["kind"] == "handler":
            # The call's result waits on the program's stack until then.
            again = follower.resume(process)
            if again is None or again.end["kind"] != "resumed":
                return {}
            section = again
        if section.end["kind"] == "begins":
            follower.enter(process)
            return {}  # execve has no result where it succeeds
        result = section.state()["rax"]
        if name in FORKS and not children:
            follower.child_later(int(result, 16))
        return {"result": result}

    def _to_syscall(self, stepper: Stepper, found: Found) -> None:
        """To the SYSCALL instruction in ring 3, not yet carried out."""
        gdb = stepper.gdb
        for _ in range(found.entry - 1):
            stepper.run_to({self.kernel.address("syscall_entry"): None})
        stepper.run_to({found.site: lambda: (
            gdb.read(found.site, len(SYSCALL)) == SYSCALL
            and gdb.register("rax") == found.number)})

    # ---- the whole ----

    def _trace(self, stepper: Stepper, found: Optional[Found],
               result: dict[str, Any]) -> dict[str, Any]:
        sections = [section.as_dict() for section in stepper.sections]
        return {
            "schema": SCHEMA,
            "program": self.init,
            **self._call_made(found, result),
            "body": self.body,
            "registers": list(shown({name: 0 for name in RECORDED})),
            "msrs": found.msrs if found else {},
            "frame": {"size": self.kernel.frame_bytes, "fields": [
                {"name": name, "offset": offset}
                for name, offset in self.kernel.frame_offsets.items()]},
            "per_cpu": {"at": hexa(self.kernel.per_cpu()), "slots": [
                {"name": name, "offset": offset} for name, offset
                in self.kernel.members("per_cpu_data").items()]},
            "symbols": stepper.listing.symbols_of(sections),
            "files": stepper.listing.files,
            "code": stepper.listing.code,
            "sections": sections,
        }

    def _call_made(self, found: Optional[Found],
                   result: dict[str, Any]) -> dict[str, Any]:
        if found is None:
            return {"problem": self.problem}
        return {"call": {
            "number": found.number, "name": self._name(found.number),
            "count": self.count, "pid": found.pid, "process": found.process,
            "arguments": list(map(hexa, found.arguments)), **result}}


def died(result: Result) -> bool:
    """Whether the kernel died, or a fault killed the first program: not so where the
    program ended by itself or was still running."""
    return not result.why and (
        result.status is None or result.status >= STATUS_FAULT)


def end_of(result: Result) -> str:
    """How a run ended, and what it said: why it panicked, or the last line."""
    lines = result.console.strip().splitlines()
    told = [line for line in lines if line.startswith("panic: ")] or lines
    return f"{result.outcome}." + (f' It said: "{told[-1]}"' if told else "")
