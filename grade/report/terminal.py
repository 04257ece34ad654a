"""A result for a person, as `make grade` prints it."""

from __future__ import annotations

from typing import Optional, Sequence

from labs import LABS, no_such_test

from .result import Record, exit_status, first_failure, left_out
from .text import plain

# What follows the reason, where a submission could not be graded.
NO_VERDICT = ("There is no verdict on the submission. If the reason is nothing that you can "
              "mend, show it to the staff.")
# How much of a console a person is shown, in lines.
CONSOLE_LINES = 12

GREEN, RED, YELLOW, BOLD, PLAIN = (
    "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m")


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
            f"{test['earned']:2}/{test['points']:<2}  {plain(test['title'])}\n")


def ending(grade: Record, colour: bool = False) -> str:
    """What follows the tests: the first failure, and the sum."""
    text = ""
    first = first_failure(grade)
    if first is not None:
        text += "\n" + story(first, grade, colour)
    if grade["error"]:
        text += f"\n{plain(grade['error'])}\n"
    if answers(grade):
        text += "\n" + answers(grade)
    if grade["error"] and grade["error"] == no_such_test(grade["test"]):
        return text
    if exit_status(grade) == 2:
        return f"{text}\n{NO_VERDICT} Seed {grade['seed']}\n"
    total = grade["total"]
    tests = grade["tests"]
    if missing := left_out(grade):
        text += ("\nNothing was handed in of lab " + ", ".join(map(str, missing))
                 + ": this is not all.\n")
    if grade.get("confined", "none") != "none":
        text += f"\nConfined by {grade['confined']}.\n"
    text += (f"\n{total['earned']} of {total['points']} points, "
             f"{sum(t['outcome'] == 'pass' for t in tests)} of {len(tests)} tests, "
             f"{grade['seconds']:.1f} s; seed {grade['seed']}\n")
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
            text += _wrapped(f"{plain(answer['given'])[:40]!r}: {answer['message']}",
                             "            ", f"  {answer['id']:10}")
    if grade.get("answers_note"):
        text += _wrapped(plain(grade["answers_note"]), "")
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


def story(test: Record, grade: Record, colour: bool = False) -> str:
    """A failure for a student: cause, values, place, command, hint, console."""
    if test["outcome"] == "build":
        heading = "There is no kernel to test."
    else:
        heading = f"{test['title']}: {test['outcome']}"
    text = f"{BOLD}{plain(heading)}{PLAIN}\n" if colour else f"{plain(heading)}\n"
    text += details(test)
    if test["outcome"] != "build":
        word = test["name"].partition("::test_")[2].partition("[")[0]
        # In one line, however long: it is pasted.
        text += (f"  again     make grade LAB={test['lab']} TEST={plain(word)} "
                 f"SEED={grade['seed']}\n")
    if test["outcome"] != "pass" and test["console"].strip():
        lines = plain(test["console"]).strip("\n").split("\n")
        text += "  console\n"
        # The bar keeps a line from being read as a command of a CI service.
        text += "".join(f"    | {shown}\n" for shown in lines[-CONSOLE_LINES:])
    return text


def details(test: Record) -> str:
    """What is known of a failure, one field in a line or paragraph."""
    text = _wrapped(plain(test["cause"] or ""), "  ")
    for label, key in (("expected", "expected"), ("found", "found"),
                       ("look at", "where"), ("in GDB", "gdb"), ("hint", "hint")):
        if test.get(key) and not (key == "hint" and test["outcome"] == "build"):
            text += _field(label, test[key])
    return text


def _field(label: str, value: str) -> str:
    return _wrapped(plain(value), "            ", f"  {label:10}")


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
