"""How deep the kernel's stacks are used. Each is painted where nothing lies yet, and
what still has the colour in the end was never touched. What a program asks for, and
what strikes meanwhile, does not come near the end of one."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from machine.gdb_remote import Gdb
from machine.kernel import Kernel
from machine.programs import Programs, archive_with
from machine.qemu import Machine
from machine.x86 import PAGE

PAINT = b"\xa5"
ZERO = b"\0"  # what the kernel's own data is before it is used

# What may be used of a stack.
MOST = 3 / 4

# A program of the shell's, or one of the tests' with its arguments; and for the
# shell what is typed.
PROGRAMS = {
    "stress": "/bin/stress 1 2000",
    "hostile": "/bin/hostile",
    "exectest": "/bin/exectest 5",
    "forktree": "/bin/forktree 4",
    "signals": "/bin/signals",
    "flags": "/bin/flags",
    "linux-deep": "/bin/linux-deep /work",
    "linux-writes": "/bin/linux-writes /work",
    "linux-signals": "/bin/linux-signals",
    "linux-memory": "/bin/linux-memory",
    "linux-pipes": "/bin/linux-pipes",
    "linux-family": "/bin/linux-family",
    "linux-procfiles": "/bin/linux-procfiles",
    "linux-crowd": "/bin/linux-crowd",
}
TYPED = b"ps | cat\ncat /proc/1/status /proc/meminfo > x\nsleep 9 &\nkill %1\nexit\n"

# Where each exception with a stack of its own has it: IST - 1. Those that an
# instruction asks for arrive as the CPU's own would; a double fault is one.
BY_INSTRUCTION = {"NMI": (2, 1), "#DB": (1, 2), "#MC": (18, 3)}
DOUBLE_FAULT = 0


class Stacks:
    """Paints stacks, and knows the deepest use of each kind, in bytes."""

    def __init__(self, gdb: Gdb, kernel: Kernel) -> None:
        self._gdb, self._kernel = gdb, kernel
        self._bottoms: dict[int, int] = {}  # of processes' stacks, by their tops
        self.count = 0
        self.deepest = 0
        self._boot_top = kernel.address("boot_stack_top")
        self._boot_used = 0

    def follow(self) -> None:
        """Lets the machine run to its end, from before the first process on."""
        gdb, kernel = self._gdb, self._kernel
        free, end = kernel.address("kstack_free"), kernel.address("machine_exit")
        gdb.run_to(kernel.address("kstack_alloc"))
        self._paint_boot()
        made = gdb.read_u64(gdb.register("rsp"))  # back from there
        while True:
            place = gdb.run_to({made: None, free: None, end: None})
            if place == end:
                break
            if place == made:
                self._paint(gdb.register("rax"))
            else:
                self._measure(self._top(gdb.register("rdi")))
        for top in list(self._bottoms):
            self._measure(top)

    def boot(self) -> int:
        """How deep main(), and the idle process that it becomes, were."""
        return max(self._boot_used, self._used(
            self._boot_top - self._boot_bytes, self._boot_bytes, PAINT))

    def _top(self, slot: int) -> int:
        constants = self._kernel.constants
        return constants["KSTACK_BASE"] + (slot + 1) * constants["KSTACK_STRIDE"]

    def _paint(self, top: int) -> None:
        """A new process's, unless there was no memory for it."""
        if top:
            self._bottoms[top] = top - self._kernel.stack_bytes
            self._gdb.write(self._bottoms[top], PAINT * self._kernel.stack_bytes)

    def _measure(self, top: int) -> None:
        if top in self._bottoms:
            bottom = self._bottoms.pop(top)
            self.count += 1
            self.deepest = max(self.deepest, self._used(bottom, top - bottom, PAINT))

    @property
    def _boot_bytes(self) -> int:
        return 2 * PAGE  # boot.S

    def _paint_boot(self) -> None:
        """What main() has not got at so far; nothing lies below RSP."""
        bottom = self._boot_top - self._boot_bytes
        self._boot_used = self._used(bottom, self._boot_bytes, ZERO)
        self._gdb.write(bottom, PAINT * (self._gdb.register("rsp") - bottom))

    def _used(self, bottom: int, size: int, colour: bytes) -> int:
        return len(self._gdb.read(bottom, size).lstrip(colour))


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_program_leads_the_kernel_deep_into_a_stack(
    name: str, programs: Programs, kernel: Kernel, tmp_path: Path
) -> None:
    test = name.partition("linux-")[2]
    files = {f"bin/{name}": programs[test], "work/.keep": b""} if test else {}
    with Machine(PROGRAMS[name], append="hz=1000", stopped=True,
                 initrd=archive_with(files, tmp_path / "initrd.cpio")) as machine:
        check_stacks(name, machine, kernel)


def test_no_key_at_the_shell_does(kernel: Kernel) -> None:
    with Machine(append="hz=1000", stopped=True) as machine:
        machine.send(TYPED)
        check_stacks("sh", machine, kernel)


def check_stacks(name: str, machine: Machine, kernel: Kernel) -> None:
    stacks = Stacks(machine.gdb(), kernel)
    stacks.follow()
    print(f"{name}: {stacks.deepest} of {kernel.stack_bytes} bytes in the deepest of "
          f"{stacks.count} stacks; main's: {stacks.boot()} of {2 * PAGE}")
    assert stacks.count > 0
    assert kernel.frame_bytes < stacks.deepest <= MOST * kernel.stack_bytes
    assert 0 < stacks.boot() <= MOST * 2 * PAGE


@pytest.fixture
def stopped(kernel: Kernel) -> Iterator[Gdb]:
    """A machine in a call, the stacks of its exceptions painted."""
    with Machine("/bin/hello", stopped=True) as machine:
        gdb = machine.gdb()
        gdb.run_to(kernel.address("sys_write"))
        for index in range(kernel.constants["IST_COUNT"]):
            gdb.write(ist_stack(kernel, index),
                      PAINT * kernel.constants["IST_STACK_SIZE"])
        yield gdb


def ist_stack(kernel: Kernel, index: int) -> int:
    """Its lowest address."""
    return (kernel.per_cpu("segments") + kernel.offset_of("segments", "ist_stacks")
            + index * kernel.constants["IST_STACK_SIZE"])


def check_ist(gdb: Gdb, kernel: Kernel, name: str, index: int) -> None:
    size = kernel.constants["IST_STACK_SIZE"]
    used = len(gdb.read(ist_stack(kernel, index), size).lstrip(PAINT))
    print(f"{name}: {used} of {size} bytes")
    assert 0 < used <= MOST * size


@pytest.mark.parametrize("name", BY_INSTRUCTION)
def test_no_exception_comes_near_the_end_of_its_own_stack(
    name: str, stopped: Gdb, kernel: Kernel
) -> None:
    vector, index = BY_INSTRUCTION[name]
    here = stopped.register("rip")
    stopped.write(here, bytes([0xCD, vector]))  # INT
    stopped.run_to({here + 2: None, kernel.address("machine_exit"): None})
    check_ist(stopped, kernel, name, index)


def test_nor_does_a_double_fault(stopped: Gdb, kernel: Kernel) -> None:
    stopped.set_register("rsp", PAGE)  # where nothing is
    stopped.run_to(kernel.address("machine_exit"))
    check_ist(stopped, kernel, "#DF", DOUBLE_FAULT)
