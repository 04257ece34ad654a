"""Types each lab's solution in the steps of its handout, and grades each step:
`make steps`.

labs/steps.toml says which lines a step adds. The labs before are solved, those
after it empty. A step has to build, to turn a test green (or to say what else
shows that it is right), and to turn none red; after the last all are green.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parent))
# pylint: disable=wrong-import-position
import cut  # noqa: E402
import tree  # noqa: E402
from intake import build  # noqa: E402
from intake.error import SubmissionError  # noqa: E402
from labs import FILES, LABS  # noqa: E402
from staircase import grade_kernel  # noqa: E402

try:
    import tomllib
except ImportError:  # before Python 3.11
    import tomli as tomllib  # type: ignore[import-not-found,no-redef]

STEPS = tree.TREE / "labs/steps.toml"


class StepsError(Exception):
    """What does not fit in steps.toml."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of a lab's task.

    files     the lab's files when it is done.
    left_out  the lines of the solved files that are not typed then, from 0.
    seen      how it is seen to be right, where no test turns green.
    """

    lab: int
    number: int
    title: str
    files: dict[str, bytes]
    left_out: dict[str, set[int]]
    seen: str


def steps_of(lab: int) -> list[Step]:
    """A lab's steps, each with all that was typed before it."""
    described = tomllib.loads(STEPS.read_text()).get(f"lab{lab}", [])
    if not described:
        raise StepsError(f"steps.toml has no steps of lab {lab}")
    solved = {name: (tree.TREE / name).read_text() for name in LABS[lab].files}
    lines = [(name, at) for name, text in solved.items() for at in _code(name, text)]
    typed: set[tuple[str, int]] = set()
    steps: list[Step] = []
    for number, step in enumerate(described, 1):
        for beginning in step["lines"]:
            found = [(name, at) for name, at in lines if (name, at) not in typed
                     and solved[name].split("\n")[at].strip().startswith(
                         beginning.removesuffix("*"))]
            if not found:
                raise StepsError(f"lab {lab}, step {number}: no line left that begins "
                                 f"with {beginning!r}")
            typed.update(found if beginning.endswith("*") else found[:1])
        left_out = {name: {at for other, at in lines if other == name} - {
            at for other, at in typed if other == name} for name in solved}
        steps.append(Step(lab, number, step["title"], {
            name: _without(text, left_out[name]) for name, text in solved.items()},
            left_out, step.get("seen", "")))
    for name, at in lines:
        if (name, at) not in typed:
            raise StepsError(f"{name}:{at + 1} is in no step of lab {lab}")
    return steps


def _code(name: str, text: str) -> Iterator[int]:
    """The lines of the holes that are code, counted from 0."""
    lines = text.split("\n")
    for region in cut.regions(name, text):
        inside = False
        for at in range(region.first, region.last + 1):
            begins = lines[at].strip().startswith("/*")
            if lines[at].strip() and not begins and not inside:
                yield at
            inside = (begins or inside) and "*/" not in lines[at]


def _without(text: str, left_out: set[int]) -> bytes:
    """A file without some of its lines."""
    lines = text.split("\n")
    return "\n".join(line for at, line in enumerate(lines)
                     if at not in left_out).encode()


@dataclasses.dataclass(frozen=True)
class Graded:
    """A step, and the names of the lab's tests before and after it."""

    step: Step
    tests: list[str]
    before: set[str]
    green: set[str]
    error: str | None

    @property
    def turned(self) -> list[str]:
        """The tests that it turned green, in their order."""
        return [name for name in self.tests if name in self.green - self.before]

    def faults(self) -> Iterator[str]:
        """What is not as it has to be."""
        where = f"lab {self.step.lab}, step {self.step.number}"
        if self.error:
            yield f"{where}: {self.error}"
        if not self.turned and not self.step.seen:
            yield f"{where} turns no test green and does not say why"
        if self.turned and self.step.seen:
            yield f"{where} turns tests green; `seen` is not needed"
        for name in sorted(self.before - self.green):
            yield f"{where} turns {name} red"


def walk(lab: int, seed: int, jobs: int = 1) -> Iterator[Graded]:
    """Types and grades a lab's steps."""
    # The labs before this one are solved, and it and all later ones are empty.
    others = {name: data for name, (_, data) in tree.files(None, lab).items()
              if name in FILES}
    green: set[str] = set()
    for step in steps_of(lab):
        done = _grade({**others, **step.files}, lab, seed, jobs)
        tests = [test["name"] for test in done["tests"]]
        now = {test["name"] for test in done["tests"] if test["outcome"] == "pass"}
        yield Graded(step, tests, green, now, done["error"])
        green = now


def _grade(files: dict[str, bytes], lab: int, seed: int, jobs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="threshold-") as directory:
        place = Path(directory)
        (place / "build").mkdir()
        try:
            kernel = build.kernel(files, place)
        except SubmissionError as error:
            return {"tests": [], "error": error.message}
        return grade_kernel(kernel, place, seed, jobs, "--lab", str(lab))


def all_faults(walked: Sequence[Graded]) -> list[str]:
    """What is not as it has to be in a lab's steps."""
    faults = [fault for graded in walked for fault in graded.faults()]
    last = walked[-1]
    return faults + [f"lab {last.step.lab}: {name} is red after the last step"
                     for name in last.tests if name not in last.green]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("lab", nargs="*", type=int, metavar="LAB",
                        help="only these labs")
    parser.add_argument("--jobs", type=int, default=2, help="tests side by side (2)")
    options = parser.parse_args()
    seed = random.SystemRandom().getrandbits(32)
    faults: list[str] = []
    for lab in options.lab or LABS:
        walked: list[Graded] = []
        print(f"\n{LABS[lab].task}; seed {seed}", flush=True)
        for graded in walk(lab, seed, options.jobs):
            walked.append(graded)
            step = graded.step
            print(f"  {step.number}. {step.title:30} {len(graded.green):2} of "
                  f"{len(graded.tests)}"
                  + (f"   seen by: {step.seen}" if step.seen else ""), flush=True)
            for name in graded.turned:
                print(f"       {name.partition('::test_')[2]}")
        faults += all_faults(walked)
    print("\n" + ("\n".join(faults) or "All as it has to be."))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
