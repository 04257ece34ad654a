"""Whose a grading is, and what it is worth.

A hand-in is one grading of one submission, of one lab or more. A lab's mark is what
its tests earned, with the answers' part where course.toml gives them one, less what
lateness costs; of several hand-ins the best or the last counts. A grading without a
verdict is no mark: its cell is empty, and it is named.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import unicodedata
from pathlib import Path
from typing import Any, Iterable, Mapping, Optional, Sequence

import report

from . import settings
from .settings import Course, CourseError, Moment, Student

Record = Mapping[str, Any]
# What is kept of each mark from one run to the next, by student and lab.
Remembered = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclasses.dataclass(frozen=True)
class HandIn:
    """One grading. `page` is where its student's page lies, without a suffix."""
    name: str                   # of the submission
    student: str                # an id of the roster, or else the submission's name
    grade: Record
    handed_in: Optional[Moment] = None
    page: str = ""

    @property
    def gradable(self) -> bool:
        return report.exit_status(self.grade) != 2


@dataclasses.dataclass(frozen=True)
class Mark:
    """One lab of one student: `points` of `of`, lateness and answers included."""
    lab: int
    points: float
    of: int
    earned: int                 # by the tests alone
    late: int                   # days
    hand_in: HandIn

    @property
    def percent(self) -> float:
        return 100 * self.points / self.of if self.of else 0.0


@dataclasses.dataclass(frozen=True)
class Row:
    """A student, with the mark that counts for each lab."""
    student: Student
    marks: Mapping[int, Mark]
    hand_ins: Sequence[HandIn]
    on_roster: bool = True

    @property
    def not_gradable(self) -> list[HandIn]:
        return [hand_in for hand_in in self.hand_ins if not hand_in.gradable]

    def missing(self, course: Course) -> list[int]:
        """The labs of course.toml of which nothing came from this student."""
        tried = {lab for h in self.not_gradable for lab in h.grade["graded"]
                 or [h.grade["lab"]]}
        return [lab for lab in sorted(course.labs)
                if lab not in self.marks and lab not in tried]

    def total(self, course: Course) -> Optional[float]:
        """The weighted percentage; None while no lab has a weight."""
        whole = sum(rules.weight for rules in course.labs.values())
        if not whole:
            return None
        return sum(rules.weight * self.marks[lab].percent
                   for lab, rules in course.labs.items() if lab in self.marks) / whole

    def note(self, course: Course) -> str:
        """What a teacher should know of this student."""
        notes = [] if self.on_roster else ["not on the roster"]
        if not self.hand_ins:
            notes.append("nothing handed in")
        elif self.missing(course):
            notes.append("nothing of lab " + ", ".join(map(str, self.missing(course))))
        notes += [f"not gradable: {h.name}" for h in self.not_gradable]
        notes += [f"{h.name} gives the id {h.grade['student']}" for h in self.hand_ins
                  if h.grade["student"] not in ("", self.student.id)
                  and self.on_roster and course.students]
        return "; ".join(notes)


# ---- gradings ---------------------------------------------------------------

def hand_ins(results: Sequence[Path], course: Course) -> list[HandIn]:
    """Every grading in directories of results. Raises CourseError."""
    names = [directory.name for directory in results]
    if len(set(names)) < len(names):
        raise CourseError("Two directories of results have the same name: "
                          + ", ".join(map(str, results)) + ".")
    found = []
    for directory in results:
        if not directory.is_dir():
            raise CourseError(f"There is no directory {directory}: `make batch` "
                              "writes it.")
        own = directory / settings.TIMES
        times = {**(settings.times(own) if own.exists() else {}), **course.times}
        below = f"students/{directory.name}" if len(results) > 1 else "students"
        for path in sorted(directory.glob("*.json")):
            grade = _grading(path)
            if grade is not None:
                found.append(HandIn(path.stem, who(path.stem, grade, course), grade,
                                    times.get(path.stem), f"{below}/{path.stem}"))
    return found


def _grading(path: Path) -> Optional[Record]:
    """A file that batch wrote; None for any other."""
    if path.name.startswith("."):
        return None
    try:
        grade = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    ours = isinstance(grade, dict) and grade.get("schema") == report.SCHEMA
    return grade if ours else None


def who(name: str, grade: Record, course: Course) -> str:
    """The student's id. The submission's name comes from the learning system, so it
    is asked first; the id in labs/answers.toml is what somebody typed, and counts only
    where the name tells nothing. Nobody, and more than one, is told by the
    submission's own name."""
    given = str(grade.get("student") or "")
    if not course.students:
        return given or name
    words = _words(name)
    joined = f" {' '.join(words)} "
    for fits in (
        lambda s: s.id == name,
        lambda s: bool(s.mail) and s.mail.lower() in name.lower(),
        lambda s: joined.find(f" {' '.join(_words(s.id))} ") >= 0,
        lambda s: _names_student(words, s.name),
    ):
        found = [student.id for student in course.students.values() if fits(student)]
        if found:
            return found[0] if len(found) == 1 else name
    return given if given in course.students else name


def _words(text: str) -> list[str]:
    """An umlaut is one character, however a file system writes it."""
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower())


def _names_student(words: Sequence[str], name: str) -> bool:
    """Is "Ada Lovelace", or "Lovelace, Ada", among the words: in either order, or as
    Canvas names a file, lovelaceada?"""
    family, comma, given = name.partition(",")
    first, last = (_words(given), _words(family)) if comma else (
        _words(name)[:-1], _words(name)[-1:])
    joined = f" {' '.join(words)} "
    return bool(first + last) and (
        any(f" {' '.join(order)} " in joined for order in (first + last, last + first))
        or "".join(last + first) in words)


# ---- marks ------------------------------------------------------------------

def marks_of(hand_in: HandIn, course: Course) -> list[Mark]:
    """A mark for each lab that this grading has judged."""
    if not hand_in.gradable:
        return []
    tests = hand_in.grade["tests"]
    marks = []
    for lab in sorted({test["lab"] for test in tests}):
        earned, of = (sum(test[key] for test in tests if test["lab"] == lab)
                      for key in ("earned", "points"))
        late = course.days_late(hand_in.student, lab, hand_in.handed_in)
        points = earned * (1 - course.answers / 100) + _right(
            hand_in.grade, lab) * of * course.answers / 100
        marks.append(Mark(lab, round(points * course.share(late), 2), of, earned, late,
                          hand_in))
    return marks


def _right(grade: Record, lab: int) -> float:
    """Which part of a lab's checked answers is right, 0 to 1."""
    checked = [answer for answer in grade.get("answers", [])
               if answer["lab"] == lab and answer["checked"]]
    right = sum(answer["outcome"] == "right" for answer in checked)
    return right / len(checked) if checked else 0.0


def rows(found: Iterable[HandIn], course: Course) -> list[Row]:
    """A row for each student: those of the roster in its order, then whoever handed
    in and is not on it."""
    of: dict[str, list[HandIn]] = {who: [] for who in course.students}
    for hand_in in found:
        of.setdefault(hand_in.student, []).append(hand_in)
    return [Row(course.students.get(who, Student(who)), _kept(theirs, course), theirs,
                not course.students or who in course.students)
            for who, theirs in of.items()]


def _kept(found: Sequence[HandIn], course: Course) -> dict[int, Mark]:
    """Of each lab the mark that counts."""
    early = Moment.min.replace(tzinfo=datetime.timezone.utc)
    kept: dict[int, Mark] = {}
    for hand_in in sorted(found, key=lambda h: (h.handed_in or early, h.name)):
        for mark in marks_of(hand_in, course):
            if (mark.lab not in kept or course.keep == "last"
                    or mark.points > kept[mark.lab].points):
                kept[mark.lab] = mark
    return kept


# ---- what changed -----------------------------------------------------------

def remembered(table: Sequence[Row]) -> dict[str, dict[str, dict[str, Any]]]:
    """What the next run's `changes` compares with."""
    return {row.student.id: {str(lab): _facts(mark) for lab, mark in row.marks.items()}
            for row in table if row.marks}


def _facts(mark: Mark) -> dict[str, Any]:
    """All that a mark follows from, but for the rules."""
    grade = mark.hand_in.grade
    return {"points": mark.points, "late": mark.late, "earned": mark.earned,
            "hand-in": mark.hand_in.name, "content": grade["content"],
            "seed": grade["seed"],
            "answers right": round(100 * _right(grade, mark.lab)),
            "failed": [test["title"] for test in grade["tests"]
                       if test["lab"] == mark.lab and test["outcome"] != "pass"]}


def changes(before: Remembered, table: Sequence[Row], course: Course) -> list[str]:
    """A sentence for each mark that is another than in the run before, and why."""
    told = []
    for row in table:
        old = before.get(row.student.id, {})
        for lab, mark in sorted(row.marks.items()):
            was = old.get(str(lab))
            if was is not None and was["points"] != mark.points:
                told.append(f"{row.student.id}: lab {lab} was {number(was['points'])}, "
                            f"is {number(mark.points)}: {_why(was, _facts(mark))}.")
        for lab_, was in old.items():
            if int(lab_) not in row.marks:
                told.append(f"{row.student.id}: lab {lab_} was {number(was['points'])}, "
                            f"and has no mark: {row.note(course) or 'no grading'}.")
    here = {row.student.id for row in table}
    return told + [f"{who}: had marks, and there is no grading now."
                   for who in before if who not in here]


def _why(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    reasons = []
    if was["hand-in"] != now["hand-in"]:
        reasons.append(f"{now['hand-in']} counts, not {was['hand-in']}")
    elif was["content"] != now["content"]:
        reasons.append("its content is another")
    elif was["seed"] != now["seed"]:
        reasons.append(f"graded with seed {now['seed']}, not {was['seed']}")
    if was["late"] != now["late"]:
        reasons.append(f"{now['late']} days late, not {was['late']}")
    if was["answers right"] != now["answers right"]:
        reasons.append(f"{now['answers right']} % of the answers right, "
                       f"not {was['answers right']} %")
    for word, one, other in (("fails", now, was), ("passes", was, now)):
        titles = [t for t in one["failed"] if t not in other["failed"]]
        if titles:
            more = f" and {len(titles) - 1} more" if titles[1:] else ""
            reasons.append(f"{word} now: {titles[0]}{more}")
    return "; ".join(reasons) or "the rules in course.toml are others"


def number(value: Optional[float]) -> str:
    return "" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
