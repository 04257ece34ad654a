"""What the challenges are written with: `make challenge LAB=3`.

A challenge is for its student's own eyes: no points, no report. It runs the
kernel and the programs of the student's whole tree, not only the labs' files.
So grade/challenges/test_challenge_3.py says at its top what it takes from the
student (a program as user/attack.c, a change in some room), and reads:

    from judge.challenge import Challenge
    from judge.verdict import wrong

    def test_the_stub_survives_a_trap_flag(challenge: Challenge) -> None:
        challenge.needs_program("attack")
        machine = challenge.machine("/bin/attack tf", gdb=True, stopped=True)
        ...
        wrong("what is wrong, in a sentence or two", expected=8, found=0x10,
              where=challenge.place("syscall_entry"), gdb="break syscall_entry")

`challenge` is the graders' Lab (judge/lab.py) on this tree's kernel.
run() boots and gives the Result; it decodes a machine that did not end well,
unless it is called with may_fail=True. machine() boots and gives a Machine to
watch. place(), call(), rdmsr() and kernel are as they are for a lab's test, and
`random` differs from run to run.

A challenge passes when all tests of its file do: each is one idea, under a name
that is a sentence. What a test raises by wrong() is shown to the student as it
is, so it names the cause and where to look.
"""

from __future__ import annotations

from typing import Any

from machine.qemu import INITRD, TREE
from machine.symbols import Symbols
from .lab import Lab
from .patience import LabMachine
from .verdict import wrong


class Challenge(Lab):
    """This tree's kernel and programs, for one test."""

    def machine(self, init: str, **options: Any) -> LabMachine:
        """Boots this tree's kernel with this tree's programs; other options as
        for Machine. It is closed after the test."""
        machine = LabMachine(init, **{"kernel": self.kernel_path,
                                      "initrd": INITRD, **options})
        self.machines.append(machine)
        return machine

    def needs_program(self, name: str) -> None:
        """Says that the student has to write a program, unless it is there."""
        if not (TREE / f"user/{name}.c").is_file():
            wrong(f"There is no user/{name}.c yet: to write it is the challenge.",
                  where=f"user/{name}.c")

    def program(self, name: str) -> Symbols:
        """Names and addresses of one of this tree's programs."""
        return Symbols(TREE / "build/user" / name)
