"""The numbers that C headers define.

    constants(TREE / "kernel/syscall_entry.h")["FRAME_SIZE"]
    kernel_constants(TREE)["KSTACK_STRIDE"]

A `#define` counts whose text is an integer expression of numbers and names that
are known: `0x30`, `(1 << 9)`, `(3 * PAGE_SIZE)`. Macros with arguments, texts and
whatever else a header defines are passed over.
"""

from __future__ import annotations

import ast
import functools
import operator
import re
from pathlib import Path
from typing import Iterable, Mapping

DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(.+?)[ \t]*$", re.MULTILINE)

OPERATIONS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.LShift: operator.lshift, ast.RShift: operator.rshift,
    ast.BitOr: operator.or_, ast.BitAnd: operator.and_,
    ast.FloorDiv: operator.floordiv,
}


@functools.lru_cache(maxsize=None)
def constants(path: Path) -> Mapping[str, int]:
    """The numbers that one header defines by itself."""
    return _numbers([path])


@functools.lru_cache(maxsize=None)
def kernel_constants(tree: Path) -> Mapping[str, int]:
    """The numbers that a tree's kernel headers define, whichever of them."""
    return _numbers(sorted((tree / "kernel").rglob("*.h")))


def with_prefix(numbers: Mapping[str, int], prefix: str) -> dict[str, int]:
    """Those whose names begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): number for name, number in numbers.items()
            if name.startswith(prefix)}


def _numbers(paths: Iterable[Path]) -> Mapping[str, int]:
    texts: dict[str, str] = {}
    for path in paths:
        text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", path.read_text(), flags=re.DOTALL)
        texts.update(DEFINE.findall(text))
    found: dict[str, int] = {}
    for name in texts:
        _evaluate(name, texts, found, ())
    return {name: found[name] for name in texts if name in found}


def _evaluate(name: str, texts: Mapping[str, str], found: dict[str, int],
              asking: tuple[str, ...]) -> int:
    """The number of a name, which may need others'; ValueError is kept inside:
    a name without a number is not in `found`, and 0 is given."""
    if name not in found and name in texts and name not in asking:
        # C writes /, and U, L after a number, where Python has // and nothing.
        text = re.sub(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", texts[name])
        try:
            tree = ast.parse(text.replace("/", "//"), mode="eval").body
            found[name] = _value(tree, texts, found, (*asking, name))
        except (SyntaxError, ValueError):
            pass
    return found.get(name, 0)


def _value(node: ast.expr, texts: Mapping[str, str], found: dict[str, int],
           asking: tuple[str, ...]) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.Name):
        _evaluate(node.id, texts, found, asking)
        if node.id in found:
            return found[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Invert)):
        value = _value(node.operand, texts, found, asking)
        return -value if isinstance(node.op, ast.USub) else ~value
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        return OPERATIONS[type(node.op)](_value(node.left, texts, found, asking),
                                         _value(node.right, texts, found, asking))
    raise ValueError(ast.dump(node))
