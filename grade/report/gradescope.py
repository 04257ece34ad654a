"""A result as Gradescope's results.json."""

from __future__ import annotations

from typing import Any

from .result import OUTPUT_LIMIT, Record
from .terminal import NO_VERDICT, answers, story
from .text import as_json, plain


def gradescope(grade: Record) -> str:
    """results.json. The score is the sum of the tests' scores, so none stands at the
    top. Without a verdict there is no score at all, which Gradescope shows as a
    grader that failed."""
    result: dict[str, Any] = {
        "execution_time": grade["seconds"],
        "output": f"seed {grade['seed']}\n{answers(grade)}".strip(),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {"schema": grade["schema"], "seed": grade["seed"],
                       "commit": grade["commit"]},
        "tests": [_gradescope_test(test, number, grade)
                  for number, test in _numbered(grade)],
    }
    if grade["error"]:
        result["output"] = plain(
            f"{grade['error']}\n{NO_VERDICT}\n{answers(grade)}").strip()
    return as_json(result)


def _gradescope_test(test: Record, number: str, grade: Record) -> dict[str, Any]:
    passed = test["outcome"] == "pass"
    return {
        "name": plain(test["title"]),
        "number": number,
        "score": test["earned"],
        "max_score": test["points"],
        "status": "passed" if passed else "failed",
        "output": "" if passed else story(test, grade)[:OUTPUT_LIMIT],
        "output_format": "text",
        "visibility": "visible",
        "tags": [f"lab{test['lab']}"],
        "extra_data": {"outcome": test["outcome"], "test": test["name"]},
    }


def _numbered(grade: Record) -> list[tuple[str, Record]]:
    """Each test with a number like "3.2": its lab, and its place in that."""
    counts: dict[int, int] = {}
    numbered = []
    for test in grade["tests"]:
        counts[test["lab"]] = counts.get(test["lab"], 0) + 1
        numbered.append((f"{test['lab']}.{counts[test['lab']]}", test))
    return numbered
