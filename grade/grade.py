"""Grades a submission: `make grade`, `make grade LAB=3 TEST=registers`.

The labs' files are taken from the submission, built into this tree's kernel,
and tested by grade/test_N_*.py. Whatever happens, build/grade.json says so
afterwards; report/__init__.py turns it into the forms that others read:

    grade.py --format junit            from the last build/grade.json

Ends with 0 if every test passed, 1 if not, 2 if the grader itself failed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, NoReturn, Optional

GRADE = Path(__file__).resolve().parent
sys.path.insert(0, str(GRADE))
# pylint: disable=wrong-import-position
import labs  # noqa: E402
import report  # noqa: E402
from intake import answers, build, bundle, read  # noqa: E402
from intake.error import SubmissionError  # noqa: E402
from judge import probes  # noqa: E402
from machine import calibration, deadlines  # noqa: E402

Record = dict[str, Any]


def main() -> int:
    options = _options()
    if options.format:
        if not options.output.is_file():
            sys.exit(f"There is no {options.output.name}: nothing has been graded.")
        grade = json.loads(options.output.read_text())
        sys.stdout.write(report.FORMATS[options.format](grade))
        return 0
    signal.signal(signal.SIGTERM, _terminated)
    grade = _blank(options)
    begin = time.monotonic()
    _write(options.output, grade)
    try:
        _grade(options, grade)
    except KeyboardInterrupt:
        grade["error"] = "The grader was interrupted."
    except Exception as error:  # pylint: disable=broad-except
        grade["error"] = f"The grader failed: {type(error).__name__}: {error}"
    finally:
        grade["seconds"] = round(time.monotonic() - begin, 2)
        grade["total"] = {key: sum(test[key] for test in grade["tests"])
                          for key in ("earned", "points")}
        _write(options.output, grade)
    sys.stdout.write(report.ending(grade, sys.stdout.isatty()))
    return report.exit_status(grade)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--submission", type=Path, default=GRADE.parent,
                        metavar="PATH", help="where the labs' files are: a directory, "
                        "or an archive of `make handin`")
    parser.add_argument("--lab", type=int, choices=list(labs.LABS),
                        help="one lab only")
    parser.add_argument("--test", default="", metavar="WORD",
                        help="only tests with this word in their names")
    parser.add_argument("--seed", type=lambda text: int(text, 0), metavar="N",
                        help="repeat a run that showed this seed")
    parser.add_argument("--kernel", type=Path, metavar="ELF",
                        help="grade this kernel; build none")
    parser.add_argument("--output", type=Path, metavar="FILE",
                        default=GRADE.parent / "build/grade.json")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1),
                        metavar="N", help="tests side by side")
    parser.add_argument("--format", choices=sorted(report.FORMATS),
                        help="print the last result in this form; grade nothing")
    return parser.parse_args()


def _terminated(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _blank(options: argparse.Namespace) -> Record:
    """The result of a run that has not come to its end."""
    seed = options.seed
    if seed is None:
        seed = random.SystemRandom().getrandbits(32)
    return {
        "schema": report.SCHEMA,
        "submission": options.submission.resolve().name,
        "commit": _commit(options.submission),
        "started": datetime.datetime.now(datetime.timezone.utc).strftime(
            "%Y-%m-%dT%H:%M:%SZ"),
        "seed": seed,
        "lab": options.lab,
        "test": options.test or None,
        "seconds": 0.0,
        "scale": 1.0,
        "build": {"ok": None, "message": None, "file": None, "line": None},
        "error": "The grader did not come to its end.",
        "tests": [],
        "total": {"earned": 0, "points": 0},
        "student": "",
        "answers": [],
        "answers_note": None,
    }


def _grade(options: argparse.Namespace, grade: Record) -> None:
    """Builds, tests, and fills in the result."""
    grade["scale"] = calibration.scale()
    deadlines.scale_by(grade["scale"])
    try:
        with tempfile.TemporaryDirectory(prefix="threshold-handin-") as name:
            directory = _opened(options, grade, Path(name))
            _check_answers(options, grade, directory)
            kernel = options.kernel
            if kernel is None:
                kernel = build.build(read.collect(directory, options.lab))
            elif not kernel.is_file():
                raise SubmissionError(f"There is no kernel at {kernel}.")
        grade["build"]["ok"] = True
    except SubmissionError as error:
        grade["build"] = {"ok": False, "message": error.message,
                          "file": error.file, "line": error.line}
        plan = _plan(options)
        grade["tests"] = [_untested(test, "build", error.message, error.file,
                                    error.line) for test in plan]
        grade["error"] = None if plan else _no_tests(options)
        for test in grade["tests"]:
            sys.stdout.write(report.line(test, sys.stdout.isatty()))
        return
    probes.base_archive()
    results = _Results(lambda test: sys.stdout.write(
        report.line(test, sys.stdout.isatty())))
    _run_tests(options, kernel, grade["seed"], results)
    grade["tests"] = results.all()
    grade["error"] = None if grade["tests"] else _no_tests(options)


def _opened(options: argparse.Namespace, grade: Record, directory: Path) -> Path:
    """Where the submission's files are: an archive is unpacked into a directory,
    and if it is one lab's, that one is graded."""
    if not options.submission.is_file():
        return options.submission
    bundle.unpack(options.submission, directory)
    held = read.labs_in(directory)
    if len(held) == 1:
        options.lab = grade["lab"] = options.lab or held[0]
    grade["commit"] = _commit(directory)
    return directory


def _check_answers(options: argparse.Namespace, grade: Record, directory: Path
                   ) -> None:
    """Looks at the answers to the labs' questions. Whatever is wrong with them,
    the labs are graded."""
    if options.test:
        return
    try:
        tables = answers.parse(read.read(directory, answers.FILE,
                                               answers.SIZE_LIMIT))
        grade["student"], grade["answers"], grade["answers_note"] = answers.check(
            tables, options.lab)
    except Exception as error:  # pylint: disable=broad-except
        grade["answers_note"] = str(error)


def _no_tests(options: argparse.Namespace) -> str:
    if options.test:
        return f"No test has {options.test!r} in its name."
    return "There are no tests, or they could not be read."


class _Results:
    """The tests' results as they come, shown in the order of the plan."""

    def __init__(self, show: Callable[[Record], object]) -> None:
        self._show = show
        self._shown = 0
        self.plan: list[Record] = []
        self._done: dict[str, Record] = {}

    def add(self, record: Record) -> None:
        if "plan" in record:
            self.plan = self.plan or record["plan"]
        else:
            # A test that passed may still fail while it is cleaned up.
            before = self._done.get(record["name"])
            if before is None or before["outcome"] == "pass":
                self._done[record["name"]] = record
        while (self._shown < len(self.plan)
               and self.plan[self._shown]["name"] in self._done):
            self._show(self._done[self.plan[self._shown]["name"]])
            sys.stdout.flush()
            self._shown += 1

    def all(self) -> list[Record]:
        for test in self.plan:
            if test["name"] not in self._done:
                self.add(_untested(test, "error", "The test gave no result: the "
                                   "grader was ended before it, or failed."))
        return [self._done[test["name"]] for test in self.plan]


def _untested(test: Record, outcome: str, cause: str, file: Optional[str] = None,
              line: Optional[int] = None) -> Record:
    where = f"{file}:{line}" if file and line else file
    return {**test, "outcome": outcome, "earned": 0, "cause": cause,
            "expected": None, "found": None, "where": where, "gdb": None,
            "seconds": 0.0, "console": ""}


def _plan(options: argparse.Namespace) -> list[Record]:
    """The tests that there are, without running any."""
    results = _Results(lambda test: None)
    _run_tests(options, None, 0, results)
    return results.plan


def _run_tests(options: argparse.Namespace, kernel: Optional[Path], seed: int,
               results: _Results) -> None:
    """Runs pytest, whose tests run in --jobs processes, and collects what they
    write. Without a kernel only says which tests there are."""
    with tempfile.TemporaryDirectory(prefix="threshold-grade-") as name:
        directory = Path(name)
        file = directory / "results"
        file.touch()
        command = [
            sys.executable, "-m", "pytest", "-q", "-o", "addopts=",
            "-p", "no:cacheprovider", "--tb=short", "-c", str(GRADE / "pytest.ini"),
            "--rootdir", str(GRADE), f"--grade-results={file}",
            f"--seed={seed}"]
        if kernel is None:
            command += ["--collect-only"]
        else:
            command += [f"--kernel={kernel}", f"--grade-jobs={options.jobs}"]
        if options.test:
            command += ["-k", " and ".join(re.findall(r"\w+", options.test))]
        command += [str(GRADE / file) for lab in labs.LABS.values()
                    if options.lab in (None, lab.number) for file in lab.tests]
        with (directory / "log").open("wb") as log:
            runner = subprocess.Popen(
                command, cwd=GRADE, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                     "PYTHONDONTWRITEBYTECODE": "1"})
        try:
            _follow(runner, file, results, deadlines.grading())
        finally:
            _kill(runner)
        if not results.plan and runner.returncode not in (0, 5):
            text = (directory / "log").read_text(errors="replace")
            raise RuntimeError(f"pytest found no tests:\n{text[-2000:]}")


def _follow(runner: subprocess.Popen[bytes], path: Path,
            results: _Results, seconds: float) -> None:
    """Takes in the lines of a growing file until the runner has ended."""
    until = time.monotonic() + seconds
    with path.open("rb") as file:
        rest = b""
        while True:
            ended = runner.poll() is not None
            rest += file.read()
            *lines, rest = rest.split(b"\n")
            for line in lines:
                results.add(json.loads(line))
            if ended or time.monotonic() > until:
                return
            time.sleep(0.01)


def _kill(runner: subprocess.Popen[bytes]) -> None:
    """Ends the runner, and the processes that it has forked."""
    try:
        os.killpg(runner.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    runner.wait()


def _commit(directory: Path) -> Optional[str]:
    """The commit that a directory has checked out, or that was handed in with
    it. Its .git is not trusted: git is not run on it."""
    def read(name: str) -> str:
        try:
            path = directory / name
            if not path.is_file():
                return ""
            with path.open("rb") as file:
                return file.read(1 << 20).decode().strip()
        except (OSError, UnicodeDecodeError):
            return ""

    head = read(".git/HEAD") or read("commit")
    match = re.fullmatch(r"ref: (refs/[\w./-]+)", head)
    if match and ".." not in match[1]:
        head = read(f".git/{match[1]}")
        if not head:
            packed = re.search(rf"^([0-9a-f]{{40}}) {re.escape(match[1])}$",
                               read(".git/packed-refs"), re.MULTILINE)
            head = packed[1] if packed else ""
    return head if re.fullmatch("[0-9a-f]{40,64}", head) else None


def _write(path: Path, grade: Record) -> None:
    """The result appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".grade-")
    with os.fdopen(handle, "w") as file:
        json.dump(grade, file, indent=1)
        file.write("\n")
    os.chmod(temporary, 0o644)
    os.rename(temporary, path)


if __name__ == "__main__":
    sys.exit(main())
