"""Each form of the result has the shape that its reader has published, whatever
the submission printed."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from machine import deadlines
from machine.qemu import TREE
import report

# What a submission may have put into a cause or a console.
NASTY = "\x1b[31m]]>&<b>\n::error::x\n`|%0A\x00\ud800 =cmd()".encode(
    "utf-8", "replace").decode() + "\n"


def a_test(name: str, outcome: str, /, **changes: Any) -> dict[str, Any]:
    test = {
        "lab": 2, "name": f"test_2_msr.py::test_{name}", "title": f"Title of {name}",
        "points": 4, "earned": 4 if outcome == "pass" else 0, "outcome": outcome,
        "cause": None, "expected": None, "found": None, "where": None, "gdb": None,
        "hint": "STAR; see labs/2-msr.md", "seconds": 0.25, "console": "",
    }
    if outcome != "pass":
        test.update(cause=f"STAR[63:48] is 0x28: SYSRET loads CS 0x3b. {NASTY}",
                    expected="0x23", found="0x28", where="kernel/msr.c:24",
                    gdb="msr", console=NASTY * 9)
    return {**test, **changes}


VERDICTS = [outcome for outcome in report.OUTCOMES if outcome != "error"]


@pytest.fixture
def result() -> dict[str, Any]:
    """One test of each outcome of a verdict, in two labs."""
    tests = [a_test(outcome, outcome) for outcome in VERDICTS]
    tests.append(a_test("frame", "fail", lab=4, name="test_4_frame.py::test_x[1]"))
    return {
        "schema": report.SCHEMA, "submission": "=ada", "commit": "0" * 40,
        "started": "2026-11-22T18:00:00Z", "seed": 7, "lab": None, "test": None,
        "graded": [1, 2, 3, 4, 5], "confined": "none", "content": None,
        "seconds": 3.5, "scale": 1.0,
        "build": {"ok": True, "message": None, "file": None, "line": None},
        "error": None, "tests": tests, "total": {"earned": 4, "points": 28},
        "student": "=ada", "answers_note": None, "answers": [
            an_answer("q2.1", "right"), an_answer("q2.2", "wrong", given=NASTY),
            an_answer("q2.3", "empty"),
            an_answer("q2.6", "collected", checked=False, given=NASTY)],
    }


def an_answer(name: str, outcome: str, /, **changes: Any) -> dict[str, Any]:
    return {"lab": int(name[1]), "id": name, "checked": True, "given": "",
            "outcome": outcome, "message": "Look there." if outcome == "wrong"
            else None, **changes}


@pytest.fixture
def broken(result: dict[str, Any]) -> dict[str, Any]:
    """The result of a grader that failed before any test."""
    return {**result, "tests": [], "total": {"earned": None, "points": None},
            "error": f"The grader failed: {NASTY}"}


# ---- the canonical result ---------------------------------------------------

def grade(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TREE / "grade/grade.py"), *arguments],
        capture_output=True, text=True, timeout=deadlines.host(), check=False)


def test_the_canonical_result_has_every_field(
    tmp_path: Path, result: dict[str, Any]
) -> None:
    output = tmp_path / "out/grade.json"
    done = grade("--lab", "1", "--test", "table", "--seed", "99",
                 "--output", str(output))
    made = json.loads(output.read_text())
    assert done.returncode == 0, done.stdout
    assert made.keys() == result.keys()
    assert made["schema"] == "threshold/grade/v1"
    assert (made["seed"], made["lab"], made["error"]) == (99, 1, None)
    assert made["build"]["ok"] is True
    assert made["tests"]
    for test in made["tests"]:
        assert test.keys() == a_test("x", "pass").keys()
        assert test["outcome"] == "pass"
        assert 0 < test["earned"] == test["points"]
    assert made["total"]["points"] == sum(t["points"] for t in made["tests"])
    assert [path.name for path in output.parent.iterdir()] == ["grade.json"]


def test_a_grader_that_fails_says_so_and_gives_no_points(tmp_path: Path) -> None:
    output = tmp_path / "grade.json"
    kernel = tmp_path / "kernel.elf"
    kernel.write_text("no kernel")
    done = grade("--lab", "1", "--test", "table", "--kernel", str(kernel),
                 "--output", str(output))
    made = json.loads(output.read_text())
    assert done.returncode == 2
    assert "no verdict" in done.stdout
    assert made["total"] == {"earned": None, "points": None} and not made["tests"]
    for name in report.FORMATS.keys() - {"json", "classroom50", "autolab"}:
        shown = report.FORMATS[name]({**made, "seed": "s", "seconds": 0.0})
        assert not re.search(r"\b0\b.*\b(points|of)\b|\bscore", shown), name
    for name in ("classroom50", "autolab"):
        with pytest.raises(report.NoVerdict):
            report.FORMATS[name](made)


def test_no_test_of_that_name_is_no_full_mark(tmp_path: Path) -> None:
    output = tmp_path / "grade.json"
    done = grade("--lab", "1", "--test", "nonsense", "--output", str(output))
    assert done.returncode == 2
    assert json.loads(output.read_text())["error"]


def test_the_last_result_is_converted_on_demand(
    tmp_path: Path, result: dict[str, Any]
) -> None:
    output = tmp_path / "grade.json"
    output.write_text(json.dumps(result))
    for name in report.FORMATS:
        done = grade("--output", str(output), "--format", name)
        assert done.returncode == 0 and done.stdout, done.stderr


# ---- terminal ---------------------------------------------------------------

def test_the_terminal_shows_each_test_and_the_first_cause(
    result: dict[str, Any]
) -> None:
    text = report.terminal(result)
    for outcome in VERDICTS:
        assert f"Title of {outcome}" in text
    assert "STAR[63:48] is 0x28: SYSRET loads CS 0x3b." in text
    for field in ("expected  0x23", "found     0x28", "look at   kernel/msr.c:24",
                  "in GDB    msr", "hint      STAR; see labs/2-msr.md"):
        assert field in text
    assert "again     make grade LAB=2 TEST=fail SEED=7" in text
    assert "4 of 28 points" in text and "3.5 s; seed 7" in text


def test_the_terminal_counts_the_answers(result: dict[str, Any]) -> None:
    assert ("\n2 msr    answers  1 right, 1 wrong (q2.2), 1 collected, 1 empty\n"
            in report.terminal(result))


def test_the_terminal_says_what_is_wrong_with_one_labs_answers(
    result: dict[str, Any]
) -> None:
    assert "  q2.2      " in report.terminal(result)
    result["answers"].append(an_answer("q3.1", "right"))
    text = report.terminal(result)
    assert "  q2.2      " not in text and "3 entry  answers  1 right\n" in text


def test_the_terminal_says_what_is_wrong_with_the_file(
    result: dict[str, Any]
) -> None:
    result.update(answers=[], answers_note="labs/answers.toml line 3 is not TOML.")
    assert "\nlabs/answers.toml line 3 is not TOML.\n" in report.terminal(result)


def test_the_terminal_is_sent_no_control_characters(result: dict[str, Any]) -> None:
    text = report.terminal(result)
    assert all(c == "\n" or c.isprintable() for c in text)
    assert not re.search(r"(?m)^\s*::", report.story(result["tests"][1], result)
                         .partition("console")[2])


def test_what_only_waits_for_something_else_is_not_shown_first(
    result: dict[str, Any]
) -> None:
    tests = [a_test("a", "blocked"), a_test("b", "hung")]
    first = report.first_failure({**result, "tests": tests})
    assert first is not None and first["name"].endswith("test_b")


def test_a_hang_is_shown_after_what_is_wrong_for_a_reason(result: dict[str, Any]
                                                          ) -> None:
    tests = [a_test("a", "hung"), a_test("b", "fail")]
    first = report.first_failure({**result, "tests": tests})
    assert first is not None and first["name"].endswith("test_b")


def test_the_command_that_repeats_a_test_is_one_line(result: dict[str, Any]) -> None:
    test = a_test("a_name_that_is_longer_than_any_terminal_is_wide_by_far", "fail")
    text = report.story(test, {**result, "seed": 123456789})
    assert (f"again     make grade LAB={test['lab']} TEST=a_name_that_is_longer_than_"
            "any_terminal_is_wide_by_far SEED=123456789\n") in text


def test_a_word_that_is_in_no_tests_name_is_no_failure_of_the_grader(
    result: dict[str, Any]
) -> None:
    error = "No test has 'nonsense' in its name."
    text = report.ending({**result, "tests": [], "test": "nonsense", "error": error})
    assert error in text and "no verdict" not in text


@pytest.mark.parametrize("outcomes, status", [
    ((), 2), (("pass",), 0), (("pass", "fail"), 1), (("build",), 1),
    (("hung", "error"), 2)])
def test_the_exit_status_tells_a_wrong_answer_from_a_failed_grader(
    result: dict[str, Any], outcomes: tuple[str, ...], status: int
) -> None:
    tests = [a_test(outcome, outcome) for outcome in outcomes]
    assert report.exit_status({**result, "tests": tests}) == status


# ---- JUnit ------------------------------------------------------------------

def test_junit_tells_failures_from_errors(result: dict[str, Any]) -> None:
    suites = ElementTree.fromstring(report.junit(result).encode())
    check_junit(suites)
    suite = suites[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == (
        "7", "6", "0")
    assert not [case for case in suite if case.find("error") is not None]
    names = [(case.get("classname"), case.get("name")) for case in suite]
    assert len(set(names)) == len(names)  # GitLab drops what it has seen


def test_junit_of_a_failed_grader_is_an_error(broken: dict[str, Any]) -> None:
    suites = ElementTree.fromstring(report.junit(broken).encode())
    check_junit(suites)
    assert suites[0].get("errors") == "1"


def check_junit(suites: ElementTree.Element) -> None:
    """As pytest writes it (xunit2) and Jenkins' and GitLab's readers take it."""
    assert suites.tag == "testsuites"
    for suite in suites:
        assert suite.tag == "testsuite"
        assert {"name", "errors", "failures", "skipped", "tests", "time",
                "timestamp", "hostname"} == set(suite.keys())
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
                            suite.get("timestamp", ""))
        assert int(suite.get("tests", "")) == len(suite)
        for kind in ("error", "failure"):
            assert int(suite.get(f"{kind}s", "")) == len(suite.findall(f".//{kind}"))
        for case in suite:
            assert case.tag == "testcase"
            assert {"classname", "name", "time"} == set(case.keys())
            assert float(case.get("time", "")) >= 0
            tags = [child.tag for child in case]
            order = ["properties", "failure", "error", "system-out"]
            assert tags == sorted(tags, key=order.index)
            assert tags.count("failure") + tags.count("error") <= 1
            for child in case:
                if child.tag in ("failure", "error"):
                    assert {"message", "type"} == set(child.keys())
            for entry in case.findall("properties/property"):
                assert {"name", "value"} == set(entry.keys())


# ---- Gradescope -------------------------------------------------------------

def test_gradescope_scores_each_test(result: dict[str, Any]) -> None:
    made = json.loads(report.gradescope(result))
    check_gradescope(made)
    assert "score" not in made
    assert sum(test["score"] for test in made["tests"]) == 4
    assert sum(test["max_score"] for test in made["tests"]) == 28
    assert [test["number"] for test in made["tests"]][-2:] == ["2.6", "4.1"]
    assert "2 msr    answers  1 right, 1 wrong (q2.2)" in made["output"]


def test_gradescope_of_a_failed_grader_is_no_silent_zero(
    broken: dict[str, Any]
) -> None:
    made = json.loads(report.gradescope(broken))
    check_gradescope(made)
    assert "score" not in made and not made["tests"]
    assert "no verdict" in made["output"]


VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}
TEXT_FORMATS = {"text", "simple_format", "html", "md", "ansi"}


def check_gradescope(made: dict[str, Any]) -> None:
    """By Gradescope's autograder specification."""
    assert made.keys() <= {
        "score", "execution_time", "output", "output_format", "test_output_format",
        "test_name_format", "visibility", "stdout_visibility", "extra_data", "tests",
        "leaderboard"}
    assert isinstance(made["execution_time"], (int, float))
    assert made["visibility"] in VISIBILITIES
    assert made["stdout_visibility"] in VISIBILITIES
    assert made["output_format"] in TEXT_FORMATS
    assert isinstance(made["extra_data"], dict)
    for test in made["tests"]:
        assert test.keys() <= {
            "score", "max_score", "status", "name", "name_format", "number",
            "output", "output_format", "tags", "visibility", "extra_data"}
        assert isinstance(test["score"], (int, float))
        assert 0 <= test["score"] <= test["max_score"]
        assert test["status"] in ("passed", "failed")
        assert isinstance(test["number"], str)
        assert isinstance(test["name"], str) and isinstance(test["output"], str)
        assert test["output_format"] in TEXT_FORMATS
        assert test["visibility"] in VISIBILITIES
        assert all(isinstance(tag, str) for tag in test["tags"])
        assert len(test["output"]) <= report.OUTPUT_LIMIT


# ---- PrairieLearn and Autolab ------------------------------------------------

def test_prairielearn_gets_a_share_and_each_test(result: dict[str, Any]) -> None:
    made = json.loads(report.FORMATS["prairielearn"](result))
    assert made["gradable"] is True and made["score"] == 4 / 28
    assert sum(test["points"] for test in made["tests"]) == 4
    assert sum(test["max_points"] for test in made["tests"]) == 28
    assert {type(test["output"]) for test in made["tests"]} == {str}


def test_prairielearn_of_a_failed_grader_costs_no_attempt(broken: dict[str, Any]) -> None:
    made = json.loads(report.FORMATS["prairielearn"](broken))
    assert made.keys() == {"gradable", "message"} and made["gradable"] is False
    assert "no verdict" in made["message"]


def test_autolab_reads_the_last_line(result: dict[str, Any]) -> None:
    made = report.FORMATS["autolab"](result)
    last = json.loads(made.rstrip("\n").rpartition("\n")[2])
    assert last == {"scores": {"msr": 4, "frame": 0}}


# ---- Classroom 50 -----------------------------------------------------------

ENVIRONMENT = {
    "CLASSROOM": "os-2026", "ASSIGNMENT": "lab-2", "ASSIGNMENT_TYPE": "group",
    "OWNER": "ada", "SUBMISSION_TAG": "submit-3",
    "COMMIT_URL": "https://example.org/c", "RELEASE_URL": "https://example.org/r",
    "REVIEW_URL": "https://example.org/v",
}


@pytest.mark.parametrize("environment", [ENVIRONMENT, {}])
def test_classroom_50_has_whole_points_and_hyphens(
    result: dict[str, Any], environment: dict[str, str]
) -> None:
    made = json.loads(report.classroom50(result, environment))
    assert made["schema"] == "classroom50/result/v1"
    assert made.keys() == {
        "schema", "classroom", "assignment", "assignment_type", "owner",
        "submission", "commit", "release", "review", "datetime", "score",
        "max-score", "tests"}
    for key in ("classroom", "assignment", "assignment_type", "owner",
                "submission", "commit", "release", "review"):
        assert isinstance(made[key], str)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["datetime"])
    assert type(made["score"]) is int and type(made["max-score"]) is int
    for test in made["tests"]:
        assert {"test-name", "passed", "score", "max-score"} <= test.keys()
        assert type(test["passed"]) is bool
        assert type(test["score"]) is int and type(test["max-score"]) is int
    assert made["score"] == sum(test["score"] for test in made["tests"])
    assert made["max-score"] == sum(test["max-score"] for test in made["tests"])


# ---- GitHub -----------------------------------------------------------------

def test_annotations_stand_at_the_line_and_are_one_line_each(
    result: dict[str, Any]
) -> None:
    lines = report.annotations(result).splitlines()
    assert len(lines) == 6  # not pass, not blocked; and the points
    for line in lines:
        assert re.match(r"::(error|notice) (\w+=[^,:]*)(,\w+=[^,:]*)*::.", line)
    assert lines[0].startswith(
        "::error file=kernel/msr.c,line=24,title=Title of fail::STAR[63%3A48]"
        .replace("%3A", ":"))
    assert lines[-1] == "::notice title=Grade::4 of 28 points"


def test_what_does_not_build_is_annotated_once(result: dict[str, Any]) -> None:
    tests = [a_test(str(i), "build", cause="kernel/msr.c line 24 does not compile")
             for i in range(9)]
    lines = report.annotations({**result, "tests": tests}).splitlines()
    assert len(lines) == 2


def test_the_summary_is_a_table_that_nothing_breaks_out_of(
    result: dict[str, Any]
) -> None:
    result["tests"][0]["title"] = "a | b <script> `c`"
    text = report.summary(result)
    rows = re.findall(r"^\|.*\|$", text, re.MULTILINE)
    assert len(rows) == 2 + len(result["tests"])
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    assert "<script>" not in text
    story = text.partition("### First failure\n\n")[2].partition("\nSeed")[0]
    story, heading, answers = story.partition("\n### Answers\n\n")
    assert heading
    for block in (story, answers):
        assert all(line.startswith("    ") for line in block.strip("\n").split("\n"))


# ---- CSV --------------------------------------------------------------------

def test_a_gradebook_row_holds_no_formula(result: dict[str, Any]) -> None:
    heading, row = csv.reader(io.StringIO(report.gradebook(result)))
    cells = dict(zip(heading, row))
    assert len(heading) == len(row)
    assert cells["submission"] == "'=ada"
    assert (cells["lab 2"], cells["lab 2 of"]) == ("4", "24")
    assert (cells["lab 4"], cells["lab 4 of"]) == ("0", "4")
    assert (cells["total"], cells["total of"]) == ("4", "28")
    assert cells["student"] == "'=ada"
    assert (cells["lab 2 answers"], cells["lab 2 answers of"]) == ("1", "3")
    assert (cells["lab 4 answers"], cells["lab 4 answers of"]) == ("", "")
    assert cells["verdict"] == "not all points"


def test_one_lab_of_five_is_not_all_points(result: dict[str, Any]) -> None:
    result.update(tests=[a_test("a", "pass")], graded=[2])
    assert report.exit_status(result) == 1
    assert ",not all points" in report.gradebook(result)
    assert "Nothing was handed in of lab 1, 3, 4, 5" in report.terminal(result)
    assert report.exit_status({**result, "lab": 2}) == 0


# What a service may read as a command, wherever it stands in a line.
COMMANDS = ("::error::x", "##[error]x", "##vso[task.complete]x", "##teamcity[x]",
            "[[ATTACHMENT|/etc/passwd]]", "\x1b]0;title\x07", "section_start:1:a\r")


@pytest.mark.parametrize("form", report.FORMATS)
@pytest.mark.parametrize("place", ["", "some words in front of it, "])
def test_no_text_of_a_submissions_is_a_command(
    form: str, place: str, result: dict[str, Any]
) -> None:
    text = "".join(f"{place}{command}\n" for command in COMMANDS)
    result["tests"] = [a_test("a", "stopped", cause=text, expected=text, found=text,
                              where=text, gdb=text, console=text)]
    result.update(submission=text + "latin1-\udce9", answers_note=text, student=text)
    shown = report.FORMATS[form](result)
    assert not re.search(r"##\w*\[|\[\[ATTACHMENT|[\x00-\x09\x0b-\x1f]", shown)
    assert not re.search(r"(?m)::error::x|::\w+::x", shown)
    shown.encode()
