"""A teacher's sentences for the steps of a trace: `make trace NOTES=file`.

    # what is to be said, and where
    call/22: From here on C's registers are filled.
    call/pushq %rcx: The address that SYSRET will go back to.

A line is a place, a colon and a sentence. The place is a part of the trace and how
many of its steps have run, as in the player's address (#call/22), or an
instruction: the sentence is then shown when that has first run. A line that begins
with a blank goes on with the sentence before it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

Trace = dict[str, Any]


def read_notes(path: Path) -> list[tuple[int, str, str]]:
    """The lines of a file of notes, as (line number, place, sentence); ValueError
    says what is wrong with one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    notes: list[tuple[int, str, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace() and notes:
            first, place, sentence = notes[-1]
            notes[-1] = (first, place, f"{sentence} {line.strip()}")
            continue
        match = re.match(r"(\w+/.+?):\s+(\S.*)", line)
        if not match:
            raise ValueError(f"{path}:{number}: not a note, as in: "
                             "call/pushq %rcx: What it is good for.")
        notes.append((number, match[1], match[2].strip()))
    return notes


def position(trace: Trace, place: str) -> tuple[Trace, int]:
    """The section of a place, and how many of its steps have run there."""
    name, _, where = place.partition("/")
    sections = {section["id"]: section for section in trace["sections"]}
    if name not in sections:
        raise ValueError(f"the trace has no part {name}; it has {', '.join(sections)}.")
    section = sections[name]
    if where.isdecimal():
        if int(where) > len(section["steps"]):
            raise ValueError(f"{name} has only {len(section['steps'])} steps.")
        return section, int(where)
    rip = section["start"]["rip"]
    for k, step in enumerate(section["steps"]):
        if trace["code"][rip]["asm"] == where:
            return section, k + 1
        rip = step["set"].get("rip", rip)
    raise ValueError(f"no step of {name} is {where}.")


def add_notes(trace: Trace, path: Path) -> None:
    """Puts the notes of a file into a trace."""
    found: dict[str, dict[int, str]] = {}
    for number, place, sentence in read_notes(path):
        try:
            section, at = position(trace, place)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from None
        here = found.setdefault(section["id"], {})
        here[at] = f"{here[at]} {sentence}" if at in here else sentence
    for section in trace["sections"]:
        if section["id"] in found:
            section["notes"] = [{"at": at, "text": text}
                                for at, text in sorted(found[section["id"]].items())]
