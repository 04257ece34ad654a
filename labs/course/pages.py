"""The class on one page, and a page for each hand-in: what a teacher looks at.

Each is a single file that loads nothing. Whatever a submission may have made up is
escaped by `_text`, through which every string of a record goes.
"""

from __future__ import annotations

import collections
import html
import os
import statistics
import urllib.parse
from pathlib import Path
from typing import Any, Iterable, Mapping, Optional, Sequence

import labs
import report
from report.text import plain

from .marks import HandIn, Mark, Row, number
from .settings import Course
from .tables import labs_of

Record = Mapping[str, Any]

HERE = Path(__file__).resolve().parent
BINS = 10  # of a distribution


def _text(value: object) -> str:
    """A string of a record, as HTML that means nothing but itself."""
    return html.escape(plain(str(value)))


def page(title: str, body: str) -> str:
    style = (HERE / "page.css").read_text(encoding="utf-8")
    script = (HERE / "page.js").read_text(encoding="utf-8")
    return (f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n<style>\n{style}</style></head>\n<body><main>\n"
            f"{body}</main>\n<script>\n{script}</script>\n</body></html>\n")


# ---- the class --------------------------------------------------------------

def class_page(table: Sequence[Row], found: Sequence[HandIn], course: Course,
               changed: Sequence[str]) -> str:
    """index.html: who could not be graded, each lab's distribution, which tests fail,
    and every student."""
    missing = [row for row in table if not row.hand_ins]
    body = "<h1>The class</h1>\n"
    graded = sum(hand_in.gradable for hand_in in found)
    body += (f"<p>{len(table)} students, {len(missing)} of them without a hand-in; "
             f"{graded} of {len(found)} hand-ins graded.</p>\n")
    body += _not_gradable([hand_in for hand_in in found if not hand_in.gradable])
    if changed:
        body += "<h2>Marks that changed since the last run</h2>\n<ul>" + "".join(
            f"<li>{_text(sentence)}</li>" for sentence in changed) + "</ul>\n"
    body += _distributions(table)
    body += _failing(found)
    body += _students(table, course)
    return page("The class", body)


def _not_gradable(hand_ins: Sequence[HandIn]) -> str:
    if not hand_ins:
        return '<p class="good">Every hand-in could be graded.</p>\n'
    rows = "".join(
        f"<tr><td>{_link(h)}</td><td>{_text(_why(h.grade))}</td></tr>\n"
        for h in hand_ins)
    return ('<h2 class="bad">Not gradable</h2>\n<p>These have no mark. Run the same '
            'command again, or look at them.</p>\n<div class="wide" tabindex="0"><table>'
            "<thead><tr><th>hand-in</th><th>why</th></tr></thead>"
            f"<tbody>\n{rows}</tbody></table></div>\n")


def _why(grade: Record) -> str:
    failed = [t["cause"] for t in grade["tests"] if t["outcome"] == "error"]
    return grade["error"] or next(filter(None, failed), "the grader failed")


def _distributions(table: Sequence[Row]) -> str:
    text = "<h2>Marks</h2>\n<div class=\"labs\">\n"
    for lab in labs_of(table):
        marks = [row.marks[lab] for row in table if lab in row.marks]
        counts = collections.Counter(
            min(BINS - 1, int(mark.percent * BINS / 100)) for mark in marks)
        ordered = [mark.points for mark in marks]
        most = max(counts.values())
        bars = "".join(
            f'<li style="height:{100 * counts[i] // most}%" title="{i * 10} to '
            f'{i * 10 + 10} %: {counts[i]}"><span>{counts[i] or ""}</span></li>'
            for i in range(BINS))
        text += (f"<section><h3>Lab {lab} {_text(labs.LABS[lab].name)}</h3>"
                 f'<p class="soft">{len(marks)} marks, median '
                 f"{number(statistics.median(ordered))} of {marks[0].of}, full marks "
                 f'{sum(m.percent >= 100 for m in marks)}</p><ol class="bars" aria-label="how many marks in each tenth">{bars}'
                 '</ol><div class="scale"><span>0 %</span><span>100 %</span></div>'
                 "</section>\n")
    return text + "</div>\n"


def _failing(found: Sequence[HandIn]) -> str:
    """The tests by how often they fail; a blocked one is its blocker's doing."""
    failed: collections.Counter[str] = collections.Counter()
    blocked: collections.Counter[str] = collections.Counter()
    tests: dict[str, Record] = {}
    for hand_in in found:
        for test in hand_in.grade["tests"] if hand_in.gradable else ():
            tests.setdefault(test["name"], test)
            if test["outcome"] == "blocked":
                blocked[test["name"]] += 1
            elif test["outcome"] != "pass":
                failed[test["name"]] += 1
    names = sorted((name for name in tests if failed[name] or blocked[name]),
                   key=lambda name: (-failed[name], -blocked[name], name))
    rows = "".join(
        f'<tr><td class="number">{tests[name]["lab"]}</td>'
        f'<td>{_text(tests[name]["title"])}'
        f'<br><span class="soft">{_text(tests[name]["hint"] or "")}</span></td>'
        f'<td class="number">{failed[name]}</td>'
        f'<td class="number">{blocked[name]}</td></tr>\n'
        for name in names)
    return ("<h2>Tests, by how often they fail</h2>\n" + sorted_table(
        [("lab", True), ("test", False), ("failed", True), ("blocked", True)], rows))


def _students(table: Sequence[Row], course: Course) -> str:
    numbers = labs_of(table)
    heads = [("id", False), ("name", False), *((f"lab {lab}", True) for lab in numbers)]
    if any(rules.weight for rules in course.labs.values()):
        heads.append(("percent", True))
    heads.append(("note", False))
    rows = ""
    for row in table:
        cells = [f"<td>{_text(row.student.id)}</td><td>{_text(row.student.name)}</td>"]
        cells += [_cell(row.marks.get(lab)) for lab in numbers]
        total = row.total(course)
        if total is not None:
            cells.append(f'<td class="number">{number(total)}</td>')
        cells.append(f'<td class="bad">{_text(row.note(course))}</td>')
        rows += f"<tr>{''.join(cells)}</tr>\n"
    return "<h2>Students</h2>\n" + sorted_table(heads, rows)


def _cell(mark: Optional[Mark]) -> str:
    if mark is None:
        return '<td class="number"></td>'
    late = f' <span class="bad">{mark.late} d late</span>' if mark.late else ""
    return (f'<td class="number" data-key="{mark.points}">{_link(mark.hand_in, mark)}'
            f"{late}</td>")


def _link(hand_in: HandIn, mark: Optional[Mark] = None) -> str:
    shown = (f"{number(mark.points)} of {mark.of}" if mark else _text(hand_in.name))
    place = urllib.parse.quote(os.fsencode(hand_in.page))
    return f'<a href="{place}.html">{shown}</a>'


def sorted_table(heads: Iterable[tuple[str, bool]], rows: str) -> str:
    """A table whose headings sort it, by mouse or key."""
    cells = "".join(
        f'<th{" class=number" if number else ""}><button type="button">{name}</button></th>'
        for name, number in heads)
    return (f'<div class="wide" tabindex="0"><table class="sorted"><thead><tr>{cells}'
            f"</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n")


# ---- one hand-in ------------------------------------------------------------

def student_page(hand_in: HandIn, marks: Sequence[Mark]) -> str:
    """The verdict as its student sees it, the answers included."""
    grade = hand_in.grade
    up = "../" * hand_in.page.count("/")
    body = (f'<p><a href="{up}index.html">The class</a></p>\n<h1>{_text(hand_in.student)}</h1>\n'
            f'<p class="soft">{_text(hand_in.name)}, commit {_text(grade["commit"] or "-")}, '
            f'seed {grade["seed"]}</p>\n')
    for mark in marks:
        body += (f"<p>Lab {mark.lab}: <strong>{number(mark.points)} of {mark.of}</strong>"
                 + (f", {mark.late} days late" if mark.late else "") + "</p>\n")
    verdict = _text(report.FORMATS["terminal"](grade))
    body += f'<h2>Verdict</h2>\n<pre tabindex="0">{verdict}</pre>\n'
    answers = grade.get("answers", [])
    if answers:
        body += "<h2>Answers</h2>\n" + sorted_table(
            [("question", False), ("answer", False), ("outcome", False), ("", False)],
            "".join(f'<tr><td>{_text(a["id"])}</td><td>{_text(a["given"])}</td>'
                    f'<td>{_text(a["outcome"])}</td><td>{_text(a["message"] or "")}</td>'
                    "</tr>\n" for a in answers)).replace(
                        '<th><button type="button"></button></th>', "<td></td>")
    return page(_text(hand_in.student), body)
