"""context: at each stop, where the machine is: its ring, the stack, GS, what changed,
and what comes next. On at a person's terminal; off where nobody looks."""

from __future__ import annotations

import linecache
import os
import shutil
import textwrap

import gdb

from .colour import paint
from .command import command, say
from .machine import disassemble, need_kernel, register
from .state import (gs_text, process_text, registers, ring_text, stack_text)
from .versions import at_prompt

LINES = 4  # of the source, with the one that comes next
CHANGES = 2  # lines of registers that changed
MANY = 12  # as many have changed where another program's state is looked at


class Context:
    """Whether it is shown, and what the registers were when it was last."""

    is_on = os.isatty(0) and os.isatty(1)
    is_due = False  # the machine has stopped since
    before: dict[str, int] = {}


@command("context", choices=lambda: ["on", "off"])
def context(argument: str) -> None:
    """Show ring, process, stack, GS and what comes next.

    usage: context [on|off]
    With on, at each stop, with the registers that changed since the one before;
    so it begins at a terminal. With off, no longer."""
    if argument not in ("", "on", "off"):
        raise gdb.GdbError("context: on or off?")
    if argument:
        Context.is_on = argument == "on"
    if argument != "off":
        need_kernel()
        show()


def show() -> None:
    """Prints it, and remembers the registers."""
    now, width = registers(), shutil.get_terminal_size().columns
    facts = [ring_text(), process_text(), stack_text(now["rsp"]),
             f"GS: {gs_text(now['gs_base'])}"]
    say(paint("-- ", "title") + " | ".join(facts))
    for line in changed_lines(Context.before, now, width):
        say(line)
    for line in next_lines(width):
        say(line)
    Context.before = now


def changed_lines(before: dict[str, int], now: dict[str, int], width: int) -> list[str]:
    """The registers that changed, in a line or two; of another program's state that it
    is one."""
    texts = [f"{name}={value:#x}" for name, value in now.items()
             if before.get(name, value) != value]
    if len(texts) > MANY:
        return [f"   changed  {len(texts)} registers: regs shows them"]
    lines = textwrap.wrap(" ".join(texts), max(width - 26, 20))  # and the rest's number
    if len(lines) > CHANGES:
        lines = lines[:CHANGES]
        shown = sum(line.count("=") for line in lines)
        lines[-1] += f" (+{len(texts) - shown}: regs)"
    return [("   changed  " if not i else " " * 12) + paint(line, "changed")
            for i, line in enumerate(lines)]


def cut(line: str, width: int) -> str:
    """A line that fits, with a sign where some of it does not."""
    return line if len(line) <= width else f"{line[:width - 1]}…"


def next_lines(width: int) -> list[str]:
    """The instruction that comes next, and the lines of the source around it."""
    pc = register("rip")
    try:
        asm = " ".join(disassemble(pc, pc + 1)[0]["asm"].split())
    except gdb.MemoryError:
        asm = "(its page is not there yet)"
    lines = [cut(f"=> {pc:#x}  {asm}", width)]
    place = gdb.find_pc_line(pc)
    if place.symtab and place.line:
        for line in range(place.line, place.line + LINES):
            text = linecache.getline(place.symtab.fullname(), line).rstrip()
            if text:
                mark = "=>" if line == place.line else "  "
                lines.append(cut(f"{mark} {line:<5} {text.expandtabs(4)}", width))
    return lines


def say_next(text: str) -> None:
    """Says what comes next, unless the prompt is about to, with more around it."""
    if not (Context.is_on and Context.is_due):
        say(f"=> {text}")


def stopped(event: gdb.Event) -> None:
    """The machine has stopped: say so at the next prompt, after GDB has said where."""
    Context.is_due = True


def at_the_prompt() -> None:
    """Shows it, once for all stops that one command made."""
    if not (Context.is_on and Context.is_due):
        return
    Context.is_due = False
    try:
        need_kernel()
        show()
    except (gdb.error, gdb.GdbError):
        pass  # no machine, or no kernel yet: GDB has said what there is


gdb.events.stop.connect(stopped)
at_prompt(at_the_prompt)
