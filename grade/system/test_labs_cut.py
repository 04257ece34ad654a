"""Cutting the labs out of the solved tree: its laws, and what it refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from labs import LABS
from machine import deadlines
from machine.qemu import TREE

sys.path.insert(0, str(TREE / "labs"))
# pylint: disable=wrong-import-position
import cut  # noqa: E402
import tree  # noqa: E402

HOLE = """\
int f(void)
{
	/* LAB 2: Say what is to be done, in
	 * as many lines as it takes. */

	first();
	second();

	/* END LAB 2 */
}
"""


def sources() -> dict[str, str]:
    """The files of the solved tree that may have holes."""
    return {name: data.decode() for name, (_, data) in tree.solved().items()
            if tree.SOURCES.fullmatch(name)}


def reason(text: str) -> str:
    """Why a file is refused."""
    with pytest.raises(cut.Malformed) as refusal:
        cut.cut("kernel/x.c", text, range(1, 9))
    return str(refusal.value)


def changed(old: str, new: str) -> str:
    """HOLE with one part changed."""
    assert HOLE.count(old) == 1
    return HOLE.replace(old, new)


# ---- laws -------------------------------------------------------------------

def test_the_code_goes_and_the_blank_lines_stay() -> None:
    assert cut.cut("x.c", HOLE, [2]) == changed(
        "\tfirst();\n\tsecond();\n", "\t/* Your code here. */\n")


@pytest.mark.parametrize("first", [*LABS, tree.ALL_SOLVED])
def test_cutting_twice_changes_nothing_more(first: int) -> None:
    for name, text in sources().items():
        once = cut.cut(name, text, range(first, 99))
        assert cut.cut(name, once, range(first, 99)) == once


def test_cutting_no_lab_gives_the_solved_tree_back() -> None:
    for name, text in sources().items():
        assert cut.cut(name, text, []) == text


def test_cutting_one_after_another_is_cutting_both() -> None:
    for name, text in sources().items():
        both = cut.cut(name, text, [1, 4])
        assert cut.cut(name, cut.cut(name, text, [4]), [1]) == both


def test_assembly_has_the_same_markers() -> None:
    text = "go:\n/* LAB 3: Go. */\n\n\tnop\n\tud2\n\n/* END LAB 3 */\n"
    assert cut.cut("x.S", text, [3]) == (
        "go:\n/* LAB 3: Go. */\n\n/* Your code here. */\n\n/* END LAB 3 */\n")


def test_the_holes_are_those_of_the_table() -> None:
    holes = {(region.lab, name) for name, text in sources().items()
             for region in cut.regions(name, text)}
    assert holes == {(lab.number, name) for lab in LABS.values() for name in lab.files}


def test_a_heading_reworded_meanwhile_merges_with_a_students_code(tmp_path: Path
                                                                  ) -> None:
    hole = cut.cut("x.c", HOLE, [2])
    versions = {"base": hole,
                "mine": hole.replace("/* Your code here. */", "mine();\n\tmore();"),
                "theirs": hole.replace("as many lines", "very many lines")}
    for name, text in versions.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(["git", "merge-file", "-p", "mine", "base", "theirs"],
                          cwd=tmp_path, capture_output=True, text=True,
                          timeout=deadlines.host())
    assert (done.returncode, done.stdout) == (
        0, versions["mine"].replace("as many lines", "very many lines"))


# ---- refusals: file, line and reason ----------------------------------------

@pytest.mark.parametrize("text, expected", [
    (changed("\n\n\t/* END LAB 2 */", "\n\n\t/* the end */"),
     r"x\.c:3: LAB 2 has no END LAB 2"),
    (changed("\t/* LAB 2: Say what is to be done, in\n\t * as", "\t/* as"),
     r"x\.c:8: END LAB 2 has no LAB 2 above it"),
    (changed("/* END LAB 2 */", "/* END LAB 3 */"),
     r"x\.c:9: END LAB 3 ends LAB 2, which began at line 3"),
    (changed("\tfirst();\n", "\t/* LAB 4: More. */\n\n\tfirst();\n"),
     r"x\.c:6: a hole inside another: LAB 2, which began at line 3, has no end"),
    (HOLE + HOLE, r"x\.c:13: LAB 2 began at line 3 already"),
    (changed("\t/* END LAB 2 */", "\tthird(); /* END LAB 2 */"),
     r"x\.c:9: a marker shares its line with code"),
    (changed("\t/* END LAB 2 */", "\t/* END LAB 2 */ third();"),
     r"x\.c:9: a marker shares its line with code"),
    (changed("\t/* LAB 2:", "\tx = 1; /* LAB 2:"),
     r"x\.c:3: a marker shares its line with code"),
    (changed("it takes. */", "it takes. */ first();"),
     r"x\.c:4: a marker shares its line with code"),
    (changed("it takes. */\n\n", "it takes. */\n"),
     r"x\.c:5: a blank line is missing below the heading of LAB 2"),
    (changed("second();\n\n", "second();\n"),
     r"x\.c:8: a blank line is missing above END LAB 2"),
    (changed("\tfirst();\n\tsecond();\n\n", ""),
     r"x\.c:6: there is nothing in LAB 2 to cut"),
    (changed("as many lines as it takes. */", "as many lines as it takes."),
     r"x\.c:3: the heading's comment has no end"),
    (changed("/* LAB 2: Say", "/* LAB 2 Say"), r"x\.c:3: this is no marker"),
    (changed("/* LAB 2: Say", "/* LAB: Say"), r"x\.c:3: this is no marker"),
    (changed("/* LAB 2: Say", "/* LAB 02: Say"), r"x\.c:3: this is no marker"),
    (changed("/* END LAB 2 */", "// END LAB 2"), r"x\.c:9: this is no marker"),
    (changed("/* END LAB 2 */", "/* END OF LAB 2 */"), r"x\.c:9: this is no marker"),
    (changed("first();", "first(); // LAB 2 done"), r"x\.c:6: this is no marker"),
    (HOLE.replace("\n", "\r\n"), r"x\.c:\d+: "),
], ids=lambda value: value.rpartition(":")[2][:40] if value.startswith("x") else "")
def test_what_it_does_not_understand_is_refused(text: str, expected: str) -> None:
    assert re.search(expected, reason(text)), reason(text)


def test_the_word_in_a_call_of_make_is_no_marker() -> None:
    text = "/* `make grade LAB=3` grades it; usage: puzzle ID LAB */\n"
    assert cut.cut("x.c", text, range(9)) == text


def test_a_lab_that_the_table_does_not_have_is_refused() -> None:
    whole = dict(tree.solved())
    whole["kernel/string.c"] = 0o100644, HOLE.replace("LAB 2", "LAB 7").encode()
    with pytest.raises(cut.Malformed, match=r"kernel/string\.c:3: there is no lab 7"):
        tree.student_tree(whole, 1)


def test_a_hole_in_another_labs_file_is_refused() -> None:
    whole = dict(tree.solved())
    whole["kernel/string.c"] = 0o100644, HOLE.encode()
    with pytest.raises(cut.Malformed,
                       match=r"kernel/string\.c:3: this is no file of lab 2"):
        tree.student_tree(whole, 1)


def test_a_lab_without_its_hole_is_refused() -> None:
    whole = dict(tree.solved())
    whole["kernel/msr.c"] = 0o100644, b"int x;\n"
    with pytest.raises(cut.Malformed, match=r"kernel/msr\.c:1: there is no LAB 2"):
        tree.student_tree(whole, 1)


def test_the_command_prints_a_file_or_says_why_not(tmp_path: Path) -> None:
    def run(text: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "x.c").write_text(text)
        return subprocess.run(
            [sys.executable, TREE / "labs/cut.py", "1", "x.c"], cwd=tmp_path,
            capture_output=True, text=True, timeout=deadlines.host())

    assert run(HOLE).stdout == cut.cut("x.c", HOLE, [2])
    refused = run(HOLE + HOLE)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("x.c:13: ")


# ---- the student's tree -----------------------------------------------------

def test_every_line_of_teacher_only_takes_something() -> None:
    whole = tree.solved()
    for pattern in tree.patterns((TREE / tree.LIST).read_text()):
        assert any(tree.matches(name, pattern) for name in whole), pattern


def test_a_pattern_takes_a_directory_whole_and_a_star_one_name() -> None:
    assert tree.matches("grade/system/programs/x.c", "grade/system")
    assert not tree.matches("grade/systematic.py", "grade/system")
    assert tree.matches("labs/cut.py", "labs/*.py")
    assert not tree.matches("labs/figures/draw.py", "labs/*.py")


def test_what_only_a_teacher_needs_is_in_no_students_tree() -> None:
    names = set(tree.files(None, tree.ALL_SOLVED))
    for name in ("labs/cut.py", "labs/teacher.mk", "labs/teacher-only.txt",
                 "labs/teacher-exam.md", "labs/teacher-term.md", "labs/services.py",
                 "labs/services/gradescope/setup.sh",
                 "grade/known_wrong/run.py", "grade/system/test_boot.py"):
        assert name not in names
    assert not any(name.startswith("grade/known_wrong/") for name in names)


def test_a_students_tree_has_all_that_its_makefile_and_graders_name() -> None:
    names = set(tree.files(None, 1))
    for lab in LABS.values():
        assert {*(f"grade/{file}" for file in lab.tests), *lab.files} <= names
    makefile = (TREE / "Makefile").read_text()
    for name in re.findall(r"\b(?:grade|kernel)/[\w-]+\.(?:py|sh|ld)\b", makefile):
        assert name in names, name


def test_what_is_laid_over_comes_from_the_students_directory() -> None:
    whole = tree.solved()
    student = tree.student_tree(whole, 1)
    laid = [name for name in whole if name.startswith(tree.OVERLAY)]
    assert laid
    for name in laid:
        assert student[name.removeprefix(tree.OVERLAY)] == whole[name]


def test_the_trees_of_two_labs_differ_in_the_files_of_one() -> None:
    trees = {n: tree.files(None, n) for n in (*LABS, tree.ALL_SOLVED)}
    for number, lab in LABS.items():
        before, after = trees[number], trees[number + 1]
        assert before.keys() == after.keys()
        assert {n for n in before if before[n] != after[n]} == set(lab.files)
