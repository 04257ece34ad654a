"""The entry stub as a list of instructions, for the page in which it can be tried.

The instructions are the asm() statements of syscall_entry, with the numbers of the
kernel's headers in place of their names:

    python3 docs/player/stub.py build/try.html      the page, with this tree's stub

What stands in the function besides them
(a stub with C in it) no list can hold: Unreadable.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Iterator, Mapping

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "grade"))
# pylint: disable=wrong-import-position
from machine.headers import kernel_constants  # noqa: E402

SOURCE = "kernel/syscall_entry.c"
FUNCTION = re.compile(r"^__attribute__\(\(naked\)\) void syscall_entry\(void\)\n\{\n(.*?)^\}",
                      re.DOTALL | re.MULTILINE)
STATEMENT = re.compile(r'\s*asm\(((?:\s*(?:"(?:[^"\\]|\\.)*"|STR\(\w+\)))+)\s*\);'
                       r"[ \t]*(?:/\*\s*(.*?)\s*\*/)?", re.DOTALL)
COMMENT = re.compile(r"\s*/\*.*?\*/", re.DOTALL)
PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"|STR\((\w+)\)')
ESCAPES = {"\\n": "\n", "\\t": "\t", '\\"': '"', "\\\\": "\\"}
# Of what the assembler is told, the reader of a list need not know.
NOT_SHOWN = re.compile(r"^\.(cfi_\w+|globl?|type|size|ifdef|endif)\b")

Line = dict[str, str]


class Unreadable(ValueError):
    """The stub is not a list of instructions."""


def text_of(pieces: str, numbers: Mapping[str, int]) -> str:
    """The assembler's text of an asm()'s argument."""
    text = ""
    for literal, name in PIECE.findall(pieces):
        if name and name not in numbers:
            raise Unreadable(f"{name} is no number of the kernel's headers")
        text += str(numbers[name]) if name else re.sub(
            r"\\.", lambda match: ESCAPES.get(match[0], match[0]), literal)
    return text


def statements(tree: Path) -> Iterator[tuple[int, int, list[Line]]]:
    """The asm() statements of a tree's stub: where each begins and ends in its
    source, and the instructions and labels that it holds."""
    source = (tree / SOURCE).read_text(encoding="utf-8")
    numbers = kernel_constants(tree)
    function = FUNCTION.search(source)
    if not function:
        raise Unreadable("syscall_entry is not a naked function")
    position, end = function.span(1)
    while source[position:end].strip():
        comment = COMMENT.match(source, position, end)
        if comment:
            position = comment.end()
            continue
        statement = STATEMENT.match(source, position, end)
        if not statement:
            rest = source[position:end].strip().splitlines()[0]
            raise Unreadable(f"the stub has more than basic asm(): {rest}")
        position = statement.end()
        said = re.sub(r"\s*\n\s*\*?\s*", " ", statement[2] or "")
        texts = [text.strip() for text in text_of(statement[1], numbers).split("\n")]
        yield statement.start(), position, [
            {"text": text, "comment": said} for text in texts
            if text and not NOT_SHOWN.match(text)]


def stub_lines(tree: Path) -> list[Line]:
    """The stub of a tree: its instructions and labels, each with its comment."""
    return [line for _, _, lines in statements(tree) for line in lines]


def layout(tree: Path) -> dict[str, Any]:
    """Where the frame's words and the per-CPU slots are, as the headers say."""
    numbers = kernel_constants(tree)
    names = "r9 r8 r10 rdx rsi rdi r15 r14 r13 r12 rbx rbp r11 rcx rax rsp".split()
    return {"frame": {"size": numbers["FRAME_SIZE"],
                      "fields": [{"name": name, "offset": numbers[f"FRAME_{name.upper()}"]}
                                 for name in names]},
            "per_cpu": {"kernel_rsp": numbers["PER_CPU_KERNEL_RSP"],
                        "user_rsp": numbers["PER_CPU_USER_RSP"]}}


def mistakes(tree: Path) -> Any:
    """Mistakes of the right stub to begin with; none in a student's tree."""
    path = tree / "docs/mistakes.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def main(arguments: list[str]) -> int:
    import page  # pylint: disable=import-outside-toplevel

    if len(arguments) != 1:
        print("usage: stub.py PAGE", file=sys.stderr)
        return 2
    tree, path = Path(__file__).resolve().parents[2], Path(arguments[0])
    try:
        text = page.try_page(stub_lines(tree), layout(tree), mistakes(tree))
    except Unreadable as error:
        print(f"try: {tree / SOURCE}: {error}", file=sys.stderr)
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"{path}: open it in a browser")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
