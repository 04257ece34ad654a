"""Submissions that want something else than to be graded.

None gets a point it did not earn, none harms what is around it, each ends in
time and with one clear sentence.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

import pytest

import labs
from intake import build, read, sandbox, trusted
from intake.error import SubmissionError
from intake.objects import check, link
from intake.scratch import scratch
from machine import deadlines, toolchain
from machine.qemu import TREE
from report import first_failure

GDT, MSR, ENTRY, FRAME, FRAME_H, FORK = labs.FILES

# Where a line can be put in, in the solved files.
IN_GDT_INIT = "memset(segments, 0, sizeof(*segments));"
IN_FORK = "long result = -ENOSYS;"

HEADERS = "#include \"gdt.h\"\n#include \"print.h\"\n#include \"string.h\"\n"


@dataclasses.dataclass
class Graded:
    """What became of a submission."""

    grade: dict[str, Any]
    shown: str  # what the student sees
    status: int
    seconds: float

    @property
    def earned(self) -> int:
        return int(self.grade["total"]["earned"])

    @property
    def outcomes(self) -> set[str]:
        return {test["outcome"] for test in self.grade["tests"]}


Grader = Callable[..., Graded]


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    """A copy of the tree, as a student hands it in."""
    directory = tmp_path / "submission"
    for part in ("kernel", "user", "grade"):
        shutil.copytree(TREE / part, directory / part,
                        ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TREE / "Makefile", directory)
    return directory


@pytest.fixture
def grade(tmp_path: Path, submission: Path) -> Grader:
    """Grades the submission, and sees that nothing else has changed."""
    def run(*arguments: str) -> Graded:
        before = digest_of_tree()
        output = tmp_path / "grade.json"
        begin = time.monotonic()
        done = subprocess.run(
            [sys.executable, str(TREE / "grade/grade.py"), "--submission",
             str(submission), "--output", str(output), *arguments],
            capture_output=True, text=True, timeout=deadlines.host(), check=False)
        seconds = time.monotonic() - begin
        print(f"{seconds:.1f} s\n{done.stdout}{done.stderr}")
        assert digest_of_tree() == before
        assert "Traceback" not in done.stdout + done.stderr
        return Graded(json.loads(output.read_text()), done.stdout,
                      done.returncode, seconds)
    return run


def digest_of_tree() -> str:
    """Of all that the grader trusts."""
    digest = hashlib.sha256()
    for part in ("kernel", "user", "grade/intake", "grade/grade.py",
                 "grade/conftest.py", "Makefile"):
        path = TREE / part
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file).encode() + file.read_bytes())
    return digest.hexdigest()


def put(submission: Path, name: str, old: str, new: str) -> None:
    """Puts `new` after `old` in a file of the submission."""
    path = submission / name
    text = path.read_text()
    assert old in text, f"{old!r} is no longer in {name}"
    path.write_text(text.replace(old, old + new, 1))


# ---- source that is refused -------------------------------------------------

BOMB = "\n".join(
    ["#define A0 1+1+1+1+1+1+1+1+1+1"]
    + [f"#define A{n} " + "+".join([f"A{n - 1}"] * 10) for n in range(1, 11)]
    + ["int bomb = A10;"])
# A raw string hides lines from who reads C by hand, and from no compiler.
HIDDEN = ('static const char *const r __attribute__((unused)) = R"(\n/*\n)";\n'
          "#pragma GCC target(\"popcnt\")\n#ifdef __POPCNT__\n#include {}\n#endif\n"
          "// */\n")
SOLVED = f'"{TREE}/kernel/msr.c"'
NO_FILE = r"No such file|file not found|can't open|cannot open"
UNDECLARED, NO_LINE, NESTED = ("'y' undecl", "invalid attempt", "nested too deeply")
if toolchain.is_clang():
    # It reads no raw string of C++'s and no letter of another alphabet.
    NO_FILE += (r"|Could not find inc|undeclared identifier 'R'|single quote way too long|"
                r"invalid character in input")
    UNDECLARED, NO_LINE, NESTED = ("identifier 'y'", "default version symbol",
                                   "cannot be nested")
RESOURCES = "needs too much time, memory or space"

# name: (file, its text or bytes, or what follows its own text; the sentence)
REFUSED: dict[str, tuple[str, object, str]] = {
    "a file of the host": (MSR, "+#include \"/etc/passwd\"\n", NO_FILE),
    "a file of the host, in angles": (MSR, "+#include </etc/passwd>\n", NO_FILE),
    "a file outside the kernel": (
        MSR, "+#include \"../grade/probes/fork.h\"\n", NO_FILE),
    "a file by a macro": (
        MSR, "+#define X \"/etc/passwd\"\n#include X\n", NO_FILE),
    "a file by joined lines": (
        MSR, "+#inc\\\nlude \"/etc/pass\\\nwd\"\n", NO_FILE),
    "a file by a digraph": (MSR, "+%:include \"/etc/passwd\"\n", NO_FILE),
    "the solved file, hidden": (MSR, HIDDEN.format(SOLVED), NO_FILE),
    "the solved file, from below": (
        MSR, HIDDEN.format('"../../../../kernel/msr.c"'), NO_FILE),
    "a header of the host's C library": (MSR, "+#include <stdlib.h>\n", NO_FILE),
    "the assembler's incbin": (
        MSR, "+asm(\".incbin \\\"grade/conftest.py\\\"\");\n", NO_FILE),
    "incbin behind a quoted quote": (
        MSR, "+asm(\".byte '\\\"\\n.incbin \\\"/etc/passwd\\\"\\n.byte '\\\"\");\n",
        NO_FILE),
    "incbin behind a label of another alphabet": (
        MSR, "+asm(\"l: \u20ac: .incbin \\\"/etc/passwd\\\"\");\n", NO_FILE),
    "incbin only in another room": (
        FRAME_H, ("struct syscall_frame;\n",
                  "#ifdef SYSCALL_H\nasm(\".incbin \\\"/etc/passwd\\\"\");\n#endif\n"),
        NO_FILE),
    "the assembler's include": (
        MSR, "+asm(\".include \\\"/etc/passwd\\\"\");\n", NO_FILE),
    "what the process tree tells": (
        MSR, "+asm(\".incbin \\\"/proc/self/environ\\\"\");\n", NO_FILE),
    "a name that is assembly": (
        MSR, '+extern void f(void) __asm__("a\\"\\n.incbin \\"/etc/passwd");\n'
        "void f(void) {}\n", "has a symbol called|does not compile"),
    "a name of another alphabet": (
        MSR, '+extern void f(void) __asm__("\u20ac");\nvoid f(void) {}\n',
        "has a symbol called"),
    "an assembler's loop": (
        MSR, "+asm(\".rept 100000000\\nnop\\n.endr\");\n", RESOURCES),
    "an assembler's macro that never ends": (
        MSR, "+asm(\".macro x\\nx\\nx\\n.endm\\nx\");\n",
        RESOURCES + "|does not (compile|build)"),
    "another section": (
        MSR, "+asm(\".pushsection .note.pvh\\n.long 1\\n.popsection\");\n",
        r"has a section '\.note\.pvh'"),
    "an array of 2 GB": (
        MSR, "+static char big[2147483647] = { 1 };\nchar *use = big;\n",
        RESOURCES + r"|asks for 2,147,\d+,\d+ bytes"),
    "an empty array of 2 GB": (
        MSR, "+char big[2147483647];\n", r"asks for 2,147,483,\d+ bytes"),
    "eighty thousand symbols": (
        MSR, "+" + "".join(f"int s{n};" for n in range(80_000)) + "\n",
        r"more than 200 KB"),
    "eighty thousand symbols by the assembler": (
        MSR, '+asm(".set n, 0\\n.altmacro\\n.macro s x\\nsym\\\\x: .byte 0\\n.endm\\n'
        '.rept 80000\\ns %n\\n.set n, n + 1\\n.endr");\n',
        rf"has 80,\d+ symbols|{RESOURCES}|does not compile"),
    "a header that includes itself": (
        FRAME_H, ("#define FRAME_H\n", "#undef FRAME_H\n#include \"frame.h\"\n"),
        "does not compile: #include nested|nested depth"),
    "macros that explode": (MSR, "+" + BOMB + "\n", RESOURCES),
    "another room's function": (
        MSR, "+void trap_handler(void *frame) { (void)frame; }\n",
        "defines trap_handler, which is kernel/trap.c's"),
    "a name that the tests look up": (
        MSR, "+asm(\".globl per_cpu\\nper_cpu:\\n.quad 0\");\n", "defines per_cpu, which"),
    "an ordinary error": (
        MSR, "+int x = y;\n",
        r"kernel/msr.c line \d+ does not compile: .*" + UNDECLARED),
    "no function": (
        ENTRY, "#include \"syscall_entry.h\"\n", "syscall_(entry|exit)"),
    "UTF-16": (FORK, "int x;\n".encode("utf-16"), "line 1 has a zero byte"),
    "what the assembler has no line for": (
        FRAME, "+asm(\".symver proc_current, panic@@V1\");\n",
        "^kernel/frame.c does not compile: the assembler says: " + NO_LINE),
    "a macro without end": (
        FRAME, "+asm(\".macro m; m; .endm; m\");\n",
        "does not compile: .*macros " + NESTED),
    "a zero byte": (FORK, b"int x;\n\0\n", "line 2 has a zero byte"),
    "an empty file": (FORK, b"", "kernel/fork.c is empty"),
    "a file of blanks": (FORK, b" \n\n", "kernel/fork.c is empty"),
    "a missing file": (FRAME_H, None, "kernel/frame.h is missing"),
    "a file too long": (FORK, b"/*" + b" " * 300_000 + b"*/", "more than 200 KB"),
    "a link": (FORK, Path("/etc/passwd"), "not an ordinary file, but a link"),
    "a directory": (FORK, "mkdir", "fork.c is not an ordinary file"),
    "a pipe": (FORK, "mkfifo", "fork.c is not an ordinary file"),
}


def spoil(submission: Path, name: str, content: object) -> None:
    """Puts something into a file of a submission, or in its place."""
    path = submission / name
    if isinstance(content, str) and content.startswith("+"):
        path.write_text(path.read_text() + content[1:])
    elif isinstance(content, tuple):
        put(submission, name, *content)
    else:
        path.unlink()
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, Path):
            path.symlink_to(content)
        elif content == "mkdir":
            path.mkdir()
        elif content == "mkfifo":
            os.mkfifo(path)
        elif content is not None:
            path.write_text(str(content))


def lab_of(name: str) -> int:
    return next(lab.number for lab in labs.LABS.values() if name in lab.files)


@pytest.mark.parametrize("what", REFUSED)
def test_source_is_refused_in_one_sentence(what: str, submission: Path,
                                           tmp_path: Path) -> None:
    name, content, sentence = REFUSED[what]
    spoil(submission, name, content)
    tree = trusted.tree_for(lab_of(name))
    with scratch() as place, pytest.raises(SubmissionError) as error:
        objects = build.compiled(tree, read.collect(submission, tree.files),
                                 sandbox.Sandbox(sandbox.kind_for_others(), place))
        for source, data in objects.items():
            check(source, data, tree.facts, tree.files)
        link(objects, tree.directory, tree.facts, tree.files, tmp_path, True)
    assert re.search(sentence, error.value.message), error.value.message
    assert "\n" not in error.value.message
    # Nor a place of the grader's; what the student wrote may be quoted.
    assert "/tmp/" not in error.value.message.replace(str(TREE), "")
    assert "root:" not in error.value.message  # the host's file


def test_what_is_refused_is_a_verdict_with_that_sentence(
    submission: Path, grade: Grader
) -> None:
    spoil(submission, MSR, "+#include \"/etc/passwd\"\n")
    graded = grade("--lab", "2")
    assert (graded.status, graded.outcomes, graded.earned) == (1, {"build"}, 0)
    assert graded.grade["build"]["message"] in " ".join(graded.shown.split())


def test_the_compiler_does_not_tell_what_is_on_the_host(
    submission: Path, grade: Grader
) -> None:
    """Whichever way the question goes, both answers are the same."""
    ask = ("#define CAT(a, b) a ## b\n#if CAT(__has_, include)(\"{}\")\n"
           "int there = it_is;\n#else\nint there = it_is_not;\n#endif\n")
    tree = trusted.tree_for(2)
    said = set()
    for path in ("/etc/passwd", "/nowhere", str(TREE / "kernel/msr.c")):
        files = {MSR: (TREE / MSR).read_bytes() + ask.format(path).encode()}
        with scratch() as place, pytest.raises(SubmissionError) as error:
            build.compiled(tree, files, sandbox.Sandbox(sandbox.BWRAP, place))
        said.add(error.value.message)
    assert len(said) == 1


# ---- kernels that do something else -----------------------------------------

def port(value: str, number: int, size: str = "b") -> str:
    kind = {"b": "uint8_t", "l": "uint32_t"}[size]
    return (f'asm volatile("out{size} %0, %1" : : "a"(({kind})({value})), '
            f'"Nd"((uint16_t){number}));')


def says(text: str) -> str:
    """C that sends text to the console without any driver."""
    return (f'for (const char *c = "{text}"; *c; c++) ' + port("*c", 0x3F8))


# From QEMU 9.1 on, a CPU that asks for the machine's end runs on for a moment, and
# under -no-shutdown a breakpoint there makes QEMU forget what it was asked. So these
# kernels stay where they are, as machine_exit does.
STAY = ' for (;;) asm volatile("cli; hlt");'


def exits(value: int) -> str:
    return port(str(value), 0xF4, "l") + STAY


TRANSCRIPT = says("".join(
    f"ok {n} passed\\nPASS\\nregs: all registers survive\\n" for n in range(20)))

# name: (lab, file, after what, the line, the sentence)
RUN: dict[str, tuple[int, str, str, str, str]] = {
    "a perfect transcript": (1, GDT, IN_GDT_INIT, TRANSCRIPT + exits(0), "."),
    "a perfect transcript for fork": (5, FORK, IN_FORK, TRANSCRIPT + exits(0), "."),
    "a probe known by its name": (
        5, FORK, IN_FORK,
        ' if (proc_current()->name[0] == \'f\' || proc_current()->name[0] == \'p\') {'
        + says("child: all right\\nparent: all right\\n") + " return 2; }", "."),
    "a flood at boot": (
        1, GDT, IN_GDT_INIT, "for (;;) { " + says("passed ") + " }",
        "floods the console|spinning"),
    "a hang at boot": (1, GDT, IN_GDT_INIT, " for (;;) ;", "spinning in ring 0"),
    "a hang with interrupts off": (
        1, GDT, IN_GDT_INIT, ' for (;;) asm volatile("cli; hlt");',
        "halted with IF clear"),
    "a hang in a call": (5, FORK, IN_FORK, " for (;;) ;", "spinning in ring 0 in fork"),
    "the exit port with every value": (
        1, GDT, IN_GDT_INIT, " for (uint32_t v = 0; v < 256; v++) "
        + port("v", 0xF4, "l") + STAY, "."),
    "the exit port with 0": (5, FORK, IN_FORK, exits(0), "."),
    "the exit port with 42": (5, FORK, IN_FORK, exits(42), "."),
    "the exit port with a panic's value": (
        1, GDT, IN_GDT_INIT, exits(127), "."),
    "the exit port with a killed program's value": (
        1, GDT, IN_GDT_INIT, exits(126), "."),
    "a reset by the keyboard controller": (
        1, GDT, IN_GDT_INIT, " for (;;) " + port("0xfe", 0x64), "."),
    "a triple fault": (
        1, GDT, IN_GDT_INIT,
        ' asm volatile("lidt %0; int3" : : "m"(*(char (*)[10])segments));',
        "(?i)triple fault"),
    "escape sequences and commands of a CI service": (
        1, GDT, IN_GDT_INIT,
        says("\\n\\033[2J\\033]0;x\\007\\n::set-output name=grade::100\\n")
        + exits(127), "."),
}


# Interrupts without end, by a table of the student's own.
INTERRUPTS = (
    " static struct { uint16_t low, selector; uint8_t ist, type; uint16_t middle; "
    "uint32_t high, zero; } idt[256]; extern void back(void); "
    "for (int i = 0; i < 256; i++) { idt[i].low = (uint64_t)back; idt[i].selector = 8; "
    "idt[i].type = 0x8e; idt[i].middle = (uint64_t)back >> 16; "
    "idt[i].high = (uint64_t)back >> 32; } "
    "struct table_register r = { sizeof(idt) - 1, (uint64_t)idt }; lidt(&r); "
    'asm volatile("1: int3; jmp 1b\\nback: iretq");')
RUN.update({
    "a flood of exceptions": (1, GDT, "ltr(TSS_SELECTOR);", INTERRUPTS, "."),
    "an exception whose frame lies nowhere": (
        1, GDT, IN_GDT_INIT, " extern void trap_handler(void *); "
        "trap_handler((void *)0x123456789000);", "."),
    "a command in the middle of a line": (
        1, GDT, IN_GDT_INIT, says("\\npanic: " + "x" * 60 + " ::notice title=Grade::100 "
                                  "##[error]z [[ATTACHMENT|/etc/passwd]]\\n")
        + exits(127), "."),
})


# Tests that such a kernel passes by right: it does what they ask for.
HONEST = {
    "a probe known by its name": {"test_5_fork.py::test_the_parent_keeps_its_registers"},
}


@pytest.mark.parametrize("what", RUN)
def test_a_kernel_earns_nothing_by(
    what: str, submission: Path, grade: Grader
) -> None:
    lab, name, after, code, sentence = RUN[what]
    put(submission, name, after, code)
    graded = grade("--lab", str(lab))
    passed = {test["name"] for test in graded.grade["tests"] if test["earned"]}
    assert graded.status == 1
    assert passed <= HONEST.get(what, set())
    assert not graded.outcomes & {"build", "error"}
    first = first_failure(graded.grade)
    assert first is not None
    assert re.search(sentence, first["cause"])
    assert "\x1b" not in graded.shown
    assert not re.search(r"::(?!test_)|##\[|\[\[ATT", graded.shown)
    # Tests that each hang are shared by two processes, and cut short.
    assert graded.seconds < deadlines.grading() / 2


def empty(submission: Path, name: str, more: str = "") -> None:
    """A lab's file as students get it, and more behind it."""
    tree = trusted.tree_for(lab_of(name))
    (submission / name).write_text((tree.directory / name).read_text() + more)


@pytest.mark.parametrize("name, word", [
    (GDT, "boot_gdt"), (GDT, "per_cpu"), (MSR, "syscall_entry"), (ENTRY, "syscall_handler"),
    (FORK, "proc_table")])
def test_a_local_symbol_called_like_a_trusted_one_gains_nothing(
    name: str, word: str, submission: Path, grade: Grader
) -> None:
    forged = f'asm(".data\\n{word}: .quad 1, 2, 3, 4\\n.text");\n'
    empty(submission, name, forged)
    graded = grade("--lab", str(lab_of(name)))
    assert graded.earned == 0 and "error" not in graded.outcomes


def test_what_looks_odd_and_is_right_is_right(submission: Path, grade: Grader) -> None:
    path = submission / FRAME
    path.write_text(path.read_text() + 'asm(".balign 010");\n#pragma GCC diagnostic push\n'
                    + "/*" + "/" * 150_000 + "*/\n/* Jürgen Müller */\n",
                    encoding="latin-1")
    assert grade("--lab", "4").status == 0


def test_a_macro_over_a_name_of_the_contract_gains_nothing(
    submission: Path, grade: Grader
) -> None:
    put(submission, FRAME_H, "struct syscall_frame;\n",
        "#define get_syscall_frame stolen\n")
    graded = grade("--lab", "4")
    assert graded.status == 1
    assert "error" not in graded.outcomes
    assert graded.earned < graded.grade["total"]["points"]


# ---- files that are not a lab's ---------------------------------------------

def test_nothing_but_the_labs_files_is_taken(
    submission: Path, grade: Grader, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    touch = f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n"
    (submission / "Makefile").write_text(
        f"$(shell touch {mark})\nall build/kernel.elf: ; touch {mark}\n")
    (submission / "kernel/kernel.ld").write_text("nonsense")
    (submission / "kernel/print.h").write_text("#error taken\n")
    (submission / "kernel/evil.c").write_text("#error taken\n")
    (submission / "user/init.c").write_text("#error taken\n")
    (submission / "user/lib/start.c").write_text("#error taken\n")
    for path in submission.glob("grade/**/*.py"):
        path.write_text(touch)
    (submission / "kernel/host/doctor.sh").write_text(f"touch {mark}\n")
    (submission / "kernel/host/qemu.sh").write_text(f"touch {mark}\n")
    (submission / "sitecustomize.py").write_text(touch)
    (submission / ".git").mkdir()
    (submission / ".git/HEAD").write_text("ref: refs/heads/../../../etc/passwd\n")
    (submission / ".git/config").write_text(f"[core]\n\tfsmonitor = touch {mark}\n")
    graded = grade("--lab", "1")
    assert not mark.exists()
    assert graded.status == 0
    assert graded.earned == graded.grade["total"]["points"] > 0
    assert graded.grade["commit"] is None


def test_a_directory_that_is_a_link_is_not_followed(
    submission: Path, grade: Grader
) -> None:
    os.rename(submission / "kernel", submission / "elsewhere")
    (submission / "kernel").symlink_to("elsewhere")
    graded = grade("--lab", "1")
    assert graded.outcomes == {"build"}
    assert "not an ordinary file, but a link" in graded.grade["build"]["message"]


@pytest.mark.parametrize("target", ["/proc/kmsg", "/etc/hostname", "../secret"])
def test_a_commit_that_is_a_link_is_none(submission: Path, tmp_path: Path, target: str
                                         ) -> None:
    (tmp_path / "secret").write_text("0123456789" * 4 + "\n")
    (submission / "commit").symlink_to(target)
    assert read.commit(submission) is None


def test_a_submission_that_is_not_there(submission: Path, grade: Grader) -> None:
    shutil.rmtree(submission)
    graded = grade("--lab", "1")
    assert (graded.status, graded.grade["tests"]) == (2, [])
    assert "There is no" in graded.grade["error"]
