"""What the handouts say of the tree is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from labs import LABS
from machine import deadlines
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


@pytest.mark.parametrize("handout", HANDOUTS, ids=lambda path: path.name)
def test_a_handout_fits_in_a_terminal(handout: Path) -> None:
    """Ninety columns, as some read it where they type. A table's row is one line."""
    assert not [f"{number}: {line}" for number, line
                in enumerate(handout.read_text().splitlines(), 1)
                if len(line) > 90 and not line.startswith("|")]


@pytest.mark.parametrize("handout", HANDOUTS, ids=lambda path: path.name)
def test_a_handout_knows_how_many_tests_its_lab_has(handout: Path) -> None:
    lab = LABS[int(handout.name[0])]
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-c", "pytest.ini",
         "-o", "addopts=", *lab.tests], cwd=TREE / "grade", check=True,
        capture_output=True, text=True, timeout=deadlines.host()).stdout
    text = re.sub(r"(?ms)^ *```.*?^ *```", "", handout.read_text())
    said = re.findall(r"\d+\s+(?:tests )?of\s+(\d+)|runs all (\d+)", text)
    totals = {int(one or other) for one, other in said}
    tests = len(re.findall(r"^\S+::", listed, re.MULTILINE))
    points = int(re.findall(r"(\d+) points", text)[0])
    assert tests in totals and totals <= {tests, points}
