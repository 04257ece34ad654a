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
import json
import multiprocessing
import multiprocessing.connection
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Optional, Sequence

import pytest

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "grade"))
# pylint: disable=wrong-import-position
from intake.message import first_error  # noqa: E402
from judge import probes  # noqa: E402
from known_wrong.entries import (BUILD, PATCHES, BadEntry, Entry,  # noqa: E402
                                 entries)
from known_wrong.table import (document, print_proofs, print_table)  # noqa: E402
from known_wrong.verdict import Outcome, caught, judge, read_records  # noqa: E402
from labs import LABS  # noqa: E402
from machine import calibration, deadlines  # noqa: E402
from proof.prove import prove  # noqa: E402

RESULT = TREE / "build/known-wrong.json"
LOGS = TREE / "build/known-wrong"

PROVED = (3, 4)  # labs whose entries are also given to the proof

# One entry, in seconds: build and all its tests. Nothing may come near it. It is
# multiplied as deadlines.py's are, and by 4 where the tests of all labs run.
ENTRY = 60.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h: end with the parent


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
        raise BuildFailed(str(first_error(done.stderr)))
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
                "findings": [{"kind": f.kind.name, "cause": f.cause,
                              "where": f.where} for f in proof.findings]}
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
    """For pytest: ends the run when a test has failed and all of these names have run. What comes after could only say again that the solution is wrong."""

    def __init__(self, names: Sequence[str], results: Path) -> None:
        self._names, self._results = set(names), results
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


def run_tests(entry: Entry, kernel: Path, directory: Path, extent: str,
              seed: int) -> bool:
    """Runs the tests of an extent: "named", "first" of those that has caught it,
    "known" or "every". Returns whether it ended before the last one because enough
    was known."""
    grade = TREE / "grade"
    named = {test.partition("::")[0] for test in entry.tests}
    chosen = [str(grade / file) for lab in LABS.values() for file in lab.tests
              if entry.accept or lab.number == entry.lab or file in named]
    if extent in ("named", "first") and not entry.accept:
        chosen = [str(grade / test) for test in entry.tests if test != BUILD]
    os.chdir(grade)
    waited = () if extent == "first" else entry.tests
    until = UntilKnown(waited, directory / "tests.jsonl")
    pytest.main([*chosen, "-c", str(grade / "pytest.ini"), "-o", "addopts=",
                 "--rootdir", str(grade), "-n0", "-q", "-p", "no:cacheprovider", f"--kernel={kernel}",
                 f"--grade-results={directory / 'tests.jsonl'}", f"--seed={seed}"],
                plugins=[until] if extent in ("known", "first") and not entry.accept else [])
    return until.reached


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
              proof_only: bool = False, quiet: bool = False, seed: int = 0,
              progress_as: type[Progress] = Progress) -> list[Outcome]:
    """Grades entries, some at a time; the outcomes in the entries' order."""
    context = multiprocessing.get_context("fork")
    outcomes: dict[str, Outcome] = {}
    progress = None if quiet else progress_as(len(chosen))
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
