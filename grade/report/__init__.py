"""The result of a grading in the forms that people and services read.

Each form is a pure function of build/grade.json. Text that a submission may
have made up (causes quote its console) is cleaned of control characters, and
escaped for where it goes.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from typing import Any, Callable, Mapping, Optional, Sequence
from xml.etree import ElementTree

from labs import LABS

Record = Mapping[str, Any]

SCHEMA = "threshold/grade/v1"
OUTCOMES = ("pass", "fail", "build", "stopped", "hung", "blocked", "error")

# How much of a console a person is shown, in lines.
CONSOLE_LINES = 12
# What one test may say in Gradescope's page, in characters.
OUTPUT_LIMIT = 8000

GREEN, RED, YELLOW, BOLD, PLAIN = (
    "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m")


def exit_status(grade: Record) -> int:
    """0: all passed; 1: not; 2: the grader itself failed."""
    tests = grade["tests"]
    if grade["error"] or not tests or any(t["outcome"] == "error" for t in tests):
        return 2
    return 0 if all(t["outcome"] == "pass" for t in tests) else 1


# ---- for a person -----------------------------------------------------------

def terminal(grade: Record, colour: bool = False) -> str:
    """All that `make grade` prints."""
    return "".join(line(test, colour) for test in grade["tests"]) + ending(
        grade, colour)


def line(test: Record, colour: bool = False) -> str:
    """One test in one line."""
    passed = test["outcome"] == "pass"
    word = test["outcome"] if passed else test["outcome"].upper()
    if colour:
        word = f"{GREEN if passed else RED}{word:7}{PLAIN}"
    return (f"{test['lab']} {LABS[test['lab']].name:5}  {word:7} "
            f"{test['earned']:2}/{test['points']:<2}  {_clean(test['title'])}\n")


def ending(grade: Record, colour: bool = False) -> str:
    """What follows the tests: the first failure, and the sum."""
    text = ""
    first = first_failure(grade)
    if first is not None:
        text += "\n" + story(first, grade, colour)
    if grade["error"]:
        text += f"\n{_clean(grade['error'])}\n"
    if answers(grade):
        text += "\n" + answers(grade)
    total = grade["total"]
    tests = grade["tests"]
    text += (f"\n{total['earned']} of {total['points']} points, "
             f"{sum(t['outcome'] == 'pass' for t in tests)} of {len(tests)} tests, "
             f"{grade['seconds']:.1f} s; seed {grade['seed']}\n")
    if exit_status(grade) == 2:
        text += ("The grader could not do its work: this is no verdict on the "
                 "submission.\n")
    return text


def answers(grade: Record) -> str:
    """A line on the answers to each lab's questions, and what is wrong with the
    file or, where one lab is graded, with each answer."""
    given = grade.get("answers", [])
    labs = sorted({answer["lab"] for answer in given})
    text = ""
    for lab in labs:
        text += f"{lab} {LABS[lab].name:5}  answers  {_counted(given, lab)}\n"
    for answer in given if len(labs) == 1 else []:
        if answer["outcome"] == "wrong":
            text += _wrapped(f"{_clean(answer['given'])[:40]!r}: {answer['message']}",
                             "            ", f"  {answer['id']:10}")
    if grade.get("answers_note"):
        text += _wrapped(_clean(grade["answers_note"]), "")
    return text


def _counted(given: Sequence[Record], lab: int) -> str:
    """As "3 right, 1 wrong (q1.2), 2 empty"."""
    parts = []
    for outcome in ("right", "wrong", "collected", "empty"):
        ids = [answer["id"] for answer in given
               if (answer["lab"], answer["outcome"]) == (lab, outcome)]
        if ids:
            which = f" ({', '.join(ids)})" if outcome == "wrong" else ""
            parts.append(f"{len(ids)} {outcome}{which}")
    return ", ".join(parts)


def first_failure(grade: Record) -> Optional[Record]:
    """The failure to look at first: one that only lacks what another test or
    lab gives comes after all others."""
    failed = [test for test in grade["tests"] if test["outcome"] != "pass"]
    causes = [test for test in failed if test["outcome"] != "blocked"]
    return (causes or failed or [None])[0]


def story(test: Record, grade: Record, colour: bool = False) -> str:
    """A failure for a student: cause, values, place, command, hint, console."""
    if test["outcome"] == "build":
        heading = "There is no kernel to test."
    else:
        heading = f"{test['title']}: {test['outcome']}"
    text = f"{BOLD}{_clean(heading)}{PLAIN}\n" if colour else f"{_clean(heading)}\n"
    text += _details(test)
    if test["outcome"] != "build":
        word = test["name"].partition("::test_")[2].partition("[")[0]
        text += _field("again", f"make grade LAB={test['lab']} TEST={word} "
                                f"SEED={grade['seed']}")
    if test["outcome"] != "pass" and test["console"].strip():
        lines = _clean(test["console"]).strip("\n").split("\n")
        text += "  console\n"
        # The bar keeps a line from being read as a command of a CI service.
        text += "".join(f"    | {shown}\n" for shown in lines[-CONSOLE_LINES:])
    return text


def _details(test: Record) -> str:
    """What is known of a failure, one field in a line or paragraph."""
    text = _wrapped(_clean(test["cause"] or ""), "  ")
    for label, key in (("expected", "expected"), ("found", "found"),
                       ("look at", "where"), ("in GDB", "gdb"), ("hint", "hint")):
        if test.get(key) and not (key == "hint" and test["outcome"] == "build"):
            text += _field(label, test[key])
    return text


def _field(label: str, value: str) -> str:
    return _wrapped(_clean(value), "            ", f"  {label:10}")


def _wrapped(text: str, indent: str, first: Optional[str] = None) -> str:
    """Paragraphs of at most 79 columns."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        start = first if first is not None and not lines else indent
        current = start
        for word in paragraph.split(" "):
            if len(current) + len(word) >= 79 and current.strip() and current != start:
                lines.append(current.rstrip())
                start = current = indent
            current += word + " "
        lines.append(current.rstrip())
    return "\n".join(lines) + "\n"


def _clean(text: str) -> str:
    """Text without control characters, escape sequences and the like."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", str(text))
    return "".join(c if c == "\n" or c.isprintable() else
                   " " if c == "\t" else "?" for c in text)


# ---- JUnit ------------------------------------------------------------------

def junit(grade: Record) -> str:
    """JUnit XML as pytest, GitLab and Jenkins have it: `error` where the grader
    failed, `failure` for every other test that did not pass."""
    tests = list(grade["tests"])
    errors = sum(test["outcome"] == "error" for test in tests)
    failures = sum(test["outcome"] not in ("pass", "error") for test in tests)
    extra = 1 if grade["error"] else 0
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        suites, "testsuite", name="threshold", errors=str(errors + extra),
        failures=str(failures), skipped="0", tests=str(len(tests) + extra),
        time=f"{grade['seconds']:.3f}", timestamp=grade["started"].rstrip("Z"),
        hostname="localhost")
    for test in tests:
        file, _, name = test["name"].partition("::")
        case = ElementTree.SubElement(
            suite, "testcase", classname=file.removesuffix(".py"), name=_xml(name),
            time=f"{test['seconds']:.3f}")
        properties = ElementTree.SubElement(case, "properties")
        for key in ("points", "earned", "outcome"):
            ElementTree.SubElement(properties, "property", name=key,
                                   value=str(test[key]))
        if test["outcome"] != "pass":
            kind = "error" if test["outcome"] == "error" else "failure"
            ElementTree.SubElement(
                case, kind, message=_xml(test["cause"] or ""),
                type=test["outcome"]).text = _xml(_details(test))
            if test["console"]:
                ElementTree.SubElement(case, "system-out").text = _xml(
                    test["console"])
    if grade["error"]:
        case = ElementTree.SubElement(suite, "testcase", classname="grade",
                                      name="grader", time="0")
        ElementTree.SubElement(case, "error", message=_xml(grade["error"]),
                               type="error")
    ElementTree.indent(suites)
    return ('<?xml version="1.0" encoding="utf-8"?>\n'
            + ElementTree.tostring(suites, encoding="unicode") + "\n")


def _xml(text: str) -> str:
    """Text with what XML cannot hold written as #xNN, as pytest does."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]",
                  lambda match: f"#x{ord(match[0]):02X}", text)


# ---- Gradescope -------------------------------------------------------------

def gradescope(grade: Record) -> str:
    """results.json. The score is the sum of the tests' scores, so none stands
    at the top, except where there is no test."""
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
        result["output"] = _clean(
            f"{grade['error']}\nThe grader could not do its work: this is no "
            f"verdict on the submission. Please tell the staff.\n{answers(grade)}"
        ).strip()
    if not result["tests"]:
        result["score"] = 0
    return _json(result)


def _gradescope_test(test: Record, number: str, grade: Record) -> dict[str, Any]:
    passed = test["outcome"] == "pass"
    return {
        "name": _clean(test["title"]),
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


# ---- Classroom 50 -----------------------------------------------------------

def classroom50(grade: Record, environment: Optional[Mapping[str, str]] = None
                ) -> str:
    """result.json, with what the service puts into the environment."""
    about = os.environ if environment is None else environment
    total = grade["total"]
    return _json({
        "schema": "classroom50/result/v1",
        "classroom": about.get("CLASSROOM", ""),
        "assignment": about.get("ASSIGNMENT", ""),
        "assignment_type": about.get("ASSIGNMENT_TYPE", "individual"),
        "owner": about.get("OWNER") or about.get("USERNAME", ""),
        "submission": about.get("SUBMISSION_TAG", ""),
        "commit": about.get("COMMIT_URL") or grade["commit"] or "",
        "release": about.get("RELEASE_URL", ""),
        "review": about.get("REVIEW_URL", ""),
        "datetime": grade["started"],
        "score": int(total["earned"]),
        "max-score": int(total["points"]),
        "tests": [{
            "test-name": _clean(test["title"]),
            "passed": test["outcome"] == "pass",
            "score": int(test["earned"]),
            "max-score": int(test["points"]),
            "outcome": test["outcome"],
            "output": "" if test["outcome"] == "pass"
                      else story(test, grade)[:OUTPUT_LIMIT],
        } for test in grade["tests"]],
    })


# ---- GitHub Actions ---------------------------------------------------------

def annotations(grade: Record) -> str:
    """Workflow commands that put each failure beside its line of code."""
    text = ""
    told = set()
    for test in grade["tests"]:
        if test["outcome"] in ("pass", "blocked"):
            continue
        place = re.match(r"([\w./-]+\.[chS])(?::(\d+))?$", test["where"] or "")
        properties = {"title": test["title"]}
        if test["outcome"] == "build":
            properties["title"] = "The kernel does not build"
        if place:
            properties = {"file": place[1], **(
                {"line": place[2]} if place[2] else {}), **properties}
        command = "::error " + ",".join(
            f"{key}={_escape(value, True)}" for key, value in properties.items()
        ) + f"::{_escape(test['cause'] or '')}\n"
        if command not in told:  # what does not build is the same for all
            text += command
        told.add(command)
    if grade["error"]:
        text += f"::error title=The grader failed::{_escape(grade['error'])}\n"
    total = grade["total"]
    return text + (f"::notice title=Grade::{total['earned']} of {total['points']} "
                   "points\n")


def _escape(text: str, is_property: bool = False) -> str:
    """A workflow command's text; a property also keeps no colon and comma."""
    text = _clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    if is_property:
        text = text.replace(":", "%3A").replace(",", "%2C")
    return text


def summary(grade: Record) -> str:
    """A step's summary in Markdown."""
    total = grade["total"]
    text = f"## {total['earned']} of {total['points']} points\n\n"
    if grade["error"]:
        text += f"**{_markdown(grade['error'])}**\n\n"
    text += "| lab | test | points | result |\n| --- | --- | --- | --- |\n"
    for test in grade["tests"]:
        text += (f"| {test['lab']} {LABS[test['lab']].name} "
                 f"| {_markdown(test['title'])} "
                 f"| {test['earned']}/{test['points']} | {test['outcome']} |\n")
    first = first_failure(grade)
    if first is not None:
        # An indented block: whatever is in it, it ends where the indent ends.
        text += "\n### First failure\n\n" + "".join(
            f"    {shown}\n" for shown in story(first, grade).split("\n"))
    if answers(grade):
        text += "\n### Answers\n\n" + "".join(
            f"    {shown}\n" for shown in answers(grade).splitlines())
    return text + f"\nSeed {grade['seed']}, {grade['seconds']:.1f} s.\n"


def _markdown(text: str) -> str:
    """Text in which nothing means something to Markdown or HTML."""
    text = re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", _clean(text).replace("\n", " "))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# ---- a gradebook ------------------------------------------------------------

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
    heading += ["total", "total of", "verdict"]
    row += [str(grade["total"]["earned"]), str(grade["total"]["points"]),
            {0: "complete", 1: "incomplete", 2: "grader failed"}[exit_status(grade)]]
    # A spreadsheet takes what begins like a formula for one.
    row = [f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
           for cell in row]
    output = io.StringIO()
    csv.writer(output, lineterminator="\n").writerows([heading, row])
    return output.getvalue()


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


FORMATS: dict[str, Callable[[Record], str]] = {
    "terminal": terminal,
    "junit": junit,
    "gradescope": gradescope,
    "classroom50": classroom50,
    "annotations": annotations,
    "summary": summary,
    "csv": gradebook,
    "json": _json,
}
