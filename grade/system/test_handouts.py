"""What the handouts say of the tree is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from machine.qemu import TREE

HANDOUTS = sorted((TREE / "labs").glob("[1-9]-*.md"))
LENGTH = re.compile(r"`([\w./-]+)` \((\d+) lines\)")
# A handout's lengths say how long one reads; they need not follow each edit.
TOLERANCE = 0.2


@pytest.mark.parametrize("handout", HANDOUTS, ids=lambda path: path.name)
def test_a_handout_says_what_to_read_and_how_long_it_is(handout: Path) -> None:
    lengths = LENGTH.findall(handout.read_text())
    assert lengths, "no list of what to read next"
    for name, lines in lengths:
        true = len((TREE / name).read_text().splitlines())
        assert abs(true - int(lines)) <= TOLERANCE * true, f"{name} has {true} lines"


@pytest.mark.parametrize("handout", HANDOUTS, ids=lambda path: path.name)
def test_every_file_that_a_handout_names_is_there(handout: Path) -> None:
    named = re.findall(r"`((?:kernel|user|grade|labs)/[\w./-]+\.\w+)`",
                       handout.read_text())
    written_by_students = {"kernel/audit.c", "kernel/strace.c", "user/attack.c"}
    missing = {name for name in named if not (TREE / name).exists()}
    assert not missing - written_by_students
