"""Debian's static shells, unmodified, with a person at the terminal: lines, signals,
jobs. busybox with a script, and its vi."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Iterator

import pytest

from machine import deadlines
from machine.programs import Programs, archive_with
from machine.qemu import TREE, Machine, run

# What make check installs, where the system's packages have it.
FILES = {"bash": "bash-static", "mksh": "mksh-static", "zsh": "zsh-static",
         "sash": "sash", "busybox": "busybox"}
SCRIPT = TREE / "grade/system/programs/applets.sh"

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the host is no x86-64 Linux, whose shells could run here")


def on_the_host(name: str) -> Path:
    """The host's file of a shell; without it the test is skipped."""
    path = shutil.which(FILES[name], path="/bin:/usr/bin:/sbin:/usr/sbin")
    if path is None:
        pytest.skip(f"{FILES[name]} is not here, nor among this system's packages")
    return Path(path)


@pytest.fixture
def boot(programs: Programs, tmp_path: Path) -> Iterator[Callable[[str], Machine]]:
    """Boots with one of the shells in /bin; the prompt of /bin/sh is there."""
    machines = []

    def start(name: str) -> Machine:
        initrd = archive_with({f"bin/{name}": on_the_host(name).read_bytes(),
                               "bin/in_front": programs["in_front"]},
                              tmp_path / "initrd.cpio")
        machines.append(Machine(initrd=initrd, deadline=2 * deadlines.run()))
        machines[-1].expect(r"^\$ ")
        return machines[-1]

    yield start
    for machine in machines:
        machine.close()


READY = "ready> "


def prompted(machine: Machine, command: str) -> None:
    """Starts a shell that then has a prompt of which no echo is a part."""
    machine.send(f"{command}\r")
    machine.expect(r"# ")
    machine.send("PS1='rea''dy> '\r")
    machine.expect(READY)


def says(machine: Machine, line: str, answer: str) -> None:
    """Types a line, waits for the answer (a pattern) and the prompt."""
    machine.send(line)
    machine.expect(answer)
    machine.expect(READY)


@pytest.mark.parametrize("name, command", [
    ("bash", "bash"), ("mksh", "mksh"), ("zsh", "zsh -f"), ("busybox", "busybox sh")])
def test_a_shell_has_lines_and_jobs(
    boot: Callable[[str], Machine], name: str, command: str
) -> None:
    machine = boot(name)
    prompted(machine, command)
    # Lines: ^A and ^F go about in one, ^P brings one back, ^C throws one away.
    says(machine, "ech edi''ted\x01\x06\x06\x06o\r", r"^edited")
    says(machine, "\x10\r", r"^edited")
    machine.send("echo wro''ng")
    machine.expect(r"wro''ng")
    # bash does not always see to Ctrl-C before the next key, on Linux either.
    machine.send("\x03")
    says(machine, "\r", "")
    says(machine, "for i in 1 2 3; do echo n$i; done\r", r"^n1\s+n2\s+n3")
    machine.send("cat <<E\r")
    says(machine, "a$((1+1))b\nE\r", r"^a2b")
    says(machine, "echo $(echo in''ner | cat)\r", r"^inner")
    # Jobs.
    machine.send("in_front\r")
    machine.expect(r"^in front")
    says(machine, "\x1a", r"(?i)(stopped|suspended)")
    says(machine, "jobs\r", r"(?i)(stopped|suspended)")
    machine.send("bg\r")
    machine.expect(r"behind")
    says(machine, "\r", "")
    machine.send("fg\r")
    machine.expect(r"^in front")
    says(machine, "\x03", "")
    says(machine, "echo sta''tus $?\r", r"^status 130")
    assert "wrong" not in machine.console


def test_sash_runs_programs_and_hears_ctrl_c(boot: Callable[[str], Machine]) -> None:
    machine = boot("sash")
    machine.send("sash\r")
    machine.expect(r"^> ")
    machine.send("echo wrong\x15echo right\r")
    machine.expect(r"^right\n> ")
    machine.send("-cp /etc/motd /tmp/copy\r")
    machine.expect(r"> ")
    machine.send("-cmp /etc/motd /tmp/copy\r")
    machine.expect(r"> ")
    machine.send("in_front\r")
    machine.expect(r"^in front")
    machine.send("\x03")
    machine.expect(r"killed by signal 2\n> ")
    machine.send("exit\r")
    machine.expect(r"^\$ ")


def test_busybox_runs_a_script_as_on_linux(tmp_path: Path) -> None:
    busybox = on_the_host("busybox")
    (tmp_path / "work").mkdir()
    host = subprocess.run(
        [busybox, "sh", SCRIPT, tmp_path / "work"], capture_output=True, text=True,
        timeout=deadlines.host(), env={"PATH": str(busybox.parent)})
    assert host.returncode == 0 and host.stdout.count("\n") > 40, host

    initrd = archive_with({"bin/busybox": busybox.read_bytes(),
                           "applets.sh": SCRIPT.read_bytes(),
                           "work/.keep": b""}, tmp_path / "initrd.cpio")
    here = run("/bin/busybox sh /applets.sh /work", initrd=initrd)
    assert here.status == 0, here.report
    lines = [line for line in here.console.splitlines()
             if not line.startswith("busybox: exit status")]
    assert lines == host.stdout.splitlines()


def test_vi_opens_and_saves(boot: Callable[[str], Machine]) -> None:
    machine = boot("busybox")
    machine.send("busybox vi /tmp/new\r")
    machine.expect(r"- /tmp/new")
    machine.send("ione\ntwo three\x1b")
    machine.expect(r"- /tmp/new \[Modified\] 2/2")
    machine.send("kA more\x1b")
    machine.expect(r"I /tmp/new \[Modified\] 1/2")
    machine.expect(r"- /tmp/new \[Modified\] 1/2")
    machine.send(":wq\r")
    machine.expect(r"2L, 19C")
    machine.expect(r"\$ ")
    assert machine.command("cat /tmp/new") == "one more\ntwo three\n"
    machine.send("busybox vi /tmp/new\r")
    machine.expect(r"- /tmp/new 1/2")
    machine.send("jdd:wq\r")
    machine.expect(r"1L, 9C")
    machine.expect(r"\$ ")
    assert machine.command("cat /tmp/new") == "one more\n"
