"""strace=1 tells of each call what Linux's strace tells of it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from itertools import zip_longest
from pathlib import Path

import pytest

from machine import deadlines
from machine.programs import Programs, archive_with
from machine.qemu import TREE, run

sys.path.insert(0, str(TREE / "labs"))
import tree  # noqa: E402  # pylint: disable=wrong-import-position

LINE = re.compile(r"\[pid (\d+)\] (.*\) = .*)")
ADDRESS = r"\b0x[0-9a-f]{5,}\b"
# From version to version strace tells a few calls otherwise. This is Debian 12's.
STRACE = "6.1"

# Where a process's number stands: what is in front of it, and what comes then.
PIDS = (r"^((?:kill|tkill|wait4)\()[1-9]\d*(,.*)",
        r"^((?:getpid|fork|vfork|clone|wait4|set_tid_address)\(.*\) = )[1-9]\d*($)")

# What is told otherwise here, and why. Each stands for text in a line.
OTHERWISE = {
    # strace adds a date to a time in seconds.
    r"\} /\* [-\dT:.+]+ \*/": "}",
    # Who kills itself ends there inside of the call, here on the way out of it.
    r"^(kill\(PID, SIGKILL\)) = \?$": r"\1 = 0",
    # How much of the processor's time a child has had.
    r"tv_usec=\d+": "tv_usec=N",
}


def strace_version() -> str:
    """The host's: "6.1", or "none"."""
    if not shutil.which("strace"):
        return "none"
    said = subprocess.run(["strace", "--version"], capture_output=True, text=True,
                          timeout=deadlines.host()).stdout
    found = re.search(r"version (\d+\.\d+)", said)
    return found[1] if found else "one without a version"


def told(console: str) -> list[list[str]]:
    """The lines of the trace, of each process in the order of their numbers."""
    lines = defaultdict(list)
    for pid, line in LINE.findall(console):
        lines[int(pid)].append(line)
    return [lines[pid] for pid in sorted(lines)]


def told_by_linux(program: Path, directory: Path) -> list[list[str]]:
    """The same of the host, of which each process has a file of its own: there no
    line is cut in two by another process's."""
    traces = directory / "trace"
    traces.mkdir()
    (directory / "files").mkdir()
    command = ["strace", "-ff", "-a", "1", "-o", str(traces / "of"),
               str(program), str(directory / "files")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=deadlines.host())
    if "ptrace" in done.stderr:
        pytest.skip(f"nobody may trace here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 5, done.stderr
    by_pid = sorted(traces.iterdir(), key=lambda path: int(path.suffix[1:]))
    return [[line for line in path.read_text().splitlines()
             if not line.startswith(("---", "+++"))] for path in by_pid]


def alike(processes: list[list[str]], program: str, directory: str
          ) -> list[list[str]]:
    """What may differ (addresses, process ids, names of places) under one name."""
    names = {re.escape(program): "PROGRAM", re.escape(directory): "DIRECTORY",
             ADDRESS: "ADDRESS", **{text: r"\1PID\2" for text in PIDS}, **OTHERWISE}
    result = []
    for lines in processes:
        for text, instead in names.items():
            lines = [re.sub(text, instead, line) for line in lines]
        result.append(lines)
    return result


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the host is no x86-64 Linux: it cannot run the same program")
def test_it_is_what_linuxs_strace_tells(programs: Programs, tmp_path: Path) -> None:
    there_is = strace_version()
    if there_is != STRACE:
        pytest.skip(f"strace's form is that of {STRACE}, and this host has {there_is}")
    program = programs.path("told")
    there = told_by_linux(program, tmp_path)
    initrd = archive_with({"bin/told": program.read_bytes()},
                          tmp_path / "initrd.cpio")
    result = run("/bin/told /tmp", initrd=initrd, append="strace=1")
    assert result.status == 5, result.report
    here = told(result.console)
    # The first program is not started by a call.
    assert there[0].pop(0).startswith("execve(")
    there = alike(there, str(program), str(tmp_path / "files"))
    here = alike(here, "/bin/told", "/tmp")
    assert len(here) == len(there) and len(here[0]) > 200
    assert any(line.startswith("rt_sigreturn") for line in here[0])
    different = [pair for ours, theirs in zip(here, there)
                 for pair in zip_longest(theirs, ours) if pair[0] != pair[1]]
    assert not different, "(on the host, here)"


def table() -> set[str]:
    """The calls that strace=1 has a row for."""
    return {name for room in (TREE / "kernel/decode").glob("*.c")
            for name in re.findall(r"^\tCALL\((\w+),", room.read_text(), re.MULTILINE)}


def test_every_call_of_the_kernel_has_a_row() -> None:
    handler = (TREE / "kernel/syscall.c").read_text()
    calls = set(re.findall(r"\bcase SYS_(\w+):", handler))
    assert len(calls) > 100
    assert table() == calls


def test_every_error_of_the_kernel_has_its_sentence() -> None:
    """As the host's C library has it."""
    numbers = dict(re.findall(r"^#define (E\w+)\s+(\d+)$",
                              (TREE / "kernel/errno.h").read_text(), re.MULTILINE))
    told = dict(re.findall(r'^\tERROR\((\w+), "(.*)"\),$',
                           (TREE / "kernel/decode/constants.c").read_text(), re.MULTILINE))
    assert len(told) > 30
    assert told == {name: os.strerror(int(number)) for name, number in numbers.items()
                    if not name.startswith("ERESTART")}


def test_pointers_to_nowhere_harm_nobody() -> None:
    """`stress` draws its arguments at random. Its lines are no comparison: that all
    are lines, and the kernel lives, is all that is asked."""
    result = run("/bin/stress 7 1500", append="strace=1")
    assert result.status == 0, result.report
    names = {line.partition("(")[0]
             for lines in told(result.console) for line in lines}
    assert len(names & table()) > 60
    for line in result.console.splitlines():
        if line.startswith("[pid "):
            assert LINE.fullmatch(line), line


def test_a_program_that_looks_for_harm_finds_none() -> None:
    result = run("/bin/hostile", append="strace=1")
    assert result.status == 0, result.report


def test_a_call_that_does_not_come_back_is_told_before_it_goes() -> None:
    result = run("/bin/sh -c echo", append="strace=1")
    processes = told(result.console)
    assert processes[1][-2:] == ['write(1, "\\n", 1) = 1', "exit(0) = ?"]
    assert any(re.fullmatch(r'execve\("/bin/echo", \["echo"\], 0x\w+ '
                            r"/\* \d+ vars \*/\) = 0", line)
               for line in processes[1])


def test_without_the_option_nothing_is_told() -> None:
    assert "[pid" not in run("/bin/hello").console


def test_the_labs_trees_do_not_have_it() -> None:
    """There, to write it is a challenge, and what belongs to the challenge works."""
    files = tree.student_tree(tree.solved(), 5)
    assert "kernel/syscall.c" in files
    assert not [name for name in files if re.search(r"decode|constants", name)]
