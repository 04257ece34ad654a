"""The gradebook as CSV: for a spreadsheet, Moodle and Canvas."""

from __future__ import annotations

from typing import Optional, Sequence

from report.text import table as csv_table

from .marks import Mark, Row, number
from .settings import Course


def spreadsheet(rows: Sequence[Row], course: Course) -> str:
    """Everything."""
    labs = labs_of(rows)
    heading = ["id", "name", "mail"]
    for lab in labs:
        heading += [f"lab {lab}", f"lab {lab} of", f"lab {lab} days late"]
    return csv_table([[*heading, "percent", "note"], *(
        [row.student.id, row.student.name, row.student.mail,
         *(cell for lab in labs for cell in _cells(row.marks.get(lab))),
         number(row.total(course)), row.note(course)] for row in rows)])


def moodle(rows: Sequence[Row], _: Course) -> str:
    """What Moodle's import of grades maps: a person's id number and address, and a
    column for each grade item. An empty cell changes nothing there."""
    labs = labs_of(rows)
    return csv_table([
        ["ID number", "Email address", *(f"Threshold lab {lab}" for lab in labs)],
        *([row.student.id, row.student.mail,
           *(_points(row.marks.get(lab)) for lab in labs)] for row in rows)])


def canvas(rows: Sequence[Row], _: Course) -> str:
    """What Canvas imports: the columns that name a student, one for each assignment,
    and the row that says what each is out of."""
    labs = labs_of(rows)
    of = [next(str(row.marks[lab].of) for row in rows if lab in row.marks)
          for lab in labs]
    return csv_table([
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section",
         *(f"Threshold lab {lab}" for lab in labs)],
        ["    Points Possible", "", "", "", "", *of],
        *([row.student.name or row.student.id, "", row.student.id, row.student.mail, "",
           *(_points(row.marks.get(lab)) for lab in labs)] for row in rows)])


TABLES = {"gradebook.csv": spreadsheet, "moodle.csv": moodle, "canvas.csv": canvas}


def labs_of(rows: Sequence[Row]) -> list[int]:
    """The labs of which there is a mark."""
    return sorted({lab for row in rows for lab in row.marks})


def _points(mark: Optional[Mark]) -> str:
    return number(mark.points) if mark else ""


def _cells(mark: Optional[Mark]) -> list[str]:
    return [_points(mark), str(mark.of), str(mark.late)] if mark else ["", "", ""]
