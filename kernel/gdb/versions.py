"""versions: what differs between GDBs, 10 to 18, in one place. Each is asked for by
what is there, never by a number.

    send_packet of a connection    came with 12: MSRs and a recording need it
    events.gdb_exiting             came with 12: without it, QEMU runs on for a
                                   moment after quit
    style emoji                    came with 17: a picture before each error, which
                                   no other release has
    events.before_prompt           is there in all; under an editor nobody prompts
    the monitor's answer           18 gives it, under an editor, as lines of @"text"
                                   quoted as in C
"""

from __future__ import annotations

import ast
import re
from typing import Callable

import gdb


def sends_packets() -> bool:
    """Can this GDB be asked to send a packet of ours?"""
    return hasattr(getattr(gdb.selected_inferior(), "connection", None), "send_packet")


def unquoted(answer: str) -> str:
    """The monitor's answer as QEMU gave it."""
    quoted = re.findall(r'^@(".*")$', answer, re.MULTILINE)
    return "".join(map(ast.literal_eval, quoted)) if quoted else answer


def without_pictures() -> None:
    """Has an error be its words, whichever GDB says them."""
    try:
        gdb.execute("set style emoji off")
    except gdb.error:
        pass  # this GDB has none


def at_exit(function: Callable[[], None]) -> None:
    """Has a function called before GDB leaves, if it tells."""
    if hasattr(gdb.events, "gdb_exiting"):
        gdb.events.gdb_exiting.connect(lambda event: function())


def at_prompt(function: Callable[[], None]) -> None:
    """Has a function called before GDB asks for the next command."""
    if hasattr(gdb.events, "before_prompt"):
        gdb.events.before_prompt.connect(function)
