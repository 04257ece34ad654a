"""The host's processes, from /proc. One that ends while it is looked at is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable


def parents() -> dict[int, int]:
    """The parent of each process that has not ended; a zombie has."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            found[int(entry.name)] = int(parent)
    return found


def alive(pids: Iterable[int]) -> set[int]:
    """Those that have not ended."""
    return set(pids) & set(parents())


def descendants(pid: int) -> set[int]:
    """The processes below one, also those inside its sandboxes."""
    known, found = parents(), {pid}
    while more := {child for child, parent in known.items()
                   if parent in found} - found:
        found |= more
    return found - {pid}
