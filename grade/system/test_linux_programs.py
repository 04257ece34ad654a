"""A static program made for Linux prints here what it prints on the host."""

from __future__ import annotations

import platform
import shutil
import subprocess
from itertools import zip_longest
from pathlib import Path

import pytest

from machine import deadlines, toolchain
from machine.programs import Programs, archive_with
from machine.qemu import run

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the host is no x86-64 Linux: it cannot run the same program")

POEM = b"".join(b"line %d of a file that is read in many ways\n" % i
                for i in range(200))


# The programs, and the files that they are given.
PROGRAMS: dict[str, list[str]] = {
    "printing": [],
    "family": [],
    "files": ["poem/text", "poem"],
    "pipes": [],
    "pipe_records": [],
    "polling": [],
    "errors": ["poem/text", "poem"],
    "paths": ["poem"],
    "segments": [],
    "startup": [],
    "floats": [],
    "memory": [],
    "timing": [],
    "signals": [],
    "handled": [],
    "writes": ["poem"],
    "sendfile": ["poem"],
    "found": ["poem"],
    "questions": ["poem"],
    "starting": ["poem"],
    "trampoline": [],
    "crowd": [],
    "mappings": ["poem"],
    "remap": ["poem"],
    "procfiles": [],
    "futexes": [],
    "deep": ["poem"],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_prints_the_same(name: str, programs: Programs, tmp_path: Path) -> None:
    check_same(programs.path(name), PROGRAMS[name], tmp_path)


def test_a_cpp_program_throws_and_catches_the_same(tmp_path: Path) -> None:
    if not shutil.which("g++"):
        pytest.skip("no g++ here to compile it")
    source = Programs.SOURCES / "exceptions.cc"
    program = tmp_path / source.stem
    subprocess.run(["g++", "-static", "-std=c++17", "-O2", "-Wall", "-Wextra",
                    *toolchain.strict(), "-o", str(program), str(source)],
                   check=True, timeout=deadlines.host())
    check_same(program, [], tmp_path)


def check_same(program: Path, arguments: list[str], tmp_path: Path) -> None:
    """What it prints, and its status, on the host and here. Its arguments are names
    of a file or a directory that it is given."""
    name = program.name
    (tmp_path / "poem").mkdir()
    (tmp_path / "poem/text").write_bytes(POEM)
    (tmp_path / "poem/other").write_bytes(b"")
    host = subprocess.run(
        [program, *(str(tmp_path / a) for a in arguments)],
        capture_output=True, text=True, timeout=deadlines.host(),
        start_new_session=True)  # one of them sends signals to its group

    initrd = archive_with(
        {f"bin/{name}": program.read_bytes(), "poem/text": POEM, "poem/other": b""},
        tmp_path / "initrd.cpio")
    words = [f"/bin/{name}", *(f"/{a}" for a in arguments)]
    here = run(" ".join(words), initrd=initrd)

    assert here.status == host.returncode, here.report
    # The kernel's own lines (a fault's reason, the end) are not the program's.
    lines = [line for line in here.console.splitlines()
             if not line.startswith((f"{name}[", f"{name}: exit status"))]
    different = [pair for pair in zip_longest(host.stdout.splitlines(), lines)
                 if pair[0] != pair[1]]
    assert not different, "(on the host, here)"
