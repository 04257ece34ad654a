"""Cuts the labs' solutions out of a file of the solved tree.

    python3 labs/cut.py 3 kernel/msr.c kernel/syscall_entry.c

prints the files as they are where lab 3 is the next: the holes of lab 3 and of
all later ones are empty. A lab's hole is what stands between two comments, in C
and in assembly:

    /* LAB 2: What is to be done here: this serves a reader of the solved tree,
     * and is the student's task. */

    ...

    /* END LAB 2 */

The blank lines belong to the form. They stay when the code between them is cut,
so that a heading can be reworded and still merge with what a student wrote.
Whatever else looks like a marker is refused by its file and line.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import Container

PLACEHOLDER = "/* Your code here. */"

HEADING = re.compile(r"([ \t]*)/\* LAB ([1-9][0-9]*): \S.*")
END = re.compile(r"[ \t]*/\* END LAB ([1-9][0-9]*) \*/")
# What looks like a marker. LAB= is how make is told a lab.
LIKE_A_MARKER = re.compile(r"\bLAB[ \t_-]*[0-9]|\bEND[ \t_-]*LAB\b|/[/*][ \t]*LAB\b")


class Malformed(Exception):
    """What the tool does not understand, as `file:line: reason`."""

    def __init__(self, name: str, line: int, reason: str) -> None:
        super().__init__(f"{name}:{line}: {reason}")


@dataclasses.dataclass(frozen=True)
class Region:
    """The hole of a lab in a file.

    first, last  its code's lines, counted from 0, without the blank lines around.
    line         where its heading begins, counted from 1.
    """

    lab: int
    line: int
    indent: str
    first: int
    last: int


def regions(name: str, text: str) -> list[Region]:
    """The holes of a file, in their order."""
    lines = text.split("\n")
    found: list[Region] = []
    at = 0
    while at < len(lines):
        if not LIKE_A_MARKER.search(lines[at]):
            at += 1
            continue
        region, at = _region(name, lines, at)
        for other in found:
            if other.lab == region.lab:
                raise Malformed(name, region.line, f"LAB {region.lab} began at line "
                                f"{other.line} already; a file has one hole of a lab")
        found.append(region)
    return found


def _region(name: str, lines: list[str], start: int) -> tuple[Region, int]:
    """The hole whose heading begins at a line, and the line after its end."""
    def refuse(at: int, reason: str) -> Malformed:
        return Malformed(name, at + 1, reason)

    heading = HEADING.fullmatch(lines[start])
    if not heading:
        if end := END.fullmatch(lines[start]):
            raise refuse(start, f"END LAB {end[1]} has no LAB {end[1]} above it")
        raise refuse(start, _misfit(lines[start]))
    lab = int(heading[2])
    last = _end_of_comment(name, lines, start)
    if last + 1 >= len(lines) or lines[last + 1]:
        raise refuse(last + 1, f"a blank line is missing below the heading of LAB {lab}")
    for at in range(last + 2, len(lines)):
        end = END.fullmatch(lines[at])
        if end and int(end[1]) == lab:
            break
        if end:
            raise refuse(at, f"END LAB {end[1]} ends LAB {lab}, which began at line "
                         f"{start + 1}")
        if HEADING.fullmatch(lines[at]):
            raise refuse(at, "a hole inside another: LAB "
                         f"{lab}, which began at line {start + 1}, has no end yet")
        if LIKE_A_MARKER.search(lines[at]):
            raise refuse(at, _misfit(lines[at]))
    else:
        raise refuse(start, f"LAB {lab} has no END LAB {lab}")
    if at == last + 2 or not "".join(lines[last + 2:at]).strip():
        raise refuse(at, f"there is nothing in LAB {lab} to cut")
    if lines[at - 1]:
        raise refuse(at, f"a blank line is missing above END LAB {lab}")
    return Region(lab, start + 1, heading[1], last + 2, at - 2), at + 1


def _end_of_comment(name: str, lines: list[str], start: int) -> int:
    """The line on which the heading that begins at a line ends."""
    for at in range(start, len(lines)):
        text = lines[at].replace("/*", "", 1) if at == start else lines[at]
        before, closed, after = text.partition("*/")
        if "/*" in before:
            break
        if at > start and LIKE_A_MARKER.search(text):
            raise Malformed(name, at + 1, _misfit(text))
        if after.strip():
            raise Malformed(name, at + 1, "a marker shares its line with code")
        if closed:
            return at
    raise Malformed(name, start + 1, "the heading's comment has no end")


def _misfit(line: str) -> str:
    """Why a line that looks like a marker is none."""
    if re.search(r"/\* (LAB [1-9][0-9]*: \S|END LAB [1-9][0-9]* \*/)", line):
        return "a marker shares its line with code"
    return ("this is no marker; one is '/* LAB n: what to do */' or "
            "'/* END LAB n */', alone on its lines")


def cut(name: str, text: str, labs: Container[int]) -> str:
    """A file with the holes of some labs empty."""
    lines = text.split("\n")
    for region in reversed(regions(name, text)):
        if region.lab in labs:
            lines[region.first:region.last + 1] = [region.indent + PLACEHOLDER]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    if len(arguments) < 2 or not arguments[0].isdecimal():
        print("usage: cut.py LAB FILE...", file=sys.stderr)
        return 2
    try:
        for name in arguments[1:]:
            sys.stdout.write(cut(name, Path(name).read_text(),
                                 range(int(arguments[0]), sys.maxsize)))
    except Malformed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
