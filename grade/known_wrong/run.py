"""Grades every known-wrong solution: the graders must catch each, by its cause.

    python3 run.py             all of grade/known_wrong/*.patch
    python3 run.py G06 E       those whose Id begins so
    python3 run.py --proof     only build each entry and frame mistake
                                       and print what the proof says of the stub

Each entry gets a fresh copy of the built tree, in which make builds what its
patch changed; then the tests of its lab run on that kernel, until one has caught
it and those that it names have run: so the table also tells what each test is the
first to catch. --every goes on to the last test, and tells what a test is the only
one to catch. An entry that must be accepted gets every test of all labs. Two entries run side by side, each
in a process forked from this one, which has pytest loaded already.

A run fails on a mistake that no test caught, that other tests caught than the
one named, whose cause is not the real one, or whose grading had to be ended
from outside; on a test that no mistake is caught by first, without a reason in
without.txt; and on anything that is the grader's own error. The result is
build/known-wrong.json; what pytest printed for an entry that is not as it must
be stays in build/known-wrong/ID.log.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import json
import multiprocessing
import multiprocessing.connection
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Iterable, Optional, Sequence

import pytest

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "grade"))
# pylint: disable=wrong-import-position
import labs  # noqa: E402
from intake import submission  # noqa: E402
from judge import probes  # noqa: E402
from labs import LABS  # noqa: E402
from machine import calibration, deadlines  # noqa: E402
from proof.prove import prove  # noqa: E402

PATCHES = TREE / "grade/known_wrong"
RESULT = TREE / "build/known-wrong.json"
LOGS = TREE / "build/known-wrong"
SCHEMA = 1

BUILD = "build"  # as the name of a test: the compiler must refuse it
PROVED = (3, 4)  # labs whose entries are also given to the proof

# One entry, in seconds: build and all its tests. Nothing may come near it. It is
# multiplied as deadlines.py's are, and by 4 where the tests of all labs run.
ENTRY = 60.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h: end with the parent


# ---- entries ----------------------------------------------------------------


class BadEntry(Exception):
    """A patch whose header does not say what it must."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of grade/known_wrong: a small change to the solved tree.

    tests     what must fail, "test_1_gdt.py::test_x" or "build".
    messages  a regular expression for the cause of each; the last serves for
              all tests that follow.
    rooms     files changed that are no student's.
    """

    id: str
    lab: int
    mistake: str
    path: Path
    accept: bool
    tests: tuple[str, ...]
    messages: tuple[str, ...]
    rooms: tuple[str, ...]
    files: tuple[str, ...]


def read_entry(path: Path) -> Entry:
    """Reads a patch's header and checks it against the tree."""
    header: dict[str, list[str]] = {}
    text = path.read_text()
    for line in text.splitlines():
        if line.startswith(("--- ", "diff ")):
            break
        match = re.fullmatch(r"([A-Z][a-z]+): +(.*\S)\s*", line)
        if match:
            header.setdefault(match[1], []).append(match[2])
        elif line.strip():
            raise BadEntry(f"{path.name}: not a header line: {line!r}")
    known = {"Id", "Lab", "Mistake", "Test", "Message", "Accept", "Room", "Note"}
    for key in header:
        if key not in known:
            raise BadEntry(f"{path.name}: unknown header {key}")
    for key in ("Id", "Lab", "Mistake"):
        if len(header.get(key, [])) != 1:
            raise BadEntry(f"{path.name}: one line '{key}:' is needed")
    entry = Entry(
        id=header["Id"][0], lab=int(header["Lab"][0]), mistake=header["Mistake"][0],
        path=path, accept=header.get("Accept") == ["yes"],
        tests=tuple(header.get("Test", [])), messages=tuple(header.get("Message", [])),
        rooms=tuple(header.get("Room", [])),
        files=tuple(re.findall(r"^\+\+\+ (?:b/)?(\S+)", text, re.MULTILINE)))
    check_entry(entry)
    return entry


def check_entry(entry: Entry) -> None:
    name = entry.path.name
    if name.partition("-")[0] != entry.id:
        raise BadEntry(f"{name}: Id is {entry.id}, the file's name says otherwise")
    if entry.lab not in LABS:
        raise BadEntry(f"{name}: there is no lab {entry.lab}")
    if entry.accept == bool(entry.tests or entry.messages):
        raise BadEntry(f"{name}: either 'Accept: yes', or 'Test:' and 'Message:'")
    if not entry.accept and not (entry.tests and entry.messages):
        raise BadEntry(f"{name}: 'Test:' and 'Message:' are both needed")
    for message in entry.messages:
        try:
            re.compile(message)
        except re.error as error:
            raise BadEntry(f"{name}: Message {message!r}: {error}") from None
    for test in entry.tests:
        if test != BUILD and not test_exists(test):
            raise BadEntry(f"{name}: there is no {test}")
    if not entry.files:
        raise BadEntry(f"{name}: changes no file")
    for file in entry.files:
        if file not in labs.FILES and file not in entry.rooms:
            raise BadEntry(f"{name}: changes {file}, which is no lab's; say "
                           f"'Room: {file}'")


def test_exists(test: str) -> bool:
    file, _, name = test.partition("::")
    function = re.escape(name.partition("[")[0])
    path = TREE / "grade" / file
    return path.exists() and bool(
        re.search(rf"^def {function}\(", path.read_text(), re.MULTILINE))


def entries(prefixes: Sequence[str] = (), patches: Path = PATCHES) -> list[Entry]:
    """The entries whose Id begins with one of the prefixes, or all."""
    found: list[Entry] = []
    seen: dict[str, str] = {}
    for path in sorted(patches.glob("*.patch")):
        if prefixes and not path.name.startswith(tuple(prefixes)):
            continue
        entry = read_entry(path)
        if entry.id in seen:
            raise BadEntry(f"{path.name}: {seen[entry.id]} has the same Id")
        seen[entry.id] = path.name
        found.append(entry)
    return found


# ---- building ---------------------------------------------------------------


class BuildFailed(Exception):
    """The compiler's first error, as a student reads it."""


def make_base(directory: Path) -> None:
    """A copy of what the kernel is built from, built."""
    (directory / "build").mkdir(parents=True)
    shutil.copytree(TREE / "kernel", directory / "kernel",
                    ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(TREE / "Makefile", directory)
    # What make has built already keeps its times, so make will not again.
    for name in ("kernel", "ksyms-first.S", "ksyms-first.o", "kernel-first.elf",
                 "ksyms.S", "ksyms.o", "kernel.elf", "tools-build"):
        source = TREE / "build" / name
        if source.is_dir():
            shutil.copytree(source, directory / "build" / name)
        elif source.exists():
            shutil.copy2(source, directory / "build")
    build(directory)


def build(directory: Path) -> Path:
    """Makes the kernel of a copied tree."""
    environment = {k: v for k, v in os.environ.items()
                   if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    done = subprocess.run(["make", "-s", "build/kernel.elf"], cwd=directory,
                          env=environment, capture_output=True, text=True,
                          timeout=deadlines.host())
    if done.returncode:
        raise BuildFailed(str(submission.first_error(done.stderr)))
    return directory / "build/kernel.elf"


def apply_patch(entry: Entry, directory: Path) -> None:
    done = subprocess.run(
        ["patch", "-p1", "-s", "-N", "--no-backup-if-mismatch", "-i",
         str(entry.path)], cwd=directory, capture_output=True, text=True,
        timeout=deadlines.host())
    if done.returncode:
        raise BadEntry(f"{entry.path.name} does not apply: "
                       f"{done.stdout.strip()} {done.stderr.strip()}")


def wrong_tree(prefix: str, directory: Path) -> Path:
    """A tree with one known-wrong solution, built, its programs, their sources and
    their archive in it: for who wants to look at one."""
    make_base(directory)
    apply_patch(entries([prefix])[0], directory)
    build(directory)
    shutil.copytree(TREE / "build/user", directory / "build/user")
    shutil.copytree(TREE / "user", directory / "user")
    shutil.copy2(TREE / "build/initrd.cpio", directory / "build")
    return directory


# ---- one entry, in a process of its own -------------------------------------


def grade_entry(entry: Entry, base: Path, directory: Path, extent: str,
                proof_only: bool, seed: int) -> None:
    """Applies, builds, proves and grades; leaves facts.json and tests.jsonl."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(directory / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    facts: dict[str, Any] = {}
    started = time.monotonic()
    try:
        tree = directory / "tree"
        shutil.copytree(base, tree, symlinks=True)
        apply_patch(entry, tree)
        kernel = build(tree)
        facts["build_seconds"] = round(time.monotonic() - started, 2)
        if entry.lab in PROVED:
            proof = prove(kernel)
            facts["proof"] = {
                "ok": proof.ok, "decided": proof.decided, "sentence": proof.sentence,
                "findings": [dataclasses.asdict(f) for f in proof.findings]}
        save(directory, facts)
        if not proof_only:
            facts["enough"] = run_tests(entry, kernel, directory, extent, seed)
    except BuildFailed as error:
        facts["build_error"] = str(error)
    except BadEntry as error:
        facts["bad"] = str(error)
    save(directory, facts)
    sys.stdout.flush()


def save(directory: Path, facts: dict[str, Any]) -> None:
    (directory / "facts.json").write_text(json.dumps(facts))


class UntilKnown:
    """For pytest: ends the run when a test has failed and all that the entry names
    have run. What comes after could only say again that the solution is wrong."""

    def __init__(self, entry: Entry, results: Path) -> None:
        self._names, self._results = set(entry.tests), results
        self._session: Optional[pytest.Session] = None
        self.reached = False

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session

    def pytest_runtest_logfinish(self) -> None:
        records, planned = read_records(self._results)
        waited = {name for name in planned
                  if {name, name.partition("[")[0]} & self._names}
        if (waited <= {r["name"] for r in records}
                and any(caught(r) for r in records)):
            assert self._session
            self._session.shouldstop = "enough is known"
            self.reached = True


def caught(record: dict[str, Any]) -> bool:
    """Did this test find the mistake, rather than not get to it?"""
    return record["outcome"] not in ("pass", "error", "blocked")


def run_tests(entry: Entry, kernel: Path, directory: Path, extent: str,
              seed: int) -> bool:
    """Runs the tests of an extent: "named", "known" or "every". Returns whether
    it ended before the last one because enough was known."""
    grade = TREE / "grade"
    files = {LABS[entry.lab].tests} | {t.partition("::")[0] for t in entry.tests
                                  if t != BUILD}
    if entry.accept:
        files = {lab.tests for lab in LABS.values()}
    chosen = [str(grade / file) for file in sorted(files)]
    if extent == "named" and not entry.accept:
        chosen = [str(grade / test) for test in entry.tests if test != BUILD]
    os.chdir(grade)
    until = UntilKnown(entry, directory / "tests.jsonl")
    pytest.main([*chosen, "-c", str(grade / "pytest.ini"), "--rootdir", str(grade),
                 "-n0", "-q", "-p", "no:cacheprovider", f"--kernel={kernel}",
                 f"--grade-results={directory / 'tests.jsonl'}", f"--seed={seed}"],
                plugins=[until] if extent == "known" and not entry.accept else [])
    return until.reached


# ---- the verdict on an entry ------------------------------------------------


@dataclasses.dataclass
class Outcome:
    """What became of one entry.

    verdict  caught, accepted, or what is wrong: survived, other test, wrong
             cause, refused, hung, error.
    named    whether the cause was the real one.
    failed   the tests that failed, in their order, with outcome and cause.
    """

    entry: Entry
    verdict: str
    detail: str = ""
    named: bool = False
    seconds: float = 0.0
    build_seconds: float = 0.0
    failed: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    proof: Optional[dict[str, Any]] = None

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
        judge_mistake(outcome)
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


def judge_mistake(outcome: Outcome) -> None:
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
    outcome.verdict, outcome.named = "caught", True


# ---- all entries ------------------------------------------------------------


class Progress:
    """A line that says how far it is; on a terminal it stays one line."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._started = time.monotonic()
        self._live = sys.stdout.isatty()

    def show(self, outcome: Outcome) -> None:
        self._done += 1
        if not outcome.good:
            self._clear()
            print(f"{outcome.entry.id}: {outcome.verdict}: {outcome.detail}")
        spent = time.monotonic() - self._started
        left = spent / self._done * (self._total - self._done)
        line = (f"{self._done} of {self._total}  {outcome.entry.id} "
                f"{outcome.verdict}  {outcome.seconds:.1f} s, "
                f"about {left:.0f} s left")
        if self._live:
            print(f"\r\x1b[K{line}", end="", flush=True)
        elif self._done % 20 == 0 or self._done == self._total:
            print(line, flush=True)

    def _clear(self) -> None:
        if self._live:
            print("\r\x1b[K", end="")

    def end(self) -> None:
        self._clear()


def grade_all(chosen: Sequence[Entry], jobs: int, extent: str = "known",
              proof_only: bool = False, quiet: bool = False, seed: int = 0
              ) -> list[Outcome]:
    """Grades entries, some at a time; the outcomes in the entries' order."""
    context = multiprocessing.get_context("fork")
    outcomes: dict[str, Outcome] = {}
    progress = None if quiet else Progress(len(chosen))
    with tempfile.TemporaryDirectory(prefix="known-wrong-") as scratch:
        base = Path(scratch) / "base"
        make_base(base)
        probes.base_archive()
        # The long ones first, so that no core is idle at the end.
        waiting = sorted(chosen, key=lambda entry: not entry.accept)
        running: list[tuple[Entry, Any, Path, float]] = []
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    entry = waiting.pop(0)
                    directory = Path(scratch) / entry.id
                    directory.mkdir()
                    process = context.Process(
                        target=grade_entry,
                        args=(entry, base, directory, extent, proof_only,
                              seed))
                    process.start()
                    running.append((entry, process, directory, time.monotonic()))
                multiprocessing.connection.wait(
                    [process.sentinel for _, process, _, _ in running], timeout=1)
                for item in list(running):
                    entry, process, directory, started = item
                    seconds = time.monotonic() - started
                    hung = process.is_alive() and seconds > (
                        ENTRY * deadlines.scale() * (4 if entry.accept else 1))
                    if process.is_alive() and not hung:
                        continue
                    end(process)
                    running.remove(item)
                    if proof_only:
                        outcome = judge_proof(entry, directory)
                    else:
                        outcome = judge(entry, directory, hung, seconds)
                    outcomes[entry.id] = outcome
                    keep_log(outcome, directory)
                    shutil.rmtree(directory, ignore_errors=True)
                    if progress:
                        progress.show(outcome)
        finally:
            for _, process, _, _ in running:
                end(process)
    if progress:
        progress.end()
    return [outcomes[entry.id] for entry in chosen]


def end(process: Any) -> None:
    """Ends an entry's process and its children; its QEMUs, in sessions of their
    own, die with it."""
    if process.is_alive():
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            process.kill()
    process.join()
    process.close()


def keep_log(outcome: Outcome, directory: Path) -> None:
    LOGS.mkdir(parents=True, exist_ok=True)
    kept = LOGS / f"{outcome.entry.id}.log"
    kept.unlink(missing_ok=True)
    if not outcome.good and (directory / "log").exists():
        shutil.copy(directory / "log", kept)


def judge_proof(entry: Entry, directory: Path) -> Outcome:
    """With --proof: an entry is good if it built."""
    facts = json.loads((directory / "facts.json").read_text())
    if "proof" not in facts:
        detail = facts.get("bad") or facts.get("build_error") or "no proof"
        good = "build_error" in facts
        return Outcome(entry, "caught" if good else "error", detail)
    return Outcome(entry, "caught", proof=facts["proof"])


# ---- what is told -----------------------------------------------------------


def by_test(outcomes: Iterable[Outcome]) -> dict[str, dict[str, list[str]]]:
    """Each test -> the mistakes it alone catches, catches first, and catches."""
    table: dict[str, dict[str, list[str]]] = {}
    for lab in LABS.values():
        path = TREE / "grade" / lab.tests
        if path.exists():
            for name in re.findall(r"^def (test_\w+)\(", path.read_text(),
                                   re.MULTILINE):
                table[f"{lab.tests}::{name}"] = {"only": [], "first": [], "caught": []}
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


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("id", nargs="*", help="grade the entries that begin so")
    parser.add_argument("--jobs", type=int, default=2, help="at a time (2)")
    parser.add_argument("--named", dest="extent", action="store_const",
                        const="named", default="known",
                        help="run only the tests that the entries name")
    parser.add_argument("--every", dest="extent", action="store_const", const="every",
                        help="run every test of an entry's lab")
    parser.add_argument("--proof", action="store_true",
                        help="print what the proof says of each stub")
    parser.add_argument("--seed", type=lambda text: int(text, 0), metavar="N",
                        help="repeat a run that printed this seed")
    parser.add_argument("--patches", type=Path, default=PATCHES, metavar="DIR",
                        help="other entries than those of this tree")
    parser.add_argument("--out", type=Path, metavar="FILE",
                        help="where the result goes (build/known-wrong.json, when "
                        "all entries are graded)")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        chosen = entries(options.id, options.patches)
    except BadEntry as error:
        print(f"known_wrong: {error}", file=sys.stderr)
        return 2
    if not chosen:
        print("known_wrong: no such entry", file=sys.stderr)
        return 2
    if options.proof:
        chosen = [e for e in chosen if e.lab in PROVED]
    deadlines.scale_by(calibration.scale())
    seed = options.seed
    if seed is None:
        seed = random.SystemRandom().getrandbits(32)
    if not options.proof:
        print(f"{len(chosen)} entries, {options.jobs} at a time; seed {seed}",
              flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        outcomes = grade_all(chosen, options.jobs, options.extent, options.proof,
                             quiet=options.proof, seed=seed)
    except KeyboardInterrupt:
        print("\nknown_wrong: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    if options.proof:
        print_proofs(outcomes)
        return 0 if all(o.good for o in outcomes) else 1
    result = document(outcomes, time.monotonic() - started)
    result.update(seed=seed, extent=options.extent)
    whole = not options.id and options.extent != "named"
    print_table(outcomes, result, whole)
    out = options.out or (RESULT if whole else None)
    if out:
        out.parent.mkdir(exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n")
    unexplained = whole and not all(result["without"].values())
    return 0 if all(o.good for o in outcomes) and not unexplained else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
