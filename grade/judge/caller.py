"""Calls from outside.

The program in the machine only holds a SYSCALL (probes/probe_call.c). The host loads
every register before it, lets it run, and reads every register after it. Nothing of
the stub is used but its name and the way in and out.
"""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING, Any, Callable, NoReturn, Optional

from machine.gdb_remote import Gdb, GdbTimeout, MachineGone
from machine.kernel import Kernel
from machine.symbols import Symbols
from machine.x86 import (
    CALLER_SAVED, FLAGS_BASE, FLAGS_FREE, GENERAL, MASK, PAGE, SYSCALL_ARGUMENTS,
    Registers, signed)

from .patience import hangs

if TYPE_CHECKING:
    from .lab import Lab

# What a C function may change, but for its result, and R11: see clobber().
CLOBBERED = tuple(r for r in CALLER_SAVED if r not in ("rax", "r11"))


@dataclasses.dataclass(frozen=True)
class Call:
    """One call: every register before SYSCALL and after it.

    returned  RAX when syscall_handler came back, where that was looked at.
    """

    name: str
    before: Registers
    after: Registers
    returned: Optional[int] = None

    @property
    def result(self) -> int:
        """RAX as the signed number it is."""
        return signed(self.after["rax"])


class Caller:
    """A machine that stands before a SYSCALL in ring 3, and the host's hand in
    its registers.

    on_lost  told, with a sentence, of a machine that ended or hung; it ends the
             test. Without it, how the machine ended does.
    doing    what is under way, for that sentence.
    """

    def __init__(self, lab: Lab, init: str = "/bin/probe_call", *,
                 on_lost: Optional[Callable[[str], None]] = None,
                 **options: Any) -> None:
        self.lab = lab
        self.kernel: Kernel = lab.kernel
        self.probe: Symbols = lab.probe("probe_call")
        self.random: random.Random = random.Random(lab.seed)
        self.doing = ""
        self._on_lost = on_lost
        self.before = self.probe.address("probe_before")
        self.after = self.probe.address("probe_after")
        self.stack = self.probe.address("probe_stack") + PAGE + PAGE // 2
        self.buffer = self.probe.address("probe_buffer")
        self.per_cpu = self.kernel.per_cpu()
        self.machine = lab.machine(init, gdb=True, stopped=True, **options)
        self.gdb: Gdb = self.machine.gdb()
        try:
            self.gdb.run_to(self.before)
        except (MachineGone, GdbTimeout):
            raise lab.verdict_of(self.machine) from None

    # -- registers

    def patterns(self) -> Registers:
        """A value of its own for every general register."""
        return {name: self.random.getrandbits(64) for name in GENERAL}

    def waits(self) -> tuple[int, ...]:
        """Places of the program to wait at, of all four last two bits."""
        first = self.probe.address("probe_waits")
        return tuple(first + 5 * number for number in range(4))

    def load(self, registers: Registers) -> None:
        """Puts values into registers (names as the debugger has them)."""
        self.gdb.set_registers(registers)

    def prepare(self, number: int, *arguments: int, **fixed: int) -> Registers:
        """Loads a call: patterns everywhere, then the number, the arguments and
        what is fixed by name. Gives all registers."""
        values = self.patterns()
        values["rsp"] = self.stack - 16 * self.random.randrange(64)
        values["eflags"] = FLAGS_BASE | (self.random.getrandbits(64) & FLAGS_FREE)
        values["rax"] = number & MASK
        for name, argument in zip(SYSCALL_ARGUMENTS, arguments):
            values[name] = argument & MASK
        values["rip"] = self.before
        values.update(fixed)
        self.load(values)
        return self.gdb.registers()

    def clobber(self, flags: int) -> None:
        """Does what any C function may do: changes every register that C does
        not keep. R11 gets flags that are harmless and not these."""
        self.load({name: self.random.getrandbits(64) for name in CLOBBERED})
        self.load({"r11": (flags ^ FLAGS_FREE) & FLAGS_FREE | FLAGS_BASE})

    # -- calls

    def enter(self) -> None:
        """Executes SYSCALL: the first instruction of the stub is next."""
        self.step()
        if self.gdb.register("rip") != self.kernel.address("syscall_entry"):
            self.lab.needs("lab 2: the SYSCALL instruction reaches syscall_entry")

    def call(self, number: int, *arguments: int, name: str = "",
             **fixed: int) -> Call:
        """One call from SYSCALL to the instruction after it."""
        self.doing = name or f"call {number}"
        before = self.prepare(number, *arguments, **fixed)
        self.enter()
        self.run_to(self.after)
        return Call(self.doing, before, self.gdb.registers())

    def watched_call(self, number: int, *arguments: int, name: str) -> Call:
        """One call, and what syscall_handler returned in it."""
        self.doing = name
        before = self.prepare(number, *arguments)
        self.enter()
        returned = None
        if self.run_to(self.kernel.address("syscall_handler"),
                       self.after) != self.after:
            back = self.gdb.read_u64(self.gdb.register("rsp"))
            if self.run_to(back, self.after) == back:
                returned = self.gdb.register("rax")
        if self.gdb.register("rip") != self.after:
            self.run_to(self.after)
        return Call(name, before, self.gdb.registers(), returned)

    def clobbered_call(self, number: int, name: str, *, result: Optional[int] = None,
                       **fixed: int) -> Call:
        """A call whose handler uses every register that it may, and gives this
        result, if one is given."""
        self.doing = name
        before = self.prepare(number, **fixed)
        self.run_to(self.kernel.address("syscall_handler"))
        self.run_to(self.gdb.read_u64(self.gdb.register("rsp")))
        self.clobber(before["eflags"])
        if result is not None:
            self.load({"rax": result & MASK})
        self.run_to(self.after)
        return Call(name, before, self.gdb.registers())

    def run_to(self, *places: int, deadline: Optional[float] = None) -> int:
        """Lets the machine run until one of these instructions is next; gives
        which. A machine that does not come there ends the test."""
        try:
            return self.gdb.run_to(dict.fromkeys(places), deadline)
        except GdbTimeout:
            hangs[self.lab.kernel_path] += 1
            self.lost()
        except MachineGone:
            self.lost()

    def step(self) -> None:
        """Executes one instruction."""
        try:
            self.gdb.step()
        except (MachineGone, GdbTimeout):
            self.lost()

    def lost(self, sentence: str = "") -> NoReturn:
        """Ends the test of a machine that ended or hung."""
        if self._on_lost:
            self._on_lost(sentence or "the machine was lost" + (
                f" in {self.doing}" if self.doing else ""))
        found = self.lab.verdict_of(self.machine)
        raise found.during(f"During {self.doing}:") if self.doing else found

    # -- memory

    @property
    def kernel_rsp(self) -> int:
        """The top of the current process's kernel stack."""
        return self.gdb.read_u64(self.kernel.per_cpu("kernel_rsp"))

    def store(self, name: str, value: int) -> None:
        """Writes a variable of the program."""
        self.gdb.write(self.probe.address(name), value.to_bytes(8, "little"))

    def write(self, address: int, data: bytes) -> None:
        """Writes memory, in pieces that the debugger's stub takes."""
        for at in range(0, len(data), 1024):
            self.gdb.write(address + at, data[at:at + 1024])

    def fetch(self, name: str) -> int:
        """Reads a variable of the program."""
        return self.gdb.read_u64(self.probe.address(name))
