"""What compilers, assemblers and linkers of several releases say becomes one
sentence, with a place where they name one."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

import labs
from intake import build
from intake.message import first_error
from machine.qemu import TREE


@pytest.mark.parametrize("said, sentence, file, line", [
    pytest.param(
        "kernel/gdt.c: In function 'gdt_init':\n"
        "kernel/gdt.c:31:9: error: 'x' undeclared (first use in this function)\n",
        "kernel/gdt.c line 31 does not compile: 'x' undeclared (first use in this "
        "function).", "kernel/gdt.c", 31, id="compiler"),
    pytest.param(
        "kernel/msr.c:3:10: fatal error: none.h: No such file or directory\n"
        "compilation terminated.\n",
        "kernel/msr.c line 3 does not compile: none.h: No such file or directory.",
        "kernel/msr.c", 3, id="missing header"),
    pytest.param(
        "kernel/fork.c: Assembler messages:\n"
        "kernel/fork.c:14: Error: no such instruction: `popp %rax'\n",
        "kernel/fork.c line 14 does not compile: no such instruction: 'popp %rax'.",
        "kernel/fork.c", 14, id="assembler"),
    pytest.param(
        "/usr/bin/ld: build/kernel/fork.c.o: in function `fork':\n"
        "/tree/kernel/fork.c:37: undefined reference to `copy'\n",
        "kernel/fork.c line 37 does not link: undefined reference to 'copy'.",
        "kernel/fork.c", 37, id="ld 2.40"),
    pytest.param(
        "/usr/bin/ld: build/kernel/fork.c.o: in function `fork':\n"
        "kernel/fork.c:37:(.text+0xe5): undefined reference to `copy'\n",
        "kernel/fork.c line 37 does not link: undefined reference to 'copy'.",
        "kernel/fork.c", 37, id="ld 2.44"),
    pytest.param(
        "kernel/fork.c:37:(.text+0xe5): undefined reference to `syscall_exit'\n",
        "kernel/fork.c line 37 does not link: undefined reference to 'syscall_exit'. "
        "syscall_exit is a label of kernel/syscall_entry.c: it has to be there, and "
        "global (.globl)", "kernel/syscall_entry.c", None, id="a label of another's"),
    pytest.param(
        "cc1: fatal error: kernel/gdt.c: No space left on device\n"
        "compilation terminated.\n",
        "The kernel does not build: cc1 says: kernel/gdt.c: No space left on device.",
        None, None, id="no line"),
    pytest.param(
        "<inline asm>:1:10: fatal error: Could not find include file 'x.inc'\n"
        ".include \"x.inc\"\n         ^\n1 error generated.\n",
        "The kernel does not build: the assembler says: Could not find include file "
        "'x.inc'.", None, None, id="clang's assembler"),
    pytest.param("make: *** No rule to make target 'x'.  Stop.\n",
                 "The kernel does not build: make: *** No rule to make target 'x'. "
                 " Stop..", None, None, id="last line"),
])
def test_an_error_is_one_sentence(said: str, sentence: str, file: Optional[str],
                                  line: Optional[int]) -> None:
    error = first_error(said)
    assert (str(error), error.file, error.line) == (sentence, file, line)


def test_a_warning_in_ones_own_file_is_shown_and_stops_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = {name: (TREE / name).read_bytes() for name in labs.FILES}
    lines = files["kernel/gdt.c"].count(b"\n")
    files["kernel/gdt.c"] += b"static int never_used;\n"
    assert build.kernel(files, tmp_path).exists()
    said = capfd.readouterr().err
    assert f"kernel/gdt.c:{lines + 1}:" in said and "never_used" in said
