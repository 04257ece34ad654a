"""Every waiting time, in seconds, in one place.

They are generous: a deadline is there so that nothing hangs for ever, never to
judge speed. A boot takes 40 ms on a quiet machine; a loaded one is slower by
ten times and more. One scale multiplies them all. It is kept in the environment,
as DEADLINE_SCALE, so that the processes which this one starts are as patient;
each function looks it up when it is asked, so no order of imports matters.
"""

from __future__ import annotations

import os

VARIABLE = "DEADLINE_SCALE"


def scale() -> float:
    """What every deadline is multiplied by; 1 unless somebody has said more."""
    return float(os.environ.get(VARIABLE, "1"))


def scale_by(factor: float) -> None:
    """Makes this process, and those that it starts, wait `factor` times as long
    as a quiet machine needs."""
    os.environ[VARIABLE] = str(factor)


def run() -> float:
    """One run of QEMU, from its start to its end."""
    return 120 * scale()


def probe() -> float:
    """One probe on a submission's kernel: where a hang is found out."""
    return 5 * scale()


def test() -> float:
    """One test of a submission, whatever it does."""
    return 45 * scale()


def lab_tests() -> float:
    """The CPU time of all QEMUs that one process of the tests has run: after it no
    test begins."""
    return 20 * scale()


def long_run() -> float:
    """A run that is meant to be long: the leak tests, a million random calls."""
    return 1200 * scale()


def trace() -> float:
    """A recorded machine, from one place of interest to the next."""
    return 30 * scale()


def answer() -> float:
    """The answer of a debugger's stub or of QEMU's monitor."""
    return 30 * scale()


def browser() -> float:
    """A browser, with all tests that share it."""
    return 600 * scale()


def compilation() -> float:
    """One run of the compiler on a submission."""
    return 20 * scale()


def submission() -> float:
    """One lab of somebody else's submission, from its text to the report."""
    return 60 * scale()


def grading() -> float:
    """All tests of one submission."""
    return 300 * scale()


def host() -> float:
    """A program on the host: make, a compiler, the same test run natively."""
    return 300 * scale()
