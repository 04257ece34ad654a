"""Grades the trees in which 0, 1, … all labs are solved: `make staircase`.

In the tree in which lab n is the next, all tests of the labs before it have to
pass, and no test of it or of a later lab may: one that passes there tests
nothing. The kernel has to build without a word, and when it is booted by hand it
has to end with a sentence and a status.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator

sys.path.insert(0, str(Path(__file__).resolve().parent))
# pylint: disable=wrong-import-position
import tree  # noqa: E402
from machine import deadlines, environment  # noqa: E402
from labs import LABS  # noqa: E402
from machine.qemu import Machine  # noqa: E402

# A program that shows by itself what each kernel lacks, and what is then said.
SHOWN_BY: dict[int, tuple[str, str]] = {
    1: ("/bin/hello", r"panic: gdt: no code segment for ring 3 .*\(lab 1\)"),
    2: ("/bin/hello", r"#UD at .*: syscall, but EFER.SCE is 0: .*\(lab 2\)"),
    3: ("/bin/hello", r"the instruction is ud2: code that is not there yet"),
    4: ("/bin/forktest", r"fork makes no process: .*\(lab 5\)"),
    5: ("/bin/forktest", r"fork makes no process: .*\(lab 5\)"),
    6: ("/bin/forktest", r"forktest: exit status 0"),
}


@dataclasses.dataclass(frozen=True)
class Landing:
    """What was found in the tree in which a lab is the next.

    built    what make said of the kernel, nothing if all is well.
    tests    the graders' results, as in build/grade.json, of the labs graded.
    console  of the machine booted by hand, and its status if it gave one.
    """

    lab: int
    built: str
    tests: list[dict[str, Any]]
    error: str | None
    console: str
    status: int | None
    graded: tuple[int, ...] = tuple(LABS)

    def counts(self, lab: int) -> tuple[int, int]:
        """How many tests of a lab passed, and how many there are."""
        of_lab = [test for test in self.tests if test["lab"] == lab]
        return sum(test["outcome"] == "pass" for test in of_lab), len(of_lab)

    @property
    def sentence(self) -> str:
        """The line of the console that says what is missing."""
        found = re.search(f".*{SHOWN_BY[self.lab][1]}.*", self.console)
        return found[0].strip() if found else ""

    def faults(self) -> Iterator[str]:
        """What is not as it has to be, in sentences."""
        if self.built:
            yield f"it does not build without a word:\n{self.built}"
        if self.error:
            yield f"the grader says: {self.error}"
        for lab in self.graded:
            if not self.counts(lab)[1]:
                yield f"lab {lab} has no tests"
        for test in self.tests:
            if test["outcome"] == "error":
                yield f"{test['name']}: the grader's own error: {test['cause']}"
            elif test["lab"] < self.lab and test["outcome"] != "pass":
                yield f"{test['name']} fails, with its lab solved: {test['cause']}"
            elif test["lab"] >= self.lab and test["outcome"] == "pass":
                yield f"{test['name']} passes, with its lab empty"
            if LABS[test["lab"]].task not in test["hint"]:
                yield f"{test['name']}: its hint does not say where the task is"
        if self.status is None:
            yield f"booted by hand it has no status:\n{self.console[-1000:]}"
        if not self.sentence:
            yield f"booted by hand it does not say what is missing:\n{self.console[-1000:]}"


def land(lab: int, directory: Path, seed: int, jobs: int = 1,
         graded: tuple[int, ...] = tuple(LABS)) -> Landing:
    """Makes the tree in which a lab is the next, and looks at it; the tests of
    some labs are enough if they are told."""
    place = tree.write(tree.files(None, lab), directory)
    done = tree.build(place, "build/kernel.elf")
    kernel = place / "build/kernel.elf"
    if done.returncode:
        return Landing(lab, done.stderr, [], None, "", None)
    grades = [grade_kernel(kernel, place, seed, jobs)] if graded == tuple(LABS) else [
        grade_kernel(kernel, place, seed, jobs, "--lab", str(one)) for one in graded]
    with Machine(SHOWN_BY[lab][0], kernel=kernel) as machine:
        result = machine.wait()
    return Landing(lab, done.stderr, [test for grade in grades for test in grade["tests"]],
                   next((grade["error"] for grade in grades if grade["error"]), None),
                   result.console, result.status, graded)


def grade_kernel(kernel: Path, place: Path, seed: int, jobs: int = 1,
                 *choices: str) -> dict[str, Any]:
    """The result of `make grade` on a kernel that is built already."""
    output = place / "build/grade.json"
    subprocess.run(
        [sys.executable, str(tree.TREE / "grade/grade.py"), "--kernel", str(kernel),
         "--submission", str(place), "--output", str(output), "--jobs", str(jobs),
         "--seed", str(seed), *choices],
        env=environment.without_make(), stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL, timeout=2 * deadlines.grading())
    return json.loads(output.read_text())  # type: ignore[no-any-return]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("lab", nargs="*", type=int, metavar="LAB",
                        help="look at the trees in which these are the next")
    parser.add_argument("--jobs", type=int, default=2, help="tests side by side (2)")
    options = parser.parse_args()
    seed = random.SystemRandom().getrandbits(32)
    print(f"Tests passed, of each lab, where lab n is the next; seed {seed}\n\n  n "
          + "".join(f" {lab.number} {lab.name:7}" for lab in LABS.values())
          + " status  booted by hand it says", flush=True)
    faults: list[str] = []
    for lab in options.lab or range(1, tree.ALL_SOLVED + 1):
        with tempfile.TemporaryDirectory(prefix="threshold-") as directory:
            landing = land(lab, Path(directory), seed, options.jobs)
        cells = "".join(f"  {'%d/%d' % landing.counts(number):8}" for number in LABS)
        status = "none" if landing.status is None else landing.status
        print(f"  {lab}{cells}{status:>6}  {landing.sentence}", flush=True)
        faults += [f"{lab}: {fault}" for fault in landing.faults()]
    print("\n" + ("\n".join(faults) or "All as it has to be."))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
