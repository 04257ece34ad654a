"""The terminal: a program that writes much takes nobody else's turn, and no time;
keys do what they do on Linux."""

from __future__ import annotations

import functools
import platform
import re
import signal
from itertools import zip_longest
from pathlib import Path

import pytest

import typed

from machine.programs import Programs, archive_with
from machine.qemu import TREE, run

# In a clock's ticks of 10 ms, the fewest that a write of 100 KB can take. The clock
# goes by counted instructions, 64 ns each, so that a busy host takes no tick away.
FEW_TICKS, COUNTED = 5, "shift=6,sleep=off"


@pytest.fixture(scope="module")
def output(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> str:
    initrd = archive_with({"bin/much_output": programs["much_output"]},
                          tmp_path_factory.mktemp("much") / "initrd.cpio")
    result = run("/bin/much_output", initrd=initrd, icount=COUNTED)
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


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the host is no x86-64 Linux: it cannot run the same program")
def test_keys_settings_and_jobs_are_as_on_linux(programs: Programs, tmp_path: Path
                                                ) -> None:
    host = typed.on_the_host(programs.path("terminal"))
    assert host[-1] == typed.END, host[-5:]
    initrd = archive_with({"bin/terminal": programs["terminal"]},
                          tmp_path / "initrd.cpio")
    here = typed.here("terminal", initrd)
    assert len(host) > 250
    different = [pair for pair in zip_longest(host, here) if pair[0] != pair[1]]
    assert not different, "(on the host, here)"


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the host is no x86-64 Linux: it cannot run the same program")
@pytest.mark.parametrize("ignored", [(), (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)],
                         ids=["", "started by nohup in the background"])
def test_what_the_lesson_on_jobs_teaches_is_true_on_linux(
        ignored: tuple[int, ...], request: pytest.FixtureRequest) -> None:
    for number in ignored:
        request.addfinalizer(functools.partial(signal.signal, number,
                                               signal.getsignal(number)))
        signal.signal(number, signal.SIG_IGN)
    shown = typed.on_the_host(TREE / "build/user/jobtest", "jobtest: 8 checks")
    assert shown[-1] == "jobtest: 8 checks, all held", shown
