"""A grading's result, build/grade.json: its words, and what follows from it."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from labs import LABS

Record = Mapping[str, Any]

SCHEMA = "threshold/grade/v1"
OUTCOMES = ("pass", "fail", "build", "stopped", "hung", "blocked", "error")
# What one test may say on a service's page, in characters.
OUTPUT_LIMIT = 8000


class NoVerdict(Exception):
    """A form that holds a mark is asked of a result that has none."""


def exit_status(grade: Record) -> int:
    """0: all passed; 1: not; 2: there is no verdict."""
    tests = grade["tests"]
    if grade["error"] or not tests or any(t["outcome"] == "error" for t in tests):
        return 2
    return 0 if all(t["outcome"] == "pass" for t in tests) and not left_out(
        grade) else 1


def left_out(grade: Record) -> list[int]:
    """The labs of which nothing was handed in, where all were asked for."""
    if grade["lab"] is not None:
        return []
    return [lab for lab in LABS if lab not in grade.get("graded", LABS)]


def require_verdict(grade: Record) -> None:
    """Raises NoVerdict, with the reason, where there is none."""
    if grade["error"]:
        raise NoVerdict(f"There is no verdict, and no number: {grade['error']}")


def first_failure(grade: Record) -> Optional[Record]:
    """The failure to look at first: one that only lacks what another test or
    lab gives comes after all others, and within a lab a hang, of which only the
    place is known, after what is wrong for a reason."""
    failed = [test for test in grade["tests"] if test["outcome"] != "pass"]
    causes = [test for test in failed if test["outcome"] != "blocked"]
    return min(causes or failed, default=None,
               key=lambda test: (test["lab"], test["outcome"] == "hung"))
