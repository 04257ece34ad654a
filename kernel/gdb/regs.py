"""regs: every register in words."""

from __future__ import annotations

from .command import columns, command, say
from .colour import paint
from .context import Context
from .cpu import GENERAL, flags_text
from .machine import need_kernel, register
from .state import gs_text, registers, ring_text, stack_text, value_text
from .symbols import code_text

LEFT, RIGHT = GENERAL[:8], GENERAL[8:]
GAP = 3  # columns between the two
WIDEST = 110  # columns, where no terminal says how many it has


@command("regs")
def regs(argument: str) -> None:
    """Show the registers: what addresses are called, RFLAGS in words.

    What has changed since the last `context`, or stop with one, has a *."""
    need_kernel()
    now = registers()
    for line in general(now):
        say(line)
    rip = register("rip")
    say(f" rip  {rip:#018x}  {code_text(rip)}")
    say(mark("eflags", now) + f"rflags {now['eflags']:#x}  "
        f"{flags_text(now['eflags']) or 'no flag is set'}")
    say(mark("cs", now) + f"cs {now['cs']:#x}, ss {now['ss']:#x}: {ring_text()}; "
        f"{stack_text(now['rsp'])}")
    say(mark("gs_base", now) + f"GS_BASE {now['gs_base']:#x}, {gs_text(now['gs_base'])}; "
        f"KERNEL_GS_BASE {now['k_gs_base']:#x}, {gs_text(now['k_gs_base'])}")
    say(mark("cr3", now) + f"FS_BASE {now['fs_base']:#x}; cr2 {now['cr2']:#x}, "
        f"the last page fault's address; cr3 {now['cr3']:#x}")


def mark(name: str, now: dict[str, int]) -> str:
    """A star where the register has changed."""
    return "*" if Context.before.get(name, now[name]) != now[name] else " "


def general(now: dict[str, int]) -> list[str]:
    """The general registers in two columns, where those are not too wide; else in one."""
    left, right = ([cell(name, now) for name in names] for names in (LEFT, RIGHT))
    column = max(map(len, left)) + GAP
    if column + max(map(len, right)) > (columns() or WIDEST):
        return [shown(text) for text in left + right]
    return [f"{shown(one)}{' ' * (column - len(one))}{shown(other)}"
            for one, other in zip(left, right)]


def cell(name: str, now: dict[str, int]) -> str:
    """One register, and what its value is called."""
    return f"{mark(name, now)}{name:<4} {now[name]:#018x}  {value_text(now[name])}".rstrip()


def shown(text: str) -> str:
    """A register's text in the colour of what has changed, if it has."""
    return paint(text, "changed") if text[0] == "*" else text
