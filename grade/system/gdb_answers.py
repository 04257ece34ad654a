"""What the debugger's commands print, read back, for the tests named test_gdb_."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Callable

from machine import deadlines
from replay.session import Session

COMMANDS = ["break-kernel", "break-user", "catch-faults", "connect", "context",
            "finish-syscall", "gdt", "idt", "kstack", "msr", "next-syscall", "pagewalk",
            "percpu", "ps", "regs", "step-entry", "sysframe", "tss"]
# Each with an argument that it can do something with.
SHOWS = ["gdt", "tss", "idt", "idt pf", "msr", "percpu", "sysframe", "ps",
         "pagewalk 0x401000", "pagewalk $rsp", "kstack", "regs", "context"]
FIELDS = "r9 r8 r10 rdx rsi rdi r15 r14 r13 r12 rbx rbp r11 rcx rax rsp".split()
# A call of /bin/regs with a pattern in every register; the first calls of the
# program itself come before it.
TO_A_CALL_WITH_PATTERNS = ["break-user regs registers_call", "continue", "delete",
                           "next-syscall"]


def hexadecimal(text: str) -> int:
    return int(text, 16)


def frame_of(answer: str) -> dict[str, tuple[int, int, int]]:
    """sysframe's table: offset, value and line of each field."""
    rows = re.findall(r"^  \+(\d+) +(\w+) +(0x[0-9a-f]{16})  line (\d+)", answer,
                      re.MULTILINE)
    return {name: (int(offset), int(value, 16), int(line))
            for offset, name, value, line in rows}


def table_of(answer: str) -> dict[str, int]:
    """Lines that begin with a name and a number of sixteen digits."""
    rows = re.findall(r"^ *(?:\+\d+ +)?(\w+) +(0x[0-9a-f]{16})", answer, re.MULTILINE)
    return {name: int(value, 16) for name, value in rows}


def value_of(answer: str) -> int:
    """The number that `print/x` or `output/x` gave."""
    return int(answer.split("= ")[-1].split()[0], 16)


def no_traceback(session: Session) -> None:
    for word in ("Traceback", "Python Exception", "Error occurred in Python"):
        assert word not in str(session), session


def qemu_of(tree: Path) -> list[int]:
    """Processes whose directory is the tree: QEMU, GDB and their shells."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "cwd") == str(tree) and b"qemu-system" in (
                    entry / "cmdline").read_bytes().split(b"\0")[0]:
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def wait_until(done: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + deadlines.answer()
    while not done():
        assert time.monotonic() < until, what
        time.sleep(0.05)
