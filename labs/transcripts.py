"""Runs what the handouts print, and compares.

    transcripts.py labs/3-entry.md            every block of a page
    transcripts.py labs/3-entry.md:57         the session that has this line
    transcripts.py --fill labs/3-entry.md     prints what really comes

A block of code that a reader could type says so after its three backquotes:
`console` (the host's shell, typed lines begin with "$ "), `gdb` (typed lines
begin with "(gdb) ") or `threshold` (the guest's shell, "$ " again). A comment
above it, which no reader sees, says what it is run on:

    <!-- run: lab=2 prog="/bin/hello" -->   labs 2 to 5 empty; without lab=,
                                            the solved tree
    <!-- run: patch=grade/known_wrong/E68-r8-r10-exchanged.patch -->
                                            a tree with this mistake
    <!-- run: lab=2 of=gcc -->              shows what depends on the compiler, and
                                            is run on a kernel that GCC made
    <!-- continue -->                       goes on where the block before ended
    <!-- not run: why not -->               for what no test may do

Where a host block ends in `make gdb`, `make rewind` or `make qemu` the next block is
typed into that machine, with the PROG=, APPEND= and ICOUNT= that the reader sees. What
differs from run to run is masked in plain sight: `…` in a line is any text, `…`
alone is any number of lines.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import hashlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

sys.path[:0] = [str(Path(__file__).resolve().parent),
                str(Path(__file__).resolve().parents[1] / "grade")]
# pylint: disable=wrong-import-position
from intake import trusted  # noqa: E402
from judge import probes  # noqa: E402
from machine import deadlines, environment  # noqa: E402
from replay.session import copy_tree, debug, rewind  # noqa: E402
from machine.qemu import TREE, Machine, MachineError  # noqa: E402
import tree as student_tree  # noqa: E402

PROMPTS = {"console": "$ ", "gdb": "(gdb) ", "threshold": "$ "}
# Pages that readers are given.
PAGES = ("README.md", "labs/*.md", "labs/student/*.md", "docs/**/*.md")
BUILT = TREE / "build/transcripts"
ANY = "…"

# A machine's choices, as a comment and as a command line write them.
CHOICES = {"prog": "init", "append": "append", "firmware": "firmware", "cpu": "cpu",
           "mem": "memory", "icount": "icount"}


# ---- a page ------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a page, by its number."""

    number: int
    text: str


@dataclasses.dataclass(frozen=True)
class Command:
    """What is typed, or None for what comes before the first prompt; and what
    should follow."""

    typed: Optional[Line]
    expected: tuple[Line, ...]


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block that a reader could type."""

    path: Path
    line: int
    kind: str
    choices: dict[str, str]
    continues: bool
    not_run: Optional[str]
    commands: tuple[Command, ...]

    @property
    def place(self) -> str:
        """Where it is, as file:line."""
        return f"{shown(self.path)}:{self.line}"


@dataclasses.dataclass(frozen=True)
class Page:
    """A page's sessions, each of blocks that continue the first; the blocks that
    are not run; and what is wrong with the page, as file:line: reason."""

    sessions: list[list[Block]]
    not_run: list[Block]
    problems: list[str]


def shown(path: Path) -> str:
    """A path as a reader of the tree names it."""
    return str(path.relative_to(TREE) if TREE in path.parents else path)


def pages() -> list[Path]:
    """Every page whose blocks are run."""
    return sorted({path for pattern in PAGES for path in TREE.glob(pattern)})


def parse(path: Path) -> Page:
    """Reads a page."""
    page = Page([], [], [])
    lines = path.read_text().splitlines()
    comment, comment_at = "", 0  # the last comment, if nothing stands after it

    def problem(number: int, reason: str) -> None:
        page.problems.append(f"{shown(path)}:{number}: {reason}")

    index = 0
    while index < len(lines):
        text, number = lines[index].strip(), index + 1
        index += 1
        if text.startswith("<!--"):
            comment, comment_at = text, number
            while "-->" not in comment and index < len(lines):
                comment += " " + lines[index].strip()
                index += 1
            continue
        fence = re.match(r"( *)(`{3,}|~{3,})\s*(\S*)", lines[index - 1])
        if not fence:
            if re.match(r" {4,}(\$ |\(gdb\) |make [a-z-]+( |$))", lines[index - 1]):
                problem(number, "a command in indented text: nothing can run it")
            if text:
                comment = ""
            continue
        body: list[Line] = []
        while index < len(lines) and lines[index].strip() != fence[2]:
            body.append(Line(index + 1, lines[index][len(fence[1]):]))
            index += 1
        index += 1
        kind = fence[3]
        if kind not in PROMPTS:
            if kind in ("", "sh", "bash", "shell", "text") and any(
                    re.match(r"\s*(\$ )?make( |$)|\(gdb\)", line.text) for line in body):
                problem(number, "commands in a block that nothing runs: call it "
                        "console, gdb or threshold")
            comment = ""
            continue
        try:
            block = _block(path, number, kind, comment, body)
        except ValueError as error:
            problem(comment_at if comment else number, str(error))
        else:
            if block.not_run is not None:
                page.not_run.append(block)
            elif not block.continues:
                page.sessions.append([block])
            elif page.sessions:
                page.sessions[-1].append(block)
            else:
                problem(number, "there is no block to continue")
        comment = ""
    return page


def _block(path: Path, number: int, kind: str, comment: str, body: list[Line]
           ) -> Block:
    """A block from its lines; ValueError says what is wrong with it."""
    match = re.fullmatch(r"<!--\s*(run|not run|continue)\b:?\s*(.*?)\s*-->", comment)
    if not match:
        raise ValueError(f"a {kind} block without a comment above it that says what "
                         "it is run on")
    choices: dict[str, str] = {}
    if match[1] == "not run" and not match[2]:
        raise ValueError("not run, but for what reason?")
    if match[1] != "not run":
        for word in shlex.split(match[2]):
            name, equals, value = word.partition("=")
            if not equals or name not in {"lab", "patch", "of", *CHOICES}:
                raise ValueError(f"unknown word {word!r} in the comment")
            choices[name] = value
    if choices and match[1] == "continue":
        raise ValueError("what continues has its machine already")
    commands: list[tuple[Optional[Line], list[Line]]] = []
    for line in body:
        if line.text.startswith(PROMPTS[kind]):
            typed = line.text[len(PROMPTS[kind]):]
            commands.append((Line(line.number, typed), []))
        elif commands:
            commands[-1][1].append(line)
        elif kind == "gdb" or not line.text.strip():
            commands.append((None, [line]))
        else:
            raise ValueError(f"the block begins with no {PROMPTS[kind]!r}")
    return Block(path, number, kind, choices, match[1] == "continue",
                 match[2] if match[1] == "not run" else None,
                 tuple(Command(typed, tuple(lines)) for typed, lines in commands))


# ---- the trees ---------------------------------------------------------------

def lab_tree(lab: Optional[int], patch: Optional[str] = None) -> Path:
    """A built tree: a student's, in which the labs from this one on are empty, or
    this one with a patch, a file of it, applied; this tree for neither. Made once
    for the same sources, whoever asks for it."""
    if lab is None and patch is None:
        return TREE
    kind = f"lab{lab}" if lab else ""
    kind += f"patch-{Path(patch).stem}" if patch else ""
    tree = BUILT / f"{kind}-{_digest()}"
    with _locked("grader"):
        # What a make grade would first make in each copy.
        trusted.tree_for(None)
        probes.base_archive()
    with _locked(kind):
        done = tree / "build/is-built"
        if not done.exists():
            shutil.rmtree(tree, ignore_errors=True)
            copy_tree(tree)
            if lab:
                _make_students(tree, lab)
            if patch:
                subprocess.run(["patch", "-s", "-p1", "-N", "--no-backup-if-mismatch",
                                "-i", str(TREE / patch)], cwd=tree, check=True,
                               timeout=deadlines.host())
            subprocess.run(["make", "-s", "all"], cwd=tree, check=True,
                           env=environment.without_make(), stdout=subprocess.DEVNULL,
                           timeout=deadlines.host())
        done.touch()
        for other in BUILT.glob(f"{kind}-*"):
            used = other / "build/is-built"
            if not used.exists() or time.time() - used.stat().st_mtime > 3600:
                shutil.rmtree(other, ignore_errors=True)
    return tree


@contextlib.contextmanager
def _locked(name: str) -> Iterator[None]:
    """While one process is here, others wait."""
    BUILT.mkdir(parents=True, exist_ok=True)
    with (BUILT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_students(place: Path, lab: int) -> None:
    """Makes a copy of this tree what a student has. What is the same keeps its
    time, so that it is not built again."""
    whole = student_tree.solved()
    wanted = student_tree.student_tree(whole, lab)
    for name in whole.keys() - wanted.keys():
        (place / name).unlink(missing_ok=True)
    changed = {name: file for name, file in wanted.items()
               if name not in whole or whole[name] != file}
    student_tree.write(changed, place)


def _digest() -> str:
    """Names the sources of this tree, but for the pages."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TREE, check=True, capture_output=True, timeout=deadlines.host()).stdout
    digest = hashlib.sha256()
    for name in sorted(names.split(b"\0")):
        path = TREE / name.decode()
        if path.is_file() and path.suffix not in (".md", ".svg"):
            digest.update(name + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def _own_copy(tree: Path) -> Iterator[Path]:
    """A copy of a tree to type commands in, as fresh as a clone: nothing that is
    done there is seen elsewhere."""
    with tempfile.TemporaryDirectory(prefix="threshold-") as name:
        place = copy_tree(Path(name) / "threshold", tree)
        for line in ("init -q -b main", "add -A", "commit -q -m Threshold"):
            subprocess.run(["git", *line.split()], cwd=place, check=True,
                           env=_host_environment(), timeout=deadlines.host())
        yield place


def _host_environment() -> dict[str, str]:
    person = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
              for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))}
    # git tidies up after a commit, and from 2.47 on it goes on in the background, where
    # the tree is about to be removed.
    settings = {"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "gc.auto",
                "GIT_CONFIG_VALUE_0": "0", "GIT_CONFIG_KEY_1": "maintenance.auto",
                "GIT_CONFIG_VALUE_1": "false"}
    return {**environment.without_make(), **person, **settings,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "LC_ALL": "C.UTF-8", "TERM": "dumb", "PYTHONDONTWRITEBYTECODE": "1"}


# ---- running -----------------------------------------------------------------

Answer = tuple[Command, list[str]]


def run(session: Sequence[Block]) -> list[list[Answer]]:
    """For each block what really came after each of its commands."""
    choices = dict(session[0].choices)
    choices.pop("of", None)  # the test's
    lab = int(choices.pop("lab")) if "lab" in choices else None
    with contextlib.ExitStack() as stack:
        runner = _Runner(stack, lab_tree(lab, choices.pop("patch", None)), choices)
        answers: dict[int, list[str]] = {}
        kinds = [block.kind for block in session]
        begin = 0
        for end in range(1, len(session) + 1):
            # What follows at the same prompt is typed into the same program.
            if end < len(session) and kinds[end] == kinds[begin]:
                continue
            commands = [c for block in session[begin:end] for c in block.commands]
            for command, text in zip(commands, runner.type(kinds[begin], commands)):
                answers[id(command)] = tidy(text)
            begin = end
    return [[(command, answers[id(command)]) for command in block.commands]
            for block in session]


class _Runner:
    """Types commands at the three prompts."""

    def __init__(self, stack: contextlib.ExitStack, tree: Path,
                 choices: dict[str, str]) -> None:
        self._stack = stack
        self._tree = tree
        self._place: Optional[Path] = None  # where the host's shell is
        self._choices = choices
        self._recorded = False
        self._shell: Optional[Machine] = None

    def type(self, kind: str, commands: Sequence[Command]) -> list[str]:
        if kind == "gdb":
            return self._gdb(commands)
        one = self._host if kind == "console" else self._guest
        return [one(c.typed.text) if c.typed else "" for c in commands]

    def _machine_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            CHOICES[name]: value for name, value in self._choices.items()}
        if "memory" in options:
            options["memory"] = int(options["memory"])
        return options

    def _gdb(self, commands: Sequence[Command]) -> list[str]:
        options = self._machine_options()
        run_gdb = rewind if self._recorded else debug
        session = run_gdb(options.pop("init", None),
                          [c.typed.text for c in commands if c.typed],
                          tree=self._tree, **options)
        typed = iter(session.answers)
        return [next(typed) if c.typed else session.start for c in commands]

    def _guest(self, line: str) -> str:
        if self._shell is None:
            self._shell = self._stack.enter_context(Machine(
                kernel=self._tree / "build/kernel.elf", **self._machine_options()))
            self._shell.expect(r"^\$ ")
        before = len(self._shell.console)
        try:
            return self._shell.command(line)
        except MachineError as error:
            if not str(error).startswith("the machine ended"):
                raise
            return self._shell.console[before:].partition("\n")[2]

    def _host(self, line: str) -> str:
        words = shlex.split(line, comments=True)
        variables = dict(w.partition("=")[::2] for w in words[2:])
        if words[:1] == ["make"] and (words[1:2] in (["gdb"], ["rewind"]) or (
                words[1:2] == ["qemu"] and "PROG" not in variables)):
            # What is typed next is typed into this machine.
            self._recorded = words[1] == "rewind"
            self._choices = {name.lower(): v for name, v in variables.items()}
            # Nothing has changed where nothing was typed.
            return self._sh("make -s all", self._tree) if self._place else ""
        if self._place is None:
            self._tree = self._stack.enter_context(_own_copy(self._tree))
            self._place = self._tree
        if words[:1] == ["cd"]:
            self._place = (self._place / words[1]).resolve()
            return ""
        return self._sh(line, self._place)

    def _sh(self, line: str, place: Path) -> str:
        done = subprocess.run(
            ["bash", "-c", line], cwd=place, env=_host_environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=deadlines.host())
        return done.stdout


def tidy(text: str) -> list[str]:
    """The lines of an answer without colours, tabs, and blanks around it."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")
    lines = [line.expandtabs().rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return lines


# ---- comparing ---------------------------------------------------------------

def differences(session: Sequence[Block]) -> list[str]:
    """Runs a session and says where the page is wrong, each as file:line with
    the line expected and the line that came."""
    found = []
    for block, answers in zip(session, run(session)):
        for command, real in answers:
            difference = compare(command.expected, real)
            if difference:
                line, came = difference
                number = line.number if line else (
                    command.typed.number if command.typed else block.line)
                expected = repr(line.text) if line else "nothing more"
                found.append(
                    f"{shown(block.path)}:{number}: the page and the machine differ\n"
                    + (f"    typed     {command.typed.text}\n" if command.typed else "")
                    + f"    expected  {expected}\n"
                    f"    came      {'nothing more' if came is None else repr(came)}\n"
                    + "".join(f"    | {text}\n" for text in real))
    return found


def compare(expected: Sequence[Line], real: Sequence[str]
            ) -> Optional[tuple[Optional[Line], Optional[str]]]:
    """The first line that differs, and what came instead; None where all is as
    expected. A line of only … stands for any number of lines."""
    lines = list(expected)
    while lines and not lines[-1].text.strip():
        lines.pop()
    while lines and not lines[0].text.strip():
        lines.pop(0)
    parts: list[list[Line]] = [[]]
    for line in lines:
        if line.text.strip() == ANY:
            parts.append([])
        else:
            parts[-1].append(line)
    at = 0
    for index, part in enumerate(parts):
        first, last = index == 0, index == len(parts) - 1
        if first:
            starts = [0]
        elif last:
            starts = [max(at, len(real) - len(part))]
        else:
            starts = list(range(at, max(at, len(real) - len(part)) + 1))
        # The place where most of the part is as expected.
        matched, start = max(((_matching(part, real, s), -s) for s in starts))
        start = -start
        if matched < len(part):
            came = start + matched
            return part[matched], real[came] if came < len(real) else None
        at = start + len(part)
        if last and at < len(real):
            return None, real[at]
    return None


def _matching(part: Sequence[Line], real: Sequence[str], start: int) -> int:
    """How many lines of a part are as expected from here on."""
    count = 0
    for line, text in zip(part, real[start:]):
        pattern = ".*".join(map(re.escape, line.text.expandtabs().rstrip().split(ANY)))
        if not re.fullmatch(pattern, text):
            break
        count += 1
    return count


# ---- the command -------------------------------------------------------------

def fill(session: Sequence[Block]) -> str:
    """The blocks of a session as they really come."""
    text = ""
    for block, answers in zip(session, run(session)):
        text += f"{block.place}\n```{block.kind}\n"
        for command, real in answers:
            if command.typed:
                text += PROMPTS[block.kind] + command.typed.text + "\n"
            text += "".join(line + "\n" for line in real)
        text += "```\n"
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("pages", nargs="*", metavar="FILE[:LINE]")
    parser.add_argument("--fill", action="store_true",
                        help="print the blocks as they really come")
    options = parser.parse_args()
    wrong = 0
    for argument in options.pages or [shown(path) for path in pages()]:
        name, _, number = argument.partition(":")
        page = parse(Path(name).resolve())
        for problem in page.problems:
            print(problem)
        wrong += len(page.problems)
        for session in page.sessions:
            last = session[-1].commands[-1] if session[-1].commands else None
            end = max((line.number for line in (last.expected if last else ())),
                      default=session[-1].line + 1)
            if number and not session[0].line - 1 <= int(number) <= end + 1:
                continue
            if options.fill:
                print(fill(session))
                continue
            found = differences(session)
            wrong += len(found)
            print("\n".join(found) if found else f"{session[0].place}: as printed")
        for block in page.not_run:
            print(f"{block.place}: not run: {block.not_run}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
