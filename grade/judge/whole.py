"""One submission, from what was handed in to its result."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import labs
from intake import answers, build, bundle, read, sandbox
from intake.error import GraderError, SubmissionError
from intake.scratch import scratch, write_whole
from intake.trusted import CUTTER, tree_for
from machine import calibration, deadlines
from machine.qemu import TREE

from . import confined, probes, session

Record = dict[str, Any]
Tell = Callable[[Record], object]

SCHEMA = "threshold/grade/v1"
# What stands where a solution was cut out.
HOLE = "/* Your code here. */"


def blank(path: Path, lab: Optional[int], test: str, seed: Optional[int]) -> Record:
    """The result of a grading that has not come to its end."""
    if seed is None:
        seed = random.SystemRandom().getrandbits(32)
    return {
        "schema": SCHEMA,
        "submission": path.resolve().name,
        "commit": None,
        "started": datetime.datetime.now(datetime.timezone.utc).strftime(
            "%Y-%m-%dT%H:%M:%SZ"),
        "seed": seed,
        "lab": lab,
        "graded": [],
        "confined": sandbox.NONE,
        "content": None,
        "test": test or None,
        "seconds": 0.0,
        "scale": 1.0,
        "build": {"ok": None, "message": None, "file": None, "line": None},
        "error": "The grader did not come to its end.",
        "tests": [],
        "total": {"earned": None, "points": None},
        "student": "",
        "answers": [],
        "answers_note": None,
    }


def keep(path: Path, grade: Record) -> None:
    """Writes a result."""
    write_whole(path, json.dumps(grade, indent=1) + "\n")


@contextlib.contextmanager
def timed(grade: Record) -> Iterator[None]:
    """Around a grading: whatever happens, the result is one. Without a verdict no
    number is in it."""
    begin = time.monotonic()
    try:
        yield
        grade["error"] = None
    except KeyboardInterrupt:
        grade["error"] = "The grader was interrupted."
    except GraderError as error:
        grade["error"] = str(error)
    except Exception as error:  # pylint: disable=broad-except
        grade["error"] = f"The grader failed: {type(error).__name__}: {error}"
    broken = next((test for test in grade["tests"] if test["outcome"] == "error"), None)
    if broken and not grade["error"]:
        grade["error"] = f"{broken['name']}: {broken['cause']}"
    if grade["error"]:
        grade["tests"] = []
        grade["total"] = {"earned": None, "points": None}
    else:
        grade["total"] = {key: sum(test[key] for test in grade["tests"])
                          for key in ("earned", "points")}
    grade["seconds"] = round(time.monotonic() - begin, 2)


# ---- one's own tree ---------------------------------------------------------

def grade_own(grade: Record, jobs: int, tell: Tell, kernel: Optional[Path] = None,
              directory: Path = TREE) -> None:
    """This tree as it is, or a kernel that is built already; in no sandbox."""
    lab, test = grade["lab"], grade["test"] or ""
    grade["graded"] = [lab] if lab else list(labs.LABS)
    grade["commit"] = read.commit(directory)
    if not test:
        _answers(grade, directory)
    results = session.Results(tell)
    with _private():
        try:
            if kernel is None:
                kernel = build.kernel(read.collect(TREE), Path(tempfile.mkdtemp()))
            elif not kernel.is_file():
                raise SubmissionError(f"There is no kernel at {kernel}.")
        except SubmissionError as error:
            session.run(None, results, lab=lab, test=test)
            grade["build"] = confined.unbuilt(error, results).build
        else:
            grade["build"] = confined.BUILT
            probes.base_archive()
            session.run(kernel, results, lab=lab, test=test, seed=grade["seed"],
                       jobs=jobs)
    grade["tests"] = results.all()
    _refuse_nothing(grade)


@contextlib.contextmanager
def _private() -> Iterator[None]:
    """All temporary files in a directory that goes with this process."""
    before = os.environ.get("TMPDIR")
    with scratch() as place:
        os.environ["TMPDIR"] = tempfile.tempdir = str(place)
        try:
            yield
        finally:
            tempfile.tempdir = None
            os.environ.pop("TMPDIR")
            if before is not None:
                os.environ["TMPDIR"] = before


def _answers(grade: Record, directory: Path) -> None:
    """Looks at the answers to the labs' questions. Whatever is wrong with them, the
    labs are graded."""
    try:
        tables = answers.parse(read.read(directory, answers.FILE, answers.SIZE_LIMIT))
        grade["student"], grade["answers"], grade["answers_note"] = answers.check(
            tables, grade["lab"])
    except Exception as error:  # pylint: disable=broad-except
        grade["answers_note"] = str(error)


def _refuse_nothing(grade: Record) -> None:
    if not grade["tests"]:
        raise GraderError(labs.no_such_test(grade["test"])
                          if grade["test"] else "There are no tests.")


# ---- somebody else's --------------------------------------------------------

def grade_others(grade: Record, path: Path, jobs: int, tell: Tell) -> None:
    """What somebody handed in: each lab in its own trusted tree, confined."""
    kind = sandbox.kind_for_others()
    grade["confined"] = kind
    grade["content"] = bundle.fingerprint(path)
    with scratch() as place:
        try:
            directory = bundle.opened(path, place / "unpacked")
        except SubmissionError as error:
            _all_unbuilt(grade, error, tell)
            return
        grade["commit"] = read.commit(directory)
        wanted = _labs(grade, directory)
        if kind == sandbox.CONTAINER:
            _require_release(wanted)
        grade["graded"] = wanted
        for lab in wanted:
            _grade_lab(grade, lab, directory, sandbox.Sandbox(kind, place), jobs, tell)
    _refuse_nothing(grade)


def _labs(grade: Record, directory: Path) -> list[int]:
    """The labs to grade: the one that was asked for, or all that were handed in."""
    held = read.labs_in(directory)
    if grade["lab"] is None:
        return held
    if grade["lab"] not in held:
        raise bundle.NothingToGrade(
            f"There is nothing to grade in {grade['submission']}: no file of lab "
            f"{grade['lab']}, {' or '.join(labs.LABS[grade['lab']].files)}.")
    return [grade["lab"]]


def _require_release(wanted: list[int]) -> None:
    """In a container the compiler can read this tree: it must be the lab's release,
    in which nobody finds a solution that is not out."""
    for lab in wanted:
        holes = [(TREE / name).read_text() for name in labs.LABS[lab].files]
        if (TREE / CUTTER).exists() or not all(HOLE in text for text in holes):
            raise GraderError(
                f"This tree has the solution of lab {lab} in it, and a container hides "
                f"nothing from the compiler: grade in the release of that lab, as "
                f"make release LAB={lab} OUT=dir makes it.")


def _grade_lab(grade: Record, lab: int, directory: Path, box: sandbox.Sandbox,
               jobs: int, tell: Tell) -> None:
    tree = tree_for(lab)
    try:
        files = read.collect(directory, tree.files)
    except SubmissionError as error:
        plan = session.chosen(tree.facts["plan"], lab, grade["test"] or "")
        _add(grade, confined.unbuilt(error, session.Results(tell, plan)))
        return
    _add(grade, confined.grade(tree, box, confined.Wanted(
        files, _written_answers(grade, directory), grade["test"] or "", grade["seed"],
        jobs), tell))


def _written_answers(grade: Record, directory: Path) -> Optional[bytes]:
    if grade["test"]:
        return None
    try:
        return read.read(directory, answers.FILE, answers.SIZE_LIMIT)
    except SubmissionError as error:
        grade["answers_note"] = str(error)
        return None


def _add(grade: Record, graded: confined.Graded) -> None:
    """One lab's part of the result; of the builds the first that failed is told."""
    grade["tests"] += graded.tests
    if grade["build"]["ok"] is not False:
        grade["build"] = graded.build
    if graded.answers is not None:
        student, given, note = graded.answers
        grade["student"] = grade["student"] or student
        grade["answers"] += given
        grade["answers_note"] = grade["answers_note"] or note


def _all_unbuilt(grade: Record, error: SubmissionError, tell: Tell) -> None:
    """What was handed in cannot be taken: no lab that was asked for has a kernel."""
    for lab in [grade["lab"]] if grade["lab"] else list(labs.LABS):
        plan = session.chosen(tree_for(lab).facts["plan"], lab, grade["test"] or "")
        _add(grade, confined.unbuilt(error, session.Results(tell, plan)))
        grade["graded"].append(lab)
    _refuse_nothing(grade)


def measure(grade: Record) -> None:
    """How slow this machine is, for all that follows."""
    try:
        grade["scale"] = calibration.scale()
    except OSError as error:
        raise GraderError(f"{error}.") from None
    deadlines.scale_by(grade["scale"])
