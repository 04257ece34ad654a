"""make batch: a course's submissions, side by side, to one table."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import labs
from machine import deadlines
from machine.qemu import TREE


def batch(course: Path, out: Path) -> str:
    """What `make batch` says of a course's lab 4."""
    done = subprocess.run(
        ["/usr/bin/python3", "labs/batch.py", str(course), "--out", str(out),
         "--lab", "4", "--jobs", "2", "--seed", "7"],
        cwd=TREE, capture_output=True, text=True, timeout=deadlines.run() * 3,
        check=True)
    return done.stdout


@pytest.fixture(name="course")
def _course(tmp_path: Path) -> Path:
    """One that is right, and one that does not build."""
    for name in ("ann", "cyd"):
        for file in labs.FILES:
            place = tmp_path / "course" / name / file
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TREE / file, place)
    (tmp_path / "course/cyd/kernel/frame.c").write_text("int x = ;\n")
    return tmp_path / "course"


def test_a_course_becomes_one_table_and_nothing_is_graded_twice(course: Path,
                                                                tmp_path: Path) -> None:
    out = tmp_path / "results"
    assert "2 submissions, 2 to grade" in batch(course, out)
    with (out / "grades.csv").open() as table:
        rows = {row["submission"]: row for row in csv.DictReader(table)}
    assert {name: row["total"] for name, row in rows.items()} == {
        "ann": "29", "cyd": "0"}
    assert {row["seed"] for row in rows.values()} == {"7"}

    # Late: only what is newer than its result.
    shutil.copy(TREE / "kernel/frame.c", course / "cyd/kernel/frame.c")
    later = (out / "cyd.json").stat().st_mtime + 10
    os.utime(course / "cyd/kernel/frame.c", (later, later))
    again = batch(course, out)
    assert "2 submissions, 1 to grade" in again and "29 of 29" in again
