"""Records a system call instruction by instruction, for the trace player.

    trace = Recorder("/bin/hello", number=1).record()

QEMU first records the whole run, undisturbed; what is stepped through are
replays of it, so that stopping changes nothing. The first replay finds the call,
as only at the stub is it known which call it is; the second stops before the
very SYSCALL in ring 3 and follows it to the instruction behind. Instructions are
counted instead of time: the same kernel and program give the same trace. What a
trace holds is documented in docs/trace-format.md.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import struct
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

import capstone
from capstone import x86_const as x86

from machine import deadlines
from machine.gdb_remote import GdbError, GdbTimeout, MachineGone
from machine.kernel import Kernel
from machine.processes import Process, Table
from machine.code import Undecodable, whole
from machine.qemu import STATUS_FAULT, TREE, Machine, Result, tail
from machine.symbols import Symbols
from machine.x86 import GENERAL, HAS_ERROR_CODE, SYSCALL_ARGUMENTS, vector_name
from .instructions import LiveCode, Registers, accesses
from .timeline import MSRS, recording

SCHEMA = "threshold-trace/1"

# Where to stop, and on what condition.
Places = Dict[int, Callable[[], bool]]

# The registers of a trace, by the names that the machine's description has.
SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")
RECORDED = {name: name for name in ("rip", *GENERAL)} | {"eflags": "rflags"} | {
    name: name for name in (*SEGMENTS, "fs_base", "gs_base")} | {
    "k_gs_base": "kernel_gs_base", "cr3": "cr3"}

MSR_NAMES = {number: name for name, number in MSRS.items()}
# Those that are among the registers, by the names that the machine's description has.
KNOWN_MSRS = {"EFER": "efer", "FS_BASE": "fs_base", "GS_BASE": "gs_base",
              "KERNEL_GS_BASE": "k_gs_base"}

USER_END = 1 << 47
KSTACK_BYTES = 8192
WORDS_OF_STACK = 32  # how many words of a stack's top a section begins with
LIMIT = 5000  # instructions of one section
DEPTH = 2  # how deep the handler's lines are followed: it, and the call's function
# The vectors for which CR2 may have the address: #DF, when a #PF led to it, and #PF.
HAVE_ADDRESS = {8, 14}
BODIES = ("lines", "none", "all")

# Where a forked child begins; where a process leaves a call without returning from
# it; and where the kernel gives up.
FORKS, TAIL = ("fork", "vfork"), "syscall_exit"
BEGINS, ENDS, PANICS = "proc_enter_user", "proc_exit", "panic"


class TraceError(Exception):
    """Why there is no trace, in a sentence."""


class NoSuchCall(Exception):
    """The call that is to be recorded was not made; how many were."""


class Ended(Exception):
    """The section ends here, for a reason other than its own end."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind, self.text = kind, text


def end_of(result: Result) -> str:
    """How a run ended, and what it said: why it panicked, or the last line."""
    lines = result.console.strip().splitlines()
    told = [line for line in lines if line.startswith("panic: ")] or lines
    return f"{result.outcome}." + (f' It said: "{told[-1]}"' if told else "")


def hexa(value: int) -> str:
    return f"{value & (1 << 64) - 1:#x}"


def constants(tree: Path, header: str, prefix: str) -> dict[str, int]:
    """The plain numbers that a header of the kernel defines under a prefix, by
    the rest of their names."""
    text = (tree / "kernel" / header).read_text()
    found = re.findall(rf"^#define\s+{prefix}(\w+)\s+(0x[0-9a-f]+|\d+)\s*(?:/\*.*)?$",
                       text, re.MULTILINE)
    return {name: int(number, 0) for name, number in found}


# ---- one section -------------------------------------------------------------

@dataclasses.dataclass
class Section:
    """A part of a trace: a state, and steps that lead from it to others."""

    id: str
    title: str
    start: dict[str, str]
    memory: dict[str, str]
    about: dict[str, Any] = dataclasses.field(default_factory=dict)
    steps: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    end: dict[str, Any] = dataclasses.field(default_factory=dict)
    stepped: int = 0  # instructions, without those of calls stepped over

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.id, "title": self.title, **self.about,
                "start": self.start, "memory": self.memory,
                "steps": [{k: v for k, v in step.items() if v or k == "set"}
                          for step in self.steps],
                "end": self.end}


class Stepper:
    """Follows a machine and writes down every step, section by section."""

    def __init__(self, machine: Machine, kernel: Symbols, tree: Path,
                 limit: int = LIMIT, outcome: str = "") -> None:
        self.outcome = outcome  # of the run that was recorded
        self.machine, self.kernel, self.tree, self.limit = machine, kernel, tree, limit
        self.gdb = machine.gdb()
        self.table = Table(self.gdb, kernel)
        self.sections: list[Section] = []
        self.code: dict[str, dict[str, Any]] = {}
        self.files: dict[str, str] = {}
        self.msrs: dict[int, int] = {}
        self.programs: dict[str, Symbols] = {}
        self.per_cpu = kernel.address("per_cpu")
        self._base: dict[str, str] = {}
        self._decoded: dict[int, Optional[capstone.CsInsn]] = {}
        self._breakpoints: set[int] = set()
        self._name_at = kernel.offset_of("proc", "name")
        self._vectors: dict[int, int] = {}
        self._live: dict[Optional[str], LiveCode] = {
            None: LiveCode(self.gdb, kernel)}

    # ---- the machine ----

    def registers(self) -> Registers:
        return self.gdb.registers()

    def name_of(self, process: Process) -> str:
        return self.gdb.read_string(process.address + self._name_at, 16)

    def kernel_rsp(self) -> int:
        return self.gdb.read_u64(
            self.per_cpu + self.kernel.offset_of("per_cpu_data", "kernel_rsp"))

    def run_to(self, places: Places) -> int:
        """Runs until one of the places is reached and its condition holds."""
        self._break_at(set(places))
        try:
            if self.gdb.register("rip") in places:
                self.gdb.step()
            while True:
                self.gdb.cont(deadlines.trace())
                rip = self.gdb.register("rip")
                if rip in places and places[rip]():
                    return rip
                self.gdb.step()  # off the breakpoint
        except GdbTimeout:
            self.gdb.interrupt()
            raise
        finally:
            self._break_at(set())

    def _break_at(self, places: set[int]) -> None:
        try:
            for place in self._breakpoints - places:
                self.gdb.remove_breakpoint(place)
            for place in places - self._breakpoints:
                self.gdb.insert_breakpoint(place)
        except MachineGone:
            pass
        self._breakpoints = set(places)

    def words(self, start: int, end: int) -> dict[str, str]:
        """The words of a range, by their addresses; none where nothing is."""
        try:
            data = self.gdb.read(start, end - start)
        except GdbTimeout:
            raise
        except GdbError:
            return {}
        return {hexa(start + 8 * i): hexa(word)
                for i, (word,) in enumerate(struct.iter_unpack("<Q", data))}

    # ---- what stands where ----

    def note(self, address: int) -> dict[str, Any]:
        """What stands at an address: instruction, function, file and line."""
        key = hexa(address)
        if key in self.code:
            return self.code[key]
        code = self._code_for(address)
        entry: dict[str, Any] = {"asm": code.text(address)}
        jump = re.match(r"(j\w+) (0x[0-9a-f]+)$", entry["asm"])
        if jump:
            entry["asm"] = f"{jump[1]} {code.symbols.name_at(int(jump[2], 16))}"
        function = code.symbols.function_at(address)
        if function:
            entry["function"] = function
        place = code.symbols.line_at(address)
        if place:
            file, _, line = place.rpartition(":")
            if file not in self.files and (self.tree / file).is_file():
                self.files[file] = (self.tree / file).read_text(errors="replace")
            entry.update(file=file, line=int(line))
        self.code[key] = entry
        return entry

    def _code_for(self, address: int) -> LiveCode:
        if address >= USER_END:
            return self._live[None]
        name = self.name_of(self.table.current())
        if name not in self._live:
            path = self.tree / "build/user" / name
            self._live[name] = LiveCode(
                self.gdb, Symbols(path) if path.is_file() else NO_SYMBOLS)
            if path.is_file():
                self.programs[name] = self._live[name].symbols
        return self._live[name]

    def decode(self, address: int) -> Optional[capstone.CsInsn]:
        if address not in self._decoded:
            try:
                self._decoded[address] = self._code_for(address).decode(address)
            except Undecodable:  # no instruction; the step shows what comes of it
                self._decoded[address] = None
        return self._decoded[address]

    def vector(self, rip: int) -> Optional[int]:
        """Which exception leads here."""
        if not self._vectors:
            start = self.kernel.address("trap_entries")
            table = self.gdb.read(start, 256 * 8)
            self._vectors = {entry: i for i, (entry,) in enumerate(
                struct.iter_unpack("<Q", table))}
        return self._vectors.get(rip)

    # ---- recording ----

    def begin(self, id: str, title: str, **about: Any) -> Section:
        """A new section that starts with the machine as it is."""
        registers = self.registers()
        memory = self.words(self.per_cpu, self.per_cpu + self.kernel.offset_of(
            "per_cpu_data", "segments"))
        if "stack" in about:
            top = int(about["stack"]["top"], 16)
            memory |= self.words(top - 8 * WORDS_OF_STACK, top)
        rsp = registers["rsp"] & ~7
        memory |= self.words(rsp - 64, rsp + 64)
        section = Section(id, title, shown(registers), memory, about)
        self.note(registers["rip"])
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
        return kind in ("end", "returned", "begins")

    def _last_words(self) -> str:
        """The console, once the machine has said why it gives up."""
        try:
            self.gdb.cont(deadlines.answer())
        except GdbError:
            pass
        return self.machine.console if not self.machine.is_running else (
            self.machine.end().console)

    def step(self, section: Section, before: Registers,
             join: bool = False) -> Registers:
        """Runs one instruction: a step of its own, or part of the last one."""
        # The kernel's start is always shown.
        limit = self.limit if "pid" in section.about else LIMIT
        if section.stepped == limit:
            raise Ended("limit", f"The trace ends after {limit} instructions (LIMIT=).")
        section.stepped += 1
        rip = before["rip"]
        self.note(rip)
        instruction = self.decode(rip)
        reads, writes = accesses(instruction, before) if instruction else ([], [])
        old = [self._peek(place) for place in writes]
        event = self._event_before(rip, instruction, before)
        self.gdb.step()
        after = self.registers()
        if join:
            record = section.steps[-1]
            record["n"] = record.get("n", 1) + 1
        else:
            record = self._new_step(section, before)
        record.setdefault("reads", []).extend(
            {"at": hexa(at), "size": size} for at, size in reads)
        vector = self.vector(after["rip"]) if after["rip"] >= USER_END else None
        if vector is not None and rip not in self._vectors:
            self._exception(record, before, after, vector)
        for place, was in zip(writes, old):
            record.setdefault("writes", []).extend(self._changes(place, was))
        if event:
            self._event_after(event, after)
            record.setdefault("events", []).append(event)
        self._set(record, after)
        self.note(after["rip"])
        if "exception" in record:
            raise Ended("exception", record["exception"]["text"])
        return after

    def step_over(self, section: Section, before: Registers, target: int,
                  process: Process, others: Callable[[], Places]) -> Registers:
        """Runs a call instruction to where it returns, as one step: only the
        words of the stack above RSP that are different then are known."""
        rip, name = before["rip"], self.kernel.name_at(target)
        self.note(rip)
        instruction = self.decode(rip)
        assert instruction is not None
        back, rsp, top = rip + instruction.size, before["rsp"], process.kstack_top
        on_stack = 0 <= top - rsp <= KSTACK_BYTES
        was = self.gdb.read(rsp, top - rsp) if on_stack else b""
        record = self._new_step(section, before)
        base, record["over"] = self._base, name
        count, switched = self._count(), []
        places = {back: lambda: self.gdb.register("rsp") == rsp,
                  **self._ends(process), **others()}
        switch = self.kernel.address("switch_to")
        places[switch] = lambda: bool(switched.append(True))
        self.run_to(places)
        self._base = base  # a child may have been recorded meanwhile
        rip = self.gdb.register("rip")
        if rip == self.kernel.address(PANICS):
            raise Ended("panic", f"The kernel gives up in {name}.")
        after = self.registers()
        if rip != back:
            record["never"] = True
            self.note(rip)
            self._set(record, after)
            raise Ended("begins" if rip == self.kernel.address(BEGINS) else "exits",
                        "The process does not return from this call: it "
                        + ("begins a program." if rip == self.kernel.address(BEGINS)
                           else "ends."))
        if switched:
            record["slept"] = True
        else:
            record["n"] = self._count() - count
        if on_stack:
            now = self.gdb.read(rsp, top - rsp)
            changed = [
                {"at": hexa(rsp + i), "size": 8, "old": hexa(old), "new": hexa(new)}
                for i in range(0, len(was) - 7, 8)
                for old, new in [(int.from_bytes(was[i:i + 8], "little"),
                                  int.from_bytes(now[i:i + 8], "little"))]
                if old != new]
            if changed:
                record["writes"] = changed
        self._set(record, after)
        self.note(after["rip"])
        return after

    def _ends(self, process: Process) -> Places:
        def ours() -> bool:
            return self.table.current().address == process.address
        return {self.kernel.address(PANICS): lambda: True,
                self.kernel.address(BEGINS): ours, self.kernel.address(ENDS): ours}

    def _count(self) -> int:
        """The instructions that the machine has run so far."""
        answer = self.gdb.monitor("info replay")
        found = re.search(r"instruction count = (\d+)", answer)
        if not found:
            raise GdbError(f"no count of instructions in {answer!r}")
        return int(found[1])

    def _peek(self, place: tuple[int, int]) -> Optional[bytes]:
        try:
            return self.gdb.read(*place)
        except GdbTimeout:
            raise
        except GdbError:
            return None

    def _changes(self, place: tuple[int, int],
                 was: Optional[bytes]) -> Iterator[dict[str, Any]]:
        """What was written there: a word, or the changed words of a range."""
        address, size = place
        now = self._peek(place)
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

    def _set(self, record: dict[str, Any], after: Registers) -> None:
        """The registers that differ from those at the step's beginning."""
        record["set"] = {name: value for name, value in shown(after).items()
                         if value != self._base[name]}

    def _exception(self, record: dict[str, Any], before: Registers, after: Registers,
                   vector: int) -> None:
        at, error = after["rsp"], None
        if vector in HAS_ERROR_CODE:
            error, at = self.gdb.read_u64(at), at + 8
        name = vector_name(vector)
        rip = self.gdb.read_u64(at)
        text = name + (f"({error:#x})" if error is not None else "")
        if vector in HAVE_ADDRESS:
            text += f" for address {after['cr2']:#x}"
        text += f" at {self.kernel.name_at(rip) if rip >= USER_END else hexa(rip)}"
        place = self.kernel.line_at(rip) if rip >= USER_END else None
        text += f", {place}" if place else ""
        record["exception"] = {
            "vector": vector, "name": name, "at": hexa(rip), "text": text,
            **({"error": hexa(error)} if error is not None else {}),
            **({"cr2": hexa(after["cr2"])} if vector in HAVE_ADDRESS
               else {})}

    # ---- what tables and model-specific registers are told ----

    def _event_before(self, rip: int, instruction: Optional[capstone.CsInsn],
                      before: Registers) -> Optional[dict[str, Any]]:
        if instruction is None:
            return None
        name = instruction.mnemonic
        if name == "wrmsr":
            number = before["rcx"] & 0xFFFFFFFF
            new = (before["rdx"] & 0xFFFFFFFF) << 32 | before["rax"] & 0xFFFFFFFF
            name = MSR_NAMES.get(number, "")
            old = self.msrs.get(number, 0)  # no packet tells, but all are 0 at reset
            self.msrs[number] = new
            for ours, theirs in KNOWN_MSRS.items():
                if name == ours:
                    old = before[theirs]
            return {"kind": "wrmsr", "number": hexa(number), "name": name,
                    "old": hexa(old), "new": hexa(new)}
        if name in ("lgdt", "lidt"):
            place, _ = accesses(instruction, before)
            limit, base = struct.unpack("<HQ", self.gdb.read(place[0][0], 10))
            event = {"kind": name, "base": hexa(base), "limit": hexa(limit)}
            if name == "lgdt":
                event["entries"] = list(self.words(
                    base, base + min(limit + 1, 128) // 8 * 8).values())
            return event
        if name == "ltr":
            register = whole(instruction.op_str)[0]
            return {"kind": "ltr", "selector": hexa(before[register] & 0xFFFF)}
        text = self.note(rip)["asm"]
        load = re.match(r"(?:mov|pop)\w* .*%([c-gs]s)$", text)
        if load or name in ("retf", "retfq"):
            return {"kind": "segment", "register": load[1] if load else "cs"}
        return None

    def _event_after(self, event: dict[str, Any], after: Registers) -> None:
        if event["kind"] == "segment":
            event["selector"] = hexa(after[event["register"]])
        if event["kind"] == "ltr":
            answer = re.search(r"^TR *=([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)",
                               self.gdb.monitor("info registers"), re.MULTILINE)
            if answer:
                base, limit = int(answer[2], 16), int(answer[3], 16)
                event.update(base=hexa(base), limit=hexa(limit))
                data = self._peek((base, 104))
                if data:
                    event.update(
                        rsp0=hexa(struct.unpack_from("<Q", data, 4)[0]),
                        ist=[hexa(w) for w in struct.unpack_from("<7Q", data, 36)],
                        iomap_base=hexa(struct.unpack_from("<H", data, 102)[0]))


def shown(registers: Registers) -> dict[str, str]:
    """The registers of a trace, CPL among them."""
    values = {ours: hexa(registers[theirs]) for theirs, ours in RECORDED.items()}
    return {**values, "cpl": str(registers["cs"] & 3)}


class _NoSymbols:
    """A program of which nothing is known."""

    def name_at(self, address: int) -> str:
        return hexa(address)

    def line_at(self, address: int) -> Optional[str]:
        return None

    def function_at(self, address: int) -> Optional[str]:
        return None


NO_SYMBOLS: Any = _NoSymbols()


# ---- the recording -----------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Found:
    """Which of the calls of a run is meant."""

    entry: int  # the how-manieth SYSCALL of the run, from 1
    number: int
    site: int  # the address of its SYSCALL
    arguments: list[int]
    pid: int
    process: str
    msrs: dict[str, str]


class Recorder:
    """Records one call of a program.

    init    the first program and its arguments, as "/bin/regs 7".
    number  the call's number; None for the first call that is made.
    count   the how-manieth such call.
    body    how the handler is followed: "lines" by its source lines and those
            of the call's own function, "none" as one step, "all" by every
            instruction.
    limit   the most instructions of one section.
    """

    def __init__(self, init: str, number: Optional[int] = None, count: int = 1, *,
                 body: str = "lines", limit: int = LIMIT, tree: Path = TREE,
                 **options: Any) -> None:
        self.init, self.number, self.count, self.body = init, number, count, body
        self.limit, self.tree = limit, tree
        self.kernel = Kernel(tree / "build/kernel.elf", tree)
        self.options = {"kernel": tree / "build/kernel.elf",
                        "initrd": tree / "build/initrd.cpio", **options}
        self.names = {number: name.lower() for name, number in constants(
            tree, "syscall.h", "SYS_").items()}
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
                    if recorded.result.why or recorded.result.status is not None \
                            and recorded.result.status < STATUS_FAULT:
                        raise TraceError(self.problem) from None
            with recorded.replay() as machine:
                stepper = Stepper(machine, self.kernel, self.tree, self.limit,
                                  recorded.result.outcome)
                result = self._follow(stepper, self.found)
                return self._trace(stepper, self.found, result)

    # ---- which call ----

    def _find(self, machine: Machine) -> Found:
        """The call among all that are made, by a replay of its own."""
        entry = self.kernel.address("syscall_entry")
        entries = matches = 0
        gdb = machine.gdb()
        stepper = Stepper(machine, self.kernel, self.tree)
        try:
            while matches < self.count:
                stepper.run_to({entry: lambda: True})
                entries += 1
                matches += self.number in (None, gdb.register("rax"))
        except (MachineGone, GdbTimeout):
            what = "" if self.number is None else f"{self._name(self.number)} "
            raise NoSuchCall(f"{self.init} made {matches} {what}call"
                             f"{'s' * (matches != 1)}, {entries} of any kind") from None
        process, registers = stepper.table.current(), gdb.registers()
        # Asking for these disturbs the replay, which has served now.
        scratch = self.kernel.address("main")
        msrs = {name: hexa(gdb.rdmsr(number, scratch))
                for name, number in MSRS.items()}
        return Found(entries, registers["rax"], registers["rcx"] - 2,
                     [registers[name] for name in SYSCALL_ARGUMENTS], process.pid,
                     stepper.name_of(process), msrs)

    def _name(self, number: int) -> str:
        return self.names.get(number, str(number))

    # ---- following it ----

    def _follow(self, stepper: Stepper, found: Optional[Found]) -> dict[str, Any]:
        for name, id, title in (
                ("gdt_init", "gdt", "The GDT and the TSS are made and loaded"),
                ("init_syscall", "msr", "SYSCALL is turned on")):
            stepper.run_to({self.kernel.address(name): lambda: True})
            if not self._room(stepper, id, title):
                return {}
        if found is None:
            return {}
        self._to_syscall(stepper, found)
        process = stepper.table.current()
        section = stepper.begin(
            "call", f"{found.process}[{found.pid}] calls {self._name(found.number)}",
            **self._about(stepper, process))
        children: list[Section] = []
        follow = functools.partial(self._call, stepper, section, process, children)
        if not stepper.finish(section, follow):
            return {}
        result = {"result": self._state(section)["rax"]}
        if section.end["kind"] == "begins":
            enter = stepper.begin("enter", "The program begins",
                                  **self._about(stepper, process))
            stepper.finish(enter, functools.partial(self._to_ring_3, stepper, enter))
        elif self._name(found.number) in FORKS and not children:
            self._child_later(stepper, process, int(result["result"], 16))
        return result

    def _state(self, section: Section) -> dict[str, str]:
        """The registers at a section's end."""
        state = dict(section.start)
        for step in section.steps:
            state.update(step["set"])
        return state

    def _about(self, stepper: Stepper, process: Process) -> dict[str, Any]:
        top = process.kstack_top
        return {"pid": process.pid, "process": stepper.name_of(process),
                "stack": {"low": hexa(top - KSTACK_BYTES), "top": hexa(top)},
                "frame": hexa(top - constants(
                    self.tree, "syscall_entry.h", "FRAME_")["SIZE"])}

    def _to_syscall(self, stepper: Stepper, found: Found) -> None:
        """To the SYSCALL instruction in ring 3, not yet carried out."""
        gdb, entry = stepper.gdb, self.kernel.address("syscall_entry")
        for _ in range(found.entry - 1):
            stepper.run_to({entry: lambda: True})
        while True:
            stepper.run_to({found.site: lambda: gdb.read(found.site, 2) == b"\x0f\x05"})
            if gdb.register("rax") == found.number:
                return

    def _room(self, stepper: Stepper, id: str, title: str) -> bool:
        """A room's start-up function, to its return. What it calls is followed
        where it is the room's own or a header's."""
        section = stepper.begin(id, title)
        own = stepper.note(stepper.gdb.register("rip")).get("file")
        top = stepper.gdb.register("rsp")
        process = stepper.table.at(self.kernel.address("proc_table"))

        def follow() -> tuple[str, str]:
            registers = stepper.registers()
            while registers["rsp"] <= top:
                target = self._target(stepper, registers)
                if target and not self._belongs(stepper, target, own):
                    registers = stepper.step_over(section, registers, target, process,
                                                  dict)
                else:
                    registers = stepper.step(section, registers)
            return "end", "The kernel goes on to its next room."

        return stepper.finish(section, follow)

    def _belongs(self, stepper: Stepper, target: int, own: Optional[str]) -> bool:
        file = str(stepper.note(target).get("file", ""))
        return file == own or file.endswith(".h")

    def _target(self, stepper: Stepper, registers: Registers) -> Optional[int]:
        """Where a call instruction leads; None for any other instruction."""
        instruction = stepper.decode(registers["rip"])
        if instruction is None or instruction.mnemonic != "call":
            return None
        operand = instruction.operands[0]
        if operand.type == x86.X86_OP_IMM:
            return int(operand.imm) & (1 << 64) - 1
        if operand.type == x86.X86_OP_REG:
            return registers[instruction.reg_name(operand.reg)]
        (place, _), *_ = accesses(instruction, registers)[0]
        return stepper.gdb.read_u64(place)

    def _call(self, stepper: Stepper, section: Section, process: Process,
              children: list[Section]) -> tuple[str, str]:
        """From SYSCALL to ring 3: the stub by instructions, what it calls as
        `body` says."""
        stub = self.kernel.range("syscall_entry")
        # Where a child begins; a stub that is not finished lacks it.
        tail_at = self.kernel.address(TAIL) if TAIL in self.kernel else None
        switch = self.kernel.address("switch_to")  # behind it, others run
        forks = self.found is not None and self._name(self.found.number) in FORKS
        depth, place, left = 0, None, False

        def child_begins() -> Places:
            """A child may run before its parent returns."""
            def it_does() -> bool:
                current = stepper.table.current()
                if current.parent == process.address and not children and (
                        current.address != process.address):
                    children.append(self._child(stepper, current))
                return False
            inside = depth or self.body == "none"
            return {tail_at: it_does} if forks and inside and tail_at else {}

        registers = stepper.registers()
        back = registers["rip"] + 2
        while True:
            here = stepper.note(registers["rip"])
            in_stub = registers["rip"] in stub
            target = self._target(stepper, registers)
            if target and (self.body == "none" or target == switch or (
                    self.body == "lines" and depth >= DEPTH and not in_stub)):
                registers = stepper.step_over(section, registers, target, process,
                                              child_begins)
                place = None
            else:
                now = (here.get("function"), here.get("file"), here.get("line"))
                join = (self.body == "lines" and depth > 0 and now == place
                        and not left)
                left = self._leaves(stepper, registers)
                depth += (target is not None) - left
                place = now
                registers = stepper.step(section, registers, join)
                left = left or target is not None
            if registers["cs"] & 3 == 3 and section.steps:
                if registers["rip"] == back:
                    return "returned", "Back in ring 3, behind the SYSCALL."
                return "elsewhere", (f"Back in ring 3, but at "
                                     f"{registers['rip']:#x}, not {back:#x}.")

    def _leaves(self, stepper: Stepper, registers: Registers) -> bool:
        instruction = stepper.decode(registers["rip"])
        return instruction is not None and instruction.mnemonic == "ret"

    # ---- the child ----

    def _child_later(self, stepper: Stepper, parent: Process, pid: int) -> None:
        if pid >> 63 or not pid or TAIL not in self.kernel:
            return
        try:
            stepper.run_to({self.kernel.address(TAIL):
                            lambda: stepper.table.current().pid == pid})
        except GdbError:
            return  # the machine ends, or waits, before the child has run
        self._child(stepper, stepper.table.current())

    def _child(self, stepper: Stepper, child: Process) -> Section:
        section = stepper.begin(
            "child", f"The child, process {child.pid}, returns from the same call",
            **self._about(stepper, child))
        stepper.finish(section, functools.partial(self._to_ring_3, stepper, section))
        return section

    def _to_ring_3(self, stepper: Stepper, section: Section) -> tuple[str, str]:
        registers = stepper.registers()
        while registers["cs"] & 3 == 0:
            registers = stepper.step(section, registers)
        return "returned", "In ring 3."

    # ---- the whole ----

    def _trace(self, stepper: Stepper, found: Optional[Found],
               result: dict[str, Any]) -> dict[str, Any]:
        fields = constants(self.tree, "syscall_entry.h", "FRAME_")
        size = fields.pop("SIZE")
        slots = self.kernel.members("per_cpu_data")
        return {
            "schema": SCHEMA,
            "program": self.init,
            **self._call_made(found, result),
            "body": self.body,
            "registers": list(shown({name: 0 for name in RECORDED})),
            "msrs": found.msrs if found else {},
            "frame": {"size": size, "fields": [
                {"name": name.lower(), "offset": offset}
                for name, offset in sorted(fields.items(), key=lambda f: f[1])]},
            "per_cpu": {"at": hexa(stepper.per_cpu), "slots": [
                {"name": name, "offset": offset} for name, offset in slots.items()]},
            "symbols": self._symbols(stepper),
            "files": stepper.files,
            "code": stepper.code,
            "sections": [section.as_dict() for section in stepper.sections],
        }

    def _call_made(self, found: Optional[Found],
                   result: dict[str, Any]) -> dict[str, Any]:
        if found is None:
            return {"problem": self.problem}
        return {"call": {
            "number": found.number, "name": self._name(found.number),
            "count": self.count, "pid": found.pid, "process": found.process,
            "arguments": list(map(hexa, found.arguments)), **result}}

    def _symbols(self, stepper: Stepper) -> list[dict[str, Any]]:
        """The functions and variables that the trace's numbers point into."""
        numbers: set[int] = set()

        def collect(value: Any) -> None:
            if isinstance(value, dict):
                for key, inner in value.items():
                    collect(key)
                    collect(inner)
            elif isinstance(value, list):
                for inner in value:
                    collect(inner)
            elif isinstance(value, str) and re.fullmatch("0x[0-9a-f]{6,16}", value):
                numbers.add(int(value, 16))

        collect(stepper.code)
        for section in stepper.sections:
            collect(section.as_dict())
        found = []
        for symbols in (self.kernel, *stepper.programs.values()):
            for name, at, size in symbols.sized():
                if any(at <= number < at + size for number in numbers):
                    found.append({"name": name, "at": hexa(at), "size": size})
        return sorted(found, key=lambda symbol: int(symbol["at"], 16))
