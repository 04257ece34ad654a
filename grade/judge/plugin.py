"""The pytest plugin that gives each test of a lab its `lab`, and writes one line of
JSON for each to --grade-results."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
from pathlib import Path
from typing import Any, Iterator, Mapping, NoReturn, Optional

import pytest

import labs
from machine import deadlines, names
from machine.finding import Finding
from machine.gdb_remote import GdbTimeout
from machine.kernel import Kernel
from machine.qemu import KERNEL
from . import raised, runner
from .lab import Lab
from .titles import title
from .verdict import Ground, Verdict, verdict

SEED_VARIABLE = "THRESHOLD_GRADE_SEED"
# What ends a machine, so that nobody need see it end again.
ENDINGS = {Ground.HUNG, Ground.FLOOD, Ground.RESET, Ground.PANIC, Ground.ENDED}

# What is kept of each text of a result, in characters.
TEXT_LIMIT = 2000

# What ended the machine in a foundation of a lab.
_obstacles: dict[int, Finding] = {}
# CPU seconds of a process's children when it began with its first test.
_used: dict[int, float] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("grading")
    group.addoption("--kernel", type=Path, default=KERNEL, metavar="ELF",
                    help="the kernel to grade (build/kernel.elf)")
    group.addoption("--seed", type=lambda text: int(text, 0), metavar="N",
                    help="repeat a run that printed this seed")
    group.addoption("--grade-results", type=Path, metavar="FILE",
                    help="append one line of JSON for each test")
    group.addoption("--grade-jobs", type=int, metavar="N",
                    help="run the tests in so many processes")


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
    worker = getattr(session.config, "workerinput", {}).get("workerid", "gw0")
    if worker == "gw0":  # one of xdist's workers says so
        planned = [_identity(item) for item in session.items if _lab_of(item)]
        _append(session.config, {"plan": planned})


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Optional[bool]:
    jobs = session.config.getoption("--grade-jobs")
    if jobs is None or session.config.option.collectonly or session.testsfailed:
        return None
    runner.run(session, jobs)
    return True


@pytest.fixture(scope="session")
def _submission(request: pytest.FixtureRequest) -> tuple[Path, Kernel]:
    path = request.config.getoption("--kernel").resolve()
    if not path.exists():
        pytest.fail(f"{path} is missing: run make", pytrace=False)
    kernel = names.of_kernel(path)
    # All tests look at interrupted registers: this is read before they part ways.
    kernel.structure("trap_frame")
    return path, kernel


@pytest.fixture
def lab(request: pytest.FixtureRequest, _submission: tuple[Path, Kernel]
        ) -> Iterator[Lab]:
    """The submission's kernel, for one test."""
    _check_time()
    path, kernel = _submission
    made = Lab(path, kernel, int(os.environ[SEED_VARIABLE]), request.node.name)
    number = _lab_of(request.node)
    made.obstacle = next((_obstacles[before] for before in sorted(_obstacles)
                          if before <= number), None)
    try:
        yield made
    finally:
        made.close()


def _check_time() -> None:
    """All tests of a process together have a time of the CPU's, so that a busy host
    takes none of it: after it no other one begins."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime
    # What this process ran before its first test does not count.
    if seconds - _used.setdefault(os.getpid(), seconds) > deadlines.lab_tests():
        raise verdict(Ground.HUNG, "This test was not begun: the kernel is so slow, or "
                      "hung so often in other tests, that the time for all tests was "
                      "over")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """No test of a lab lasts longer than deadlines.test()."""
    def late(*_: object) -> NoReturn:
        raise GdbTimeout("the test did not end")

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
    made: Optional[Lab] = getattr(item, "funcargs", {}).get("lab")
    found = raised.verdict_of(call, report, made)
    if found is not None:
        report.longrepr = f"{found}\n\nhint      {_hint(item)}"
        if runner.stands_under_others(item) and found.ground in ENDINGS:
            _obstacles.setdefault(_lab_of(item), found.finding)
    console = made.console if made and found else ""
    _append(item.config, _record(item, found, report.duration, console))


def _record(item: pytest.Item, found: Optional[Verdict], seconds: float, console: str
            ) -> dict[str, Any]:
    """A test's result."""
    record = _identity(item)
    finding = found.finding if found else None
    for name in ("cause", "expected", "found", "where", "gdb"):
        text = getattr(finding, name, None)
        record[name] = text if text is None else text[:TEXT_LIMIT]
    record.update(outcome=found.outcome if found else "pass",
                  earned=0 if found else record["points"],
                  seconds=round(seconds, 3), console=console)
    return record


def _lab_of(item: pytest.Item) -> int:
    """The lab that a test belongs to, or 0."""
    return labs.of_test_file(Path(str(item.fspath)).name)


def _hint(item: pytest.Item) -> str:
    """A test's own hint, and where the task of its lab is described."""
    own = getattr(getattr(item, "function", None), "grade_hint", "")
    task = f"The task: {labs.LABS[_lab_of(item)].task}."
    end = "" if own.endswith(("?", ".")) else "."
    return f"{own}{end} {task}" if own else task


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
