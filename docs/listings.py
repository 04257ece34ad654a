"""Pieces of source files by what they are, not by line numbers: a function, a struct,
a macro or a label with the comment above it; a function of Python with its decorators.

    piece(TREE / "kernel/switch.c", "switch_to")
    piece(TREE / "kernel/sched.h", "struct proc")
    piece(TREE / "kernel/gdb/proc.py", "ps")
"""

from __future__ import annotations

import re
from pathlib import Path

COMMENT_ABOVE = r"(?:^(?:/\*(?:(?!\*/).)*\*/)\n)?"


class NoSuchPiece(ValueError):
    """A file has nothing of that name, or several."""


def piece(path: Path, name: str) -> str:
    """The definition of a name in a file, with the comment that stands above it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".S":
        return _label(text, path, name)
    if path.suffix == ".py":
        return _def(text, path, name)
    if name.startswith(("struct ", "enum ", "union ")):
        body = rf"^{re.escape(name)} \{{\n.*?^\}}[^\n]*;\n"
    elif name.startswith("#define "):
        return _defines(text, path, name.split()[1])
    else:
        # A head that may be wrapped, then the body, or a table's braces.
        body = (rf"^(?!#)[a-z_][^\n;{{}}()=]*(?:\(\([^\n]*\)\)[^\n;{{}}]*?)?\b{re.escape(name)}"
                rf"(?:\([^;{{}}]*\)[^;{{}}\n]*\n\{{\n.*?^\}}\n|"
                rf"\[[^\n]*\] = \{{\n.*?^\}};\n| = \{{\n.*?^\}};\n)")
    found = [match[0] for match in re.finditer(COMMENT_ABOVE + body, text,
                                               re.DOTALL | re.MULTILINE)]
    return _one(found, path, name)


def _label(text: str, path: Path, name: str) -> str:
    """From a label of assembly to the next one that is no number, or the end."""
    found = re.findall(rf"^{re.escape(name)}:\n.*?(?=^[A-Za-z_]\w*:|\Z)", text,
                       re.DOTALL | re.MULTILINE)
    return _one(found, path, name).rstrip() + "\n"


def _def(text: str, path: Path, name: str) -> str:
    """A function of Python with its decorators: all lines that are further in, and the
    empty ones between them."""
    found = re.findall(rf"^(?:@[^\n]*\n)*def {re.escape(name)}\(.*?(?=^\S|\Z)", text,
                       re.DOTALL | re.MULTILINE)
    return _one(found, path, name).rstrip() + "\n"


def _defines(text: str, path: Path, prefix: str) -> str:
    """The lines that define names with a prefix, PTE_ for all of a page table entry."""
    found = re.findall(rf"^#define {re.escape(prefix)}[^\n]*\n", text, re.MULTILINE)
    if not found:
        raise NoSuchPiece(f"{path.name} defines no {prefix}…")
    return "".join(found)


def _one(found: list[str], path: Path, name: str) -> str:
    if len(found) != 1:
        raise NoSuchPiece(f"{path.name} has {len(found)} definitions of {name}, not one")
    return found[0]
