"""proc: struct proc, who runs, and `ps`."""

from __future__ import annotations

import gdb

from .command import command, say
from .headers import number
from .machine import cpl, need_kernel
from .symbols import address_of, symbol_at, variable
from .syscall import call_name


class Process:
    """A struct proc."""

    def __init__(self, value: gdb.Value) -> None:
        self.value = value
        self.address = int(value.address)
        self.pid = int(value["pid"])
        self.name = value["name"].string(errors="replace")
        self.top = int(value["kstack_top"]) or address_of("boot_stack_top")
        self.in_syscall = bool(value["in_syscall"])
        self.state = str(value["state"]).replace("PROC_", "").lower()

    def __str__(self) -> str:
        return f"{self.name}[{self.pid}]"

    @staticmethod
    def current() -> Process:
        need_kernel()
        pointer = variable("per_cpu")["current"]
        if not pointer:
            raise gdb.GdbError("There is no process yet: the kernel is still "
                               "starting.")
        return Process(pointer.dereference())

    @staticmethod
    def all() -> list[Process]:
        need_kernel()
        table = variable("proc_table")
        return [Process(table[slot]) for slot in range(table.type.range()[1] + 1)
                if int(table[slot]["state"])]

    @staticmethod
    def by_pid(argument: str) -> tuple[Process, bool]:
        """That process, or the current one where no pid is given; and whether
        it is the current one."""
        current = Process.current()
        for process in Process.all() if argument else [current]:
            if not argument or str(process.pid) == argument:
                return process, process.address == current.address
        raise gdb.GdbError(f"There is no process {argument}; `ps` lists them.")


def stack_bytes() -> int:
    """The size of a kernel stack, without its guard page."""
    return number("KSTACK_STRIDE") - number("PAGE_SIZE")


def stack_owner(top: int) -> str:
    """Whose kernel stack an address is the top of."""
    owners = [f"top of {p}'s kernel stack" for p in Process.all() if p.top == top]
    return owners[0] if owners else "the top of no process's stack"

# ---- processes, pages, stacks ------------------------------------------------

@command("ps")
def ps(argument: str) -> None:
    """List the processes; * marks the one that runs."""
    current = Process.current()
    say("   PID  PPID  STATE     NAME             WHAT IT DOES")
    for process in Process.all():
        runs = process.address == current.address
        parent = process.value["parent"]
        say(f" {'*' if runs else ' '} {process.pid:<4} "
            f"{int(parent['pid']) if parent else '-':<5} "
            f"{'running' if runs else process.state:<9} {process.name:<16} "
            f"{doing(process, runs)}")


def doing(process: Process, runs: bool) -> str:
    """What a process is about."""
    status, number = (int(process.value[n]) for n in ("status", "syscall_nr"))
    if process.state == "zombie":
        how = (f"killed by signal {status & 0x7F}" if status & 0x7F
               else f"ended with status {status >> 8}")
        return f"{how}, not waited for"
    text = "in the kernel" if runs and cpl() == 0 else "in ring 3"
    if process.in_syscall:
        text = f"in {call_name(number)} ({number})"
    if process.state == "sleeping":
        channel = int(process.value["channel"])
        waits = [f"a child of {p}" for p in Process.all() if p.address == channel]
        text += f", waits for {(waits + [symbol_at(channel)])[0] or hex(channel)}"
    return text

