"""colour: where GDB itself writes in colour, its commands do too."""

from __future__ import annotations

import os

import gdb

# Ring 3's calm, ring 0's warning; what changed; what is wrong.
CODES = {"ring 3": 32, "ring 0": 33, "changed": 36, "wrong": 31, "title": 1}


def is_on() -> bool:
    """Does a person look, and want colour? As `show style enabled`."""
    return os.isatty(1) and bool(gdb.parameter("style enabled"))


def paint(text: str, kind: str) -> str:
    """The text in one of the colours, or as it is."""
    return f"\033[{CODES[kind]}m{text}\033[0m" if is_on() else text
