"""A program that writes much takes nobody else's turn, and no time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from machine.programs import Programs, archive_with
from machine.qemu import run

# In a clock's ticks of 10 ms, the fewest that a write of 100 KB can take: it is a
# second where a byte to COM1 takes 10 us.
FEW_TICKS = 5


@pytest.fixture(scope="module")
def output(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> str:
    initrd = archive_with({"bin/much_output": programs["much_output"]},
                          tmp_path_factory.mktemp("much") / "initrd.cpio")
    result = run("/bin/much_output", initrd=initrd)
    assert result.status == 0, result.report
    return result.console


def test_the_clock_goes_on_while_much_is_written(output: str) -> None:
    written = re.search(r"(\d+) bytes in (\d+) ms", output)
    assert written, output[-200:]
    assert int(written[1]) == 100 << 10
    assert int(written[2]) >= 10 * FEW_TICKS


def test_others_have_turns_while_much_is_written(output: str) -> None:
    turns = re.search(r"turns of another: (\d+)", output)
    assert turns and int(turns[1]) >= FEW_TICKS


def test_what_is_written_in_one_call_comes_out_whole(output: str) -> None:
    line = "." * 79 + "\n"
    assert line * ((100 << 10) // len(line)) in output.replace("\r", "")
