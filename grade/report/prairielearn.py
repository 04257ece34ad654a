"""A result as PrairieLearn's results.json."""

from __future__ import annotations

from typing import Any

from .result import OUTPUT_LIMIT, Record, exit_status
from .terminal import NO_VERDICT, answers, story
from .text import as_json, plain


def prairielearn(grade: Record) -> str:
    """results.json of an external grader: a share of the points from 0 to 1. Without a
    verdict it says that the submission could not be graded, which costs no attempt."""
    if exit_status(grade) == 2:
        return as_json({"gradable": False, "message": plain(
            f"{grade['error']}\n{NO_VERDICT}")})
    total = grade["total"]
    result: dict[str, Any] = {
        "gradable": True,
        "score": total["earned"] / total["points"],
        "message": f"{total['earned']} of {total['points']} points; seed {grade['seed']}",
        "output": answers(grade),
        "tests": [{
            "name": plain(test["title"]), "description": test["name"],
            "points": test["earned"], "max_points": test["points"],
            "output": "" if test["outcome"] == "pass"
                      else story(test, grade)[:OUTPUT_LIMIT],
        } for test in grade["tests"]],
    }
    return as_json(result)
