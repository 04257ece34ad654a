"""headers: the numbers that the kernel's headers define. Whether the debugger
knows a number never depends on what was optimized away."""

from __future__ import annotations

import ast
import functools
import operator
import re
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]

OPERATIONS = {ast.LShift: operator.lshift, ast.RShift: operator.rshift,
              ast.BitOr: operator.or_, ast.Mult: operator.mul, ast.Add: operator.add,
              ast.Sub: operator.sub}


@functools.lru_cache(maxsize=None)
def defines(header: str = "*.h") -> dict[str, str]:
    """What each macro without parameters stands for, as text."""
    found = {}
    for path in sorted((TREE / "kernel").rglob(header)):
        text = re.sub(r"/\*.*?\*/|\\\n", "", path.read_text(), flags=re.DOTALL)
        text = re.sub(r"\b(0x[0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", text)
        found.update(re.findall(r"^#define[ \t]+(\w+)[ \t]+(\S.*?)[ \t]*$", text,
                                re.MULTILINE))
    return found


@functools.lru_cache(maxsize=None)
def number(name: str) -> int:
    """The number that a macro stands for; a KeyError if none does."""
    try:
        return _value(ast.parse(defines()[name], mode="eval").body)
    except (SyntaxError, TypeError):
        raise KeyError(f"{name} is no number") from None


def _value(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.Name):
        return number(node.id)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        return OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    raise TypeError


def numbers(prefix: str, header: str = "*.h") -> dict[str, int]:
    """Every macro that begins so and is a number, by the rest of its name."""
    found = {}
    for name in defines(header):
        if name.startswith(prefix):
            try:
                found[name[len(prefix):]] = number(name)
            except KeyError:
                pass
    return found
