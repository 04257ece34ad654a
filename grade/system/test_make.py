"""The targets of the Makefile that a person types."""

from __future__ import annotations

import os
import pty
import signal
import re
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from machine import deadlines
from machine.programs import Programs
from machine.qemu import TREE

# Two makes at once would build the same files.
pytestmark = pytest.mark.xdist_group("make")

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def make(make_environment: dict[str, str]) -> Command:
    """Runs make with arguments in the tree."""
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *arguments], cwd=TREE, env=make_environment, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=deadlines.host())
    return call


def test_run_says_the_status(make: Command) -> None:
    done = make("run", "PROG=/bin/regs 42")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == "run: the first program ended with status 0.\n"
    assert "all held" in done.stdout


def test_run_fails_when_the_program_does(make: Command) -> None:
    done = make("run", "PROG=/bin/sh -c 'exit 5'")
    assert done.returncode != 0
    assert "run: the first program ended with status 5." in done.stderr


def test_the_script_behind_run_has_the_programs_status(
    make_environment: dict[str, str]
) -> None:
    done = subprocess.run(
        ["sh", "kernel/host/run.sh", "batch"], cwd=TREE, capture_output=True,
        env={**make_environment, "PROG": "/bin/sh -c 'exit 5'"},
        timeout=deadlines.host())
    assert done.returncode == 5


def test_a_program_without_a_path_is_one_of_bin(make: Command) -> None:
    assert make("run", "PROG=forktree 3").returncode == 0


def test_a_program_that_is_not_there_is_told_before_anything_boots(make: Command) -> None:
    done = make("run", "PROG=nosuch 1")
    assert done.returncode != 0 and "panic" not in done.stdout
    assert "run: there is no program nosuch. There are:" in done.stderr
    assert " forktree " in done.stderr and " hello " in done.stderr


def test_who_watches_a_run_is_told_that_it_goes_on(make_environment: dict[str, str]
                                                   ) -> None:
    """It is told on a terminal only: what is read by a program says how it ended."""
    screen, terminal = pty.openpty()
    with open(screen, "rb", 0) as shown:
        subprocess.run(["sh", "kernel/host/run.sh", "batch"], cwd=TREE, check=False,
                       env={**make_environment, "PROG": "sleep 1000", "TIMEOUT": "15"},
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=terminal,
                       timeout=deadlines.host())
        os.close(terminal)
        told = shown.read(4096).decode()
    assert told.startswith("run: still running. Ctrl-C ends it, or TIMEOUT=15 seconds.")
    assert "run: no end within 15 s" in told


def test_who_ends_a_run_as_told_hears_nothing_of_the_script(
        make_environment: dict[str, str]) -> None:
    """A signal, as of Ctrl-C, goes to the script and to QEMU; the reminder has ended
    by then."""
    screen, terminal = pty.openpty()
    with open(screen, "rb", 0) as shown, subprocess.Popen(
            ["sh", "kernel/host/run.sh", "batch"], cwd=TREE, start_new_session=True,
            env={**make_environment, "PROG": "sleep 1000"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=terminal) as run:
        os.close(terminal)
        try:
            assert b"still running" in shown.read(4096)
            os.killpg(run.pid, signal.SIGTERM)
            assert run.wait(deadlines.host()) == 130
            assert "kill" not in shown.read(4096).decode()
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)


def test_run_boots_by_seabios_too(make: Command) -> None:
    assert make("run", "PROG=hello", "FIRMWARE=seabios").returncode == 0


def test_another_firmware_is_refused(make: Command) -> None:
    assert "neither qboot nor seabios" in make("run", "FIRMWARE=uefi").stderr


def test_run_counts_instructions_instead_of_time(make: Command) -> None:
    done = make("run", "PROG=/bin/regs 1", "ICOUNT=shift=3,sleep=off",
                "APPEND=hz=1000")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fault_is_told(make: Command) -> None:
    assert "a fault killed the first program" in make(
        "run", "PROG=crash null").stderr


def test_a_panic_is_told(make: Command) -> None:
    assert "stopped by a panic" in make("run", "APPEND=init=/bin/nothing").stderr


def test_a_machine_that_does_not_start_is_told(make: Command) -> None:
    assert "did not start the kernel" in make("run", "CPU=none").stderr


def test_a_run_ends_at_its_deadline(make: Command) -> None:
    assert "no end within 1 s" in make("run", "PROG=sleep 1000", "TIMEOUT=1").stderr


def test_a_run_that_is_killed_takes_qemu_along(
    make_environment: dict[str, str], tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    script = subprocess.Popen(
        ["sh", "kernel/host/run.sh", "batch"], cwd=TREE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
        env={**make_environment, "PROG": "/bin/sh -c 'echo here; sleep 1000'",
             "QEMUFLAGS": f"-pidfile {pid_file}"})
    assert script.stdout and script.stdout.readline() == "here\n"
    qemu = Path("/proc") / pid_file.read_text().strip()
    assert qemu.exists()
    script.terminate()
    script.communicate(timeout=deadlines.host())
    assert not qemu.exists()


def test_add_puts_a_program_into_the_archive(make: Command, programs: Programs
                                             ) -> None:
    done = make("run", "PROG=family", f"ADD={programs.path('family')}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "grandparent: exit status 6" in done.stdout


def test_a_file_that_changed_is_added_anew(make: Command, programs: Programs,
                                           tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    for name, line in (("family", "five children"), ("pipes", "300000 bytes")):
        mine.write_bytes(programs[name])
        assert line in make("run", "PROG=mine", f"ADD={mine}").stdout


def test_what_was_added_once_does_not_stay(make: Command, programs: Programs
                                           ) -> None:
    make("run", "PROG=family", f"ADD={programs.path('family')}")
    assert "there is no program family" in make("run", "PROG=family").stderr


def test_help_names_every_target(make: Command) -> None:
    makefiles = [TREE / "Makefile", *TREE.glob("labs/*.mk")]
    phony = [found for path in makefiles for found in re.findall(
        r"^\.PHONY: ((?:.*\\\n)*.*)$", path.read_text(), re.MULTILINE)]
    assert len(phony) >= len(makefiles)
    targets = set(" ".join(phony).replace("\\\n", "").split()) - {"all", "FORCE"}
    lines = make("help").stdout.splitlines()
    named = {line.split()[1] for line in lines if line.startswith("make ")}
    assert named == targets
    assert max(map(len, lines)) <= 80


def test_doctor_finds_nothing_missing(make: Command) -> None:
    done = make("doctor")
    assert done.returncode == 0, done.stdout
    assert "Nothing is missing." in done.stdout


def test_the_commands_of_the_readme_exist() -> None:
    makefiles = [(TREE / name).read_text() for name in ("Makefile", "labs/teacher.mk")]
    targets = set(re.findall(r"^([a-z-]+):", "".join(makefiles), re.MULTILINE))
    named = set(re.findall(r"(?:^    |`)make ([a-z-]+)",
                           (TREE / "README.md").read_text(), re.MULTILINE))
    assert named and named <= targets


def test_trace_makes_a_page_of_what_it_recorded(make: Command, tmp_path: Path) -> None:
    done = make("trace", "PROG=/bin/hello", "NR=getpid", f"OUT={tmp_path}/t.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"{tmp_path}/t.html: open it in a browser"
    assert '"threshold-trace/1"' in (tmp_path / "t.html").read_text()
