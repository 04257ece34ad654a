"""What calls cost, in instructions of the guest: the same number in every run,
on any host."""

from __future__ import annotations

import json
import subprocess

import pytest

from machine import deadlines, speed
from machine.qemu import TREE

COUNTED = {key: row for key, row in speed.ROWS.items()
           if key.endswith("_instructions")}

# Another compiler makes other code: so much of the aim is left to it.
SLACK = 1.25


@pytest.fixture(scope="module")
def counts() -> dict[str, int]:
    return speed.count_instructions()


@pytest.mark.parametrize("key", [key for key in COUNTED if COUNTED[key].aim])
def test_it_costs_no_more_than_it_should(key: str, counts: dict[str, int]) -> None:
    assert counts[key] <= (COUNTED[key].aim or 0) * SLACK


@pytest.mark.parametrize("key", [key for key in COUNTED if COUNTED[key].linux])
def test_it_costs_less_than_on_linux(key: str, counts: dict[str, int]) -> None:
    assert counts[key] < (COUNTED[key].linux or 0)


def test_counts_are_the_same_in_every_run(counts: dict[str, int]) -> None:
    assert speed.count_instructions() == counts


def test_the_stub_is_as_long_as_it_looks() -> None:
    # Sixteen pushes, sixteen pops, eight moves of arguments, and what changes
    # stacks, GS and rings.
    assert 40 <= speed.count_stub() <= 60


@pytest.mark.xdist_group("make")
def test_bench_writes_every_number(make_environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["make", "bench"], cwd=TREE, env=make_environment, capture_output=True,
        text=True, timeout=deadlines.host())
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = json.loads((TREE / "build/bench.json").read_text())
    assert numbers.keys() == speed.ROWS.keys()
    for key, row in speed.ROWS.items():
        assert f"{numbers[key]:,}" in done.stdout, row.what
