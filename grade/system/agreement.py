"""The model of docs/player/model against QEMU, on wrong stubs: a table.

    python3 grade/system/agreement.py            all stubs; build/agreement.md
    python3 grade/system/agreement.py --every 20 each twentieth

The stubs are those of grade/known_wrong that change the entry stub, and the right
one with each instruction left out and each two neighbours exchanged. Each is built
into a kernel, on which /bin/regs makes a call with a pattern in every register; the
call is recorded in QEMU (grade/replay), and run again on the model from the same
state. Compared are how it ended and where, whether C was called, its seven
arguments, the sixteen words of the frame, and every register that came back wrong,
with whose value it holds. What C does is no part of a stub: its effect on the
registers that it need not keep is taken as QEMU had it.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

TREE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "grade"), str(TREE / "docs/player")]
# pylint: disable=wrong-import-position
import page  # noqa: E402
from known_wrong import run as known_wrong  # noqa: E402
from machine import deadlines  # noqa: E402
from machine.gdb_remote import GdbError  # noqa: E402
from machine.result import MachineError  # noqa: E402
from replay.recorder import Recorder, TraceError  # noqa: E402
from stub import SOURCE, Unreadable, layout, statements, stub_lines  # noqa: E402

GETPID = 39
NODE = "node"
# One at a time from JSON to JSON: the model's rooms do not know what runs them.
SCRIPT = """
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map(([trace, lines, layout]) => (
  globalThis.agreement(trace, lines, layout)))));
"""

Trace = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Wrong:
    """A wrong stub: a known-wrong solution, or the right one's source changed."""

    name: str
    what: str
    source: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Agreement:
    """What came of one stub."""

    wrong: Wrong
    outcome: str  # same, different, outside; unbuilt, unrecorded
    why: str = ""
    qemu: tuple[str, ...] = ()
    model: tuple[str, ...] = ()


def known() -> Iterator[Wrong]:
    """The known-wrong solutions that change the entry stub."""
    for entry in known_wrong.entries():
        if f"+++ b/{SOURCE}" in entry.path.read_text():
            yield Wrong(entry.id, entry.mistake)


def changed() -> Iterator[Wrong]:
    """The right stub with an instruction left out, or two neighbours exchanged."""
    source = (TREE / SOURCE).read_text()
    parts = [(start, end, lines[0]["text"]) for start, end, lines in statements(TREE)
             if lines and not lines[0]["text"].endswith(":")]
    for i, (start, end, text) in enumerate(parts[:-1]):  # not the last, UD2
        yield Wrong(f"L{i + 1:02}", f"without {text}", source[:start] + source[end:])
    for i, (one, two) in enumerate(zip(parts[:-2], parts[1:-1])):
        if one[2] == two[2]:
            continue
        swapped = (source[:one[0]] + source[two[0]:two[1]] + source[one[1]:two[0]]
                   + source[one[0]:one[1]] + source[two[1]:])
        yield Wrong(f"X{i + 1:02}", f"{two[2]} before {one[2]}", swapped)


def wrong_tree(wrong: Wrong, base: Path, directory: Path) -> None:
    """A built tree with a wrong stub."""
    shutil.copytree(base, directory)
    if wrong.source is None:
        known_wrong.apply_patch(known_wrong.entries([wrong.name])[0], directory)
    else:
        (directory / SOURCE).write_text(wrong.source)
    known_wrong.build(directory)
    for name in ("build/user", "user"):
        shutil.copytree(TREE / name, directory / name)
    shutil.copy2(TREE / "build/initrd.cpio", directory / "build")


# The second getpid of regs has a pattern in every register. Where the machine does not
# come so far, a program's first call must do.
CALLS: Sequence[tuple[str, Optional[int], int]] = (
    ("/bin/regs 7", GETPID, 2), ("/bin/regs 7", None, 1), ("/bin/hello", None, 1))


# What may keep a stub from being recorded: it makes no call, or it takes QEMU along.
CANNOT = (TraceError, MachineError, GdbError)


def recorded_or_again(tree: Path) -> Trace:
    """What is recorded, at the second attempt if not at the first: a busy host may make
    QEMU late, a stub that cannot be recorded stays so."""
    try:
        return recorded(tree)
    except CANNOT:
        return recorded(tree)


def unrecorded(error: Exception) -> str:
    """The row of a stub that there is nothing to compare of."""
    return f"could not be recorded: {first_line(error)}"


def first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def recorded(tree: Path) -> Trace:
    """The first of CALLS that the machine makes, recorded; TraceError where it makes
    none, or does not come to an end."""
    problem = "no call was made"
    for program, number, count in CALLS:
        try:
            trace = Recorder(program, number, count, tree=tree).record()
        except CANNOT as error:
            problem = first_line(error)
            continue
        if _has_call(trace):
            return trace
        problem = trace.get("problem", problem)
    raise TraceError(problem)


def _has_call(trace: Trace) -> bool:
    return any(section["id"] == "call" for section in trace["sections"])


def on_model(cases: Sequence[tuple[Trace, list[str], Any]]) -> list[dict[str, Any]]:
    """What the model's rooms say of recorded calls, run by Node."""
    script = page.bundle("try.html", "model/agree.js", until="model/verdict.js") + SCRIPT
    done = subprocess.run([NODE, "-e", script], input=json.dumps(cases), text=True,
                          capture_output=True, check=True, timeout=deadlines.long_run())
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def compare(wrong: Wrong, base: Path) -> Agreement:
    """One stub, in QEMU and on the model."""
    with tempfile.TemporaryDirectory(prefix="threshold-stub-") as name:
        tree = Path(name) / "tree"
        try:
            wrong_tree(wrong, base, tree)
        except known_wrong.BuildFailed as error:
            return Agreement(wrong, "unbuilt", str(error))
        try:
            lines = [line["text"] for line in stub_lines(tree)]
        except Unreadable as error:
            return Agreement(wrong, "outside", str(error))
        try:
            trace = recorded_or_again(tree)
        except CANNOT as error:
            return Agreement(wrong, "unrecorded", unrecorded(error))
        [found] = on_model([(trace, lines, layout(tree))])
    return Agreement(wrong, found["outcome"], found.get("why") or "; ".join(
        found.get("remarks") or []), tuple(found["qemu"]), tuple(found["model"]))


def compare_all(stubs: Sequence[Wrong], jobs: int = 2) -> list[Agreement]:
    """All stubs, some side by side."""
    with tempfile.TemporaryDirectory(prefix="threshold-stubs-") as name:
        base = Path(name) / "base"
        known_wrong.make_base(base)
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(lambda wrong: compare(wrong, base), stubs))


def counts(found: Sequence[Agreement]) -> dict[str, int]:
    """How many of each outcome."""
    return {outcome: sum(one.outcome == outcome for one in found)
            for outcome in ("same", "different", "outside", "unbuilt", "unrecorded")}


def table(found: Sequence[Agreement]) -> str:
    """The table, in Markdown."""
    rows = [f"| {one.wrong.name} | {one.wrong.what} | {one.outcome} | {_summary(one)} |"
            for one in found]
    numbers = ", ".join(f"{number} {outcome}" for outcome, number in counts(found).items()
                        if number)
    return "\n".join([f"{len(found)} stubs: {numbers}", "",
                      "| stub | mistake | outcome | what QEMU and the model say |",
                      "| --- | --- | --- | --- |", *rows, ""])


def _summary(one: Agreement) -> str:
    """Where they agree, what on; elsewhere, what each says alone."""
    if one.outcome == "same":
        text = "; ".join(one.qemu)
    elif one.outcome == "different":
        text = (f"QEMU alone: {'; '.join(s for s in one.qemu if s not in one.model)}. "
                f"The model alone: {'; '.join(s for s in one.model if s not in one.qemu)}")
    else:
        text = one.why
    return text.replace("|", "\\|")[:300]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, metavar="N",
                        help="only each Nth stub")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, default=TREE / "build/agreement.md")
    options = parser.parse_args()
    found = compare_all([*known(), *changed()][::options.every], options.jobs)
    options.output.write_text(table(found))
    print(table(found).splitlines()[0])
    for one in found:
        if one.outcome == "different":
            print(f"  {one.wrong.name} {one.wrong.what}: {_summary(one)}")
    print(f"{options.output}: the table")
    return 1 if counts(found)["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
