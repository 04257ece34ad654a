"""The answers of the book's exercises, taken from what they are about: the kernel's
headers, its symbols, its programs, and the calls that were recorded for the book. No
answer that a machine can give is written down.

An exercise names an expression, as in `constant("USER_CS") & 3`; these are its words.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from pathlib import Path
from typing import Any, Callable

TREE = Path(__file__).resolve().parents[1]
TRACES = Path(os.environ.get("THRESHOLD_BOOK", TREE / "build/book")) / "traces"
sys.path.insert(0, str(TREE / "grade"))
# pylint: disable=wrong-import-position
from machine.headers import constants, kernel_constants  # noqa: E402
from machine.symbols import Symbols  # noqa: E402


class NoRecording(Exception):
    """No call was recorded for this book: in a student's tree none is, as the kernel
    makes no calls yet."""


def constant(name: str, file: str = "") -> int:
    """What a #define of the kernel's headers says, or of one file in kernel/."""
    return constants(TREE / "kernel" / file)[name] if file else kernel_constants(TREE)[name]


@functools.lru_cache(maxsize=None)
def _symbols(program: str) -> Symbols:
    return Symbols(TREE / (f"build/user/{program}" if program
                           else "build/kernel.elf"))


def address(name: str, program: str = "") -> int:
    """Where a function or variable of the kernel, or of a program, is."""
    return int(_symbols(program).address(name))


def size_of(structure: str) -> int:
    """Bytes of a struct of the kernel."""
    return _symbols("").size_of(structure)


def index(va: int, level: int) -> int:
    """Which entry of the table at a level (3: the PML4) an address goes through."""
    return va >> (12 + 9 * level) & 511


@functools.lru_cache(maxsize=None)
def trace(name: str) -> dict[str, Any]:
    """A recorded call of the book."""
    if not TRACES.exists():
        raise NoRecording
    loaded: dict[str, Any] = json.loads((TRACES / f"{name}.json").read_text())
    return loaded


def section(name: str, part: str = "call") -> dict[str, Any]:
    return next(s for s in trace(name)["sections"] if s["id"] == part)


def steps(name: str, part: str = "call") -> int:
    """How many steps a part of a recorded call has."""
    return len(section(name, part)["steps"])


def result(name: str) -> int:
    """What a recorded call returned, as a number with a sign."""
    value = int(trace(name)["call"]["result"], 16)
    return value - (1 << 64) if value >> 63 else value


def register(name: str, part: str, position: int, which: str) -> int:
    """A register of a recorded call after so many steps of a part."""
    here = section(name, part)
    value = here["start"][which]
    for step in here["steps"][:position]:
        value = step["set"].get(which, value)
    return int(value, 16)


def first(name: str, part: str, asm: str) -> int:
    """How many steps of a part run before the first that is this instruction."""
    here = section(name, part)
    rip = here["start"]["rip"]
    for k, step in enumerate(here["steps"]):
        if trace(name)["code"][rip]["asm"].split()[0] == asm:
            return k
        rip = step["set"].get("rip", rip)
    raise ValueError(f"{name} has no {asm}")


def place(name: str, part: str, what: str) -> int:
    """How many steps of a part run before a place: a number, or the first step of a
    function."""
    if what.isdigit():
        return int(what)
    here = section(name, part)
    rip = here["start"]["rip"]
    for k, step in enumerate(here["steps"]):
        if trace(name)["code"][rip].get("function") == what:
            return k
        rip = step["set"].get("rip", rip)
    raise ValueError(f"{name} does not come to {what}")


WORDS: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (
        constant, address, size_of, index, steps, result, register, first)}


def answer(expression: str) -> str:
    """What an exercise's expression gives, in decimal."""
    # pylint: disable=eval-used
    value = eval(expression, {"__builtins__": {}}, WORDS)
    return str(int(value))
