"""The saved registers of a system call, as the machine holds them: what lab 4's
tests compare.

A Stage is a machine with probe_frame in it, stopped where a test wants to look.
A SeenCall is what stands there inside one system call: the registers the user had,
the words that the entry stub left at the top of the kernel stack, and what the
accessors of frame.c say.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Callable, Optional, Sequence

from machine.gdb_remote import MachineGone
from machine.kernel import in_kernel_half
from machine.processes import Table
from machine.symbols import Structure
from .lab import Lab
from .verdict import wrong

# The sixteen words by the names that the contract gives their fields.
WORDS = ("r9", "r8", "r10", "rdx", "rsi", "rdi", "r15", "r14", "r13", "r12",
         "rbx", "rbp", "r11", "rcx", "rax", "rsp")
PROBE = "probe_frame"
# The order of struct registers in user/lib/registers.h.
PROBE_ORDER = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9",
               "r10", "r11", "r12", "r13", "r14", "r15", "rflags")
# How far below the top of a kernel stack a frame is looked for, in bytes.
REACH = 384


@dataclasses.dataclass(frozen=True)
class SeenCall:
    """What stands where the machine was stopped, inside a system call.

    user     what each of the sixteen registers held at the SYSCALL.
    top      the top of the process's kernel stack.
    stack    the bytes below it, REACH of them.
    pointer  what get_syscall_frame() returns.
    layout   of struct syscall_frame, or None.
    words    what the frame that it points to says, by the struct's fields; none
             where no memory is.
    process  the pid.
    stack_bytes  how much a kernel stack has.
    """

    user: dict[str, int]
    top: int
    stack: bytes
    pointer: int
    layout: Optional[Structure]
    words: dict[str, int]
    process: int
    stack_bytes: int

    @functools.cached_property
    def stored(self) -> dict[str, int]:
        """Where the stub left each register: the address nearest the top that
        holds its value. A register it did not save is missing."""
        return {name: at for name, at in self._seen.items() if at >= self.base}

    @functools.cached_property
    def base(self) -> int:
        """Where the struct has to lie so that most of its fields name what the
        stub stored; where it fits nowhere, sixteen words below the highest."""
        seen = self._seen
        fields = self.layout.fields if self.layout else {}
        bases = [seen[name] - fields[name].offset
                 for name in WORDS if name in seen and name in fields]
        best = max(set(bases), key=bases.count, default=self.top)
        if bases.count(best) > len(WORDS) // 2:
            return best
        return max(seen.values(), default=self.top) + 8 - 8 * len(WORDS)

    @functools.cached_property
    def right(self) -> bool:
        """Whether every field holds what the user had."""
        return all(self.words.get(name) == self.user[name] for name in WORDS)

    @functools.cached_property
    def _seen(self) -> dict[str, int]:
        found = {}
        for name in WORDS:
            value = self.user[name].to_bytes(8, "little")
            at = next((at for at in range(REACH - 8, -1, -8)
                       if self.stack[at:at + 8] == value), None)
            if at is not None:
                found[name] = self.top - REACH + at
        return found

    def meaning(self, value: int, earlier: Sequence[SeenCall] = ()) -> str:
        """What a value is that was found where it does not belong."""
        for name in WORDS:
            if value == self.user[name]:
                return f"what the user had in {name.upper()}"
        for call in reversed(earlier):
            for name in WORDS:
                if value == call.user[name]:
                    if call.process == self.process:
                        return f"what {name.upper()} held in an earlier call"
                    return (f"what {name.upper()} holds in the call of another "
                            f"process, {call.process}")
        if self.top - self.stack_bytes <= value <= self.top:
            return "an address on the kernel's stack"
        if value == 0:
            return "zero"
        if in_kernel_half(value):
            return "an address of the kernel"
        return "nothing the user had in any register"


class Stage:
    """A machine that runs probe_frame once or more, `steps` each, and stops
    where the kernel or the user comes by."""

    def __init__(self, lab: Lab, *steps: str, **options: Any) -> None:
        self.lab = lab
        self.probe = lab.probe(PROBE)
        self.layout = lab.kernel.frame_struct
        self.calls: list[SeenCall] = []
        self.started = False
        init = ",".join(f"/bin/{PROBE} {lab.random.getrandbits(48)} {line}"
                        for line in steps)
        options.setdefault("append", "hz=5000")
        self.machine = lab.machine(init, stopped=True, **options)
        self.gdb = self.machine.gdb()
        self.table = Table(self.gdb, lab.kernel)

    # ---- running ------------------------------------------------------------

    def cont(self) -> None:
        """Runs to a breakpoint other than the one the machine may be at."""
        if self.started:
            self.gdb.step()
        self.started = True
        self.gdb.cont()

    def run_to(self, place: str, process: Optional[int] = None) -> None:
        """Runs until a kernel function is about to begin, in the named process
        where one is given."""
        self.run_to_address(self.lab.kernel.address(place), process)

    def run_to_user(self, place: str, process: Optional[int] = None) -> None:
        """Runs until an instruction of the probe is next."""
        self.run_to_address(self.probe.address(place), process)

    def run_to_address(self, address: int, process: Optional[int] = None) -> None:
        """Runs until the instruction at an address is next."""
        self._run(address, lambda: process in (None, self.process))

    def interrupt_of_user(self, process: int) -> None:
        """Runs until the timer interrupts a process that spins in ring 3."""
        self.run_to_user("probe_spinning", process)
        self._run(self.lab.kernel.address("trap_handler"),
                  lambda: self.process == process and self._interrupted_user())

    def interrupt_of_idle(self) -> None:
        """Runs until the timer interrupts the idle process."""
        idle = self.table.idle_address()
        for place in ("switch_to", "trap_handler"):  # no compiler inlines these
            self._run(self.lab.kernel.address(place),
                      lambda: self.table.current_address() == idle)

    def _interrupted_user(self) -> bool:
        """At trap_handler: was it ring 3 that was interrupted?"""
        return self.lab.kernel.trap_at(self.gdb, self.gdb.register("rdi")).from_ring_3

    def _run(self, address: int, there: Callable[[], bool]) -> None:
        """Runs to an address until it is `there`."""
        self.started = True
        self.gdb.run_to({address: there})

    # ---- looking ------------------------------------------------------------

    @property
    def process(self) -> int:
        """The current process's pid; the idle process's is 0."""
        return self.table.current_pid()

    @property
    def slot(self) -> int:
        """The per-CPU slot in which the stub puts the user's RSP."""
        return self.gdb.read_u64(self.lab.kernel.per_cpu("user_rsp"))

    def ask(self, accessor: str) -> int:
        """What an accessor of frame.c returns here."""
        try:
            return self.lab.call(self.gdb, accessor)
        except MachineGone:
            pass
        wrong(f"{accessor}() does not return: it faulted, as when it reads a field "
              "of a frame that is not there", where=self.lab.place(accessor),
              gdb=f"break {accessor}")

    def look(self) -> SeenCall:
        """The call that the current process is in."""
        user = self._user_registers()
        top = self.table.kernel_rsp()
        pointer = self.ask("get_syscall_frame")
        call = SeenCall(user, top, self.gdb.read(top - REACH, REACH), pointer,
                    self.layout, self._fields(pointer), self.process,
                        self.lab.kernel.stack_bytes)
        self.calls.append(call)
        return call

    def owner_of(self, address: int) -> Optional[int]:
        """The process on whose kernel stack an address lies: its pid."""
        kernel = self.lab.kernel
        return next((p.pid for p in self.table.all()
                     if p.kstack_top - kernel.stack_bytes <= address < p.kstack_top), None)

    def call_of(self, function: str, process: Optional[int] = None) -> SeenCall:
        """Runs to a call, at the kernel function that carries it out."""
        self.run_to(function, process)
        return self.look()

    def stored_here(self) -> set[str]:
        """The registers of the user that stand at the top of the kernel stack,
        where the machine may be anywhere in the stub."""
        top = self.table.kernel_rsp()
        user, stack = self._user_registers(), self.gdb.read(top - REACH, REACH)
        words = {int.from_bytes(stack[at:at + 8], "little")
                 for at in range(0, REACH, 8)}
        return {name for name in WORDS if user[name] in words}

    def _user_registers(self) -> dict[str, int]:
        """What the probe loaded before its SYSCALL, which itself sets RCX to
        the address after it and R11 to RFLAGS."""
        data = self.gdb.read(self.probe.address("registers_before"),
                             8 * len(PROBE_ORDER))
        loaded = {name: int.from_bytes(data[8 * i:8 * i + 8], "little")
                  for i, name in enumerate(PROBE_ORDER)}
        loaded["rcx"] = self.probe.address("registers_next")
        loaded["r11"] = loaded.pop("rflags")
        return loaded

    def _fields(self, pointer: int) -> dict[str, int]:
        if self.layout is None or pointer == 0:
            return {}
        data = self.gdb.peek(pointer, self.layout.size)
        if data is None:
            return {}
        return {name: int.from_bytes(data[f.offset:f.offset + f.size], "little")
                for name, f in self.layout.fields.items() if name in WORDS}
