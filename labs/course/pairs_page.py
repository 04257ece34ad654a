"""The pairs of hand-ins that look most alike, side by side: one page, no network."""

from __future__ import annotations

import html
import re
from typing import Mapping, Sequence

from report.text import plain

from .alike import Pair
from .pages import page as whole_page
from .pages import sorted_table

# So many pairs are listed, and so many shown.
LISTED, SHOWN = 200, 40
COMMENT = re.compile(r"/\*.*?\*/|//.*")


def page(lab: int, found: Sequence[Pair], texts: Mapping[str, str],
         left_out: Mapping[str, str]) -> str:
    """What alike.html says of a class's pairs, ranked."""
    outstanding = sum(pair.stands_out for pair in found)
    body = (f"<h1>Lab {lab}: which hand-ins look alike</h1>\n"
            f"<p>{len(texts)} were compared, the solution among them; {outstanding} of "
            f"{len(found)} pairs stand out. Honest solutions of a short task are alike. "
            "This is a list to look at, not a verdict on anybody, and no mark comes "
            "from it.</p>\n<p>Code: how much of the two is the same, in percent, "
            "whatever its names, comments and layout. Words: the same of words, "
            "comments too. Above: how much of that is more than the two have in common "
            "with the rest of the class.</p>\n")
    body += _left_out(left_out) + _list(found[:LISTED])
    for number, pair in enumerate(found[:SHOWN], start=1):
        body += _side_by_side(number, pair, texts)
    return whole_page(f"Lab {lab}: alike", body)


def _left_out(left_out: Mapping[str, str]) -> str:
    items = "".join(f"<li>{_text(name)}: {_text(why)}</li>"
                    for name, why in left_out.items())
    return f"<h2>Not compared</h2>\n<ul>{items}</ul>\n" if items else ""


def _list(found: Sequence[Pair]) -> str:
    rows = "".join(
        f"<tr>{_number(at)}<td>{_link(at, pair)}</td>{_number(pair.code)}"
        f"{_number(pair.above_code)}{_number(pair.words)}{_number(pair.above_words)}"
        f'<td class="bad">{"stands out" if pair.stands_out else ""}</td></tr>\n'
        for at, pair in enumerate(found, start=1))
    return "<h2>Pairs</h2>\n" + sorted_table(
        [("rank", True), ("pair", False), ("code", True), ("above", True),
         ("words", True), ("above", True), ("note", False)], rows)


def _link(at: int, pair: Pair) -> str:
    name = f"{_text(pair.first)} - {_text(pair.second)}"
    return f'<a href="#pair-{at}">{name}</a>' if at <= SHOWN else name


def _number(value: float) -> str:
    return f'<td class="number">{value:.0f}</td>'


def _side_by_side(at: int, pair: Pair, texts: Mapping[str, str]) -> str:
    first, second = texts[pair.first], texts[pair.second]
    return (f'<h2 id="pair-{at}">{at}. {_text(pair.first)} - {_text(pair.second)}</h2>\n'
            f'<p class="soft">code {pair.code:.0f} %, words {pair.words:.0f} %; lines '
            "that are the same but for names, comments and layout are marked</p>\n"
            f'<div class="pair">{_column(pair.first, first, second)}'
            f"{_column(pair.second, second, first)}</div>\n")


def _column(name: str, text: str, other: str) -> str:
    there = {_shape(line) for line in other.split("\n")} - {""}
    lines = "\n".join(f"<mark>{_text(line)}</mark>" if _shape(line) in there
                      else _text(line)
                      for line in text.expandtabs(4).strip("\n").split("\n"))
    return f'<section><h3>{_text(name)}</h3><pre tabindex="0">{lines}</pre></section>'


def _shape(line: str) -> str:
    """A line without what a copy changes first: comment, names, layout. Nothing of a
    line without a letter, such as a brace. An instruction's string is kept."""
    code = COMMENT.sub("", line)
    if not re.search(r"\w", code):
        return ""
    if '"' not in code:
        code = re.sub(r"\b(?!struct\b|return\b|if\b|for\b|goto\b|while\b)[A-Za-z_]\w*"
                      r"(?!\w*\s*\()", "x", code)
    return "".join(code.split())


def _text(value: object) -> str:
    return html.escape(plain(str(value)))
