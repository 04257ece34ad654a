"""What is told of a run: the file build/known-wrong.json, and the table of it."""

from __future__ import annotations

import re
import subprocess
from typing import Any, Iterable, Optional, Sequence

from labs import LABS
from machine import deadlines
from machine.qemu import TREE

from .entries import PATCHES
from .verdict import Outcome, caught

SCHEMA = 1


def by_test(outcomes: Iterable[Outcome]) -> dict[str, dict[str, list[str]]]:
    """Each test -> the mistakes it alone catches, catches first, and catches."""
    table: dict[str, dict[str, list[str]]] = {}
    for file in (file for lab in LABS.values() for file in lab.tests):
        path = TREE / "grade" / file
        if path.exists():
            for name in re.findall(r"^def (test_\w+)\(", path.read_text(),
                                   re.MULTILINE):
                table[f"{file}::{name}"] = {"only": [], "first": [], "caught": []}
    for outcome in outcomes:
        if outcome.entry.accept:
            continue
        names = list(dict.fromkeys(
            r["name"].partition("[")[0] for r in outcome.failed if caught(r)))
        for place, name in enumerate(names):
            row = table.setdefault(name, {"only": [], "first": [], "caught": []})
            row["caught"].append(outcome.entry.id)
            if place == 0:
                row["first"].append(outcome.entry.id)
            if len(names) == 1:
                row["only"].append(outcome.entry.id)
    return table


def reasons() -> dict[str, str]:
    """Why a test may have no mistake that it catches first: lines of
    known_wrong/without.txt, "test_1_gdt.py::test_x: reason"."""
    path = PATCHES / "without.txt"
    if not path.exists():
        return {}
    lines = [line.split(": ", 1) for line in path.read_text().splitlines()
             if ": " in line and not line.startswith("#")]
    return {name: reason for name, reason in lines}


def document(outcomes: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    """build/known-wrong.json."""
    mistakes = [o for o in outcomes if not o.entry.accept]
    accepted = [o for o in outcomes if o.entry.accept]
    table = by_test(outcomes)
    why = reasons()

    def counts(some: Sequence[Outcome]) -> dict[str, int]:
        return {"total": len(some),
                "caught": sum(bool(o.failed) and o.verdict not in ("error", "hung")
                              for o in some),
                "cause_named": sum(o.named for o in some)}

    return {
        "schema": SCHEMA,
        "commit": commit(),
        "seconds": round(seconds, 1),
        **counts(mistakes),
        "accepted": {"total": len(accepted), "passed": sum(o.good for o in accepted)},
        "labs": {str(lab): counts([o for o in mistakes if o.entry.lab == lab])
                 for lab in LABS},
        "entries": [{
            "id": o.entry.id, "lab": o.entry.lab, "mistake": o.entry.mistake,
            "accept": o.entry.accept, "verdict": o.verdict, "detail": o.detail,
            "seconds": o.seconds, "build_seconds": o.build_seconds,
            "failed": [{k: r.get(k) for k in ("name", "outcome", "cause", "where",
                                              "seconds")} for r in o.failed],
            "proof": o.proof,
        } for o in outcomes],
        "tests": table,
        "without": {name: why.get(name, "") for name, row in table.items()
                    if not row["first"]},
    }


def commit() -> Optional[str]:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=TREE, text=True,
                          capture_output=True, timeout=deadlines.host())
    return done.stdout.strip() or None


def print_table(outcomes: Sequence[Outcome], result: dict[str, Any],
                whole: bool) -> None:
    """What a person reads; with the table by tests if all entries ran."""
    for o in outcomes:
        first = o.failed[0] if o.failed else None
        print(f"{o.entry.id:5} lab {o.entry.lab}  {o.verdict:11} {o.seconds:5.1f} s  "
              f"{o.entry.mistake}")
        if first and not o.entry.accept:
            named = next((r for r in o.failed if r["name"] in o.entry.tests), first)
            print(f"      {named['name'].partition('::')[2] or named['name']}")
            print(f"      {named['cause']}")
    if whole:
        print_tests(result)
    print(f"\n{result['caught']} of {result['total']} mistakes caught, the cause of "
          f"{result['cause_named']} named; {result['accepted']['passed']} of "
          f"{result['accepted']['total']} alternatives accepted; "
          f"{result['seconds']:.0f} s")
    for lab, row in result["labs"].items():
        print(f"  lab {lab}: {row['caught']} of {row['total']}, "
              f"{row['cause_named']} named")
    for o in outcomes:
        if not o.good:
            print(f"{o.entry.id}: {o.verdict}: {o.detail}")


def print_tests(result: dict[str, Any]) -> None:
    """What each test is there for."""
    every = result["extent"] == "every"
    print("\nMistakes that a test catches first" + (
        ", alone, and at all" if every else "") + "; those that it catches first:")
    for name, row in result["tests"].items():
        more = f" {len(row['only']):3} {len(row['caught']):3}" if every else ""
        print(f"{len(row['first']):4}{more}  {name}  {' '.join(row['first'])}")
    if result["without"]:
        print("\nNo mistake is caught first by:")
        for name, reason in result["without"].items():
            print(f"  {name}: {reason or 'no reason is given'}")


def print_proofs(outcomes: Sequence[Outcome]) -> None:
    for o in outcomes:
        if o.proof is None:
            says = f"does not build: {o.detail}"
        elif not o.proof["decided"]:
            says = o.proof["sentence"]
        elif o.proof["ok"]:
            says = "proved right"
        else:
            says = "\n      ".join(
                f"{f['where']}: {f['cause']}" for f in o.proof["findings"])
        print(f"{o.entry.id:5} {o.entry.mistake}\n      {says}")
