"""No word of this machine's comes out by way of a submission's text.

Random words lie where a teacher has things: in the home, in another submission, in
a solved source, in an object of a later lab. Each way below tries to bring one out,
in the object or in what the compiler says. The same ways, without the sandbox, do:
so the test can fail.
"""

from __future__ import annotations

import io
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest
from elftools.elf.elffile import ELFFile

from intake import build, bundle, read, sandbox, trusted
from intake.error import GraderError, SubmissionError
from intake.scratch import scratch
from machine import deadlines
from machine.qemu import TREE

sys.path.insert(0, str(TREE / "labs"))
# pylint: disable=wrong-import-position
import release  # noqa: E402
import tree as student_tree  # noqa: E402

MSR = "kernel/msr.c"
SOLVED = (TREE / MSR).read_text()
RAW = 'static const char *const r __attribute__((unused)) = R"(\n/*\n)";\n'


def asm(line: str) -> str:
    text = line.replace("\\", "\\\\").replace('"', '\\"')
    return f'asm("{text}");\n'


# Each makes C of a path.
WAYS: dict[str, Callable[[str], str]] = {
    "an include": lambda p: f'#include "{p}"\n',
    "an include in angles": lambda p: f"#include <{p}>\n",
    "an include by a macro": lambda p: f'#define X "{p}"\n#include X\n',
    "an include behind joined lines": lambda p: f'#inc\\\nlude "{p}"\n',
    "an include after a digraph": lambda p: f'%:include "{p}"\n',
    "an include that a raw string hides": lambda p: RAW + f'#include "{p}"\n// */\n',
    "an include that only one compilation has": lambda p: (
        '#pragma GCC target("popcnt")\n#ifdef __POPCNT__\n' + f'#include "{p}"\n#endif\n'),
    "include_next": lambda p: f'#include_next "{p}"\n',
    "an include from below": lambda p: f'#include "../../../../../../../..{p}"\n',
    "an include from below the solved tree": lambda p: f'#include "../../..{p}"\n',
    "a forged line and an error in it": lambda p: f'# 1 "{p}"\nint x = y;\n',
    "a line directive and an error": lambda p: f'#line 1 "{p}"\nint x = y;\n',
    "incbin": lambda p: asm(f'.incbin "{p}"'),
    "incbin behind a quoted quote": lambda p: asm(
        '.byte \'"') + asm(f'.incbin "{p}"') + asm('.byte \'"'),
    "incbin behind a label of another alphabet": lambda p: asm(f'l: €: .incbin "{p}"'),
    "incbin in a macro": lambda p: asm(f'.macro m\n.incbin "{p}"\n.endm\nm'.replace(
        "\n", ";")),
    "incbin in a section of its own": lambda p: asm(
        f'.pushsection .comment; .incbin "{p}"; .popsection'),
    "incbin in the debug information": lambda p: asm(
        f'.pushsection .debug_str; .incbin "{p}"; .popsection'),
    "the assembler's include": lambda p: asm(f'.include "{p}"'),
    "incbin by the name of a function": lambda p: (
        f'void f(void) __asm__("a\\n.incbin \\"{p}\\"\\nb");\nvoid f(void) {{}}\n'),
    "incbin by the name of a section": lambda p: (
        f'int v __attribute__((section(".data\\n.incbin \\"{p}\\"#"))) = 1;\n'),
    "incbin by an alias": lambda p: (
        f'extern int w __attribute__((alias("x\\n.incbin \\"{p}\\"")));\n'),
}


@pytest.fixture(scope="module")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where a word lies, and the word."""
    place = tmp_path_factory.mktemp("machine")
    found = {}
    for name in ("home/notes.txt", "other/kernel/msr.c", "solved/kernel/msr.c",
                 "later/fork.c.o", "etc/secret"):
        word = "w" + secrets.token_hex(12)
        path = place / name
        path.parent.mkdir(parents=True)
        path.write_text(f"{word}\n")
        found[str(path)] = word
    found[str(TREE / MSR)] = "wrmsr(MSR_KERNEL_GS_BASE"
    return found


def brought_out(kind: str, code: str, word: str) -> bool:
    """Does a word come out if this is compiled?"""
    with scratch() as place:
        try:
            objects = build.compiled(trusted.tree_for(2), {MSR: code.encode()},
                                     sandbox.Sandbox(kind, place))
        except (SubmissionError, GraderError) as error:
            return word in str(error)
    return any(word.encode() in data for data in objects.values())


@pytest.mark.parametrize("way", WAYS)
def test_no_word_comes_out(way: str, canaries: dict[str, str]) -> None:
    for path, word in canaries.items():
        assert not brought_out(sandbox.BWRAP, WAYS[way](path), word), path


def test_without_the_sandbox_words_come_out(canaries: dict[str, str]) -> None:
    path, word = next(iter(canaries.items()))
    leaks = {way for way, make in WAYS.items()
             if brought_out(sandbox.NONE, make(path), word)}
    assert len(leaks) >= 6, leaks


@pytest.mark.parametrize("with_devices", [False, True])
def test_nothing_of_the_machines_is_in_the_sandbox(
    canaries: dict[str, str], with_devices: bool
) -> None:
    tree = trusted.tree_for(3)
    with scratch() as place:
        box = sandbox.Sandbox(sandbox.BWRAP, place)
        for path in [*canaries, "/etc/passwd", str(TREE), str(Path.home()), "/home",
                     "/var", "/sys", "/proc/1/root/etc/passwd"]:
            done = subprocess.run(
                box.command(["test", "-e", path], {"/tree": tree.directory}, "/",
                            with_devices=with_devices),
                timeout=deadlines.host(), stdin=subprocess.DEVNULL)
            assert done.returncode == 1, path
        done = subprocess.run(
            box.command(["sh", "-c", "echo x > /tree/x || echo x > /usr/lib/x || "
                         "echo x > /x || mount -t tmpfs x /mnt"],
                        {"/tree": tree.directory}, "/", with_devices=with_devices),
            timeout=deadlines.host(), stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode != 0


@pytest.mark.parametrize("attempt", [
    "import socket; socket.create_connection(('127.0.0.1', {port}), 5)",
    "import os; os.kill({pid}, 0)"])
def test_the_sandbox_reaches_no_server_and_no_process(attempt: str) -> None:
    """Both are there, as the same program finds out outside."""
    with socket.create_server(("127.0.0.1", 0)) as server, scratch() as place:
        program = attempt.format(port=server.getsockname()[1], pid=os.getpid())
        inner = ["/usr/bin/python3", "-c", program]
        confined = sandbox.Sandbox(sandbox.BWRAP, place).command(
            inner, {"/tree": trusted.tree_for(3).directory}, "/", with_devices=True)
        statuses = [subprocess.run(
            command, timeout=deadlines.host(), stdin=subprocess.DEVNULL,
            capture_output=True).returncode for command in (inner, confined)]
    assert statuses == [0, 1]


def test_no_solution_is_in_the_tree_of_a_lab() -> None:
    """Neither the lab's own nor a later one's, in any file, object or cache."""
    tree = trusted.tree_for(3)
    telling = release.telling_lines(student_tree.solved(), 3)
    assert len(telling.lines) > 60
    for path in tree.directory.rglob("*"):
        if path.is_file():
            assert not list(telling.hits(path.read_bytes())), path
    for source in ("kernel/syscall_entry.c", "kernel/frame.c", "kernel/fork.c"):
        solved = (TREE / f"build/{source}.o").read_bytes()
        data = (tree.directory / f"build/{source}.o").read_bytes()
        assert code_of(data) != code_of(solved)
        assert len(code_of(data)) < 48
    others = {path.name for path in tree.directory.iterdir()} - {
        "Makefile", "kernel", "user", "grade", "labs", "build"}
    assert not others and {path.name for path in (tree.directory / "labs").iterdir()
                           } == {"answers.toml"}
    for name in ("grade/known_wrong", "grade/system", "labs/challenges", ".git",
                 "labs/steps.toml", "labs/cut.py"):
        assert not (tree.directory / name).exists()


def code_of(data: bytes) -> bytes:
    """The code of an object."""
    section = ELFFile(io.BytesIO(data)).get_section_by_name(".text")
    assert section is not None
    return bytes(section.data())


def test_a_link_leads_nowhere(canaries: dict[str, str], tmp_path: Path) -> None:
    path, word = next(iter(canaries.items()))
    (tmp_path / "kernel").mkdir()
    (tmp_path / MSR).symlink_to(path)
    with pytest.raises(SubmissionError) as error:
        read.collect(tmp_path, [MSR])
    assert word not in str(error.value)
    (tmp_path / "commit").symlink_to(path)
    assert read.commit(tmp_path) is None
    assert bundle.fingerprint(tmp_path) is not None
