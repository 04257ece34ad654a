"""make batch: a course's submissions, side by side, to one table; killed at any
moment, and begun again."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Optional

import pytest

import mixed_course
from host_processes import alive, descendants

import labs
from intake.scratch import scratch
from machine import deadlines
from machine.qemu import TREE

FRAME = labs.LABS[4].files
ALL_OF_LAB_3 = 79


def command(course: Path, out: Path, *more: str, lab: int = 4) -> list[str]:
    return ["/usr/bin/python3", "labs/batch.py", str(course), "--out", str(out),
            "--lab", str(lab), "--jobs", "2", *more]


def batch(course: Path, out: Path, *more: str, status: int = 0,
          variables: Optional[dict[str, str]] = None, runs: int = 5, lab: int = 4) -> str:
    """What `make batch` says of a course, in the time of so many runs."""
    done = subprocess.run(
        command(course, out, *more, lab=lab), cwd=TREE, capture_output=True, text=True,
        timeout=deadlines.run() * runs, env={**os.environ, **(variables or {})},
        errors="surrogateescape")
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "grades.csv").open() as table:
        return {row["submission"]: row for row in csv.DictReader(table)}


def put(place: Path, text: Optional[str] = None) -> Path:
    """Lab 4's files, right or with another frame.c."""
    for file in FRAME:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TREE / file, place / file)
    if text is not None:
        (place / "kernel/frame.c").write_text(text)
    return place


@pytest.fixture(name="course")
def _course(tmp_path: Path) -> Path:
    """One that is right, and one that does not build."""
    put(tmp_path / "course/ann")
    put(tmp_path / "course/cyd", "int x = ;\n")
    return tmp_path / "course"


def test_a_course_becomes_one_table_and_nothing_is_graded_twice(course: Path,
                                                                tmp_path: Path) -> None:
    out = tmp_path / "results"
    said = batch(course, out, "--seed", "7")
    assert "2 submissions, 2 to grade, seed 7" in said and "\nCPU: " in said
    assert {name: row["total"] for name, row in rows(out).items()} == {
        "ann": "29", "cyd": "0"}
    # Late: only what has changed. The seed is the one that it began with.
    put(course / "cyd")
    again = batch(course, out)
    assert "2 submissions, 1 to grade, seed 7" in again and "29 of 29" in again
    assert {row["seed"] for row in rows(out).values()} == {"7"}


def test_what_learning_systems_give_out_is_understood(tmp_path: Path) -> None:
    course, out = tmp_path / "course", tmp_path / "out"
    tree = put(tmp_path / "tree", "no C\n")
    moodle = course / "Ada Lovelace_4711_assignsubmission_file_"
    moodle.mkdir(parents=True)
    with zipfile.ZipFile(moodle / "handin-lab4.zip", "w") as archive:
        for file in FRAME:
            archive.write(tree / file, file)
    with tarfile.open(course / "lovelaceada_12_345_handin-lab4.tar.gz", "w:gz") as tar:
        tar.add(tree, "my-project")
    shutil.copytree(tree, course / "submission_123")
    (course / "submission_124").mkdir()
    (course / "submission_124/essay.txt").write_text("no lab\n")
    (course / "submission_metadata.yml").write_text("x: 1\n")
    (course / "roth.rar").write_text("Rar!")
    said = batch(course, out, status=2)
    assert "archive, so not graded: roth.rar\n" in said
    assert "no verdict on submission_124: There is nothing to grade" in said
    table = rows(out)
    assert table["submission_124"]["total"] == ""
    assert {name for name, row in table.items() if row["total"] == "0"} == {
        "Ada Lovelace_4711", "lovelaceada_12_345_handin-lab4", "submission_123"}


def test_a_batch_without_its_directories_is_told_so(tmp_path: Path) -> None:
    done = subprocess.run(["/usr/bin/python3", "labs/batch.py"], cwd=TREE, text=True,
                          capture_output=True, timeout=deadlines.host(),
                          env={**os.environ, "IN": "", "OUT": ""})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "make batch IN=" in done.stderr
    assert "no directory" in batch(tmp_path / "none", tmp_path / "out", status=2)


def test_a_bubblewrap_that_is_too_old_is_told_so(course: Path, tmp_path: Path) -> None:
    old = tmp_path / "bin/bwrap"
    old.parent.mkdir()
    old.write_text('#!/bin/sh\necho "bwrap: Unknown option --size" >&2\nexit 1\n')
    old.chmod(0o755)
    said = batch(course, tmp_path / "out", status=2, variables={
        "PATH": f"{old.parent}:{os.environ['PATH']}"})
    assert "the bubblewrap of this machine is older than 0.7." in said


NAMES = [b"$(touch made-by-make)", b"x';touch made-by-sh;'", b"-o", b"=cmd|calc",
         b'a,b"c', b"esc\x1b[2J\x1b]0;title\x07", b"new\nline::notice title=G::100",
         "‮gnp.exe".encode(), b"latin1-\xe9", b"##[error]failed",
         b"[[ATTACHMENT|x]]"]


def test_no_name_is_more_than_a_name(tmp_path: Path) -> None:
    course, out = tmp_path / "course", tmp_path / "out"
    for name in NAMES:
        put(Path(os.fsdecode(os.fsencode(course) + b"/" + name)), "no C\n")
    said = batch(course, out)
    assert f"{len(NAMES)} of {len(NAMES)} graded" in said
    assert all(c == "\n" or c.isprintable() for c in said)
    assert "::notice" not in said and "##[" not in said
    assert len(rows(out)) == len(NAMES)
    assert not [*TREE.glob("made-by-*"), *out.glob("made-by-*")]
    assert not [cell for row in rows(out).values() for cell in row.values()
                if cell.startswith(("=", "-", "+", "@"))]


def test_make_reads_no_name(tmp_path: Path) -> None:
    place = put(tmp_path / "$(shell touch made-by-make)';touch made-by-sh;'", "no C\n")
    done = subprocess.run(
        ["make", "-s", "grade", f"SUBMISSION={place}", "LAB=4"], cwd=TREE, text=True,
        capture_output=True, timeout=deadlines.run() * 5)
    assert "0 of 29 points" in done.stdout, done.stdout + done.stderr
    assert not list(TREE.glob("made-by-*"))


# ---- killed -----------------------------------------------------------------

def left_behind() -> list[str]:
    """Directories of gradings that nobody holds, after the next one has begun."""
    with scratch() as own:
        return [path.name for path in own.parent.iterdir() if path != own
                and not _held(path)]


def _held(path: Path) -> bool:
    import fcntl  # pylint: disable=import-outside-toplevel
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(handle)


def kill_often(course: Path, out: Path, times: int, pause: float) -> None:
    """Begins a batch again and again, and kills it each time a little later."""
    killed = 0
    for number in range(times):
        process = subprocess.Popen(command(course, out, lab=3), cwd=TREE,
                                   stdout=subprocess.DEVNULL)
        begun = time.monotonic()
        while (not (out / ".batch.json").exists()  # on a busy host it begins late
               and time.monotonic() < begun + deadlines.host()):
            time.sleep(0.05)
        try:
            process.wait(1.0 + pause * number)
        except subprocess.TimeoutExpired:
            killed += 1
        below = descendants(process.pid)
        process.kill()
        process.wait()
        until = time.monotonic() + deadlines.answer()
        while alive(below) and time.monotonic() < until:
            time.sleep(0.05)
        assert alive(below) == set()
    assert killed


def check_killed(tmp_path: Path, submissions: int, times: int, pause: float) -> None:
    """In spite of all that, everybody gets what one of the kind gets alone."""
    course, out = tmp_path / "course", tmp_path / "out"
    kinds = mixed_course.course(course, submissions)
    kill_often(course, out, times, pause)
    seed = json.loads((out / ".batch.json").read_text())["seed"]
    assert f"seed {seed}" in batch(course, out, runs=max(5, submissions), lab=3)
    assert {row["seed"] for row in rows(out).values()} == {str(seed)}
    assert left_behind() == [] and not list(out.rglob(".new-*"))
    marks = marks_alone(tmp_path, set(kinds.values()), seed)
    assert {name: row["total"] for name, row in rows(out).items()} == {
        name: marks[kind] for name, kind in kinds.items()}
    assert marks["right"] == str(ALL_OF_LAB_3)
    assert all(int(mark) < ALL_OF_LAB_3 for kind, mark in marks.items()
               if kind.startswith("E") or kind in mixed_course.HOSTILE)
    assert {marks[kind] for kind in mixed_course.BROKEN if kind in marks} <= {"0"}


def marks_alone(tmp_path: Path, kinds: set[str], seed: int) -> dict[str, str]:
    """What one of each kind gets."""
    names = mixed_course.one_of_each(tmp_path / "alone", kinds)
    batch(tmp_path / "alone", tmp_path / "one", "--seed", str(seed), lab=3,
          runs=max(5, len(names)))
    return {names[name]: row["total"] for name, row in rows(tmp_path / "one").items()}


def test_a_batch_that_is_killed_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    check_killed(tmp_path, submissions=4, times=3, pause=1.5)


@pytest.mark.long
def test_a_large_batch_killed_ten_times(tmp_path: Path) -> None:
    check_killed(tmp_path, submissions=120, times=10, pause=3.0)


@pytest.mark.long
def test_four_hundred_killed_three_times(tmp_path: Path) -> None:
    check_killed(tmp_path, submissions=400, times=3, pause=60.0)
