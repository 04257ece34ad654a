"""state: the machine in a few words, the same ones wherever they are said."""

from __future__ import annotations

import gdb

from .colour import paint
from .cpu import GENERAL
from .machine import cpl, register
from .proc import Process
from .stack import find_stack
from .symbols import code_text, label, line_at, symbol_at
from .headers import number
from .syscall import call_name

# What a step can change: `regs` shows these, `context` the ones that changed.
REGISTERS = (*GENERAL, "eflags", "cs", "ss", "gs_base", "k_gs_base", "fs_base", "cr2",
             "cr3")


def registers() -> dict[str, int]:
    """Every register of REGISTERS."""
    return {name: register(name) for name in REGISTERS}


def ring_text() -> str:
    """`ring 0`, in its colour."""
    text = f"ring {cpl()}"
    return paint(text, text)


def gs_text(base: int) -> str:
    """Whose a GS base is."""
    block = label("per_cpu")
    if block not in (register("gs_base"), register("k_gs_base")):
        return "not set"  # lab 2 does
    return "per_cpu" if base == block else "the user's"


def stack_text(rsp: int) -> str:
    """Whose stack RSP is on, and how full it is."""
    if rsp < number("USER_END"):
        return "the user's stack"
    try:
        process = Process.current()
        name, top = find_stack(process, rsp)
    except (gdb.GdbError, gdb.error):
        return "the kernel's first stack"
    name = name.replace(f"{process}'s ", "")
    return f"{name}, {(top - rsp) // 8} words"


def process_text() -> str:
    """Who runs, and what in."""
    try:
        process = Process.current()
    except (gdb.GdbError, gdb.error):
        return "no process yet"
    if process.in_syscall:
        return f"{process} in {call_name(int(process.value['syscall_nr']))}"
    return str(process)


def value_text(value: int) -> str:
    """What an address leads to: a place in the code, a symbol, or nothing."""
    if value < number("PAGE_SIZE"):
        return ""
    return (code_text(value) if line_at(value) else symbol_at(value))
