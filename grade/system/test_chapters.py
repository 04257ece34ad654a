"""The chapters of the book: each has a program to run, a recorded call, listings and
exercises; what the machine can answer is not written down; the page checks answers."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Sequence

import pytest

from machine import deadlines
from machine.qemu import TREE, Machine
from replay.session import copy_tree, debug

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
    assert blocks(path, "listing"), "a listing from the source"
    assert re.search(r"^!\[[^]]+\]\(\.\./figures/", text, re.MULTILINE), "a figure"


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


# ---- change the room ---------------------------------------------------------

Edit = tuple[str, str, str]  # file, what is there, what it becomes


@dataclasses.dataclass(frozen=True)
class Change:
    """What a chapter's *Change the room* asks for, and what it says will come of it."""

    chapter: str
    edits: tuple[Edit, ...]
    program: str
    status: int  # or PANIC
    said: tuple[str, ...] = ()  # patterns of lines, in any order


PANIC = -1
FRONT = """\
	p->next = cpu->first;
	if (!cpu->first)
		cpu->last = p;
	cpu->first = p;
"""
BACK = """\
	p->next = NULL;
	if (cpu->first)
		cpu->last->next = p;
	else
		cpu->first = p;
	cpu->last = p;
"""
AT_THE_FRONT = (("kernel/sched.c", BACK, FRONT),)
PUSHED, POPPED = ('	asm("pushq %rbp");\n	asm("pushq %rbx");\n',
                  '	asm("popq %rbx");\n	asm("popq %rbp");\n')
IN_ORDER = tuple(("kernel/switch.c", lines, "".join(lines.splitlines(keepends=True)[::-1]))
                 for lines in (PUSHED, POPPED))
HALF_COPIED = "kernel_pml4) + HALF_OF_PML4, HALF_OF_PML4);\n"
OPEN = "	for (int i = 256; i < 512; i++)\n		((uint64_t *)pa_to_va(vm->pml4))[i] |= PTE_U;\n"
CLEAR = "".join(f'	asm("xorl %{name}, %{name}");\n'
                for name in ("ebx", "r12d", "r13d", "r14d", "r15d"))
FULL = """
static long full_write(struct file *file, uint64_t buffer, size_t size)
{
	(void)file, (void)buffer;
	return size ? -ENOSPC : 0;
}

const struct file_ops full_ops = {
	.read = zero_read,
	.write = full_write,
	.seekable = true,
};
"""
NULL_NODE = '	{ "dev/null", &null_ops, S_IFCHR | 0666, DEVICE(1, 3) },\n'
NULL_OPS = "extern const struct file_ops null_ops;\n"

CHANGES = [
    Change("1-assembly", IN_ORDER, "/bin/interleave", 0),
    Change("2-boot", (("kernel/boot.S", "	orl $EFER_NXE, %eax\n", ""),), "/bin/crash", 1, (
        r"crash: execute its data +WRONG", r"crash: execute its stack +WRONG")),
    Change("3-traps", (("kernel/idt.c", "vector == VECTOR_BP || vector == VECTOR_OF", "true"),),
           "/bin/hostile", PANIC, (r"hostile: killed: int 0x20, the timer's +WRONG",
                               "a double fault: ")),
    Change("4-paging", (("kernel/vm.c", HALF_COPIED, HALF_COPIED + OPEN),), "/bin/crash", 0, (
        r"crash\[3\]: #PF\(0x5\) .* which is the kernel's", r"crash: 13 checks, all held")),
    Change("5-processes", AT_THE_FRONT, "/bin/forktree", 0),
    Change("5-processes", AT_THE_FRONT, "/bin/interleave", 0),
    Change("5-processes", AT_THE_FRONT, "/bin/preempt", 1, (
        r"preempt: a child runs while its parent computes +WRONG",)),
    Change("6-exec", (("kernel/exec.c", "{ AT_PAGESZ,", "{ 17, 100 }, { AT_PAGESZ,"),),
           "/bin/exectest", 0),
    Change("7-files", (("kernel/files/null.c", "", FULL), ("kernel/files/null.h", NULL_OPS,
            NULL_OPS + NULL_OPS.replace("null", "full")),
           ("kernel/files/tree.c", NULL_NODE, NULL_NODE + NULL_NODE.replace("null", "full")
            .replace("3)", "7)"))), "/bin/sh -c 'cat /etc/motd > /dev/full'", 1),
    Change("7-files", (("kernel/files/regular.c",
                        "file->flags & O_APPEND ? inode->size : file->offset", "file->offset"),),
           "/bin/filetest", 1, (r"filetest: O_APPEND: .* +WRONG",)),
    Change("9-signals", (("kernel/deliver.c", "registers->rsp - RED_ZONE", "registers->rsp"),),
           "/bin/handler", 0),
    Change("10-linux", (("kernel/syscall_entry.c", '	asm("subq $8, %rsp");', CLEAR
                         + '	asm("subq $8, %rsp");'),), "/bin/regs 7", 0),
    Change("12-manuals", (("kernel/msr.c", "RFLAGS_NT | RFLAGS_AC", "RFLAGS_NT | RFLAGS_AC | "
                           "1 << 21"),), "/bin/regs 7", 0),
]


def with_edits(text: str, edits: list[tuple[str, str]]) -> str:
    """A file's text after the edits; one without a place is added at its end."""
    for there, becomes in edits:
        assert text.count(there) == 1 or not there, f"{there!r} is there {text.count(there)} times"
        text = text.replace(there, becomes) if there else text + becomes
    return text


@contextlib.contextmanager
def edited(copy: Path, edits: Sequence[Edit]) -> Iterator[None]:
    """The copy with the edits, for as long."""
    files = {file: (TREE / file).read_text() for file, _, _ in edits}
    try:
        for file, text in files.items():
            (copy / file).write_text(with_edits(text, [
                (there, becomes) for name, there, becomes in edits if name == file]))
        yield
    finally:
        for file, text in files.items():
            (copy / file).write_text(text)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_tree(tmp_path_factory.mktemp("room") / "tree")


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: f"{c.chapter}-{c.program.split()[0][5:]}")
def test_a_rooms_change_does_what_the_chapter_says(change: Change, copy: Path,
                                                   make_environment: dict[str, str]) -> None:
    with edited(copy, change.edits):
        done = subprocess.run(["make", "-s", "run", f"PROG={change.program}"], cwd=copy,
                              env=make_environment, capture_output=True, text=True,
                              timeout=deadlines.host())
    end = ("the kernel stopped by a panic." if change.status == PANIC
           else f"the first program ended with status {change.status}.")
    assert f"run: {end}\n" in done.stderr, done.stdout[-2000:] + done.stderr
    for pattern in change.said:
        assert re.search(pattern, done.stdout, re.MULTILINE), pattern


def test_what_is_added_to_an_msr_is_named_by_gdb(copy: Path, make_environment: dict[str, str]
                                                 ) -> None:
    edit = next(change.edits[0] for change in CHANGES if change.chapter == "12-manuals")
    with edited(copy, [edit]):
        subprocess.run(["make", "-s", "all"], cwd=copy, env=make_environment, check=True,
                       timeout=deadlines.host())
        session = debug("/bin/hello", ["next-syscall", "msr"], tree=copy)
    assert re.search(r"^SFMASK .* ID\b", session[1], re.MULTILINE), session


def test_the_command_of_the_primer_works(copy: Path) -> None:
    primer = (TREE / "docs/chapters/11-gdb.md").read_text()
    block = primer.partition("```python\n")[2].partition("```")[0]
    with edited(copy, [("kernel/gdb/per_cpu.py", "", f"\n\n{block}")]):
        session = debug("/bin/hello", ["next-syscall", "uptime", "help threshold"], tree=copy)
    assert re.fullmatch(r"\d+ ticks\n", session[1]), session
    assert re.search(r"^uptime +Show for how many ticks", session[2], re.MULTILINE), session


# Chapter 8's: a line in receive, a function in foreground.c.
ASKED = "	if (sends_signal(c))\n		return;\n"
CONTROL_T = """\
	if (c == 'T' - '@' && termios_local(ICANON)) {
		foreground_show();
		return;
	}
"""
SHOW = """
void foreground_show(void)
{
	char line[32];

	for_each_proc(p)
		if (foreground && p->group == foreground)
			screen_write(line, ksnprintf(line, sizeof(line), "%d: %s\\n",
						     foreground, p->name));
}
"""
WHO_HAS_THE_TERMINAL = (
    ("kernel/tty.c", ASKED, CONTROL_T + ASKED),
    ("kernel/foreground.h", "#endif\n", "void foreground_show(void);\n\n#endif\n"),
    ("kernel/foreground.c", '#include "errno.h"\n',
     '#include "errno.h"\n#include "print.h"\n#include "screen.h"\n'),
    ("kernel/foreground.c", "", SHOW))


def test_control_t_says_who_has_the_terminal(copy: Path, make_environment: dict[str, str]
                                             ) -> None:
    """While a pipeline runs, its group and both names; at the prompt, where the shell
    asks for bytes, it is one of them; and what is typed is as it was."""
    with edited(copy, WHO_HAS_THE_TERMINAL):
        subprocess.run(["make", "-s", "all"], cwd=copy, env=make_environment, check=True,
                       timeout=deadlines.host())
        with Machine(kernel=copy / "build/kernel.elf") as machine:
            machine.expect(r"^\$ ")
            machine.send("cat | cat\n")
            machine.expect(r"cat\n")
            machine.send("are you there?\n")
            machine.expect(r"^are you there\?\nare you there\?\n")
            machine.send("now \x14")
            group = machine.expect(r"^now (\d+): cat\n(\d+): cat\n")
            assert group[1] == group[2]
            machine.send("as it was\n")
            machine.expect(r"^now as it was\n")
            machine.send("\x03")
            machine.expect(r"^\$ ")
            assert machine.command("echo \x14fine") == "fine\n"


def test_every_chapter_changes_its_room() -> None:
    changed = {change.chapter for change in CHANGES} | {"8-terminal", "11-gdb"}
    assert {path.stem for path in CHAPTERS} == changed
    for path in CHAPTERS:
        assert path.read_text().count("**Change the room.**") == 1, path.stem


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


def test_a_piece_of_python_has_its_decorators_and_its_end(tmp_path: Path) -> None:
    ps = '@command("ps")\ndef ps(\n        argument: str) -> None:\n    """List."""\n\n    say()\n'
    (tmp_path / "a.py").write_text(f"import gdb\n\n\n{ps}\n\nclass Other:\n    def ps(self): ...\n")
    assert listings.piece(tmp_path / "a.py", "ps") == ps


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
