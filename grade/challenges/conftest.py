"""Gives the challenges their `challenge`; judge/challenge.py says how one is
written."""

from __future__ import annotations

import random
import re
from typing import Any, Iterator

import pytest

from judge.challenge import Challenge
from judge.verdict import Verdict
from machine.gdb_remote import GdbTimeout, MachineGone
from machine.kernel import Kernel
from machine.qemu import INITRD, KERNEL, MachineError


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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]
                              ) -> Iterator[None]:
    """A failure is shown as its cause, not as Python's way there."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    error = call.excinfo.value if call.excinfo else None
    made = getattr(item, "funcargs", {}).get("challenge")
    if isinstance(error, (MachineGone, GdbTimeout, MachineError)) and made \
            and made.machines:
        error = made.verdict_of(made.machines[-1])
    if report.failed and isinstance(error, Verdict):
        report.longrepr = str(error)


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int) -> None:
    """The verdict on the challenge, last."""
    names = {match[1] for report in terminalreporter.stats.get("passed", [])
             + terminalreporter.stats.get("failed", [])
             if (match := re.search(r"test_challenge_(\d+)", report.nodeid))}
    for name in sorted(names):
        terminalreporter.write_line(
            f"Challenge {name}: {'passed' if exitstatus == 0 else 'not yet'}.")
