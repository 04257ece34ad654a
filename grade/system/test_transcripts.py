"""What the pages print is what comes: every command and every session of the
debugger in them is run, and one that is wrong is found."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Optional

import pytest

from labs import LABS
from machine.qemu import TREE

sys.path.insert(0, str(TREE / "labs"))
import transcripts  # noqa: E402  pylint: disable=wrong-import-position

PAGES = {path: transcripts.parse(path) for path in transcripts.pages()}
SESSIONS = [session for page in PAGES.values() for session in page.sessions]
NOT_RUN = [block for page in PAGES.values() for block in page.not_run]

# What no test may do: install software, fetch from a server, use a cluster, write beside
# the tree, run all the tests.
NEEDS_THE_WORLD = re.compile(
    r"^(sudo|su|apt|apt-get|brew|wsl|git (clone|push|pull|fetch|remote|worktree|merge)|docker|make "
    r"(check|known-wrong|stress|bench|doctor|alike))\b|\bSLURM_|\bENGINE=slurm\b")


OF_GCC = pytest.mark.of_gcc("the debugger shows other frames, lines and addresses")


@pytest.mark.parametrize("session", [
    pytest.param(session, id=session[0].place,
                 marks=OF_GCC if session[0].choices.get("of") == "gcc" else ())
    for session in SESSIONS])
def test_a_session_comes_as_printed(session: list[transcripts.Block]) -> None:
    found = transcripts.differences(session)
    assert not found, "\n" + "\n".join(found)


def test_every_block_that_can_be_typed_says_how_it_is_run() -> None:
    assert [problem for page in PAGES.values() for problem in page.problems] == []


def test_only_what_needs_the_world_is_not_run() -> None:
    for block in NOT_RUN:
        assert any(NEEDS_THE_WORLD.search(command.typed.text)
                   for command in block.commands if command.typed), (
            f"{block.place}: not run ({block.not_run}), but a test could run it")


TESTS_OF = {number: [name for file in lab.tests for name in re.findall(
    r"^def test_(\w+)", (TREE / "grade" / file).read_text(), re.MULTILINE)]
    for number, lab in LABS.items()}


@pytest.mark.parametrize("path", PAGES, ids=transcripts.shown)
def test_a_check_in_the_text_names_tests_that_there_are(path: Path) -> None:
    """`make grade LAB=3 TEST=word`, and `TEST=word` alone in the handout of a lab."""
    handout = re.match(r"(\d)-", path.name)
    for line in re.findall(r"`([^`]*\bTEST=[^`]*)`", path.read_text()):
        lab = re.search(r"LAB=(\d)", line) or handout
        word = re.search(r"TEST='?(\w+)", line)
        assert lab and (not word or any(
            word[1] in name for name in TESTS_OF[int(lab[1])])), (
            f"{transcripts.shown(path)}: {line}")


# ---- the tool itself ---------------------------------------------------------

def page(tmp_path: Path, text: str) -> transcripts.Page:
    path = tmp_path / "page.md"
    path.write_text(text)
    return transcripts.parse(path)


def test_a_broken_transcript_is_found(tmp_path: Path) -> None:
    broken = page(tmp_path, """\
<!-- run: prog="/bin/hello" -->
```gdb
(gdb) output sizeof(struct tss)
104
(gdb) output sizeof(struct syscall_frame)
120
```
""")
    assert broken.problems == []
    assert transcripts.differences(broken.sessions[0]) == [
        f"{tmp_path}/page.md:6: the page and the machine differ\n"
        "    typed     output sizeof(struct syscall_frame)\n"
        "    expected  '120'\n"
        "    came      '128'\n"
        "    | 128\n"]


def test_a_block_goes_on_where_the_one_before_ended(tmp_path: Path) -> None:
    found = page(tmp_path, """\
<!-- run: lab=5 -->
```console
$ grep -c 'Your code here' kernel/fork.c kernel/frame.c
kernel/fork.c:1
kernel/frame.c:0
$ cd kernel
$ grep -o 'END LAB 5' fork.c
END LAB 5
$ make gdb PROG="/bin/regs 42"
```
and in the debugger:
<!-- continue -->
```gdb
(gdb) break-user regs main
…
```
<!-- continue -->
```gdb
(gdb) continue
…
Breakpoint …, main (argc=2, argv=0x…) at user/regs.c:…
…
```
""")
    assert found.problems == []
    assert [len(session) for session in found.sessions] == [3]
    assert transcripts.differences(found.sessions[0]) == []


def test_the_guests_shell_is_typed_at(tmp_path: Path) -> None:
    found = page(tmp_path, """\
<!-- run: -->
```threshold
$ echo one two
one two
$ regs 7
…
regs: … checks, all held
$ exit
init: … status 0
```
""")
    assert transcripts.differences(found.sessions[0]) == []


def lines(*texts: str) -> list[transcripts.Line]:
    return [transcripts.Line(number, text) for number, text in enumerate(texts, 1)]


@pytest.mark.parametrize("expected, real, line, came", [
    (["a", "b"], ["a", "b"], None, None),
    ([], [], None, None),
    (["a", ""], ["a"], None, None),
    (["a 0x… c"], ["a 0x12 c"], None, None),
    (["a … c"], ["a 12 d"], "a … c", "a 12 d"),
    (["…"], ["a", "b"], None, None),
    (["…"], [], None, None),
    (["a", "…", "c"], ["a", "b", "b", "c"], None, None),
    (["a", "…", "c"], ["a", "c"], None, None),
    (["…", "b", "c", "…"], ["a", "b", "x", "b", "c", "d"], None, None),
    (["a", "…", "c"], ["a", "b"], "c", "b"),
    (["…", "b", "c", "…"], ["a", "b", "x"], "c", "x"),
    (["a", "b"], ["a"], "b", None),
    (["a"], ["a", "b"], None, "b"),
    (["a.c"], ["abc"], "a.c", "abc"),
])
def test_lines_are_compared(expected: list[str], real: list[str],
                            line: Optional[str], came: Optional[str]) -> None:
    difference = transcripts.compare(lines(*expected), real)
    if line is None and came is None:
        assert difference is None
    else:
        assert difference is not None
        assert (difference[0].text if difference[0] else None, difference[1]) == (
            line, came)


@pytest.mark.parametrize("text, number, reason", [
    ("```gdb\n(gdb) gdt\n```\n", 1, "without a comment"),
    ("<!-- run: -->\nText.\n\n```gdb\n(gdb) gdt\n```\n", 4, "without a comment"),
    ("<!-- run: bal=3 -->\n```gdb\n(gdb) gdt\n```\n", 1, "unknown word 'bal=3'"),
    ("<!-- not run: -->\n```console\n$ true\n```\n", 1, "for what reason"),
    ("<!-- continue -->\n```console\n$ true\n```\n", 2, "no block to continue"),
    ("<!-- run: -->\n```console\ntrue\n```\n", 1, "begins with no '$ '"),
    ("```\nmake qemu\n```\n", 1, "a block that nothing runs"),
    ("```sh\n$ make grade LAB=1\n```\n", 1, "a block that nothing runs"),
    ("```\n(gdb) gdt\n```\n", 1, "a block that nothing runs"),
    ("Type\n\n    make qemu\n", 3, "indented"),
])
def test_a_block_that_nothing_runs_is_refused(tmp_path: Path, text: str, number: int,
                                              reason: str) -> None:
    problems = page(tmp_path, text).problems
    assert len(problems) == 1 and reason in problems[0]
    assert problems[0].startswith(f"{tmp_path}/page.md:{number}: ")
