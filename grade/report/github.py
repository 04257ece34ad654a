"""A result for GitHub Actions: annotations beside the code, and a step's summary."""

from __future__ import annotations

import re

from labs import LABS

from .result import Record, first_failure
from .terminal import answers, story
from .text import command_text, markdown


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
            f"{key}={command_text(value, True)}" for key, value in properties.items()
        ) + f"::{command_text(test['cause'] or '')}\n"
        if command not in told:  # what does not build is the same for all
            text += command
        told.add(command)
    if grade["error"]:
        text += f"::error title=The grader failed::{command_text(grade['error'])}\n"
        return text
    total = grade["total"]
    return text + (f"::notice title=Grade::{total['earned']} of {total['points']} "
                   "points\n")


def summary(grade: Record) -> str:
    """A step's summary in Markdown."""
    if grade["error"]:
        return f"## No verdict\n\n**{markdown(grade['error'])}**\n"
    total = grade["total"]
    text = f"## {total['earned']} of {total['points']} points\n\n"
    text += "| lab | test | points | result |\n| --- | --- | --- | --- |\n"
    for test in grade["tests"]:
        text += (f"| {test['lab']} {LABS[test['lab']].name} "
                 f"| {markdown(test['title'])} "
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
