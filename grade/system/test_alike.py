"""make alike: planted copies come first and stand out; honest solutions do not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from known_wrong import run as known_wrong
from machine import deadlines
from machine.qemu import TREE

from browser import Browser
from honest import CHILD, ERROR, FRAME, fork_c, solution
from playing import faults

sys.path.insert(0, str(TREE / "labs"))
# pylint: disable=wrong-import-position
import alike as command  # noqa: E402
import cut  # noqa: E402
import labs  # noqa: E402
from course import alike, pairs_page  # noqa: E402

FORK = "kernel/fork.c"
HOLE = cut.cut(FORK, (TREE / FORK).read_text(), range(5, 6))
NAMES = re.compile(rf"\b({'|'.join(CHILD + FRAME + ERROR)})\b")

pytestmark = pytest.mark.skipif(
    shutil.which("sim_c") is None,
    reason="no similarity-tester here; make build/tools-alike installs it on Debian")


# ---- what a copier does -----------------------------------------------------

def renamed(text: str) -> str:
    return NAMES.sub(lambda match: f"my_{match[0][::-1]}", text)


def other_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "/* I have thought of this myself */", text,
                  flags=re.DOTALL)


def reordered(text: str) -> str:
    """proc_inherit() elsewhere: as late as it may be."""
    lines = text.split("\n")
    inherit = next(line for line in lines if "proc_inherit" in line)
    lines.remove(inherit)
    at = next(number for number, line in enumerate(lines) if "proc_ready" in line)
    return "\n".join([*lines[:at], inherit, *lines[at:]])


COPIES = {
    "names": renamed,
    "comments": other_comments,
    "names and comments": lambda text: other_comments(renamed(text)),
    "all": lambda text: reordered(other_comments(renamed(text))),
}


def a_class(students: int) -> dict[str, str]:
    """Honest students' kernel/fork.c by name; then each kind of copy, of another."""
    files = {f"s{number:03}": solution(number) for number in range(students)}
    files.update({f"copy of s{7 + at:03}, {how}": change(solution(7 + at))
                  for at, (how, change) in enumerate(COPIES.items())})
    return {name: fork_c(HOLE, body) for name, body in files.items()}


def ranked(files: dict[str, str]) -> list[alike.Pair]:
    return alike.pairs({name: alike.written(text, HOLE) for name, text in files.items()})


def is_copy(pair: alike.Pair) -> bool:
    return pair.first.startswith(f"copy of {pair.second},")


# ---- the list ---------------------------------------------------------------

def test_planted_copies_are_on_top_and_nobody_honest_stands_out() -> None:
    found = ranked(a_class(60))
    assert all(map(is_copy, found[:len(COPIES)])), found[:len(COPIES) + 1]
    outstanding = [pair for pair in found if pair.stands_out]
    assert len(outstanding) >= len(COPIES) - 1 and all(map(is_copy, outstanding))


def test_four_hundred_are_ranked_and_nobody_honest_stands_out() -> None:
    """Of 80,000 pairs some are alike by chance; who changed everything is among them."""
    found = ranked(a_class(400))
    outstanding = [pair for pair in found if pair.stands_out]
    assert len(outstanding) >= len(COPIES) - 1 and all(map(is_copy, outstanding))
    assert sum(map(is_copy, found[:20])) == len(COPIES)


@pytest.fixture(name="ways", scope="module", params=[3, 4])
def _ways(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
          ) -> dict[str, str]:
    """The right solutions of a lab that go another way, each written by hand."""
    lab = request.param
    holes = {name: cut.cut(name, (TREE / name).read_text(), range(lab, 6))
             for name in labs.LABS[lab].files}
    texts = {}
    for entry in known_wrong.entries():
        if entry.accept and entry.lab == lab:
            tree = tmp_path_factory.mktemp("way")
            shutil.copytree(TREE / "kernel", tree / "kernel")
            known_wrong.apply_patch(entry, tree)
            texts[entry.path.stem] = "\n".join(
                alike.written((tree / name).read_text(), hole)
                for name, hole in holes.items())
    return texts


def test_what_a_lab_leaves_no_choice_in_accuses_nobody(ways: dict[str, str]) -> None:
    """A stub and its frame follow from the contract: everybody's is the same."""
    found = alike.pairs(ways)
    assert len(ways) > 4 and found[0].code > 90
    assert not any(pair.stands_out for pair in found), found[:3]


# ---- what is compared -------------------------------------------------------

def test_only_what_the_release_did_not_give_is_compared() -> None:
    assert alike.written(HOLE, HOLE).strip() == ""
    helper = "static int helper(void)\n{\n\treturn 3;\n}\n"
    text = HOLE.replace("long fork(void)", f"{helper}\nlong fork(void)").replace(
        "/* Your code here. */", "result = helper();")
    own = alike.written(text, HOLE)
    assert "helper(void)" in own and "result = helper();" in own
    assert "proc.h" not in own and "LAB 5" not in own


def test_an_instruction_counts_by_its_name() -> None:
    assert alike.as_calls('asm("movq %rax, %rbx\\n\\tpushq %r9");') == (
        "movq(rax, rbx); pushq(r9); ")
    assert alike.as_calls('asm("movq %rax, " STR(FRAME_RAX) "(%rsp)");') == (
        "movq(rax, FRAME_RAX, rsp); ")


# ---- the command ------------------------------------------------------------

@pytest.fixture(name="course")
def _course(tmp_path: Path) -> Path:
    """Eight hand-ins of lab 5, one a copy, one of the solution, one empty, one no C."""
    files = {f"s{number:03}": fork_c(HOLE, solution(number)) for number in range(8)}
    files["<b>eve"] = fork_c(HOLE, renamed(solution(3)))
    files["sol"] = (TREE / FORK).read_text()
    files["empty"] = HOLE
    files["long"] = "int x;\n" * 10_000
    for name, text in files.items():
        (tmp_path / "in" / name / "kernel").mkdir(parents=True)
        (tmp_path / "in" / name / FORK).write_text(text)
    (tmp_path / "in/nothing").mkdir()
    return tmp_path


def run(course: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-s", "alike", f"IN={course}/in", f"OUT={course}/out", *more], cwd=TREE,
        capture_output=True, text=True, timeout=deadlines.host())


def test_a_teacher_sees_the_copies_side_by_side(course: Path) -> None:
    done = run(course, "LAB=5")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert lines[:3] == ["not compared: empty: nothing was written.",
                         "not compared: long: more than 16 KB were written; a lab needs "
                         "a few.", lines[2]]
    assert lines[2].startswith("not compared: nothing: ")
    assert {line.partition("%")[2].partition("%")[2].split("  ")[1]
            for line in lines[4:6]} == {"<b>eve - s003", "(the solution) - sol"}
    assert all(line.endswith("stands out") for line in lines[4:6])
    text = (course / "out/alike.html").read_text()
    assert "<b>eve" not in text and "&lt;b&gt;eve - s003" in text
    assert [path.name for path in (course / "out").iterdir()] == ["alike.html"]


def test_a_wrong_call_is_told_so(course: Path) -> None:
    for more in ((), ("LAB=9",)):
        done = run(course, *more)
        assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "make alike IN=" in run(course).stderr


@pytest.mark.parametrize("width, dark", [(1280, False), (1280, True), (390, False)])
def test_the_page_is_for_everybody(chromium: Browser, tmp_path: Path, axe: str, width: int,
                                   dark: bool) -> None:
    texts = {name: alike.written(text, HOLE) for name, text in a_class(20).items()}
    page = tmp_path / "alike.html"
    page.write_text(pairs_page.page(5, alike.pairs(texts), texts, {"x": "no C"}))
    chromium.look(width, 800, dark=dark, phone=width < 600)
    chromium.open(page)
    chromium.screenshot(TREE / f"build/looks/alike-{width}-"
                        f"{'dark' if dark else 'light'}.png")
    assert faults(chromium, axe) == []
    assert chromium.run("return document.documentElement.scrollWidth") <= width
    assert chromium.collect() == ([], [])


def test_the_command_reads_what_batch_reads(course: Path) -> None:
    texts, left_out = command.written(course / "in", 5)
    assert {"s000", "sol", alike.SOLUTION} < set(texts)
    assert set(left_out) == {"empty", "long", "nothing"}
