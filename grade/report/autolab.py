"""A result as Autolab reads it: the last line of a grader's output."""

from __future__ import annotations

import json

from labs import LABS

from .result import Record, require_verdict
from .terminal import terminal


def autolab(grade: Record) -> str:
    """What a student reads, and in the last line the points of each lab, as the problem
    of that name. Without a verdict there is no such line: Autolab says that the grader
    failed."""
    require_verdict(grade)
    scores = {LABS[lab].name: sum(test["earned"] for test in grade["tests"]
                                  if test["lab"] == lab)
              for lab in sorted({test["lab"] for test in grade["tests"]})}
    return f"{terminal(grade)}{json.dumps({'scores': scores})}\n"
