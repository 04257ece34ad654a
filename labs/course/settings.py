"""What a teacher writes down once: course.toml, and the files it names.

    roster  = "roster.csv"       # columns id, name, mail
    results = ["lab1", "lab3"]   # what `make batch` wrote, a directory for each lab
    times   = "times.csv"        # columns submission, time: when it was handed in
    repositories = "repositories.csv"   # columns id, address: make regrade clones them
    commits = "committer"        # a commit's time: its committer's clock, or the "push",
                                 # which times then gives by the commit's id
    keep    = "best"             # of several hand-ins: the "best" mark, or the "last"
    answers = 10                 # percent of a lab's mark that right answers are worth

    [late]
    per_day = 10                 # percent of the mark that each day begun costs
    days    = 3                  # after so many a hand-in counts nothing
    grace   = 10                 # minutes that nobody counts

    [lab.3]
    deadline = 2026-11-20T23:59:00+01:00
    weight   = 30                # of the course's mark

    [extension.ann]              # a student's id: a deadline of one's own
    3 = 2026-11-27T23:59:00+01:00

All of it may be left out. Files are found beside course.toml; a CSV is UTF-8, and its
cells are apart by what its first line has: a comma, a semicolon or a tab. A time needs
its offset from UTC, so that a deadline is one moment everywhere. Whatever is wrong is a
CourseError: one sentence with the place.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
from pathlib import Path
from typing import Any, Collection, Iterator, Mapping, Optional, Sequence

import labs

try:
    import tomllib
except ImportError:  # before Python 3.11
    import tomli as tomllib  # type: ignore[no-redef]

Moment = datetime.datetime

# What make regrade writes beside its results: when each of them was handed in.
TIMES = "times.csv"
KNOWN = ("roster", "results", "times", "repositories", "commits", "keep", "answers", "late", "lab", "extension")
# What a spreadsheet puts between two cells of a CSV.
DELIMITERS = ",;\t"
DAY = datetime.timedelta(days=1)


class CourseError(Exception):
    """A sentence for the teacher, with the place."""


@dataclasses.dataclass(frozen=True)
class Student:
    id: str
    name: str = ""
    mail: str = ""


@dataclasses.dataclass(frozen=True)
class LabRules:
    """One lab's deadline (None: none) and its part of the course's mark."""
    deadline: Optional[Moment] = None
    weight: float = 0


@dataclasses.dataclass(frozen=True)
class Course:
    """The rules, and who takes part, by id in the roster's order."""
    students: Mapping[str, Student] = dataclasses.field(default_factory=dict)
    results: Sequence[Path] = ()
    times: Mapping[str, Moment] = dataclasses.field(default_factory=dict)
    repositories: Mapping[str, str] = dataclasses.field(default_factory=dict)
    commits: str = "committer"
    keep: str = "best"
    answers: float = 0          # percent of a lab's mark
    per_day: float = 0          # percent of a lab's mark
    days: float = 0             # counted after the deadline; 0: no end
    grace: float = 0            # minutes
    labs: Mapping[int, LabRules] = dataclasses.field(default_factory=dict)
    extensions: Mapping[str, Mapping[int, Moment]] = dataclasses.field(
        default_factory=dict)

    def deadline(self, student: str, lab: int) -> Optional[Moment]:
        """The moment until which this student may hand in; None: no deadline."""
        own = self.extensions.get(student, {}).get(lab)
        return own or self.labs.get(lab, LabRules()).deadline

    def days_late(self, student: str, lab: int, handed_in: Optional[Moment]) -> int:
        """How many days have begun since the deadline, 0 if it was met. Nobody is
        late whose time of handing in is not known."""
        deadline = self.deadline(student, lab)
        if deadline is None or handed_in is None:
            return 0
        late = handed_in - deadline
        return -(-late // DAY) if late > datetime.timedelta(minutes=self.grace) else 0

    def share(self, late: int) -> float:
        """What of a mark counts after so many days, from 0 to 1."""
        if late and self.days and late > self.days:
            return 0.0
        return max(0.0, 1 - late * self.per_day / 100)


def read(path: Optional[Path]) -> Course:
    """course.toml as a Course; without a file, the one without rules."""
    if path is None:
        return Course()
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CourseError(f"{path}: {error}") from None
    _only(path, "", text, KNOWN)
    if text.get("keep", "best") not in ("best", "last"):
        raise CourseError(f'{path}: keep is "best" or "last".')
    if text.get("commits", "committer") not in ("committer", "push"):
        raise CourseError(f'{path}: commits is "committer" or "push".')
    late = _table(path, "late", text)
    _only(path, "late.", late, ("per_day", "days", "grace"))
    students = roster(_named(path, "roster", text)) if "roster" in text else {}
    return Course(
        students, _results(path, text),
        times(_named(path, "times", text)) if "times" in text else {},
        repositories(_named(path, "repositories", text))
        if "repositories" in text else {},
        text.get("commits", "committer"), text.get("keep", "best"), _number(path, "answers", text, 100),
        _number(path, "per_day", late, 100), _number(path, "days", late),
        _number(path, "grace", late), _labs(path, text),
        _extensions(path, text, students))


def roster(path: Path) -> dict[str, Student]:
    """The students of a CSV with the columns id, name, mail, by id."""
    students: dict[str, Student] = {}
    for number, row in _rows(path, ("id", "name", "mail")):
        who = row["id"]
        if not who or who in students:
            raise CourseError(f"{path}:{number}: " + (
                f"a second student with the id {who}." if who else "no id."))
        students[who] = Student(who, row["name"], row["mail"])
    return students


def times(path: Path) -> dict[str, Moment]:
    """When each submission was handed in, by its name."""
    found = {}
    for number, row in _rows(path, ("submission", "time")):
        try:
            when = Moment.fromisoformat(row["time"].replace("Z", "+00:00"))
        except ValueError:
            when = None
        found[row["submission"]] = _moment(path, f"line {number}", when)
    return found


def repositories(path: Path) -> dict[str, str]:
    """Where each student's repository is cloned from, by the student's id."""
    found: dict[str, str] = {}
    for number, row in _rows(path, ("id", "address")):
        who = row["id"]
        if not who or who in found or "/" in who or who.startswith("."):
            raise CourseError(f"{path}:{number}: an id names a directory, once; "
                              f"not {who!r}.")
        found[who] = row["address"]
    return found


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a CSV with their numbers; what a cell lacks is empty."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            heading = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=next(
                (char for char in heading if char in DELIMITERS), ","))
            if columns[0] not in (reader.fieldnames or ()):
                raise CourseError(f"{path}: its first line has to name the columns "
                                  f"{', '.join(columns)}.")
            for row in reader:
                yield reader.line_num, {name: (row.get(name) or "").strip()
                                        for name in columns}
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise CourseError(f"{path} is not UTF-8, in which a table has to be saved "
                          f"(byte {error.start}).") from None
    except csv.Error as error:
        raise CourseError(f"{path}: {error}") from None


def _labs(path: Path, text: Mapping[str, Any]) -> dict[int, LabRules]:
    found = {}
    for lab, rules in _table(path, "lab", text).items():
        name = f"lab.{lab}"
        rules = _table(path, lab, {lab: rules})
        _only(path, f"{name}.", rules, ("deadline", "weight"))
        deadline = (_moment(path, name, rules["deadline"])
                    if "deadline" in rules else None)
        found[_lab(path, lab)] = LabRules(deadline, _number(path, "weight", rules))
    return found


def _extensions(path: Path, text: Mapping[str, Any], students: Collection[str]
                ) -> dict[str, dict[int, Moment]]:
    found = {}
    for who, entry in _table(path, "extension", text).items():
        if students and who not in students:
            raise CourseError(f"{path}: extension.{who}: nobody on the roster has "
                              "this id.")
        found[who] = {_lab(path, lab): _moment(path, f"extension.{who}", when)
                      for lab, when in _table(path, who, {who: entry}).items()}
    return found


def _results(path: Path, text: Mapping[str, Any]) -> list[Path]:
    names = text.get("results", [])
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise CourseError(f'{path}: results is a list of directories, ["lab1", "lab3"].')
    return [path.parent / name for name in names]


def _named(path: Path, key: str, text: Mapping[str, Any]) -> Path:
    if not isinstance(text[key], str):
        raise CourseError(f'{path}: {key} is the name of a file, "{key}.csv".')
    return path.parent / text[key]


def _table(path: Path, name: str, text: Mapping[str, Any]) -> Mapping[str, Any]:
    value = text.get(name, {})
    if not isinstance(value, dict):
        raise CourseError(f"{path}: {name} is a table, with lines of its own.")
    return value


def _only(path: Path, where: str, given: Mapping[str, Any], known: Sequence[str]
          ) -> None:
    for name in given:
        if name not in known:
            raise CourseError(f"{path}: nothing is called {where}{name}; known are "
                              f"{', '.join(known)}.")


def _lab(path: Path, text: str) -> int:
    if text not in map(str, labs.LABS):
        raise CourseError(f"{path}: there is no lab {text}.")
    return int(text)


def _moment(path: Path, where: str, value: Any) -> Moment:
    if not isinstance(value, Moment) or value.tzinfo is None:
        raise CourseError(f"{path}: {where}: write a time with its offset from UTC, "
                          "as 2026-11-20T23:59:00+01:00.")
    return value


def _number(path: Path, name: str, table: Mapping[str, Any],
            most: float = float("inf")) -> float:
    value = table.get(name, 0)
    if (isinstance(value, bool) or not isinstance(value, (int, float))
            or not 0 <= value <= most):
        raise CourseError(f"{path}: {name} is a number"
                          + (f" from 0 to {most:g}." if most < 1e9 else ", 0 or more."))
    return value
