"""The labs, in one table: a new lab is a new line here."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Lab:
    """One lab.

    name   in one word, of the files, tests and branch.
    title  what the student builds.
    files  all that a student writes, and all that a grader takes.
    more_tests  files of its tests, below grade/, besides the first.
    """

    number: int
    name: str
    title: str
    files: tuple[str, ...]
    more_tests: tuple[str, ...] = ()

    @property
    def tests(self) -> tuple[str, ...]:
        """The files of its tests, below grade/, in the order in which they count.
        The first, test_3_entry.py, is what a student opens first."""
        return (f"test_{self.number}_{self.name}.py", *self.more_tests)

    @property
    def handout(self) -> str:
        """Its handout, from the top of the tree."""
        return f"labs/{self.number}-{self.name}.md"

    @property
    def branch(self) -> str:
        """The branch on which it is the next to be done."""
        return f"lab{self.number}-{self.name}"

    @property
    def task(self) -> str:
        """Where its task is described."""
        return f"{self.handout}, The task"


LABS: dict[int, Lab] = {lab.number: lab for lab in (
    Lab(1, "gdt", "Segments and the task state segment", ("kernel/gdt.c",)),
    Lab(2, "msr", "The registers behind SYSCALL", ("kernel/msr.c",)),
    Lab(3, "entry", "From ring 3 to ring 0 and back", ("kernel/syscall_entry.c",),
        ("test_3_entry_circumstances.py",)),
    Lab(4, "frame", "The saved registers, for C",
        ("kernel/frame.c", "kernel/frame.h")),
    Lab(5, "fork", "Two processes from one", ("kernel/fork.c",),
        ("test_5_fork_memory.py", "test_5_fork_programs.py")),
)}

# All files that are a student's.
FILES: tuple[str, ...] = tuple(name for lab in LABS.values() for name in lab.files)


def of_test_file(name: str) -> int:
    """The lab whose tests a file of this name holds, or 0."""
    return next((lab.number for lab in LABS.values() if name in lab.tests), 0)


def no_such_test(word: str) -> str:
    """What is said where a word was given that is in no test's name."""
    return f"No test has {word!r} in its name."
