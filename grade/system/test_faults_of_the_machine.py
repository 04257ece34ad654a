"""What the machine lacks, or somebody does to it, is no mark: no number, a sentence,
exit status 2. And what a submission does is one."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Optional, Sequence

import pytest

from host_processes import descendants

import labs
import report
from intake import sandbox, trusted
from intake.error import GraderError
from machine import deadlines
from machine.qemu import TREE

FRAME = labs.LABS[4].files
# What a grading needs besides Python, each once.
TOOLS = ["gcc", pytest.param("as", marks=pytest.mark.of_gcc("no assembler is started")),
         "ld", "nm", "objcopy", "qemu-system-x86_64", "prlimit", "awk"]


@pytest.fixture(name="submission")
def _submission(tmp_path: Path) -> Path:
    """Lab 4 as it is right."""
    for file in FRAME:
        (tmp_path / "sub" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TREE / file, tmp_path / "sub" / file)
    return tmp_path / "sub"


def grade(submission: Path, output: Path, around: Sequence[str] = (),
          variables: Optional[dict[str, str]] = None, tree: Path = TREE
          ) -> dict[str, Any]:
    """Grades lab 4 in a world that is not as it should be."""
    done = subprocess.run(
        [*around, sys.executable, str(tree / "grade/grade.py"), "--lab", "4",
         "--submission", str(submission), "--output", str(output)],
        capture_output=True, text=True, timeout=deadlines.host(),
        env={**os.environ, **(variables or {})})
    print(done.stdout[-500:], done.stderr[-500:])
    assert "Traceback" not in done.stderr
    made: dict[str, Any] = json.loads(output.read_text())
    assert done.returncode == report.exit_status(made)
    return made


def check_no_mark(made: dict[str, Any]) -> None:
    assert report.exit_status(made) == 2
    assert made["error"] and "\n" not in made["error"]
    assert made["tests"] == []
    assert made["total"] == {"earned": None, "points": None}


def masked(*paths: str) -> list[str]:
    """A command's world without some files: there, they cannot be run."""
    command = ["bwrap", "--dev-bind", "/", "/"]
    for path in paths:
        command += ["--ro-bind", "/dev/null", path]
    return [*command, "--"]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_tool_is_no_mark(tool: str, submission: Path, tmp_path: Path) -> None:
    path = shutil.which(tool)
    assert path
    check_no_mark(grade(submission, tmp_path / "g.json",
                        around=masked(os.path.realpath(path))))


def test_without_bubblewrap_nobody_elses_work_is_graded(submission: Path,
                                                        tmp_path: Path) -> None:
    path = shutil.which("bwrap")
    assert path
    tools = tmp_path / "bin"
    tools.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for tool in Path(folder).iterdir():
            if tool.name != "bwrap" and not (tools / tool.name).exists():
                (tools / tool.name).symlink_to(tool)
    made = grade(submission, tmp_path / "g.json", variables={"PATH": str(tools)})
    check_no_mark(made)
    assert "bubblewrap is not installed" in made["error"]
    assert "install" in made["error"] and "CONFINE=container" in made["error"]


def test_a_container_is_no_place_for_the_solved_tree(submission: Path, tmp_path: Path
                                                     ) -> None:
    made = grade(submission, tmp_path / "g.json",
                 variables={sandbox.VARIABLE: sandbox.CONTAINER})
    check_no_mark(made)
    assert "make release LAB=4" in made["error"]


# How large the disk is that fills up.
SIZES = ["4k", "64k", *(pytest.param(size, marks=pytest.mark.long) for size in (
    "16k", "256k", "1m", "2m", "4m", "6m", "8m", "16m"))]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("which", ["TMPDIR", "OUT", "the tree"])
def test_a_full_disk_is_no_mark(which: str, size: str, submission: Path, tmp_path: Path
                                ) -> None:
    place = trusted.PRODUCTS if which == "the tree" else tmp_path / "small"
    place.mkdir(parents=True, exist_ok=True)
    output = place / "g.json" if which == "OUT" else tmp_path / "g.json"
    # In a world of its own, so that nobody has to unmount it.
    script = (f"mount -t tmpfs -o size={size} none {place} && "
              f"head -c 200000 /dev/zero > {place}/filler; exec \"$@\"")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", sys.executable,
         str(TREE / "grade/grade.py"), "--lab", "4", "--submission", str(submission),
         "--output", str(output)], capture_output=True, text=True,
        timeout=deadlines.host(),
        env={**os.environ, **({"TMPDIR": str(place)} if which == "TMPDIR" else {})})
    assert "Traceback" not in done.stderr
    if done.returncode == 0:  # the disk was large enough for this
        assert "29 of 29 points" in done.stdout
        return
    assert done.returncode == 2, done.stdout
    assert "no verdict" in done.stdout and " of " not in done.stdout.split("Seed")[0]


def test_a_file_that_cannot_be_read_is_no_mark(submission: Path, tmp_path: Path) -> None:
    (submission / FRAME[0]).chmod(0)
    like_anybody = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    made = grade(submission, tmp_path / "g.json",
                 around=like_anybody if os.getuid() == 0 else [])
    check_no_mark(made)
    assert FRAME[0] in made["error"]


# ---- the tree that all share -------------------------------------------------

def copy(part: str, place: Path) -> None:
    """Copies a part of this tree."""
    place.mkdir(exist_ok=True)
    if (TREE / part).is_dir():
        shutil.copytree(TREE / part, place / part)
    else:
        shutil.copy(TREE / part, place / part)


def test_what_is_damaged_in_the_trusted_tree_is_made_anew(submission: Path,
                                                          tmp_path: Path) -> None:
    place, output = tmp_path / "tree", tmp_path / "g.json"
    for part in ("Makefile", "kernel", "user", "grade", "labs"):
        copy(part, place)  # whose cache nobody else uses
    grade(submission, output, tree=place)
    for what in ("build/probes/archive-*", "build/kernel/panic.c.o",
                 "grade/judge/verdict.py", "build/trusted.json"):
        found, = (place / "build/grade").glob(f"lab4-*/{what}")
        found.write_bytes(found.read_bytes()[:-1])
        made = grade(submission, output, tree=place)
        assert made["total"] == {"earned": 29, "points": 29}, what


def test_a_trusted_tree_has_all_of_the_graders_programs(tmp_path: Path) -> None:
    for part in ("Makefile", "kernel", "user", "grade"):
        copy(part, tmp_path)
    (tmp_path / "grade/probes/broken.c").write_text("no C\n")
    with pytest.raises(GraderError, match="broken.c"):
        trusted._warm(tmp_path)  # pylint: disable=protected-access


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_qemu_that_is_killed_is_no_mark(how: signal.Signals, submission: Path,
                                          tmp_path: Path) -> None:
    output = tmp_path / "g.json"
    process = subprocess.Popen(
        [sys.executable, str(TREE / "grade/grade.py"), "--lab", "4", "--submission",
         str(submission), "--output", str(output)], stdout=subprocess.DEVNULL)
    try:
        hit = kill_one_qemu(process, how, 0.3)
        process.wait(deadlines.host())
    finally:
        process.kill()
        process.wait()
    made = json.loads(output.read_text())
    if report.exit_status(made) != 0:  # it may have been at its end
        assert hit
        check_no_mark(made)


def kill_one_qemu(parent: subprocess.Popen[bytes], how: signal.Signals, after: float
                  ) -> bool:
    """Sends a signal to a QEMU below a process, a while after one is there; False
    if the process ended without one that could be hit."""
    until = time.monotonic() + deadlines.host()
    while parent.poll() is None and time.monotonic() < until:
        found = [pid for pid in descendants(parent.pid) if is_guest(pid)]
        if found:
            time.sleep(random.random() * after)
            try:
                os.kill(found[0], how)
                return True
            except ProcessLookupError:
                continue
        time.sleep(0.01)
    return False


def is_guest(pid: int) -> bool:
    """Is it a QEMU that runs a test, and not the one that measures?"""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return line.startswith(b"qemu-system") and b"threshold-link" in line


@pytest.mark.parametrize("when", ["+400d", "-400d"])
def test_a_clock_that_is_wrong_changes_nothing(when: str, submission: Path,
                                               tmp_path: Path) -> None:
    made = grade(submission, tmp_path / "g.json", around=["faketime", "-f", when])
    assert made["total"] == {"earned": 29, "points": 29}


def test_who_comes_from_the_future_removes_nothing_that_is_used(
        submission: Path, tmp_path: Path) -> None:
    tree = trusted.tree_for(4).directory  # this process uses it
    test_a_clock_that_is_wrong_changes_nothing("+400d", submission, tmp_path)
    assert (tree / trusted.FACTS).exists()


@pytest.mark.long
def test_a_qemu_killed_in_twenty_gradings(submission: Path, tmp_path: Path) -> None:
    for number in range(20):
        place = tmp_path / str(number)
        place.mkdir()
        test_a_qemu_that_is_killed_is_no_mark(
            random.choice([signal.SIGKILL, signal.SIGTERM]), submission, place)
