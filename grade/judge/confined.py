"""One lab of somebody else's submission, from its text to the tests' results: the
compiler in one sandbox, all that looks at the result in another.

What stands here is outside of both. It hands the text over, waits no longer than it
has to, and takes in so much and no more.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import selectors
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional

from intake import bounded, build
from intake.error import GraderError, SubmissionError
from intake.sandbox import Sandbox
from intake.trusted import Trusted
from machine import calibration, deadlines

from . import session

Record = dict[str, Any]

# Of each process inside. QEMU maps more than it uses; its logs and the consoles are
# what may grow.
LIMITS = bounded.Limits(cpu=600, memory=6 << 30, file=64 << 20)
# What a grading may tell, in bytes, and one text of it, in characters.
TOLD_LIMIT, TEXT_LIMIT = 8 << 20, 4000


@dataclasses.dataclass
class Wanted:
    """What is to be done with a submission's lab."""

    files: Mapping[str, bytes]
    answers: Optional[bytes]
    test: str
    seed: int
    jobs: int


@dataclasses.dataclass
class Graded:
    """What came of it: `build` as in the result, `answers` as answers.check gives
    them."""

    tests: list[Record]
    build: Record
    answers: Optional[tuple[str, list[Record], Optional[str]]] = None


BUILT: Record = {"ok": True, "message": None, "file": None, "line": None}


def grade(tree: Trusted, sandbox: Sandbox, wanted: Wanted,
          tell: Callable[[Record], object]) -> Graded:
    """Builds and tests. GraderError where that was not possible; what seems so is
    only believed if the machine shows with a trusted kernel that it can."""
    until = time.monotonic() + deadlines.submission()
    plan = session.chosen(tree.facts["plan"], tree.lab, wanted.test)
    results = session.Results(tell, plan)
    if not plan:
        return Graded([], BUILT)
    try:
        objects = build.compiled(tree, wanted.files, sandbox)
        graded = _inside(tree, sandbox, objects, wanted, results, until)
    except SubmissionError as error:
        graded = unbuilt(error, results)
    for test in graded.tests:
        if test["outcome"] == "error":
            raise GraderError(f"{test['name']}: {test['cause']}")
    if _smells(graded):
        test_machine(tree, sandbox)
    return graded


def unbuilt(error: SubmissionError, results: session.Results) -> Graded:
    for test in results.plan:
        results.add(session.untested(test, "build", error.message, error.file,
                                    error.line))
    return Graded(results.all(), {"ok": False, "message": error.message,
                                  "file": error.file, "line": error.line})


def _smells(graded: Graded) -> bool:
    """Might the machine have been at fault? Nothing at all went well."""
    return not any(test["outcome"] == "pass" for test in graded.tests)


def test_machine(tree: Trusted, sandbox: Sandbox) -> None:
    """Compiles, links and boots what is trusted; GraderError if that does not come
    to the same end as when the tree was made."""
    own = {name: (tree.directory / name).read_bytes() for name in tree.files}
    try:
        objects = build.compiled(tree, own, sandbox)
    except SubmissionError as error:
        raise GraderError(f"The machine does not build what it has built before: "
                          f"{error}") from None
    request = {"boot": True, **_request(tree, objects)}
    found = {}
    for line in _lines(tree, sandbox, request, time.monotonic() + deadlines.host()):
        found.update(line)
    if found.get("boot") != tree.facts["boot"]:
        raise GraderError("The machine does not run a kernel as it did before: "
                          f"{found.get('error') or found.get('boot')}")


# ---- inside -----------------------------------------------------------------

def _inside(tree: Trusted, sandbox: Sandbox, objects: Mapping[str, bytes],
            wanted: Wanted, results: session.Results, until: float) -> Graded:
    """Checks, links and tests what was compiled."""
    graded = Graded([], {"ok": None})
    ended = False
    request = {**_request(tree, objects), "test": wanted.test, "seed": wanted.seed,
               "jobs": wanted.jobs, "answers": None if wanted.answers is None else
               base64.b64encode(wanted.answers).decode()}
    for line in _lines(tree, sandbox, request, until):
        if "error" in line:
            raise GraderError(str(line["error"]))
        if "build" in line:
            graded.build = line["build"]
        elif "answers" in line:
            graded.answers = tuple(line["answers"])
        elif "end" in line:
            ended = True
        elif line.get("name") in {test["name"] for test in results.plan}:
            results.add(line)
    if graded.build["ok"] is False:
        return dataclasses.replace(graded, tests=unbuilt(SubmissionError(
            graded.build["message"], graded.build["file"], graded.build["line"]),
            results).tests)
    if not ended and time.monotonic() < until:
        raise GraderError("The grading was ended from outside.")
    if not ended and calibration.has_slowed():
        raise GraderError("The grading came to no end: the machine is too busy.")
    if graded.build["ok"] is None:
        raise GraderError("The kernel was not linked in time.")
    graded.tests = results.all(
        "The grading's time was over before this test: those before it took too "
        "long." if not ended else "The test gave no result.",
        "error" if ended else "hung")
    return graded


def _request(tree: Trusted, objects: Mapping[str, bytes]) -> Record:
    return {"lab": tree.lab, "objects": {
        source: base64.b64encode(data).decode() for source, data in objects.items()}}


def _lines(tree: Trusted, sandbox: Sandbox, request: Record, until: float
           ) -> Iterator[Record]:
    """What is told from inside, as it comes; then all in there is ended."""
    place = sandbox.path(tree.directory, "/tree")
    command = sandbox.command(
        [*LIMITS.command(), sys.executable, str(place / "grade/inside.py")],
        {"/tree": tree.directory}, "/tree",
        {deadlines.VARIABLE: str(deadlines.scale()), "PYTHONDONTWRITEBYTECODE": "1",
         **_quick_distutils()}, with_devices=True)
    log = sandbox.scratch / "log"
    with log.open("ab") as errors:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                start_new_session=True, env={"PATH": os.environ["PATH"]})
        except OSError as error:
            raise GraderError(f"The sandbox does not start: {error}.") from None
    try:
        assert process.stdin and process.stdout
        _hand_over(process.stdin, json.dumps(request).encode())
        yield from _read(process.stdout, until)
    finally:
        _kill(process)
    said = log.read_text(errors="replace").strip()
    if process.returncode not in (0, -signal.SIGKILL) and said:
        raise GraderError(f"The grader failed: {said.splitlines()[-1][:300]}")


def _quick_distutils() -> dict[str, str]:
    """Capstone 4 asks distutils for a directory. setuptools puts its own in the place
    of Python's, and that takes a seventh of a second to load for each submission;
    where Python has one, it will do."""
    own = Path(sysconfig.get_path("stdlib"), "distutils/sysconfig.py")
    return {"SETUPTOOLS_USE_DISTUTILS": "stdlib"} if own.exists() else {}


def _hand_over(stream: Any, data: bytes) -> None:
    try:
        stream.write(data)
        stream.close()
    except BrokenPipeError:
        pass  # it has ended already, and says why


def _read(stream: Any, until: float) -> Iterator[Record]:
    told, rest = 0, b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while (remaining := until - time.monotonic()) > 0:
            if not selector.select(min(remaining, 1.0)):
                continue
            data = os.read(stream.fileno(), 65536)
            told += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield _bounded(json.loads(line))
            if not data or told > TOLD_LIMIT:
                return


def _bounded(record: Record) -> Record:
    """A record whose texts have an end."""
    return {name: value[:TEXT_LIMIT] + "…" if isinstance(value, str)
            and len(value) > TEXT_LIMIT else value for name, value in record.items()}


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream and not stream.closed:
            stream.close()
