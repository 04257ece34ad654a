"""The tests' tool: machines of the submission's kernel, and what it is called in.

A test says what is wrong by `wrong` and what it lacks by `lab.needs`. A machine
that stopped or hung is looked at by itself when the test meets MachineGone,
GdbTimeout or MachineError.
"""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import Any, Callable, Mapping, Optional

from machine.finding import Finding
from machine.gdb_remote import Gdb, StoppedElsewhere
from machine.kernel import Kernel, in_kernel_half
from machine.qemu import Machine
from machine.result import STATUS_FAULT, STATUS_PANIC, Result
from machine.symbols import Symbols
from machine.x86 import C_ARGUMENTS, KERNEL_CS, KERNEL_DS, PAGE
from . import postmortem, probes
from .patience import LabMachine, hangs
from .verdict import Ground, Verdict, verdict

# A machine counts instructions instead of time: the same kernel does the same
# thing in every run, however busy the host is, and nobody waits while all sleep.
# (At each stop of the debugger the clock goes on to its next alarm.)
ICOUNT = "shift=0,sleep=off"
# How much of a console a result keeps, in characters.
CONSOLE_LIMIT = 4000
# How far below what is in use a called function's stack begins, in bytes.
BELOW = PAGE // 4
# How often a breakpoint of the test's own may stop a function that is called.
OWN_STOPS = 8


class Lab:
    """What a test may ask: machines of the submission's kernel, its names, and
    numbers that differ from run to run.

    obstacle  what ended the test that the lab's others stand on: then there is
              no machine for them.
    """

    def __init__(self, kernel: Path, symbols: Kernel, seed: int, name: str) -> None:
        self.kernel_path = kernel
        self.kernel = symbols
        self.seed = seed
        self.random = random.Random(seed ^ zlib.crc32(name.encode()))
        self.machines: list[LabMachine] = []
        self.obstacle: Optional[Finding] = None
        self._directory: Optional[Path] = None
        self._at_end: list[Callable[[], None]] = []

    def machine(self, init: str, *, files: Optional[Mapping[str, bytes]] = None,
                **options: Any) -> LabMachine:
        """Boots the submission's kernel with the grader's archive, and `files`
        ("bin/x": bytes) in it; other options as for Machine. It is closed after
        the test."""
        if self.obstacle:
            raise verdict(Ground.BLOCKED, "This test needs a kernel that does not stop "
                          f"or hang before. {self.obstacle.cause}",
                          where=self.obstacle.where, gdb=self.obstacle.gdb)
        probes.require(init, files or {})
        initrd = probes.base_archive()
        if files:
            initrd = probes.archive_with(files, self.directory)
        machine = LabMachine(init, **{"initrd": initrd, "kernel": self.kernel_path,
                                      "icount": ICOUNT, **options})
        self.machines.append(machine)
        return machine

    def run(self, init: str, *, may_fail: bool = False, **options: Any) -> Result:
        """Boots and waits for the end. Unless the first program ended by itself
        (or may_fail), the end is decoded and raised."""
        machine = self.machine(init, **options)
        result = machine.wait()
        if not may_fail and (result.status is None
                             or result.status in (STATUS_FAULT, STATUS_PANIC)):
            raise self.verdict_of(machine)
        return result

    def verdict_of(self, machine: Machine) -> Verdict:
        """What became of a machine that ended, or hung, where the test waited for
        something else."""
        assert isinstance(machine, LabMachine)
        found = postmortem.examine(machine, self.kernel)
        if found.ground in (Ground.HUNG, Ground.FLOOD):
            hangs[self.kernel_path] += 1
        return found

    def at_end(self, close: Callable[[], None]) -> None:
        """Something to be closed after the test, and after its machines."""
        self._at_end.append(close)

    def needs(self, what: str, met: bool = False) -> None:
        """Says that the test could not do its work because of something that an
        earlier lab or test has to give, unless that is met."""
        if not met:
            raise verdict(Ground.BLOCKED, f"This test needs {what}")

    def probe(self, name: str) -> Symbols:
        """Names and addresses of a probe program."""
        return probes.symbols(name)

    def place(self, name: str) -> Optional[str]:
        """Where a kernel function begins, as `kernel/msr.c:14`."""
        return self.kernel.line_of(name) if name in self.kernel else None

    def rdmsr(self, gdb: Gdb, msr: int) -> int:
        """A model-specific register of the stopped machine."""
        return gdb.rdmsr(msr, self.kernel.address("machine_exit"))

    def call(self, gdb: Gdb, function: str, *arguments: int) -> int:
        """The result of a kernel function, called on the stopped machine in
        ring 0 with interrupts off; then all registers are put back.

        It runs below the current stack, or, where the machine is on the user's
        stack, on the current process's kernel stack below the live frame.
        """
        names = [name for name in gdb.layout if re.fullmatch(
            r"r(ax|bx|cx|dx|si|di|bp|sp|ip|\d+)|eflags", name)]
        saved = {name: gdb.register(name) for name in names}
        selectors = {name: gdb.register(name) for name in ("ss", "cs")}
        top = gdb.read_u64(self.kernel.per_cpu("kernel_rsp"))
        back = self.kernel.address("machine_exit")
        ring_3 = selectors["cs"] & 3 == 3
        on_kernel_stack = not ring_3 and in_kernel_half(saved["rsp"])
        rsp = ((saved["rsp"] if on_kernel_stack else top) - BELOW & ~15) - 8
        if ring_3:
            gdb.set_register("ss", KERNEL_DS)
            gdb.set_register("cs", KERNEL_CS)
        gdb.write(rsp, back.to_bytes(8, "little"))
        gdb.set_registers({**dict(zip(C_ARGUMENTS, arguments)), "rsp": rsp, "eflags": 2,
                           "rip": self.kernel.address(function)})
        result = self._returned(gdb, function, back, rsp + 8)
        if ring_3:
            gdb.set_register("cs", selectors["cs"])
            gdb.set_register("ss", selectors["ss"])
        gdb.set_registers(saved)
        return result

    def _returned(self, gdb: Gdb, function: str, back: int, rsp: int) -> int:
        """RAX where a function that was called comes back, with its own RSP: the
        kernel may come to the same place when it panics."""
        for _ in range(OWN_STOPS):
            try:
                gdb.run_to({back: lambda: gdb.register("rsp") == rsp})
                return gdb.register("rax")
            except StoppedElsewhere:
                gdb.step()
        raise verdict(Ground.WRONG, f"{function}() did not return when it was called",
                      where=self.place(function), gdb=f"break {function}")

    @property
    def directory(self) -> Path:
        """A directory that is removed after the test."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="threshold-lab-"))
        return self._directory

    @property
    def console(self) -> str:
        """What the test's last machine has printed: the end of it, but of a
        machine that was stopped the beginning, which does not depend on when."""
        if not self.machines:
            return ""
        last = self.machines[-1]
        return (last.console[:CONSOLE_LIMIT] if last.was_stopped
                else last.console[-CONSOLE_LIMIT:])

    def close(self) -> None:
        for machine in self.machines:
            machine.close()
        for close in self._at_end:
            close()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
