"""What became of an entry: caught by the test and the cause that it names, or not."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, Optional

from .entries import BUILD, Entry


def caught(record: dict[str, Any]) -> bool:
    """Did this test find the mistake, rather than not get to it?"""
    return record["outcome"] not in ("pass", "error", "blocked")


@dataclasses.dataclass
class Outcome:
    """What became of one entry.

    verdict  caught, accepted, or what is wrong: survived, other test, wrong
             cause, wrong line, refused, hung, error.
    named    whether the cause was the real one.
    failed   the tests that failed, in their order, with outcome and cause.
    passed   those that passed, and
    tests    all that were to run.
    """

    entry: Entry
    verdict: str
    detail: str = ""
    named: bool = False
    seconds: float = 0.0
    build_seconds: float = 0.0
    failed: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    proof: Optional[dict[str, Any]] = None
    passed: list[str] = dataclasses.field(default_factory=list)
    tests: list[str] = dataclasses.field(default_factory=list)

    @property
    def good(self) -> bool:
        return self.verdict in ("caught", "accepted")


def judge(entry: Entry, directory: Path, hung: bool, seconds: float) -> Outcome:
    """Reads what an entry's process left."""
    try:
        facts = json.loads((directory / "facts.json").read_text())
    except (OSError, ValueError):
        facts = {}
    outcome = Outcome(entry, "error", seconds=round(seconds, 2),
                      build_seconds=facts.get("build_seconds", 0.0),
                      proof=facts.get("proof"))
    records, planned = read_records(directory / "tests.jsonl")
    outcome.failed = [r for r in records if r["outcome"] != "pass"]
    outcome.passed = [r["name"] for r in records if r["outcome"] == "pass"]
    outcome.tests = planned
    if "bad" in facts:
        outcome.detail = facts["bad"]
    elif hung:
        outcome.verdict = "hung"
        done = len(records)
        outcome.detail = (f"ended after {seconds:.0f} s, {done} of {len(planned)} "
                          "tests done")
    elif "build_error" in facts:
        judge_build(outcome, facts["build_error"])
    elif not records or len(records) < len(planned) and not facts.get("enough"):
        outcome.detail = f"{len(records)} of {len(planned)} tests left a result"
    elif any(r["outcome"] == "error" for r in records):
        broken = next(r for r in records if r["outcome"] == "error")
        outcome.detail = f"{broken['name']}: {broken['cause']}"
    elif entry.accept:
        judge_accepted(outcome)
    else:
        judge_mistake(outcome, directory / "tree")
    return outcome


def read_records(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The results in the order of the tests, and the names of all tests."""
    if not path.exists():
        return [], []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    planned = [t["name"] for line in lines if "plan" in line for t in line["plan"]]
    # A test that breaks after its end leaves two lines: the last one counts.
    records = {line["name"]: line for line in lines if "plan" not in line}
    return sorted(records.values(), key=lambda r: planned.index(r["name"])
                  if r["name"] in planned else len(planned)), planned


def judge_build(outcome: Outcome, error: str) -> None:
    entry = outcome.entry
    outcome.detail = error
    outcome.failed = [{"name": BUILD, "outcome": "build", "cause": error}]
    if BUILD not in entry.tests:
        outcome.verdict = "error"
        outcome.detail = f"it does not build: {error}"
    elif re.search(entry.messages[0], error):
        outcome.verdict, outcome.named = "caught", True
    else:
        outcome.verdict = "wrong cause"


def judge_accepted(outcome: Outcome) -> None:
    if outcome.failed:
        outcome.verdict = "refused"
        outcome.detail = f"{outcome.failed[0]['name']}: {outcome.failed[0]['cause']}"
    else:
        outcome.verdict, outcome.named = "accepted", True


def judge_mistake(outcome: Outcome, tree: Path) -> None:
    entry = outcome.entry
    if not outcome.failed:
        outcome.verdict = "survived"
        return
    failed = {r["name"]: r for r in outcome.failed}
    for index, test in enumerate(entry.tests):
        record = failed.get(test) or next(
            (r for name, r in failed.items() if name.startswith(test + "[")), None)
        if record is None:
            outcome.verdict = "other test"
            outcome.detail = (f"{test} passed; caught by "
                              + ", ".join(sorted(failed)))
            return
        message = entry.messages[min(index, len(entry.messages) - 1)]
        if not re.search(message, record["cause"] or ""):
            outcome.verdict = "wrong cause"
            outcome.detail = (f"{test} says: {record['cause']!r}, "
                              f"not /{message}/")
            return
        line = line_at(tree, record.get("where"))
        if index < len(entry.lines) and not re.search(entry.lines[index], line):
            outcome.verdict = "wrong line"
            outcome.detail = (f"{test} says to look at {record.get('where')}: "
                              f"{line.strip()!r}, not /{entry.lines[index]}/")
            return
    outcome.verdict, outcome.named = "caught", True


def line_at(tree: Path, where: Optional[str]) -> str:
    """The source line that "kernel/gdt.c:49" names; nothing where it names none."""
    file, _, number = (where or "").partition(":")
    if not number.isdigit() or not (tree / file).is_file():
        return ""
    return dict(enumerate((tree / file).read_text().splitlines(), 1)).get(
        int(number), "")
