"""The challenges can be won, and are not won by doing nothing: `make challenge` on
a tree with the teacher's solution, labs/challenges/N.patch, and on one without."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from machine import deadlines, environment
from machine.qemu import TREE
from replay.session import copy_tree

SOLUTIONS = sorted((TREE / "labs/challenges").glob("*.patch"))


def challenge(tree: Path, lab: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "challenge", f"LAB={lab}"], cwd=tree, capture_output=True, text=True,
        env={**environment.without_make(), "PYTEST_ADDOPTS": " ".join(options)},
        timeout=deadlines.host())


def test_every_challenge_has_a_solution() -> None:
    tests = TREE.glob("grade/challenges/test_challenge_*.py")
    assert {path.stem for path in SOLUTIONS} == {
        path.stem.rpartition("_")[2] for path in tests}


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: f"lab {path.stem}")
def test_the_solution_passes(
    solution: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And has no warning: what is one to one compiler is the next one's error."""
    monkeypatch.setenv("WERROR", "1")
    tree = copy_tree(tmp_path / "tree")
    subprocess.run(["git", "apply", solution], cwd=tree, check=True,
                   timeout=deadlines.host())
    done = challenge(tree, solution.stem)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Challenge {solution.stem}: passed." in done.stdout


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: f"lab {path.stem}")
def test_a_tree_without_it_does_not(solution: Path, tmp_path: Path) -> None:
    done = challenge(copy_tree(tmp_path / "tree"), solution.stem, "--maxfail=1")
    assert done.returncode != 0, done.stdout
    assert f"Challenge {solution.stem}: not yet." in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    # As `make grade` looks, not as pytest does.
    assert re.search(r"^  FAIL +[A-Z].*$", done.stdout, re.MULTILINE), done.stdout
    assert not re.search(r"FAILED|\[ *\d+%\]|_{5}|::", done.stdout), done.stdout
