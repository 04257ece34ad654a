"""A user's fault ends its process with one line that says why, and nothing
else."""

from __future__ import annotations

import platform
import re
import signal
import subprocess
from pathlib import Path

import pytest

from machine import deadlines
from machine.programs import Programs, archive_with
from machine.qemu import STATUS_FAULT, Machine, run

# What the program does, the exception as the line names it, and the signal.
FAULTS = {
    "null-read": (r"#PF\(0x4\)", signal.SIGSEGV),
    "null-write": (r"#PF\(0x6\)", signal.SIGSEGV),
    "null-call": (r"#PF\(0x14\)", signal.SIGSEGV),
    "kernel-read": (r"#PF\(0x5\)", signal.SIGSEGV),
    "kernel-write": (r"#PF\(0x7\)", signal.SIGSEGV),
    "not-canonical": (r"#GP\(0x0\)", signal.SIGSEGV),
    "code-write": (r"#PF\(0x7\)", signal.SIGSEGV),
    "constant-write": (r"#PF\(0x[67]\)", signal.SIGSEGV),
    "data-call": (r"#PF\(0x15\)", signal.SIGSEGV),
    "stack-overflow": (r"#PF\(0x6\)", signal.SIGSEGV),
    "divide": (r"#DE", signal.SIGFPE),
    "ud2": (r"#UD", signal.SIGILL),
    "int3": (r"#BP", signal.SIGTRAP),
    # The error code is gate * 8 + 2; QEMU 7.2 makes it gate * 16 + 2.
    "int-32": (r"#GP\(0x[12]02\)", signal.SIGSEGV),
    "int-14": (r"#GP\(0x(72|e2)\)", signal.SIGSEGV),
    "hlt": (r"#GP\(0x0\)", signal.SIGSEGV),
    "cli": (r"#GP\(0x0\)", signal.SIGSEGV),
    "in": (r"#GP\(0x0\)", signal.SIGSEGV),
    "out": (r"#GP\(0x0\)", signal.SIGSEGV),
    "lgdt": (r"#GP\(0x0\)", signal.SIGSEGV),
    "sgdt": (r"#GP\(0x0\)", signal.SIGSEGV),
    "swapgs": (r"#GP\(0x0\)", signal.SIGSEGV),
    "invlpg": (r"#GP\(0x0\)", signal.SIGSEGV),
    "ltr": (r"#GP\(0x0\)", signal.SIGSEGV),
    "mov-dr7": (r"#GP\(0x0\)", signal.SIGSEGV),
    "mov-cr3": (r"#GP\(0x0\)", signal.SIGSEGV),
    "wrmsr": (r"#GP\(0x0\)", signal.SIGSEGV),
    "kernel-ds": (r"#GP\(0x10\)", signal.SIGSEGV),
    "kernel-ss": (r"#GP\(0x10\)", signal.SIGSEGV),
    "trap-flag": (r"#DB", signal.SIGTRAP),
    "x87": (r"#MF", signal.SIGFPE),
}

# Linux lets a program ask for the GDT's address under UMIP: it answers itself.
NOT_AS_ON_THE_HOST = {"sgdt"}


@pytest.fixture(scope="module")
def initrd(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive_with({"bin/fault": programs["fault"]},
                        tmp_path_factory.mktemp("fault") / "initrd.cpio")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_reason_is_one_line(fault: str, initrd: Path) -> None:
    exception, _ = FAULTS[fault]
    result = run(f"/bin/fault {fault}", initrd=initrd)
    assert result.status == STATUS_FAULT, result.report
    lines = [line for line in result.console.splitlines()
             if line.startswith("fault[")]
    assert len(lines) == 1, result.report
    expected = rf"fault\[1\]: {exception} at 0x[0-9a-f]+: \w+"
    assert re.match(expected, lines[0]), result.report


@pytest.mark.parametrize("fault, name", [
    *((name, name) for name in ("hlt", "cli", "in", "out", "lgdt", "sgdt", "swapgs",
                                "invlpg", "ltr", "wrmsr")),
    ("mov-cr3", "mov from cr"), ("mov-dr7", "mov to dr")])
def test_what_is_for_ring_0_is_named(fault: str, name: str, initrd: Path) -> None:
    console = run(f"/bin/fault {fault}", initrd=initrd).console
    assert f": {name} is for ring 0 only\n" in console, console


@pytest.mark.parametrize("fault", FAULTS)
def test_the_parent_is_told_the_signal(fault: str, initrd: Path) -> None:
    result = run(f"/bin/fault {fault} child", initrd=initrd)
    assert result.status == 0, result.report
    assert f"signal {FAULTS[fault][1].value}\n" in result.console, result.report


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the host is no x86-64 Linux")
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - NOT_AS_ON_THE_HOST))
def test_the_signal_is_the_one_of_linux(fault: str, programs: Programs) -> None:
    host = subprocess.run([programs.path("fault"), fault, "child"],
                          capture_output=True, text=True, timeout=deadlines.host())
    assert host.stdout == f"signal {FAULTS[fault][1].value}\n"


def test_the_shell_survives_its_programs(initrd: Path) -> None:
    with Machine(initrd=initrd) as machine:
        machine.expect(r"^\$ ")
        assert "fault[" in machine.command("fault ud2")
        assert machine.command("echo alive") == "alive\n"
