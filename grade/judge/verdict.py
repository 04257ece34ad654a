"""What a test says of a submission, and what stands before a test.

    @points(4)
    @hint("SYSRET takes SS from STAR[63:48] + 8.")
    def test_star_names_the_selectors_of_both_directions(lab: Lab) -> None:
        ...
        wrong("STAR[63:48] is 0x28: SYSRET loads CS 0x3b", expected="0x23",
              found="0x28", where=lab.place("init_syscall"), gdb="msr")
"""

from __future__ import annotations

import dataclasses
from typing import Callable, NoReturn, Optional, TypeVar

from machine.finding import Finding, Kind


Test = TypeVar("Test", bound=Callable[..., None])


def points(number: int) -> Callable[[Test], Test]:
    """What a test is worth."""
    def mark(test: Test) -> Test:
        test.grade_points = number  # type: ignore[attr-defined]
        return test
    return mark


def hint(text: str) -> Callable[[Test], Test]:
    """What a failure of this test usually means, without the solution. The place
    of the lab's task is put after it."""
    def mark(test: Test) -> Test:
        test.grade_hint = " ".join(text.split())  # type: ignore[attr-defined]
        return test
    return mark


def foundation(test: Test) -> Test:
    """Marks a test that the others of its lab stand on. It runs before them, and
    what stops or hangs the machine in it need not be found again."""
    test.grade_foundation = True  # type: ignore[attr-defined]
    return test


class Ground(Kind):
    """On what ground a test did not pass."""

    WRONG = "something is not as it must be"
    KILLED = "the kernel ended a program for a fault"
    BLOCKED = "what the test needs is not there"
    HUNG = "the machine does not come where it must"
    FLOOD = "the machine prints without end"
    PANIC = "the kernel panicked"
    RESET = "the machine reset itself"
    ENDED = "the machine ended"
    GRADER = "the grader's own fault"

    @property
    def outcome(self) -> str:
        """The word for it in grade.json."""
        return _OUTCOMES[self]


_OUTCOMES = {
    Ground.WRONG: "fail", Ground.KILLED: "fail", Ground.BLOCKED: "blocked",
    Ground.HUNG: "hung", Ground.FLOOD: "hung", Ground.PANIC: "stopped",
    Ground.RESET: "stopped", Ground.ENDED: "stopped", Ground.GRADER: "error"}


class Verdict(Exception):
    """Why a test did not pass, for the student: a finding whose kind is a Ground,
    and whose `gdb` is a command that shows it."""

    def __init__(self, finding: Finding) -> None:
        assert isinstance(finding.kind, Ground)
        super().__init__(finding.cause)
        self.finding = finding
        self.ground: Ground = finding.kind

    @property
    def outcome(self) -> str:
        """The word for it in grade.json."""
        return self.ground.outcome

    @property
    def cause(self) -> str:
        return self.finding.cause

    @property
    def where(self) -> Optional[str]:
        return self.finding.where

    def saying(self, cause: str) -> Verdict:
        """The same verdict in other words."""
        return Verdict(dataclasses.replace(self.finding, cause=cause))

    def during(self, what: str) -> Verdict:
        """The same verdict, after a sentence that says what was under way."""
        return self.saying(f"{what} {self.cause}")

    def __str__(self) -> str:
        rows = (("expected", self.finding.expected), ("found", self.finding.found),
                ("look at", self.finding.where), ("in GDB", self.finding.gdb))
        return "\n".join([self.cause, *(
            f"{title:<10}{text}" for title, text in rows if text is not None)])


def verdict(ground: Ground, cause: str, *, expected: object = None,
            found: object = None, where: Optional[str] = None,
            gdb: Optional[str] = None) -> Verdict:
    """A verdict, to be raised. Numbers are shown in hexadecimal, but errors, which
    are below 0, as errno.h has them."""
    return Verdict(Finding(ground, cause, where, expected=_shown(expected),
                           found=_shown(found), gdb=gdb))


def wrong(cause: str, *, expected: object = None, found: object = None,
          where: Optional[str] = None, gdb: Optional[str] = None) -> NoReturn:
    """Fails the test with this cause. Numbers are shown in hexadecimal."""
    raise verdict(Ground.WRONG, cause, expected=expected, found=found, where=where,
                  gdb=gdb)


def _shown(value: object) -> Optional[str]:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:#x}" if value >= 0 else f"{value}"  # an error's number
    return str(value)
