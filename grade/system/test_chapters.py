"""The chapters of the book: each has a program to run, a recorded call, listings and
exercises; what the machine can answer is not written down; the page checks answers."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Iterator

import pytest

from machine.qemu import TREE

sys.path.insert(0, str(TREE / "docs"))
# pylint: disable=wrong-import-position
import answers  # noqa: E402
import contents  # noqa: E402
import listings  # noqa: E402

CHAPTERS = contents.chapters()
EXERCISE = re.compile(r"^~~~\{exercise\} ([^\n]+)\n:(answer|word): ([^\n]+)\n(.*?)^~~~$",
                      re.DOTALL | re.MULTILINE)


def name(path: Path) -> str:
    return path.stem


def blocks(path: Path, directive: str) -> list[str]:
    return re.findall(rf"^```\{{{directive}\}} (.+)$", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_a_chapter_has_what_a_chapter_has(path: Path) -> None:
    text, has = path.read_text(), contents.contents(path)
    assert len(text.split()) >= 600, "words"
    assert "## Run it" in text and has.programs, "a program to run"
    assert has.traces, "a recorded call"
    assert has.exercises == len(EXERCISE.findall(text)) >= 4, "exercises"
    assert blocks(path, "index"), "words for the index"


def test_what_a_chapter_runs_and_plays_is_there() -> None:
    """Each program has a source, each call that is played is recorded for the book."""
    import book  # pylint: disable=import-outside-toplevel

    for path in CHAPTERS:
        has = contents.contents(path)
        assert [name for name in has.programs
                if not (TREE / f"user/{name}.c").exists()] == [], path.stem
        assert set(has.traces) <= set(book.CALLS), path.stem


def test_a_chapter_without_one_of_the_three_is_seen(tmp_path: Path) -> None:
    chapter = tmp_path / "chapter.md"
    chapter.write_text("# Nothing\n\n<!-- run: -->\n```console\n$ true\n```\n")
    assert contents.contents(chapter) == contents.Contents("Nothing", (), (), 0)
    chapter.write_text('# All\n\n<!-- run: prog="/bin/cat /etc/motd" -->\n```gdb\n```\n'
                       '$ make run PROG="/bin/regs 42"\n$ make run PROG=/bin/cat\n'
                       "```{play} getpid call/0\n```\n~~~{exercise} Which?\n~~~\n")
    assert contents.contents(chapter) == contents.Contents(
        "All", ("cat", "regs"), ("getpid",), 1)


def test_the_primer_has_every_command_of_the_kernels_own() -> None:
    primer = (TREE / "docs/chapters/11-gdb.md").read_text()
    commands = {name for path in (TREE / "kernel/gdb").glob("*.py") if path.stem != "rewind"
                for name in re.findall(r'^@command\("([\w-]+)"', path.read_text(), re.MULTILINE)}
    table = primer.partition("## What knows this kernel")[2].partition("\n## ")[0]
    named = {name for cells in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
             for name in re.findall(r"`([a-z-]+)", cells)}
    assert named == commands
    assert len(commands) == 18 and "eighteen that this kernel has taught GDB" in primer


@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_its_listings_are_pieces_of_the_source(path: Path) -> None:
    for arguments in blocks(path, "listing"):
        file, what = arguments.split(maxsplit=1)
        assert len(listings.piece(TREE / file, what).splitlines()) >= 3


@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_every_exercise_has_its_why(path: Path) -> None:
    for question, _, _, why in EXERCISE.findall(path.read_text()):
        assert why.strip(), question
    assert path.read_text().count("{exercise}") == len(
        EXERCISE.findall(path.read_text())), "an exercise without an answer"


def test_the_chapters_are_in_the_book() -> None:
    index = (TREE / "docs/index.md").read_text()
    assert re.findall(r"^chapters/(.+)$", index, re.MULTILINE) == [
        path.stem for path in CHAPTERS]


def test_the_words_of_a_textbook_are_in_the_glossary() -> None:
    glossary = (TREE / "docs/glossary.md").read_text()
    for word in ("Context switch", "Preemption", "Scheduler", "System call", "ABI", "Process",
                 "Page fault", "Vector", "Zombie", "Lost wakeup", "Demand paging", "ELF",
                 "File descriptor", "Open file", "Inode", "Pipe", "Path", "Canonical mode",
                 "Foreground", "Job control", "Session", "Flow control"):
        assert f"\n{word}\n: " in glossary


# ---- the tools ---------------------------------------------------------------

SOURCE = """\
/* What it is for. */
static int one(int a,
	       int b)
{
	return a;
}

struct two {
	int x; /* why */
};

static const struct two three = {
	.x = 1,
};
"""


@pytest.mark.parametrize("what, begins, ends", [
    ("one", "/* What it is for. */", "}\n"), ("struct two", "struct two {", "};\n"),
    ("three", "static const", "};\n")])
def test_a_piece_is_found_by_its_name(what: str, begins: str, ends: str, tmp_path: Path
                                      ) -> None:
    (tmp_path / "a.c").write_text(SOURCE)
    piece = listings.piece(tmp_path / "a.c", what)
    assert piece.startswith(begins) and piece.endswith(ends)
    assert piece.count("\n}") == 1


def test_a_piece_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(SOURCE)
    with pytest.raises(listings.NoSuchPiece):
        listings.piece(tmp_path / "a.c", "four")


def test_an_answer_is_the_machines() -> None:
    assert answers.answer('constant("USER_CS") & 3') == "3"
    assert answers.answer('size_of("trap_frame")') == "176"
    with pytest.raises(KeyError):
        answers.answer('constant("NO_SUCH_NAME")')


def _exercises() -> Iterator[tuple[str, str]]:
    for path in CHAPTERS:
        for question, _, answer, _ in EXERCISE.findall(path.read_text()):
            yield question, answer


def test_no_question_is_asked_twice() -> None:
    questions = [question for question, _ in _exercises()]
    assert len(questions) == len(set(questions)) and len(questions) >= 50
