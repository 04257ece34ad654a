"""Writes all there is to see of gradings.

    index.html            the class on one page, which loads nothing
    students/NAME.html    a page for each hand-in, as its student would see it
    students/NAME.md .txt each student's feedback, to mail or to upload
    gradebook.csv moodle.csv canvas.csv
    .marks.json           the marks, which the next run compares with
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Collection, Optional, Sequence

import report
from intake.scratch import write_whole

from . import marks, pages, tables
from .settings import Course

MARKS = ".marks.json"


class Overview:
    """What was found, and said of it to whoever runs this."""

    def __init__(self, results: Sequence[Path], course: Course,
                 only: Optional[Collection[str]] = None) -> None:
        self.course = course
        self.found = [hand_in for hand_in in marks.hand_ins(results, course)
                      if only is None or hand_in.name in only]
        self.rows = marks.rows(self.found, course)
        self.changed: list[str] = []

    @property
    def notes(self) -> list[str]:
        """Whom a teacher should look at, and why."""
        return [f"{row.student.id}: {row.note(self.course)}" for row in self.rows
                if row.note(self.course)]

    def write_pages(self, out: Path) -> None:
        """The class page, a page for each student, and what each may be sent."""
        for hand_in in self.found:
            grade = hand_in.grade
            put(out, f"{hand_in.page}.html", pages.student_page(
                hand_in, marks.marks_of(hand_in, self.course)))
            put(out, f"{hand_in.page}.md", report.FORMATS["summary"](grade))
            put(out, f"{hand_in.page}.txt", report.FORMATS["terminal"](grade))
        put(out, "index.html", pages.class_page(self.rows, self.found, self.course,
                                                self.changed))

    def write_gradebook(self, out: Path) -> None:
        """The tables; `changed` then tells what is new since the last time."""
        self.changed = marks.changes(_before(out), self.rows, self.course)
        for name, make in tables.TABLES.items():
            put(out, name, make(self.rows, self.course))
        put(out, MARKS, json.dumps(marks.remembered(self.rows), indent=1) + "\n")


def _before(out: Path) -> marks.Remembered:
    """The marks of the last run; none where there was none."""
    try:
        return dict(json.loads((out / MARKS).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def put(out: Path, name: str, text: str) -> None:
    """Writes a file below `out`, whole or not at all."""
    write_whole(out / name, text)
