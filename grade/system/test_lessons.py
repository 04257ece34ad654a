"""Every lesson of /bin passes on both firmwares, and where the timer strikes
between any two instructions.

QEMU takes interrupts only between blocks of instructions. With one_by_one a
block is one instruction, and with icount a block may end anywhere; at a
thousand ticks a second every window in the stubs is hit sooner or later.
"""

from __future__ import annotations

import platform
import subprocess
from typing import Any

import pytest

from machine import deadlines
from machine.qemu import TREE, Machine, Result, run

LESSONS = [
    "hello",
    "regs 7",
    "args6",
    "flags",
    "redzone",
    "hostile",
    "crash",
    "preempt",
    "interleave",
    "forktest",
    "forktree 3",
    "forkmem",
    "exectest 20",
    "waittest 100",
    "signals",
    "handler",
    "filetest",
    "jobtest",
    "stress 1 2000",
]

ways = pytest.mark.parametrize("options", [
    pytest.param({}, id="qboot"),
    pytest.param({"firmware": "seabios"}, id="seabios"),
    pytest.param({"icount": "shift=3,sleep=off", "append": "hz=1000"},
                 id="icount"),
    pytest.param({"one_by_one": True, "append": "hz=1000"}, id="one-by-one"),
])

# The host must not be given random calls; test_terminal.py has a terminal for jobtest.
NOT_ON_THE_HOST = {"stress 1 2000", "jobtest"}


@ways
@pytest.mark.parametrize("lesson", LESSONS)
def test_the_lesson_passes(lesson: str, options: dict[str, Any]
                          ) -> None:
    result = run(f"/bin/{lesson}", **options)
    assert result.status == 0, result.report
    assert "WRONG" not in result.console, result.report


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the host is no x86-64 Linux")
@pytest.mark.parametrize("lesson", sorted(set(LESSONS) - NOT_ON_THE_HOST))
def test_what_the_lesson_teaches_is_true_on_linux(lesson: str) -> None:
    name, *arguments = lesson.split()
    done = subprocess.run(
        [TREE / "build/user" / name, *arguments], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=deadlines.host())
    assert done.returncode == 0, done.stdout


def test_every_program_of_the_lessons_is_there() -> None:
    with Machine("/bin/ls /bin") as machine:
        names = machine.wait().console.split()
    missing = {lesson.split()[0] for lesson in LESSONS} - set(names)
    assert not missing


@pytest.mark.parametrize("seed", range(1, 6))
def test_registers_survive_with_other_patterns(seed: int) -> None:
    result = run(f"/bin/regs {seed * 0x9E3779B97F4A7C15 % 2**63}")
    assert result.status == 0, result.report


def test_regs_prints_one_line_for_each_call_it_checks() -> None:
    result: Result = run("/bin/regs 1")
    lines = [line for line in result.console.splitlines()
             if line.startswith("regs: ") and line.endswith(" ok")]
    assert len(lines) > 40, result.report
