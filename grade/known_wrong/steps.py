"""Makes each mistake while its lab is being done: the causes must be named then, too.

    python3 steps.py           all entries
    python3 steps.py E1 F      those whose Id begins so

A student's solution is unfinished when it is wrong. The solution is typed in the
steps of labs/steps.toml, as by `make steps`; the labs after it are empty. An entry is
tried at each step before the last by which the lines that it changes are typed. The
tests that a right solution passes at that step run; does the first one that does not
pass name the cause? It does if the entry's Message matches, or its Cause: a regular
expression for the cause alone, since another test tells it than the one that finds it
in the finished solution. Where a right solution passes nothing yet, the lab's first
test is asked.

A run fails where the cause is not named, or every such test passes (the mistake does
not show yet), unless unnamed.txt says why that is right: `E35 5-7: reason`.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Iterator, Optional, Sequence

TREE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "grade"), str(TREE / "labs")]
# pylint: disable=wrong-import-position
import steps as typing_steps  # noqa: E402
import tree as handed_out  # noqa: E402
from known_wrong import run  # noqa: E402
from known_wrong.entries import BUILD, BadEntry, Entry, entries  # noqa: E402
from known_wrong.verdict import Outcome  # noqa: E402
from labs import FILES, LABS  # noqa: E402
from machine import calibration, deadlines  # noqa: E402

REASONS = Path(__file__).with_name("unnamed.txt")


@dataclasses.dataclass(frozen=True)
class Trial:
    """An entry at a step: the files of its lab with what is typed by then, wrong."""

    entry: Entry
    step: int
    files: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.entry.id}-{self.step}"


# ---- what can be tried ------------------------------------------------------


def trials(entry: Entry) -> Iterator[Trial]:
    """An entry at each step where the mistake can be made."""
    if entry.accept or BUILD in entry.tests or not set(entry.files) <= set(
            LABS[entry.lab].files):
        return
    wrong = patched(entry)
    steps = typing_steps.steps_of(entry.lab)
    for step in steps[:-1]:
        files = {name: unfinished(name, wrong[name], step) for name in step.files}
        if all(text is not None for text in files.values()):
            yield Trial(entry, step.number,
                        {name: text for name, text in files.items() if text})


def patched(entry: Entry) -> dict[str, str]:
    """The files of an entry's lab with its mistake, finished."""
    with tempfile.TemporaryDirectory(prefix="known-wrong-") as directory:
        for name in LABS[entry.lab].files:
            place = Path(directory) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text((TREE / name).read_text())
        run.apply_patch(entry, Path(directory))
        return {name: (Path(directory) / name).read_text()
                for name in LABS[entry.lab].files}


def unfinished(name: str, wrong: str, step: typing_steps.Step) -> Optional[str]:
    """A wrong file without what is not typed yet; None where that includes a line
    which the mistake changes or comes after."""
    right = (TREE / name).read_text().split("\n")
    left_out = step.left_out[name]
    lines: list[str] = []
    matcher = difflib.SequenceMatcher(None, right, wrong.split("\n"), autojunk=False)
    for kind, first, last, new_first, new_last in matcher.get_opcodes():
        if kind == "equal":
            lines += [right[at] for at in range(first, last) if at not in left_out]
            continue
        touched = range(first, last) if kind != "insert" else range(
            before(right, first), first)
        if left_out & set(touched):
            return None
        lines += wrong.split("\n")[new_first:new_last]
    return "\n".join(lines)


def before(lines: Sequence[str], at: int) -> int:
    """The line of code before a place."""
    for number in range(at - 1, -1, -1):
        text = lines[number].strip()
        if text and not text.startswith(("/*", "*")):
            return number
    return 0


def as_entry(trial: Trial, tests: Sequence[str], directory: Path) -> Entry:
    """A trial as a patch of the solved tree, with the later labs empty, and the tests
    that are asked."""
    lab = trial.entry.lab
    cut = {name: data.decode() for name, (_, data) in
           handed_out.files(None, lab).items() if name in FILES}
    files = {**cut, **trial.files}
    patch = directory / f"{trial.name}.patch"
    patch.write_text("".join(
        line for name, text in sorted(files.items()) for line in difflib.unified_diff(
            (TREE / name).read_text().splitlines(True), text.splitlines(True),
            f"a/{name}", f"b/{name}")))
    return dataclasses.replace(trial.entry, id=trial.name, path=patch,
                               tests=tuple(tests))


def passing(wanted: Sequence[Trial], directory: Path, jobs: int, seed: int
            ) -> dict[tuple[int, int], list[str]]:
    """By lab and step: the tests that the right solution passes there; if none, the
    lab's first one."""
    rights = {(t.entry.lab, t.step): Trial(
        dataclasses.replace(t.entry, id=f"right{t.entry.lab}"), t.step,
        {name: data.decode() for name, data in step_of(t).files.items()})
        for t in wanted}
    outcomes = run.grade_all([as_entry(right, (), directory)
                              for right in rights.values()], jobs, "every", quiet=True,
                             seed=seed)
    return {key: outcome.passed or outcome.tests[:1]
            for key, outcome in zip(rights, outcomes)}


def step_of(trial: Trial) -> typing_steps.Step:
    return typing_steps.steps_of(trial.entry.lab)[trial.step - 1]


# ---- what is told -----------------------------------------------------------


def story(outcome: Outcome) -> str:
    """What the first test that did not pass says; "" where there is none."""
    told = [r for r in outcome.failed if r["outcome"] != "blocked"]
    return str(told[0]["cause"]) if told else ""


class Count(run.Progress):
    """How far it is, without a word on how each trial ended."""

    def show(self, outcome: Outcome) -> None:
        super().show(dataclasses.replace(outcome, verdict="caught"))


def names_the_cause(entry: Entry, text: str) -> bool:
    return any(re.search(pattern, text)
               for pattern in (*entry.causes, *entry.messages))


def reasons() -> dict[str, str]:
    """Trial -> why its cause need not be named, from unnamed.txt."""
    found: dict[str, str] = {}
    for line in REASONS.read_text().splitlines():
        match = re.fullmatch(r"(\w+) (\d)(?:-(\d))?: (.+)", line)
        if match:
            for step in range(int(match[2]), int(match[3] or match[2]) + 1):
                found[f"{match[1]}-{step}"] = match[4]
        elif line and not line.startswith("#"):
            raise BadEntry(f"{REASONS.name}: not `Id step: reason`: {line!r}")
    return found


def report(tried: Sequence[tuple[Trial, Outcome]], known: dict[str, str]
           ) -> list[str]:
    """Prints both tables; gives what is not as it must be."""
    faults: list[str] = []
    unnamed: list[tuple[Trial, str]] = []
    hidden: list[str] = []
    for trial, outcome in tried:
        text = story(outcome)
        if outcome.verdict in ("error", "hung") and not text:
            faults.append(f"{trial.name}: {outcome.verdict}: {outcome.detail}")
        elif not text:
            hidden.append(trial.name)
            if trial.name not in known:
                faults.append(f"{trial.name}: no test sees it, and no reason is given")
        elif names_the_cause(trial.entry, text):
            print(f"{trial.name:7} named      {text}")
            if trial.name in known:
                faults.append(f"{trial.name} is named; {REASONS.name} has it")
        else:
            unnamed.append((trial, text))
            if trial.name not in known:
                faults.append(f"{trial.name}: the cause is not named: {text!r}")
    print(f"\nNot named, and why that is right ({len(unnamed)} of {len(tried)}):")
    for trial, text in unnamed:
        print(f"{trial.name:7} {known.get(trial.name, 'no reason is given')}\n"
              f"        {text}")
    print(f"\nNot to be seen yet: what is typed passes all that the right solution "
          f"passes at that step ({len(hidden)} of {len(tried)}):")
    for name in hidden:
        print(f"{name:7} {known.get(name, 'no reason is given')}")
    return faults


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("id", nargs="*", help="try the entries that begin so")
    parser.add_argument("--jobs", type=int, default=2, help="at a time (2)")
    parser.add_argument("--seed", type=lambda text: int(text, 0), metavar="N",
                        help="repeat a run that printed this seed")
    options = parser.parse_args(arguments)
    deadlines.scale_by(calibration.scale())
    seed = options.seed
    if seed is None:
        seed = random.SystemRandom().getrandbits(32)
    chosen = [trial for entry in entries(options.id) for trial in trials(entry)]
    print(f"{len(chosen)} trials; seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="known-wrong-") as directory:
        scratch = Path(directory)
        tests = passing(chosen, scratch, options.jobs, seed)
        outcomes = run.grade_all(
            [as_entry(trial, tests[trial.entry.lab, trial.step], scratch)
             for trial in chosen], options.jobs, "first", seed=seed, progress_as=Count)
    faults = report(list(zip(chosen, outcomes)), reasons())
    print("\n" + ("\n".join(faults) or "All as it has to be."))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
