"""Runs the labs' tests on a kernel and collects what they say."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

import pytest

import labs
from intake.error import GraderError
from machine import deadlines
from machine.qemu import TREE

Record = dict[str, Any]

GRADE = TREE / "grade"
PR_SET_PDEATHSIG = 1  # linux/prctl.h: end with the parent


class Results:
    """The tests' results as they come, told in the order of the plan."""

    def __init__(self, tell: Callable[[Record], object],
                 plan: Sequence[Record] = ()) -> None:
        self._tell = tell
        self._told = 0
        self.plan = list(plan)
        self._done: dict[str, Record] = {}

    def add(self, record: Record) -> None:
        """Takes a plan, which counts if it is the first, or a test's result."""
        if "plan" in record:
            self.plan = self.plan or record["plan"]
        else:
            # A test that passed may still fail while it is cleaned up.
            before = self._done.get(record["name"])
            if before is None or before["outcome"] == "pass":
                self._done[record["name"]] = record
        while (self._told < len(self.plan)
               and self.plan[self._told]["name"] in self._done):
            self._tell(self._done[self.plan[self._told]["name"]])
            self._told += 1

    def missing(self) -> list[Record]:
        """The tests of the plan that have no result yet."""
        return [test for test in self.plan if test["name"] not in self._done]

    def all(self, cause: str = "The test gave no result.", outcome: str = "error"
            ) -> list[Record]:
        """All results; a test without one has this outcome, for this cause."""
        for test in self.missing():
            self.add(untested(test, outcome, cause))
        return [self._done[test["name"]] for test in self.plan]


def untested(test: Record, outcome: str, cause: str, file: Optional[str] = None,
             line: Optional[int] = None) -> Record:
    """The result of a test that was not run."""
    where = f"{file}:{line}" if file and line else file
    return {**test, "outcome": outcome, "earned": 0, "cause": cause,
            "expected": None, "found": None, "where": where, "gdb": None,
            "seconds": 0.0, "console": ""}


def chosen(plan: Sequence[Record], lab: Optional[int], test: str) -> list[Record]:
    """The tests of a lab with all these words in their names."""
    words = re.findall(r"\w+", test)
    return [record for record in plan if lab in (None, record["lab"])
            and all(word in record["name"] for word in words)]


def run(kernel: Optional[Path], results: Results, *, lab: Optional[int] = None,
        test: str = "", seed: int = 0, jobs: int = 1) -> None:
    """Runs the tests, in `jobs` processes. Without a kernel only says which there
    are."""
    with tempfile.TemporaryDirectory(prefix="threshold-grade-") as name:
        directory = Path(name)
        file = directory / "results"
        file.touch()
        runner = _start(_arguments(kernel, directory, lab, test, seed, jobs),
                        directory / "log")
        try:
            status = _follow(runner, file, results)
        finally:
            _kill(runner)
        if not results.plan and status not in (0, 5):
            text = (directory / "log").read_text(errors="replace")
            raise GraderError(f"pytest found no tests:\n{text[-2000:]}")


def _arguments(kernel: Optional[Path], directory: Path, lab: Optional[int],
               test: str, seed: int, jobs: int) -> list[str]:
    """pytest's."""
    arguments = ["-q", "-o", "addopts=", "-p", "no:cacheprovider", "--tb=short",
                 "-c", str(GRADE / "pytest.ini"), "--rootdir", str(GRADE),
                 f"--grade-results={directory / 'results'}", f"--seed={seed}"]
    if kernel is None:
        arguments += ["--collect-only"]
    else:
        arguments += [f"--kernel={kernel}", f"--grade-jobs={jobs}"]
    if test:
        arguments += ["-k", " and ".join(re.findall(r"\w+", test))]
    return arguments + test_files(lab)


def test_files(lab: Optional[int]) -> list[str]:
    """The files of a lab's tests, or of all labs'."""
    return [str(GRADE / file) for one in labs.LABS.values()
            if lab in (None, one.number) for file in one.tests]


def die_with_parent() -> None:
    """Has Linux kill this process when the one that forked it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _start(arguments: Sequence[str], log: Path) -> int:
    """A process forked from this one, which has all modules loaded."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 3
    try:
        os.setsid()
        die_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        os.chdir(GRADE)
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        status = int(pytest.main(list(arguments)))
        sys.stdout.flush()
    finally:
        os._exit(status)  # pylint: disable=protected-access


def _follow(runner: int, path: Path, results: Results) -> Optional[int]:
    """Takes in the lines of a growing file until the runner has ended; gives its
    exit status."""
    until = time.monotonic() + deadlines.grading()
    with path.open("rb") as file:
        rest = b""
        while True:
            pid, status = os.waitpid(runner, os.WNOHANG)
            rest += file.read()
            *lines, rest = rest.split(b"\n")
            for line in lines:
                results.add(json.loads(line))
            if pid or time.monotonic() > until:
                return os.waitstatus_to_exitcode(status) if pid else None
            time.sleep(0.01)


def _kill(runner: int) -> None:
    """Ends the runner, and the processes that it has forked."""
    for kill in (os.killpg, os.kill):
        try:
            kill(runner, signal.SIGKILL)
        except ProcessLookupError:
            pass
    try:
        os.waitpid(runner, 0)
    except ChildProcessError:
        pass
