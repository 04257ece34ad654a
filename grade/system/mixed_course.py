"""A course's hand-ins of lab 3 as they come in: right, wrong, empty, broken and hostile,
no two the same text, named and packed as learning systems do it.

Each hand-in is of a *kind*: one text of the file, to which only a number is added. So
what one of a kind gets alone, every one of it has to get in a batch.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Mapping

from intake.trusted import tree_for
from known_wrong.entries import Entry, entries
from machine.qemu import TREE

FILE = "kernel/syscall_entry.c"
RIGHT = (TREE / FILE).read_text()
# The first instruction of the stub, before which whoever attacks puts something.
FIRST = '\tasm("swapgs");'

BROKEN = {"no C": "no C\n", "a brace less": RIGHT.replace("{", "", 1),
          "a name too many": RIGHT + "int x = y;\n"}
HOSTILE = {name: RIGHT.replace(FIRST, f"\tasm({code});\n{FIRST}", 1)
           for name, code in {
               "a hang": '"1: jmp 1b"',
               "a hang with interrupts off": '"1: cli; hlt; jmp 1b"',
               "the end of the machine": '"movl $0xf4, %edx; xorl %eax, %eax; '
                                         'outl %eax, %dx"',
               "a flood": '"movl $0x3f8, %edx; movb $0x2e, %al; 1: outb %al, %dx; jmp 1b"',
               "an assembler's loop": r'".rept 100000000\nnop\n.endr"',
           }.items()}
# How many of a kind in twenty, and the place that each has among them.
PATTERN = ("right", "wrong", "right", "other", "right", "broken", "wrong", "right", "empty",
           "other", "right", "wrong", "right", "hostile", "right", "wrong", "other",
           "right", "broken", "wrong")


def kinds() -> dict[str, dict[str, str]]:
    """For each word of the pattern its kinds, each with its text."""
    of_the_file = [entry for entry in entries() if entry.files == (FILE,)
                   and entry.lab == 3 and "build" not in entry.tests]
    empty = (tree_for(3).directory / FILE).read_text()
    return {"right": {"right": RIGHT}, "empty": {"empty": empty},
            "broken": BROKEN, "hostile": HOSTILE,
            "other": {entry.id: patched(entry) for entry in of_the_file if entry.accept},
            "wrong": {entry.id: patched(entry) for entry in of_the_file
                      if not entry.accept}}


def patched(entry: Entry) -> str:
    """The solution with a known mistake, or done by another road."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, FILE)
        path.parent.mkdir()
        path.write_text(RIGHT)
        subprocess.run(["patch", "-p1", "-s", "-i", str(entry.path)], cwd=place, check=True)
        return path.read_text()


def course(place: Path, number: int) -> dict[str, str]:
    """Writes so many hand-ins; gives what each is called in the table, with its kind."""
    of = kinds()
    names, turn = {}, dict.fromkeys(of, 0)
    for student in range(number):
        word = PATTERN[student % len(PATTERN)]
        choices = list(of[word])
        kind = choices[turn[word] % len(choices)]
        turn[word] += 1
        names[as_exported(place, student, {FILE: with_number(of[word][kind], student)})] = kind
    return names


def one_of_each(place: Path, wanted: set[str]) -> dict[str, str]:
    """Writes one of each of these kinds, by itself; gives names and kinds again."""
    texts = {kind: text for some in kinds().values() for kind, text in some.items()}
    names = {}
    for number, kind in enumerate(sorted(wanted)):
        path = place / f"kind{number}" / FILE
        path.parent.mkdir(parents=True)
        path.write_text(texts[kind])
        names[f"kind{number}"] = kind
    return names


def with_number(text: str, number: int) -> str:
    return text + f"/* {number} */\n"


def as_exported(place: Path, number: int, files: Mapping[str, str]) -> str:
    """One hand-in as a learning system gives it out; what it is called in the table."""
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as packed:
        for name, text in files.items():
            path = Path(packed, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if number % 4 == 0:  # Moodle
            name = f"Ada {number}_{4000 + number}"
            (place / f"{name}_assignsubmission_file_").mkdir()
            with zipfile.ZipFile(place / f"{name}_assignsubmission_file_/handin-lab3.zip",
                                 "w") as archive:
                for file in files:
                    archive.write(Path(packed, file), file)
            return name
        if number % 4 == 1:  # Canvas
            name = f"ada{number}_{number}_{9000 + number}_handin-lab3"
            with tarfile.open(place / f"{name}.tar.gz", "w:gz") as tar:
                tar.add(packed, "my-project")
            return name
        name = f"submission_{number}" if number % 4 == 2 else f"s{number}"  # Gradescope
        shutil.copytree(packed, place / name)
        return name
