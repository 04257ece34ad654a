"""The kernel's table of processes, read from the stopped machine."""

from __future__ import annotations

import dataclasses

from .gdb_remote import Gdb
from .kernel import Kernel

# Slots are taken from below: after so many empty ones in a row, all are empty.
EMPTY_ROW = 4


@dataclasses.dataclass(frozen=True)
class Process:
    """What the kernel's table says about one process.

    address  of its struct proc.
    slot     which of the table's.
    state    "RUNNABLE" and so on, by the names of enum proc_state.
    parent   the address of another struct proc, or 0.
    kstack_top   the top of its kernel stack.
    rsp      where its registers are while it does not run.
    channel  what it sleeps for: an address.
    pml4     the physical address of its top page table.
    """

    address: int
    slot: int
    pid: int
    state: str
    parent: int
    kstack_top: int
    rsp: int
    channel: int
    pml4: int

    def __str__(self) -> str:
        return f"process {self.pid} ({self.state.lower()})"


class Table:
    """All processes of a machine."""

    def __init__(self, gdb: Gdb, kernel: Kernel) -> None:
        self._gdb, self._kernel = gdb, kernel
        self._base = kernel.address("proc_table")
        self._layout = kernel.structure("proc")
        self._states = {number: name.removeprefix("PROC_") for number, name
                        in kernel.enumeration("proc_state").items()}
        self._slots = kernel.object_size("proc_table") // self._layout.size
        self._pml4 = (self._layout.fields["vm"].offset
                      + kernel.offset_of("vm", "pml4"))

    def at(self, address: int) -> Process:
        """The process whose struct is there; pid 0 is the idle one."""
        # Of the struct, only the beginning is asked for: the rest is large.
        fields = self._layout.fields
        needed = [fields[name] for name in (
            "pid", "state", "parent", "kstack_top", "rsp", "channel")]
        end = max(self._pml4 + 8, *(f.offset + f.size for f in needed))
        data = self._gdb.read(address, end)

        def number(name: str, signed: bool = False) -> int:
            f = fields[name]
            return int.from_bytes(data[f.offset:f.offset + f.size], "little",
                                  signed=signed)

        state = number("state")
        return Process(
            address, (address - self._base) // self._layout.size,
            number("pid", signed=True), self._states.get(state, f"state {state}"),
            number("parent"), number("kstack_top"), number("rsp"), number("channel"),
            int.from_bytes(data[self._pml4:self._pml4 + 8], "little"))

    def current(self) -> Process:
        """The process that runs, which may be the idle one."""
        return self.at(self.current_address())

    def current_address(self) -> int:
        """The address of its struct proc."""
        return self._gdb.read_u64(self._kernel.per_cpu("current"))

    def current_pid(self) -> int:
        """Its number; the idle process's is 0."""
        field = self._layout.fields["pid"]
        data = self._gdb.read(self.current_address() + field.offset, field.size)
        return int.from_bytes(data, "little", signed=True)

    def idle_address(self) -> int:
        """The address of the idle process's struct proc."""
        return self._gdb.read_u64(self._kernel.per_cpu("idle"))

    def name_of(self, process: Process) -> str:
        """The name of its program, as in the archive."""
        field = self._layout.fields["name"]
        return self._gdb.read_string(process.address + field.offset, field.size)

    def handler(self, process: Process, signal: int) -> int:
        """The address of its handler for a signal; 0 or 1 where it has none, and where
        there is no such signal."""
        actions = self._layout.fields["signals"].offset + self._kernel.offset_of(
            "signals", "actions")
        action = self._kernel.structure("sigaction")
        if not 1 <= signal <= self._kernel.constants["NSIG"]:
            return 0
        return self._gdb.read_u64(process.address + actions + action.size * (signal - 1)
                                  + action.fields["handler"].offset)

    def kernel_rsp(self) -> int:
        """The stack that the next system call will use: its top."""
        return self._gdb.read_u64(self._kernel.per_cpu("kernel_rsp"))

    def all(self) -> list[Process]:
        """Every process but the idle one."""
        found: list[Process] = []
        empty = 0
        for slot in range(self._slots):
            process = self.at(self._base + slot * self._layout.size)
            if process.state != "UNUSED":
                empty = 0
                found.append(process)
                continue
            empty += 1
            if empty == EMPTY_ROW:
                break
        return found

    def queue(self) -> list[int]:
        """The addresses of the processes in the CPU's queue, in their order. One
        that stands there twice makes it a ring, and ends the list."""
        following = self._layout.fields["next"].offset
        address = self._gdb.read_u64(self._kernel.per_cpu("first"))
        found: list[int] = []
        while address and found.count(address) < 2 and len(found) <= self._slots:
            found.append(address)
            address = self._gdb.read_u64(address + following)
        return found
