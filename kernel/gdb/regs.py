"""regs: every register in words."""

from __future__ import annotations

from .command import command, say
from .colour import paint
from .context import Context
from .cpu import GENERAL, flags_text
from .machine import need_kernel, register
from .state import gs_text, registers, ring_text, stack_text, value_text
from .symbols import code_text

LEFT, RIGHT = GENERAL[:8], GENERAL[8:]


@command("regs")
def regs(argument: str) -> None:
    """Show the registers: what addresses are called, RFLAGS in words.

    What has changed since the last `context`, or stop with one, has a *."""
    need_kernel()
    now = registers()
    for left, right in zip(LEFT, RIGHT):
        say(f"{cell(left, now):<52}{cell(right, now)}")
    rip = register("rip")
    say(f" rip  {rip:#018x}  {code_text(rip)}")
    say(mark("eflags", now) + f"rflags {now['eflags']:#x}  "
        f"{flags_text(now['eflags']) or 'no flag is set'}")
    say(mark("cs", now) + f"cs {now['cs']:#x}, ss {now['ss']:#x}: {ring_text()}; "
        f"{stack_text(now['rsp'])}")
    say(mark("gs_base", now) + f"GS_BASE {now['gs_base']:#x}, {gs_text(now['gs_base'])}; "
        f"KERNEL_GS_BASE {now['k_gs_base']:#x}, {gs_text(now['k_gs_base'])}; "
        f"FS_BASE {now['fs_base']:#x}")
    say(mark("cr3", now) + f"cr2 {now['cr2']:#x}, the last page fault's address; "
        f"cr3 {now['cr3']:#x}")


def mark(name: str, now: dict[str, int]) -> str:
    """A star where the register has changed."""
    return "*" if Context.before.get(name, now[name]) != now[name] else " "


def cell(name: str, now: dict[str, int]) -> str:
    """One register of the two columns."""
    text = f"{mark(name, now)}{name:<4} {now[name]:#018x}  {value_text(now[name])}"
    text = f"{text[:50]:<52}"
    return paint(text, "changed") if text[0] == "*" else text
