"""The example of labs/teacher.md, a sixth lab: the tools take it as it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from machine import deadlines, environment
from machine.qemu import TREE

EXAMPLE = TREE / "labs/examples/6-clock.patch"


def run(directory: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=directory, env=environment.without_make(),
                          capture_output=True, text=True, timeout=deadlines.run())
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module", name="clone")
def _clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This tree's last commit with the example on top."""
    place = tmp_path_factory.mktemp("sixth") / "threshold"
    run(TREE, "git", "clone", "--quiet", str(TREE), str(place))
    run(place, "git", "apply", "--index", str(EXAMPLE))
    run(place, "git", "-c", "user.name=T", "-c", "user.email=t@t.invalid", "commit",
        "--quiet", "--message=clock: a sixth lab")
    # What the graders' own programs were built to, so as not to build it again.
    if (TREE / "build/probes").is_dir():
        shutil.copytree(TREE / "build/probes", place / "build/probes")
    return place


def grade(clone: Path, tree: Path) -> dict[str, Any]:
    """The result of lab 6 for the kernel of a tree."""
    run(tree, "make", "-s", "-j2", "build/kernel.elf")
    subprocess.run(
        ["/usr/bin/python3", "grade/grade.py", "--lab", "6", "--kernel",
         str(tree / "build/kernel.elf"), "--output", str(clone / "build/six.json")],
        cwd=clone, stdout=subprocess.DEVNULL, timeout=deadlines.run(), check=False)
    return dict(json.loads((clone / "build/six.json").read_text()))


def test_the_sixth_lab_has_a_branch_that_adds_its_file_alone(clone: Path) -> None:
    assert "lab6-clock" in run(clone, "make", "labs")
    assert run(clone, "git", "diff", "--name-only", "lab6-clock", "solution"
               ) == "kernel/timer.c\n"


def test_its_tests_fail_where_it_is_released_and_pass_where_it_is_solved(
    clone: Path, tmp_path: Path
) -> None:
    released = tmp_path / "students"
    assert "later solutions looked for: 1, in" in run(
        clone, "make", "release", "LAB=6", f"OUT={released}")
    assert not (released / "labs/teacher.md").exists()
    empty = grade(clone, released)
    assert [test["outcome"] for test in empty["tests"]] == ["fail"] * 3, empty["error"]
    solved = grade(clone, clone)
    assert solved["total"] == {"earned": 8, "points": 8}
