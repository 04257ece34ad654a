"""CONTRIBUTING.md: its table of what to run knows every room and every file of tests,
and what it names is there."""

from __future__ import annotations

import re

from machine.qemu import TREE

PAGE = (TREE / "CONTRIBUTING.md").read_text()
TABLE = PAGE.partition("## You changed this: run that")[2].partition("\n## ")[0]
# Each line's first two columns.
ROWS = re.findall(r"^\| (.+?) \| (.+?) \|", TABLE, re.MULTILINE)[2:]


def test_each_file_of_tests_is_run_for_something() -> None:
    named = set(re.findall(r"`(test_\w+\.py)", " ".join(run for _, run in ROWS)))
    there = {path.name for path in (TREE / "grade/system").glob("test_*.py")}
    assert not there - named, "CONTRIBUTING.md: a file of tests has no line in the table"
    assert not named - there, "CONTRIBUTING.md: a file of tests that is not there"


def test_each_room_of_the_kernel_has_its_line() -> None:
    changed = " ".join(what for what, _ in ROWS if "kernel/" in what)
    rooms = {word.rpartition("/")[2].partition(".")[0]
             for word in re.findall(r"`([\w/.]+)`", changed)}
    there = {path.stem for path in (TREE / "kernel").glob("*.[chS]")}
    assert not there - rooms, "CONTRIBUTING.md: a room has no line in the table"
    assert not {room for room in rooms - there
                if not (TREE / "kernel" / room).is_dir() and not (TREE / room).exists()}


def test_each_target_that_it_names_is_one() -> None:
    rules = "".join((TREE / name).read_text() for name in ("Makefile", "labs/teacher.mk"))
    targets = set(re.findall(r"^([a-z-]+):.*## ", rules, re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", PAGE))
    assert "check" in named and not named - targets


def test_each_file_of_the_frames_contract_is_there() -> None:
    contract = PAGE.partition("## The frame's contract")[2].partition("\n## ")[0]
    files = re.findall(r"`((?:kernel|grade|labs|docs)/[\w./-]+)`", contract)
    assert len(files) > 8
    assert [name for name in files if not (TREE / name).exists()] == []
