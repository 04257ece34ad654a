"""Linux on the host says what a call answers, and what registers it leaves.

A program runs natively and on the kernel, with the same random choices; what it
prints must be the same, but for what may differ and is not printed (see
programs/registers.c and programs/oracle.c).
"""

from __future__ import annotations

import argparse
import platform
import random
import subprocess
from pathlib import Path
from typing import Optional

import pytest

from machine import deadlines, toolchain
import oracle
from machine.programs import Programs, archive_with
from machine.qemu import TREE, run
from judge import probes

SOURCE = TREE / "grade/system/programs/registers.c"

on_linux = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the oracle is Linux on x86-64, and this host is another")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The oracle's program, built as the probes are."""
    directory = tmp_path_factory.mktemp("oracle")
    target = directory / "registers"
    sources = [SOURCE, *sorted(probes.LIBRARY.glob("*.[cS]"))]
    subprocess.run(
        [f"{toolchain.tool_prefix()}gcc", *toolchain.user_flags(),
         "-static", "-nostdlib", "-Wl,-e,_start,--build-id=none,-z,noexecstack",
         "-o", str(target), *map(str, sources)],
        cwd=TREE, check=True, timeout=deadlines.host())
    return target


@on_linux
def test_every_register_after_every_call_is_as_on_linux(
    program: Path, tmp_path: Path
) -> None:
    seed = random.getrandbits(48)
    host = subprocess.run([str(program), str(seed)], capture_output=True, text=True,
                          check=True, timeout=deadlines.host()).stdout
    archive = archive_with({"bin/registers": program.read_bytes()},
                           tmp_path / "initrd.cpio")
    result = run(f"/bin/registers {seed}", initrd=archive)
    assert result.status == 0, result.report
    here = [line for line in result.console.splitlines() if ": " in line]
    there = host.splitlines()
    assert len(there) == 10 * 17, host
    assert "wrong" not in host, "not even Linux: the program is at fault"
    for mine, oracle in zip(here, there):
        assert mine == oracle, f"seed {seed}"
    missing = [line for line in there if line not in here]
    assert not missing, f"seed {seed}: Linux also printed {missing[0]}"


@on_linux
@pytest.mark.parametrize("seed", [1, 2, 3, 4, None])
def test_calls_at_random_answer_as_on_linux(
    programs: Programs, seed: Optional[int]
) -> None:
    seed = seed or random.getrandbits(32)
    try:
        found = oracle.difference(programs.path("oracle"), seed)
    except oracle.NoOracle as reason:
        pytest.skip(f"Linux cannot be asked here: {reason}")
    assert not found, f"make oracle SEED={seed} says:\n{found}"


@on_linux
def test_a_difference_is_told_with_its_call(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = programs.path("oracle")
    try:
        there = oracle._on_linux(program, "1", "20")
    except oracle.NoOracle as reason:
        pytest.skip(f"Linux cannot be asked here: {reason}")
    monkeypatch.setattr(oracle, "_here", lambda *_: [*there[:9], "another answer"])
    found = oracle.difference(program, 1, 20)
    assert found and found.before == tuple(there[:9])
    assert str(found).splitlines()[-2:] == [
        f"Linux:  {there[9]}", "here:   another answer"]


def test_seeds_are_one_or_a_range() -> None:
    assert list(oracle.seeds("7")) == [7]
    assert list(oracle.seeds("1..3")) == [1, 2, 3]
    for text in ("", "x", "3..1", "1..", "-1"):
        with pytest.raises(argparse.ArgumentTypeError):
            oracle.seeds(text)
