"""The pytest plugin that gives each test of a lab its `lab`, and writes one line of
JSON for each to --grade-results."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import Any, Iterator, Mapping, NoReturn, Optional

import pytest

import labs
from machine import deadlines
from machine.gdb_remote import GdbTimeout, MachineGone
from machine.qemu import KERNEL, TREE, MachineError
from machine.symbols import Symbols
from .contract import CONTRACT
from .lab import Lab
from .patience import HUNG_BEFORE
from .titles import title
from .verdict import Verdict

# Seconds that each test took when grade.py last ran it.
DURATIONS = TREE / "build/grade/durations.json"
SEED_VARIABLE = "THRESHOLD_GRADE_SEED"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("grading")
    group.addoption("--kernel", type=Path, default=KERNEL, metavar="ELF",
                    help="the kernel to grade (build/kernel.elf)")
    group.addoption("--seed", type=lambda text: int(text, 0), metavar="N",
                    help="repeat a run that printed this seed")
    group.addoption("--grade-results", type=Path, metavar="FILE",
                    help="append one line of JSON for each test")
    group.addoption("--grade-claims", type=Path, metavar="DIR",
                    help="share the tests with others that are given DIR too")


def pytest_configure(config: pytest.Config) -> None:
    # xdist's workers inherit the environment of the process that drives them.
    if not hasattr(config, "workerinput"):
        seed = config.getoption("--seed")
        if seed is None:
            seed = random.SystemRandom().getrandbits(32)
        os.environ[SEED_VARIABLE] = str(seed)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {os.environ[SEED_VARIABLE]}"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Says which tests there are before the first one runs, so that one whose
    result never comes is missed."""
    # One says so: of xdist's workers, or of those that grade.py has started.
    worker = getattr(session.config, "workerinput", {}).get("workerid", "gw0")
    if worker == "gw0" and os.environ.get("GRADE_WORKER", "0") == "0":
        planned = [_identity(item) for item in session.items if _lab_of(item)]
        _append(session.config, {"plan": planned})


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Optional[bool]:
    """With --grade-claims, runs the tests that no other process has begun, the
    longest of the last run first."""
    claims = session.config.getoption("--grade-claims")
    if claims is None or session.config.option.collectonly or session.testsfailed:
        return None
    try:
        known = json.loads(DURATIONS.read_text())
    except (OSError, ValueError):
        known = {}
    numbered = list(enumerate(session.items))
    numbered.sort(key=lambda pair: -known.get(_identity(pair[1])["name"], 0.0))
    for number, item in numbered:
        try:
            os.close(os.open(claims / f"claim-{number}",
                             os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            continue
        # After each test all is torn down but what belongs to the session.
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=session)
    return True


@pytest.fixture(scope="session")
def _submission(request: pytest.FixtureRequest) -> tuple[Path, Symbols]:
    path = request.config.getoption("--kernel").resolve()
    if not path.exists():
        pytest.fail(f"{path} is missing: run make", pytrace=False)
    return path, Symbols(path)


@pytest.fixture
def lab(request: pytest.FixtureRequest, _submission: tuple[Path, Symbols]
        ) -> Iterator[Lab]:
    """The submission's kernel, for one test."""
    path, symbols = _submission
    made = Lab(path, symbols, int(os.environ[SEED_VARIABLE]), request.node.name)
    claims = request.config.getoption("--grade-claims")
    made.has_hung = (claims is not None
                     and len(list(claims.glob("hung-*"))) >= HUNG_BEFORE)
    try:
        yield made
    finally:
        made.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """No test of a lab lasts longer than deadlines.test()."""
    def late(*_: object) -> NoReturn:
        raise GdbTimeout("the test did not come to its end")

    if _lab_of(item):
        before = signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, deadlines.test())
    yield
    if _lab_of(item):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:
    """Turns what a test raised into a verdict, and keeps it as JSON."""
    outcome = yield
    if not _lab_of(item):
        return
    report = outcome.get_result()  # type: ignore[attr-defined]
    if call.when == "setup" and not report.failed and not report.skipped:
        return
    if call.when == "teardown" and not report.failed:
        return
    lab: Optional[Lab] = getattr(item, "funcargs", {}).get("lab")
    verdict = _verdict(call, report, lab)
    if verdict is not None:
        report.longrepr = f"{verdict}\n\nhint      {_hint(item)}"
    record = _identity(item)
    record.update(
        outcome=verdict.outcome if verdict else "pass",
        earned=0 if verdict else record["points"],
        cause=verdict.cause if verdict else None,
        expected=verdict.expected if verdict else None,
        found=verdict.found if verdict else None,
        where=verdict.where if verdict else None,
        gdb=verdict.gdb if verdict else None,
        seconds=round(report.duration, 3),
        console=lab.console if lab and verdict else "",
    )
    _append(item.config, record)
    claims = item.config.getoption("--grade-claims")
    if claims is not None and record["outcome"] == "hung":
        (claims / f"hung-{item.name}").touch()


def _verdict(call: pytest.CallInfo[None], report: pytest.TestReport,
             lab: Optional[Lab]) -> Optional[Verdict]:
    """What a test raised, as a verdict; None if it passed."""
    if report.passed:
        return None
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, Verdict):
        return error
    if isinstance(error, (MachineGone, GdbTimeout, MachineError)) and lab \
            and lab.machines:
        try:
            lab.stopped(lab.machines[-1])
        except Verdict as verdict:
            return verdict
        except Exception as second:  # pylint: disable=broad-except
            error = second
    if isinstance(error, KeyError) and lab and error.args[0] in CONTRACT \
            and error.args[0] not in lab.kernel:
        return Verdict(f"The kernel has no function {error.args[0]}: it was renamed, "
                       "removed or made static", where=CONTRACT[error.args[0]])
    if report.skipped:
        return Verdict(f"the test was skipped: {error}", "error")
    if call.excinfo is None:
        return Verdict("the test failed without saying why", "error")
    return Verdict(f"{type(error).__name__}: {error} "
                   f"({_origin(call.excinfo)}); "
                   "this is the grader's own fault, not the submission's", "error")


def _origin(info: pytest.ExceptionInfo[BaseException]) -> str:
    """The grader's line that raised."""
    entry = info.traceback[-1]
    return f"{Path(str(entry.path)).name}:{entry.lineno + 1}"


def _lab_of(item: pytest.Item) -> int:
    """The lab that a test belongs to, or 0."""
    return labs.of_test_file(Path(str(item.fspath)).name)


def _hint(item: pytest.Item) -> str:
    """A test's own hint, and where the task of its lab is described."""
    own = getattr(getattr(item, "function", None), "grade_hint", "")
    task = f"The task: {labs.LABS[_lab_of(item)].task}."
    return f"{own.rstrip('.')}. {task}" if own else task


def _identity(item: pytest.Item) -> dict[str, Any]:
    """What is known of a test before it runs."""
    function = getattr(item, "function", None)
    return {
        "lab": _lab_of(item),
        "name": f"{Path(str(item.fspath)).name}::{item.name}",
        "title": title(item.name),
        "points": getattr(function, "grade_points", 0),
        "hint": _hint(item),
    }


def _append(config: pytest.Config, record: Mapping[str, Any]) -> None:
    """One line at the end of the results, in one write."""
    path = config.getoption("--grade-results")
    if path is not None:
        line = (json.dumps(record) + "\n").encode()
        with open(path, "ab", buffering=0) as file:
            file.write(line)
