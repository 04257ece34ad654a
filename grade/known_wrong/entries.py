"""The entries of grade/known_wrong: small changes to the solved tree, each with a
header that says what must become of it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Sequence

import labs
from labs import LABS
from machine.qemu import TREE

PATCHES = TREE / "grade/known_wrong"
BUILD = "build"  # as the name of a test: the compiler must refuse it


class BadEntry(Exception):
    """A patch whose header does not say what it must."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of grade/known_wrong: a small change to the solved tree.

    tests     what must fail, "test_1_gdt.py::test_x" or "build".
    messages  a regular expression for the cause of each; the last serves for
              all tests that follow.
    lines     regular expressions for the source line that each says to look at.
    causes    regular expressions for the cause, whichever test tells it.
    rooms     files changed that are no student's.
    """

    id: str
    lab: int
    mistake: str
    path: Path
    accept: bool
    tests: tuple[str, ...]
    messages: tuple[str, ...]
    lines: tuple[str, ...]
    causes: tuple[str, ...]
    rooms: tuple[str, ...]
    files: tuple[str, ...]


def read_entry(path: Path) -> Entry:
    """Reads a patch's header and checks it against the tree."""
    header: dict[str, list[str]] = {}
    text = path.read_text()
    for line in text.splitlines():
        if line.startswith(("--- ", "diff ")):
            break
        match = re.fullmatch(r"([A-Z][a-z]+): +(.*\S)\s*", line)
        if match:
            header.setdefault(match[1], []).append(match[2])
        elif line.strip():
            raise BadEntry(f"{path.name}: not a header line: {line!r}")
    known = {"Id", "Lab", "Mistake", "Test", "Message", "Line", "Cause", "Accept", "Room", "Note"}
    for key in header:
        if key not in known:
            raise BadEntry(f"{path.name}: unknown header {key}")
    for key in ("Id", "Lab", "Mistake"):
        if len(header.get(key, [])) != 1:
            raise BadEntry(f"{path.name}: one line '{key}:' is needed")
    entry = Entry(
        id=header["Id"][0], lab=int(header["Lab"][0]), mistake=header["Mistake"][0],
        path=path, accept=header.get("Accept") == ["yes"],
        tests=tuple(header.get("Test", [])), messages=tuple(header.get("Message", [])),
        lines=tuple(header.get("Line", [])),
        causes=tuple(header.get("Cause", [])), rooms=tuple(header.get("Room", [])),
        files=tuple(re.findall(r"^\+\+\+ (?:b/)?(\S+)", text, re.MULTILINE)))
    check_entry(entry)
    return entry


def check_entry(entry: Entry) -> None:
    name = entry.path.name
    if name.partition("-")[0] != entry.id:
        raise BadEntry(f"{name}: Id is {entry.id}, the file's name says otherwise")
    if entry.lab not in LABS:
        raise BadEntry(f"{name}: there is no lab {entry.lab}")
    if entry.accept == bool(entry.tests or entry.messages):
        raise BadEntry(f"{name}: either 'Accept: yes', or 'Test:' and 'Message:'")
    if not entry.accept and not (entry.tests and entry.messages):
        raise BadEntry(f"{name}: 'Test:' and 'Message:' are both needed")
    for message in (*entry.messages, *entry.lines, *entry.causes):
        try:
            re.compile(message)
        except re.error as error:
            raise BadEntry(f"{name}: Message {message!r}: {error}") from None
    for test in entry.tests:
        if test != BUILD and not test_exists(test):
            raise BadEntry(f"{name}: there is no {test}")
    if not entry.files:
        raise BadEntry(f"{name}: changes no file")
    for file in entry.files:
        if file not in labs.FILES and file not in entry.rooms:
            raise BadEntry(f"{name}: changes {file}, which is no lab's; say "
                           f"'Room: {file}'")


def test_exists(test: str) -> bool:
    file, _, name = test.partition("::")
    function = re.escape(name.partition("[")[0])
    path = TREE / "grade" / file
    return path.exists() and bool(
        re.search(rf"^def {function}\(", path.read_text(), re.MULTILINE))


def entries(prefixes: Sequence[str] = (), patches: Path = PATCHES) -> list[Entry]:
    """The entries whose Id begins with one of the prefixes, or all."""
    found: list[Entry] = []
    seen: dict[str, str] = {}
    for path in sorted(patches.glob("*.patch")):
        if prefixes and not path.name.startswith(tuple(prefixes)):
            continue
        entry = read_entry(path)
        if entry.id in seen:
            raise BadEntry(f"{path.name}: {seen[entry.id]} has the same Id")
        seen[entry.id] = path.name
        found.append(entry)
    return found
