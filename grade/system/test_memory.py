"""What is taken is given back: as many pages are free after as before."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from machine import deadlines
from machine.programs import Programs, archive_with
from machine.qemu import Result, run


def free_before_and_after(result: Result) -> tuple[int, int]:
    match = re.search(r"free pages before (\d+) after (\d+)", result.console)
    assert match, result.report
    return int(match[1]), int(match[2])


@pytest.mark.parametrize("program", ["waittest 10000", "exectest 1000"])
def test_thousands_of_processes_cost_no_page(program: str) -> None:
    result = run(f"/bin/{program}", deadline=deadlines.long_run())
    assert result.status == 0, result.report
    before, after = free_before_and_after(result)
    assert before == after, result.report


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_calls_do_no_harm(seed: int) -> None:
    result = run(f"/bin/stress {seed} 20000", deadline=deadlines.long_run())
    assert result.status == 0, result.report
    before, after = free_before_and_after(result)
    assert before == after, result.report


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 11))
def test_a_million_random_calls_do_no_harm(seed: int) -> None:
    result = run(f"/bin/stress {seed} 1000000", deadline=deadlines.long_run())
    assert result.status == 0, result.report
    before, after = free_before_and_after(result)
    assert before == after, result.report


def test_a_machine_with_little_memory_still_runs_the_lessons() -> None:
    result = run("/bin/forktree 3", memory=16)
    assert result.status == 0, result.report


def test_a_full_disk_is_said_and_loses_nothing(programs: Programs, tmp_path: Path
                                               ) -> None:
    initrd = archive_with({"bin/full": programs["full"]}, tmp_path / "initrd.cpio")
    result = run("/bin/full", initrd=initrd, memory=48)
    assert result.status == 0, result.report
    assert "all is given back: ok" in result.console, result.report
