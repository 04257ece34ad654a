"""A grading's result, build/grade.json: its words, and what follows from it."""

from __future__ import annotations

from typing import Any, Mapping, Optional

Record = Mapping[str, Any]

SCHEMA = "threshold/grade/v1"
OUTCOMES = ("pass", "fail", "build", "stopped", "hung", "blocked", "error")
# What one test may say on a service's page, in characters.
OUTPUT_LIMIT = 8000


def exit_status(grade: Record) -> int:
    """0: all passed; 1: not; 2: the grader itself failed."""
    tests = grade["tests"]
    if grade["error"] or not tests or any(t["outcome"] == "error" for t in tests):
        return 2
    return 0 if all(t["outcome"] == "pass" for t in tests) else 1


def first_failure(grade: Record) -> Optional[Record]:
    """The failure to look at first: one that only lacks what another test or
    lab gives comes after all others."""
    failed = [test for test in grade["tests"] if test["outcome"] != "pass"]
    causes = [test for test in failed if test["outcome"] != "blocked"]
    return (causes or failed or [None])[0]
