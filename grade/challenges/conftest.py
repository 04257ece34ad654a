"""Gives the challenges their `challenge`; judge/challenge.py says how one is
written."""

from __future__ import annotations

import dataclasses
import random
import re
from typing import Any, Iterator

import pytest

from judge.challenge import Challenge
from judge.titles import title
from judge.verdict import Verdict
from machine.gdb_remote import GdbTimeout, MachineGone
from machine.kernel import Kernel
from machine.qemu import INITRD, KERNEL, MachineError
from report.terminal import details
from report.text import plain


@pytest.fixture
def challenge(request: pytest.FixtureRequest) -> Iterator[Challenge]:
    if not KERNEL.is_file() or not INITRD.is_file():
        pytest.exit("There is no kernel: run make.", 2)
    made = Challenge(KERNEL, Kernel(KERNEL), random.SystemRandom().getrandbits(32),
                     request.node.name)
    try:
        yield made
    finally:
        made.close()


# ---- as `make grade` prints it ----------------------------------------------

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]
                              ) -> Iterator[None]:
    """What a test raised becomes the verdict that `make grade` would give."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    error = call.excinfo.value if call.excinfo else None
    made = getattr(item, "funcargs", {}).get("challenge")
    if isinstance(error, (MachineGone, GdbTimeout, MachineError)) and made \
            and made.machines:
        error = made.verdict_of(made.machines[-1])
    report.title = title(item.name)
    report.verdict = error if isinstance(error, Verdict) else None


def pytest_report_teststatus(report: Any) -> Any:
    """No dots: each test has a line of its own."""
    return getattr(report, "outcome", ""), "", ""


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: Any) -> None:
    if report.when == "call" or report.failed:
        word = "pass" if report.passed else (
            report.verdict.outcome if report.verdict else "error").upper()
        print(f"  {word:7} {plain(report.title)}", flush=True)


def pytest_collectreport(report: Any) -> None:
    if report.failed:
        print(report.longreprtext)


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int) -> None:
    """The first failure's story, and last the verdict on the challenge."""
    stats = terminalreporter.stats
    failed = [report for report in stats.get("failed", []) + stats.get("error", [])
              if hasattr(report, "verdict")]
    if failed:
        print(story(failed[0]), end="")
    names = {match[1] for report in stats.get("passed", []) + failed
             if (match := re.search(r"test_challenge_(\d+)", report.nodeid))}
    for name in sorted(names):
        print(f"\nChallenge {name}: {'passed' if exitstatus == 0 else 'not yet'}.")


def story(report: Any) -> str:
    """A failure: its cause, what was expected and found, and where to look."""
    found = report.verdict
    if found is None:  # the grader's own: as Python tells it
        return str(report.longreprtext) + "\n"
    return f"{plain(report.title)}: {found.outcome}\n" + details(
        {**dataclasses.asdict(found.finding), "outcome": found.outcome,
         "hint": None})
