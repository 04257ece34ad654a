"""Grades what was pushed by the deadline: `make regrade COURSE=course.toml LAB=3 OUT=lab3`.

course.toml names a list of clone addresses. Of each repository the last commit before
its student's deadline is taken, the lab's files of it are put into OUT/submissions/ID,
and `make batch` grades them into OUT. OUT/times.csv says when each was made, for `make
gradebook`. Repeated, it fetches what is new and grades what has changed.

Nothing of a repository is run or checked out: its files are read as git keeps them.

Ends with 0; with 2 where a repository could not be had, or a hand-in has no verdict.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import os
import shutil
import sys
from pathlib import Path
from typing import Optional

TREE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TREE / "labs"), str(TREE / "grade")]
# pylint: disable=wrong-import-position
import batch  # noqa: E402
from course import settings  # noqa: E402
from course.overview import put  # noqa: E402
import labs  # noqa: E402
from intake import answers, bundle, read  # noqa: E402
from intake.error import GraderError  # noqa: E402
from report.text import plain, table  # noqa: E402
from repository import Repository  # noqa: E402
from tree import TreeError, objects  # noqa: E402

Moment = datetime.datetime
# What an address may make git do: no program of the address's choice, no question.
CAREFUL = {"GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh", "GIT_TERMINAL_PROMPT": "0",
           "GIT_CONFIG_NOSYSTEM": "1"}
REGULAR = ("100644", "100755")


@dataclasses.dataclass(frozen=True)
class Commit:
    """A commit, and when it counts as handed in."""
    id: str
    time: Moment


class Pushed:
    """One student's repository: a bare clone, brought up to date."""

    def __init__(self, address: str, clone: Path) -> None:
        clone.mkdir(parents=True, exist_ok=True)
        self._git = Repository(clone)
        self._git.git("init", "--quiet", "--bare")
        self._git.git("-c", "core.hooksPath=/dev/null", "-c", "transfer.fsckObjects=true",
                      "fetch", "--quiet", "--no-tags", "--prune", "--", address,
                      "+HEAD:refs/threshold/head", **CAREFUL)

    def commits(self) -> list[Commit]:
        """All of its branch, the newest first, each with its committer's time."""
        listing = self._git.git("log", "--topo-order", "--format=%H %ct",
                                "refs/threshold/head")
        return [Commit(name, Moment.fromtimestamp(int(time), datetime.timezone.utc))
                for name, time in (line.split() for line in listing.split("\n"))]

    def files(self, commit: str, names: tuple[str, ...]) -> dict[str, bytes]:
        """These files of a commit, as far as they are ordinary files. For one that is
        too large stands another, which whoever reads it refuses as well."""
        listing = self._git.git("ls-tree", "-z", "-r", "-l", commit, "--", *names)
        found = {}
        for line in filter(None, listing.split("\0")):
            about, name = line.split("\t", 1)
            mode, _, blob, size = about.split()
            if mode in REGULAR:
                found[name] = (b"x" * (read.SIZE_LIMIT + 1)
                               if int(size) > read.SIZE_LIMIT
                               else objects(self._git.path, [blob])[blob][1])
        return found


def last_before(commits: list[Commit], deadline: Moment, course: settings.Course
                ) -> Optional[Commit]:
    """The last that was there at the deadline: by what the committer's clock said, or
    by when it was pushed, where course.toml gives that."""
    if course.commits == "push":
        commits = [Commit(c.id, course.times[c.id]) for c in commits
                   if c.id in course.times]
    before = [commit for commit in commits if commit.time <= deadline]
    return max(before, key=lambda commit: commit.time, default=None)


def collect(course: settings.Course, lab: int, out: Path) -> list[str]:
    """Puts into OUT what is to be graded; returns whom a teacher should look at."""
    notes, times = [], []
    names = (*labs.LABS[lab].files, answers.FILE)
    submissions = out / "submissions"
    submissions.mkdir(parents=True, exist_ok=True)
    for who, address in course.repositories.items():
        deadline = course.deadline(who, lab)
        if deadline is None:
            raise settings.CourseError(f"course.toml gives lab {lab} no deadline.")
        deadline += datetime.timedelta(minutes=course.grace)
        place = submissions / who
        try:
            pushed = Pushed(address, out / ".clones" / who)
            commits = pushed.commits()
        except TreeError as error:
            notes.append(f"{who}: {str(error).partition(': ')[2] or error}")
            continue
        chosen = last_before(commits, deadline, course)
        shutil.rmtree(place, ignore_errors=True)
        if chosen is None:
            last = commits[0].time.astimezone(deadline.tzinfo)
            notes.append(f"{who}: nothing before the deadline, {_minute(deadline)}; the "
                         f"last commit is of {_minute(last)}")
            continue
        files = pushed.files(chosen.id, names)
        for name, data in {**files, bundle.COMMIT: f"{chosen.id}\n".encode()}.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
        times.append([who, chosen.time.astimezone(deadline.tzinfo).isoformat()])
    put(out, settings.TIMES, table([["submission", "time"], *times]))
    return notes


def _minute(time: Moment) -> str:
    return time.isoformat(" ", "minutes")


def main() -> int:
    options = _options()
    try:
        course = settings.read(options.course)
        if not course.repositories:
            raise settings.CourseError(f"{options.course}: repositories names no file "
                                       "with the columns id, address.")
        notes = collect(course, options.lab, options.out)
        status = 0
        if any((options.out / "submissions").iterdir()):
            status = batch.batch(options.out / "submissions", options.out, options.lab,
                                 options.jobs, options.seed, options.engine)
    except (settings.CourseError, GraderError, TreeError, OSError) as error:
        print(f"regrade: {plain(str(error))}", file=sys.stderr)
        return 2
    for note in notes:
        print(f"look at {plain(note)}")
    return 2 if notes else status


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("course", nargs="?", metavar="COURSE",
                        default=os.environ.get("COURSE"))
    parser.add_argument("--out", metavar="DIR", default=os.environ.get("OUT"))
    parser.add_argument("--lab", type=int, choices=list(labs.LABS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=lambda text: int(text, 0))
    parser.add_argument("--engine", choices=("local", "slurm"), default="local")
    options = parser.parse_args()
    if not options.course or not options.out or not options.lab:
        print("regrade: say which course, which lab, and where the results go: "
              "make regrade COURSE=course.toml LAB=3 OUT=lab3", file=sys.stderr)
        sys.exit(2)
    options.course, options.out = Path(options.course), Path(options.out)
    return options


if __name__ == "__main__":
    sys.exit(main())
