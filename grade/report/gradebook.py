"""A result as a line of a gradebook, in CSV."""

from __future__ import annotations

from .result import Record, exit_status
from .text import table


def gradebook(grade: Record) -> str:
    """CSV of two lines: the heading, and the points of this submission. Answers
    are counted where they can be checked; texts are not."""
    labs = sorted({test["lab"] for test in grade["tests"]})
    heading = ["submission", "student", "commit", "started", "seed"]
    row = [grade["submission"], grade.get("student", ""), grade["commit"] or "",
           grade["started"], str(grade["seed"])]
    for lab in labs:
        heading += [f"lab {lab}", f"lab {lab} of"]
        row += [str(sum(test[key] for test in grade["tests"] if test["lab"] == lab))
                for key in ("earned", "points")]
        checked = [answer for answer in grade.get("answers", [])
                   if answer["lab"] == lab and answer["checked"]]
        heading += [f"lab {lab} answers", f"lab {lab} answers of"]
        row += [str(sum(answer["outcome"] == "right" for answer in checked)),
                str(len(checked))] if checked else ["", ""]
    status = exit_status(grade)
    heading += ["total", "total of", "verdict"]
    row += ["", ""] if status == 2 else [str(grade["total"]["earned"]),
                                         str(grade["total"]["points"])]
    row += [{0: "all points", 1: "not all points", 2: "no verdict"}[status]]
    return table([heading, row])
