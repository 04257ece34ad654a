"""make regrade: of each pushed repository the last commit before its deadline."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Optional

import pytest

import labs
from machine import deadlines, environment
from machine.qemu import TREE

sys.path.insert(0, str(TREE / "labs"))
# pylint: disable=wrong-import-position
import regrade  # noqa: E402
from course import settings  # noqa: E402

RIGHT = {name: (TREE / name).read_text() for name in labs.LABS[4].files}
FRAME = "kernel/frame.c"
WRONG = {**RIGHT, FRAME: "no C\n"}
DEADLINE = "2026-11-20T23:59:00+01:00"
EARLY, LATE = "2026-11-20T22:00:00+01:00", "2026-11-21T02:00:00+01:00"
EARLIER = "2026-11-19T10:00:00+01:00"


def git(place: Path, *arguments: str, when: str = EARLY) -> str:
    nobody = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
              for what, value in (("NAME", "x"), ("EMAIL", "x@x"), ("DATE", when))}
    return subprocess.run(["git", *arguments], cwd=place, check=True, text=True,
                          capture_output=True, timeout=deadlines.host(),
                          env={**environment.without_make(), **nobody}).stdout.strip()


class Server:
    """Bare repositories, to which each student has pushed, and the teacher's files."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.addresses: dict[str, str] = {}
        self.pushes: dict[str, str] = {}

    def push(self, who: str, *commits: tuple[str, dict[str, str]]) -> list[str]:
        """A history of trees at their times; the ids of its commits."""
        bare, work = self.top / f"{who}.git", self.top / f"work-{who}"
        git(self.top, "init", "-q", "--bare", "-b", "main", str(bare))
        git(self.top, "clone", "-q", str(bare), str(work))
        ids = []
        for when, files in commits:
            for name, text in files.items():
                path = work / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_symlink():
                    path.unlink()
                path.write_text(text)
            ids.append(self.commit(who, when))
        self.addresses[who] = str(bare)
        return ids

    def commit(self, who: str, when: str) -> str:
        work = self.top / f"work-{who}"
        git(work, "add", "-A")
        git(work, "commit", "-q", "--allow-empty", "-m", "x", when=when)
        git(work, "push", "-q", "origin", "HEAD:main")
        return git(work, "rev-parse", "HEAD")

    def settle(self, more: str = "", first: str = "") -> Path:
        (self.top / "repositories.csv").write_text("id,address\n" + "".join(
            f"{who},{address}\n" for who, address in self.addresses.items()))
        (self.top / "pushes.csv").write_text("submission,time\n" + "".join(
            f"{commit},{when}\n" for commit, when in self.pushes.items()))
        (self.top / "course.toml").write_text(
            f'repositories = "repositories.csv"\nresults = ["lab4"]\n{first}\n'
            f"[late]\ngrace = 10\n[lab.4]\ndeadline = {DEADLINE}\n{more}")
        return self.top / "course.toml"

    def taken(self, who: str) -> Optional[str]:
        """The commit that is to be graded."""
        path = self.top / "lab4/submissions" / who / "commit"
        return path.read_text().strip() if path.exists() else None

    def collect(self, course: Path) -> list[str]:
        return regrade.collect(settings.read(course), 4, self.top / "lab4")


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def make(what: str, server: Server, status: int, *more: str) -> str:
    done = subprocess.run(
        ["make", "-s", what, f"COURSE={server.top}/course.toml", *more], cwd=TREE,
        capture_output=True, text=True, timeout=deadlines.run() * 10)
    # make itself says 2 for whatever has failed.
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_ten_repositories_are_graded_as_they_were_at_the_deadline(server: Server) -> None:
    for number in range(4):  # made it right in time; what came after spoiled it
        server.push(f"right{number}", (EARLIER, WRONG), (EARLY, RIGHT), (LATE, WRONG))
    for number in range(3):  # mended it too late
        server.push(f"late{number}", (EARLY, WRONG), (LATE, RIGHT))
    server.push("longer", (EARLY, WRONG), (LATE, RIGHT))
    server.push("never", (LATE, RIGHT))
    server.addresses["gone"] = str(server.top / "gone.git")
    server.settle("[extension.longer]\n4 = 2026-11-21T12:00:00+01:00\n")
    said = make("regrade", server, 2, f"OUT={server.top}/lab4", "LAB=4", "SEED=5")
    assert ("look at never: nothing before the deadline, 2026-11-21 00:09+01:00; the last "
            "commit is of 2026-11-21 02:00+01:00\n") in said
    assert "look at gone: " in said and "gone.git" in said
    with (server.top / "lab4/grades.csv").open() as table:
        totals = {row["submission"]: row["total"] for row in csv.DictReader(table)}
    assert totals == {**{f"right{n}": "29" for n in range(4)},
                      **{f"late{n}": "0" for n in range(3)}, "longer": "29"}
    # The gradebook knows when each was handed in; a new push is all that is graded.
    del server.addresses["gone"], server.addresses["never"]
    server.settle("[extension.longer]\n4 = 2026-11-21T00:30:00+01:00\n"
                  "[extension.late0]\n4 = 2026-11-21T12:00:00+01:00\n")
    said = make("regrade", server, 0, f"OUT={server.top}/lab4", "LAB=4")
    assert "8 submissions, 2 to grade, seed 5" in said
    make("gradebook", server, 0, f"OUT={server.top}/book")
    with (server.top / "book/gradebook.csv").open() as table:
        marks = {row["id"]: row["lab 4"] for row in csv.DictReader(table)}
    assert (marks["late0"], marks["late1"], marks["longer"]) == ("29", "0", "0")


def test_a_commits_time_is_when_it_was_pushed_where_the_rules_say_so(server: Server
                                                                     ) -> None:
    # A clock that was set back: committed in time, says it, and pushed late.
    first, second = server.push("eve", (EARLIER, WRONG), (EARLY, RIGHT))
    course = server.settle()
    assert server.collect(course) == [] and server.taken("eve") == second
    server.pushes = {first: EARLY, second: LATE}
    course = server.settle(first='times = "pushes.csv"\ncommits = "push"')
    assert server.collect(course) == [] and server.taken("eve") == first
    server.pushes = {}
    course = server.settle(first='times = "pushes.csv"\ncommits = "push"')
    assert len(server.collect(course)) == 1 and server.taken("eve") is None


def test_a_commit_in_the_minutes_of_grace_counts(server: Server) -> None:
    (commit,) = server.push("ann", ("2026-11-21T00:05:00+01:00", RIGHT))
    assert server.collect(server.settle()) == [] and server.taken("ann") == commit


def test_nothing_of_a_repository_is_followed_or_run(server: Server, tmp_path: Path
                                                    ) -> None:
    server.push("eve", (EARLIER, RIGHT))
    work = server.top / "work-eve"
    (work / FRAME).unlink()
    (work / FRAME).symlink_to("/etc/passwd")
    (work / "kernel/frame.h").write_text("x" * 300_000)
    (work / ".gitattributes").write_text("* filter=evil\n")
    server.commit("eve", EARLY)
    server.addresses["run"] = f"ext::sh -c touch%20{tmp_path}/made-by-git"
    server.addresses["option"] = f"--upload-pack=touch {tmp_path}/made-by-git"
    notes = server.collect(server.settle())
    assert [note.partition(":")[0] for note in notes] == ["run", "option"]
    place = server.top / "lab4/submissions/eve"
    assert not os.path.lexists(place / FRAME)
    assert (place / "kernel/frame.h").stat().st_size == 200_001
    assert not (tmp_path / "made-by-git").exists()


@pytest.mark.parametrize("line, says", [
    ("../x,y", "an id names a directory"), (".git,y", "an id names a directory"),
    (",y", "an id names a directory")])
def test_an_id_that_is_no_name_is_refused(server: Server, line: str, says: str) -> None:
    server.settle()
    (server.top / "repositories.csv").write_text(f"id,address\n{line}\n")
    with pytest.raises(settings.CourseError, match=says):
        settings.read(server.top / "course.toml")


def test_a_lab_without_a_deadline_is_told_so(server: Server) -> None:
    server.push("ann", (EARLY, RIGHT))
    server.settle()
    said = make("regrade", server, 2, f"OUT={server.top}/lab3", "LAB=3")
    assert "regrade: course.toml gives lab 3 no deadline." in said
    assert "say which course" in make("regrade", server, 2)
