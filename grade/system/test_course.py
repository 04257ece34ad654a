"""Running a course: pages, feedback and marks, made from gradings."""

from __future__ import annotations

import collections
import contextlib
import csv
import fcntl
import io
import json
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any, Optional

import pytest

import report
from intake import sandbox
from machine import deadlines
from machine.qemu import TREE

from browser import Browser
from playing import faults
from test_reports import NASTY, a_test, an_answer

sys.path.insert(0, str(TREE / "labs"))
# pylint: disable=wrong-import-position
import gradebook as book  # noqa: E402
from course import marks, progress, settings  # noqa: E402
from course.overview import Overview  # noqa: E402

DEADLINE = "2026-11-20T23:59:00+01:00"


def a_grading(name: str, earned: int, lab: int = 3, **changes: Any) -> dict[str, Any]:
    """A submission's result with so many of ten points."""
    outcomes = ["pass"] * earned + ["fail"] * (10 - earned)
    tests = [a_test(f"t{number}", outcome, lab=lab, points=1,
                    earned=int(outcome == "pass"), name=f"test_{lab}.py::test_{number}")
             for number, outcome in enumerate(outcomes)]
    return {
        "schema": report.SCHEMA, "submission": name, "commit": None,
        "started": "2026-11-22T18:00:00Z", "seed": 7, "lab": lab, "test": None,
        "graded": [lab], "confined": "bubblewrap", "content": f"content of {name}",
        "seconds": 2.5, "scale": 1.0,
        "build": {"ok": True, "message": None, "file": None, "line": None},
        "error": None, "tests": tests, "total": {"earned": earned, "points": 10},
        "student": "", "answers_note": None, "answers": [
            an_answer(f"q{lab}.1", "right"), an_answer(f"q{lab}.2", "wrong", given=NASTY)],
        **changes}


def ungradable(name: str, lab: int = 3) -> dict[str, Any]:
    return a_grading(name, 0, lab, tests=[], error=f"QEMU is gone. {NASTY}",
                     total={"earned": None, "points": None}, answers=[])


def keep(results: Path, *gradings: dict[str, Any]) -> Path:
    results.mkdir(parents=True, exist_ok=True)
    for grading in gradings:
        (results / f"{grading['submission']}.json").write_text(json.dumps(grading))
    return results


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """A teacher's folder: two labs' results, a roster, the rules."""
    keep(tmp_path / "lab1", a_grading("ann", 10, 1), a_grading("bob", 5, 1))
    keep(tmp_path / "lab3", a_grading("Ann Li_77", 8), a_grading("bob", 6),
         a_grading("bob-2", 4), ungradable("cyd"), a_grading("stranger", 10))
    (tmp_path / "roster.csv").write_text(
        "id,name,mail\nann,Ann Li,ann@example.org\nbob,Bob,bob@example.org\n"
        "cyd,Cyd,cyd@example.org\ndee,Dee,dee@example.org\n")
    (tmp_path / "times.csv").write_text(
        "submission,time\nAnn Li_77,2026-11-22T10:00:00+01:00\n"
        "bob,2026-11-20T10:00:00+01:00\nbob-2,2026-11-21T00:00:00+01:00\n")
    (tmp_path / "course.toml").write_text(rules())
    return tmp_path


def rules(more: str = "", keep_: str = "best", answers: int = 0) -> str:
    return (f'roster = "roster.csv"\nresults = ["lab1", "lab3"]\ntimes = "times.csv"\n'
            f'keep = "{keep_}"\nanswers = {answers}\n'
            "[late]\nper_day = 10\ndays = 3\ngrace = 10\n"
            f"[lab.1]\nweight = 40\n[lab.3]\nweight = 60\ndeadline = {DEADLINE}\n{more}")


def gradebook(folder: Path, status: int = 2) -> str:
    """What `make gradebook` says; 2, as long as cyd has no verdict."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        assert book.main([str(folder / "course.toml"), "--out", str(folder / "book")]
                         ) == status
    return said.getvalue()


def cells(folder: Path, name: str, key: str) -> dict[str, dict[str, str]]:
    text = (folder / "book" / name).read_text()
    return {row[key]: row for row in csv.DictReader(io.StringIO(text))}


# ---- marks ------------------------------------------------------------------

def test_the_gradebook_has_everybody_by_the_rules(folder: Path) -> None:
    said = gradebook(folder)
    table = cells(folder, "gradebook.csv", "id")
    assert list(table) == ["ann", "bob", "cyd", "dee", "stranger"]
    # 8 points, in the second day after the deadline: a fifth is lost.
    assert (table["ann"]["lab 3"], table["ann"]["lab 3 days late"]) == ("6.4", "2")
    assert table["ann"]["percent"] == "78.4"          # 40 % of 100, 60 % of 64
    assert (table["bob"]["lab 3"], table["bob"]["lab 3 days late"]) == ("6", "0")
    assert (table["cyd"]["lab 3"], table["dee"]["note"]) == ("", "nothing handed in")
    assert "not gradable: cyd" in table["cyd"]["note"]
    assert table["stranger"]["note"].startswith("not on the roster")
    assert "look at dee: nothing handed in" in said
    assert "look at cyd: nothing of lab 1; not gradable: cyd" in said


def test_a_script_gets_the_gradebook_by_one_command(folder: Path) -> None:
    for name in ("cyd", "stranger"):
        (folder / f"lab3/{name}.json").unlink()
    done = subprocess.run(
        ["make", "-s", "gradebook", f"COURSE={folder}/course.toml", f"OUT={folder}/book"],
        cwd=TREE, capture_output=True, text=True, timeout=deadlines.host())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("book/gradebook.csv: 4 students, 5 hand-ins\n")


def test_the_last_hand_in_counts_where_the_rules_say_so(folder: Path) -> None:
    (folder / "course.toml").write_text(rules(keep_="last"))
    gradebook(folder)
    # A minute late, but ten are nobody's business.
    bob = cells(folder, "gradebook.csv", "id")["bob"]
    assert (bob["lab 3"], bob["lab 3 days late"]) == ("4", "0")


def test_an_extension_is_a_deadline_of_ones_own(folder: Path) -> None:
    (folder / "course.toml").write_text(
        rules("[extension.ann]\n3 = 2026-11-22T12:00:00+01:00\n"))
    gradebook(folder)
    assert cells(folder, "gradebook.csv", "id")["ann"]["lab 3"] == "8"


def test_after_the_last_day_a_hand_in_counts_nothing(folder: Path) -> None:
    (folder / "times.csv").write_text(
        "submission,time\nAnn Li_77,2026-11-24T10:00:00+01:00\n")
    gradebook(folder)
    ann = cells(folder, "gradebook.csv", "id")["ann"]
    assert (ann["lab 3"], ann["lab 3 days late"]) == ("0", "4")


def test_answers_count_what_the_rules_give_them(folder: Path) -> None:
    (folder / "course.toml").write_text(rules(answers=20))
    gradebook(folder)
    # 6 of 10 by tests, as 80 %; half of the checked answers right, as 20 %.
    assert cells(folder, "gradebook.csv", "id")["bob"]["lab 3"] == "5.8"


def test_moodle_and_canvas_get_their_columns(folder: Path) -> None:
    gradebook(folder)
    moodle = cells(folder, "moodle.csv", "ID number")
    assert moodle["bob"] == {"ID number": "bob", "Email address": "bob@example.org",
                             "Threshold lab 1": "5", "Threshold lab 3": "6"}
    assert moodle["dee"]["Threshold lab 3"] == ""
    canvas = (folder / "book/canvas.csv").read_text().splitlines()
    assert canvas[0].startswith("Student,ID,SIS User ID,SIS Login ID,Section,Threshold")
    assert canvas[1] == "    Points Possible,,,,,10,10"
    assert canvas[3] == "Bob,,bob,bob@example.org,,5,6"


def test_a_mark_that_changed_is_told_with_its_reason(folder: Path) -> None:
    assert "changed:" not in gradebook(folder)
    before = {path: path.read_bytes() for path in (folder / "book").rglob("*")
              if path.is_file()}
    assert "changed:" not in gradebook(folder)
    assert {path: path.read_bytes() for path in before} == before
    keep(folder / "lab3", a_grading("bob", 9, content="new"))
    assert ("changed: bob: lab 3 was 6, is 9: its content is another; passes now: "
            "Title of t6 and 2 more.") in gradebook(folder)
    keep(folder / "lab3", a_grading("bob", 8, content="new", seed=8))
    assert "is 8: graded with seed 8, not 7; fails now: Title of t8" in gradebook(folder)
    (folder / "course.toml").write_text(rules(answers=20))
    assert "the rules in course.toml are others" in gradebook(folder)
    (folder / "lab1/bob.json").unlink()
    assert "changed: bob: lab 1 was 5, and has no mark: nothing of lab 1" in gradebook(folder)


@pytest.mark.parametrize("name, given, student", [
    ("ann", "", "ann"), ("ann_1234", "", "ann"), ("4_Ann Li_12", "", "ann"),
    ("ann@example.org-lab3", "", "ann"), ("liann_12_345_handin", "", "ann"),
    ("submission_9", "bob", "bob"), ("submission_9", "", "submission_9"),
    ("submission_9", "nobody", "submission_9"),
    ("ann", "bob", "ann"),          # typed by whoever handed in: not believed
    ("ann and bob", "", "ann and bob"),
    ("Zoë Müller_12", "", "zm"), (unicodedata.normalize("NFD", "Zoë Müller_12"), "", "zm"),
    ("müllerzoë_12_345_handin", "", "zm"), ("Müller Zoë_12", "", "zm"),
    ("vonderauhans_1_2_handin", "", "hv"), ("Hans von der Au_7", "", "hv"),
])
def test_whose_a_submission_is(name: str, given: str, student: str) -> None:
    course = settings.Course({"ann": settings.Student("ann", "Ann Li", "ann@example.org"),
                              "bob": settings.Student("bob", "Bob", ""),
                              "zm": settings.Student("zm", "Müller, Zoë", ""),
                              "hv": settings.Student("hv", "von der Au, Hans", "")})
    assert marks.who(name, {"student": given}, course) == student


@pytest.mark.parametrize("text", [
    '\ufeffid;name;mail\r\nzm;Müller, Zoë;z@example.org\r\n',
    'id,name,mail\r\nzm,"Müller, Zoë",z@example.org\r\n',
    'name\tmail\tid\nMüller, Zoë\tz@example.org\tzm\n'])
def test_a_roster_is_read_as_spreadsheets_write_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "roster.csv").write_bytes(text.encode())
    assert settings.roster(tmp_path / "roster.csv") == {
        "zm": settings.Student("zm", "Müller, Zoë", "z@example.org")}


@pytest.mark.parametrize("text, sentence", [
    ("keep = 3", 'keep is "best" or "last"'),
    ("x = 3", "nothing is called x"),
    ("late = 3", "late is a table"),
    ("[late]\nper_week = 3", "nothing is called late.per_week"),
    ("[late]\nper_day = 300", "per_day is a number from 0 to 100"),
    ("answers = true", "answers is a number"),
    ("[lab.9]\nweight = 3", "there is no lab 9"),
    ("[lab]\n3 = 3", "3 is a table"),
    ("[lab.3]\ndeadline = 2026-11-20", "offset from UTC"),
    ("[lab.3]\ndeadline = 2026-11-20T10:00:00", "offset from UTC"),
    ("results = 'lab1'", "results is a list"), ("roster = 3", "roster is the name"),
    ("roster = 'none.csv'", "none.csv cannot be read"),
    ("roster = 'bad.csv'", "its first line has to name the columns id"),
    ("roster = 'two.csv'", "two.csv:3: a second student with the id a"),
    ("roster = 'latin.csv'", "latin.csv is not UTF-8"),
    ("times = 'late.csv'", "late.csv: line 2: write a time"),
    ("roster = 'one.csv'\n[extension.b]", "extension.b: nobody on the roster"),
    ("results = ['nowhere']", "no directory"), ("results = ['empty']", "no grading in"),
    ("=", "course.toml: Invalid"),
])
def test_a_wrong_course_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.csv").write_bytes("id,name\nzm,Zoë\n".encode("latin-1"))
    for name, content in (("course.toml", text), ("bad.csv", "who\na\n"),
                          ("two.csv", "id\na\na\n"), ("one.csv", "id\na\n"),
                          ("late.csv", "submission,time\na,tomorrow\n")):
        (tmp_path / name).write_text(content)
    said = gradebook(tmp_path)
    assert sentence in said and said.count("\n") == 1


# ---- progress ---------------------------------------------------------------

def test_the_bar_says_what_is_done_and_how_long_the_rest_takes() -> None:
    ended = collections.Counter({0: 7, 1: 2, 2: 1})
    assert progress.shown(40, ended, 20.0) == (
        "[######------------------] 10 of 40, 60 s left: 7 right, 2 wrong, "
        "1 not gradable")
    assert progress.left_over(600) == "10 min"
    assert progress.left_over(7200) == "2 h 00 min"


def test_what_a_batch_has_cost_says_what_others_will() -> None:
    assert progress.cost(5, 12.0) == (
        "CPU: 2.4 s each, so 1,500 an hour on one core; 10,000 take 6 h 40 min of 1 core, "
        "25 min of 16")


@pytest.mark.skipif(not shutil.which("bwrap"), reason="no bubblewrap here")
def test_the_cpu_of_what_a_sandbox_starts_counts(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    box = sandbox.Sandbox(sandbox.BWRAP, tmp_path)
    before = progress.cpu_seconds()
    subprocess.run(box.command(["sh", "-c", f"python3 -c '{burn}' & wait"], {}, "/",
                               with_devices=True), check=True, timeout=deadlines.host())
    assert progress.cpu_seconds() - before >= 0.5


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_drawn_for_a_person_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for stream in (Screen(), io.StringIO()):
        bar = progress.Progress(2, stream)
        bar.ended(0)
        bar.say("ann")
        bar.close()
        drawn = stream.getvalue()
        assert ("1 of 2" in drawn) == stream.isatty()
        assert not drawn or drawn.endswith(progress.CLEAR)
    assert capsys.readouterr().out == "ann\nann\n"


# ---- pages ------------------------------------------------------------------

NAME = "<script>alert(1)</script>"


@pytest.fixture(name="pages")
def _pages(tmp_path: Path) -> Path:
    """A class of thirty, in which some could not be graded, one of them by name a
    program."""
    results = keep(tmp_path / "out", *(
        a_grading(f"s{number:02}", number % 11) for number in range(30)),
        ungradable("lost"))
    # A slash cannot be in a name; the rest of it can.
    (results / (NAME.replace("/", "") + ".json")).write_text(
        json.dumps(a_grading(NAME, 3)))
    Overview([results], settings.Course()).write_pages(results)
    return results


def test_each_student_gets_pages_and_feedback(pages: Path) -> None:
    page = (pages / "students/s04.html").read_text()
    text = (pages / "students/s04.txt").read_text()
    assert "4 of 10 points" in text and "Title of t4" in text
    assert "SYSRET loads CS 0x3b" in page and "q3.2" in page
    assert "## 4 of 10 points" in (pages / "students/s04.md").read_text()
    assert "no verdict" in (pages / "students/lost.txt").read_text()
    assert not list(pages.glob(".new-*"))


def test_what_a_killed_writer_has_left_is_cleared(tmp_path: Path) -> None:
    """But not what one who is at work holds."""
    results = keep(tmp_path / "out", a_grading("ann", 3))
    (results / "students").mkdir()
    left = [results / ".new-left", results / "students/.new-left"]
    held = results / ".new-held"
    for path in (*left, held):
        path.write_text("half")
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        Overview([results], settings.Course()).write_pages(results)
        assert held.exists() and not any(path.exists() for path in left)
    Overview([results], settings.Course()).write_pages(results)
    assert not list(results.rglob(".new-*"))


def test_nothing_of_a_submission_is_more_than_text(pages: Path) -> None:
    for page in (pages / "index.html", *(pages / "students").glob("*.html")):
        text = page.read_text()
        assert "<b>" not in text and "<script>alert" not in text and "\x1b" not in text


def test_who_could_not_be_graded_stands_on_top(pages: Path) -> None:
    page = (pages / "index.html").read_text()
    assert (page.index("QEMU is gone") < page.index("<h2>Marks")
            < page.index("<h2>Tests") < page.index("<h2>Students"))


def column(browser: Browser, number: int) -> list[str]:
    found: list[str] = browser.run(
        "return [...[...document.querySelectorAll('table.sorted')].pop().tBodies[0].rows]"
        f".map(row => row.cells[{number}].textContent)")
    return found


@pytest.mark.parametrize("width, height, dark", [
    (1280, 800, False), (1280, 800, True), (390, 844, False), (390, 844, True)])
def test_the_pages_are_for_everybody(chromium: Browser, pages: Path, axe: str, width: int,
                                     height: int, dark: bool) -> None:
    chromium.look(width, height, dark=dark, phone=width < 600)
    for page in ("index.html", "students/s04.html"):
        chromium.open(pages / page)
        chromium.screenshot(TREE / f"build/looks/course-{Path(page).stem}-{width}"
                            f"-{'dark' if dark else 'light'}.png")
        assert faults(chromium, axe) == []
        assert chromium.run("return document.documentElement.scrollWidth") <= width
    assert chromium.collect() == ([], [])


def test_a_table_is_sorted_by_keys(chromium: Browser, pages: Path) -> None:
    chromium.look(1280, 800)
    chromium.open(pages / "index.html")
    assert column(chromium, 2)[:3] == ["3 of 10", "", "0 of 10"]
    chromium.run("[...document.querySelectorAll('th button')].filter("
                 "b => b.textContent === 'lab 3')[0].focus()")
    chromium.press("enter")
    points = [int(cell.split()[0]) for cell in column(chromium, 2) if cell]
    assert points == sorted(points) and len(points) == 31
    chromium.press("space")
    points = [int(cell.split()[0]) for cell in column(chromium, 2) if cell]
    assert points == sorted(points, reverse=True)


def test_a_row_leads_to_its_students_page(chromium: Browser, pages: Path) -> None:
    chromium.open(pages / "index.html")
    for name in ("s04", NAME.replace("/", "")):
        found: Optional[str] = chromium.run(
            "const link = [...document.querySelectorAll('td a')].filter(a => "
            "decodeURIComponent(a.href).endsWith('/' + arguments[0] + '.html'))[0];"
            "link.click(); return link.href;", name)
        assert found
        assert chromium.run("return document.querySelector('h1').textContent") == name
        chromium.run("document.querySelector('a').click()")
        assert chromium.run("return document.querySelector('h1').textContent"
                            ) == "The class"
