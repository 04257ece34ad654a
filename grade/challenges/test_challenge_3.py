"""Challenge of lab 3: attack the stub.

What it takes from you: lab 3, and a new program, user/attack.c, started as
/bin/attack with one of five names. Each tries what a hostile program could, and
ends as HELD says where the kernel is right:

    df    sets DF and makes calls that copy memory
    tf    sets TF and makes a call
    nt    sets NT and makes the kernel execute an IRETQ, so that /bin/true runs
    ac    sets AC and makes a call
    rip   puts a SYSCALL where the next RIP would be no canonical address

Your kernel has to hold. Then each attack meets a copy of your kernel with one
hole, made by the one line that HOLES shows, and has to end otherwise. Only for
`ac` it is the test that looks: RFLAGS.AC in ring 0 lifts SMAP, which no program
can see.
"""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

from judge.challenge import Challenge
from judge.verdict import wrong
from machine import deadlines, environment
from machine.gdb_remote import MachineGone
from machine.qemu import STATUS_FAULT, Result
from machine.symbols import Symbols
from replay.session import copy_tree

AC = 1 << 18
CALLS = 1000  # of an attack, at most
ATTACKS = ("df", "tf", "nt", "ac", "rip")
TRAPPED = "killed by signal 5"  # a single step, in ring 3
HELD = {"df": "exit status 0", "tf": TRAPPED, "nt": "exit status 0 of /bin/true",
        "ac": "exit status 0", "rip": "exit status 0"}


class Hole(NamedTuple):
    """What a kernel with a hole does, and the line of a file that makes it."""

    what: str
    file: str
    old: str
    new: str


def without(flag: str) -> Hole:
    """SFMASK lets a flag of the user's through."""
    old = "\tinit_syscall();\n"
    return Hole(f"SFMASK does not have {flag}", "kernel/main.c", old,
                f"{old}\twrmsr(MSR_SFMASK, rdmsr(MSR_SFMASK) & ~RFLAGS_{flag});\n")


MARK = "\tp->in_syscall = true;\n"
HOLES = {
    # QEMU clears DF at each SYSCALL; here the kernel sets it again, as a CPU would
    # have left it.
    "df": Hole("SFMASK does not have DF, on a CPU that goes by it",
               "kernel/syscall.c", MARK, MARK +
               "\tif (*(uint64_t *)(p->kstack_top - FRAME_SIZE + FRAME_R11) & RFLAGS_DF)\n"
               '\t\tasm volatile("std");\n'),
    "tf": without("TF"), "nt": without("NT"), "ac": without("AC"),
    "rip": Hole("the last page below 2^47 can be mapped", "kernel/layout.h",
                "0x00007ffffffff000", "0x0000800000000000"),
}


@functools.lru_cache(maxsize=None)
def place_for_trees() -> tempfile.TemporaryDirectory[str]:
    """Gone when the tests are."""
    return tempfile.TemporaryDirectory(prefix="threshold-")


@functools.lru_cache(maxsize=None)
def kernel_with(name: str) -> Path:
    """This tree's kernel with a hole in it."""
    tree = copy_tree(Path(place_for_trees().name) / name)
    hole = HOLES[name]
    file = tree / hole.file
    text = file.read_text()
    assert text.count(hole.old) == 1, f"{hole.file} is not as this test knows it"
    file.write_text(text.replace(hole.old, hole.new))
    subprocess.run(["make", "-s", "build/kernel.elf"], cwd=tree, check=True,
                   env=environment.without_make(), stdout=subprocess.DEVNULL,
                   timeout=deadlines.host())
    return tree / "build/kernel.elf"


def held(name: str, result: Result) -> bool:
    """Did an attack end as it has to on a right kernel?"""
    if name == "tf":
        return result.status == STATUS_FAULT and TRAPPED in result.console
    program = "true" if name == "nt" else "attack"
    return result.status == 0 and f"{program}: exit status 0" in result.console


def last_line(result: Result) -> str:
    lines = [line for line in result.console.splitlines() if line.strip()]
    panics = [line for line in lines if line.startswith("panic")]
    return f"{result.outcome}: {(panics or lines or ['nothing'])[-1]}"


def carries_ac(challenge: Challenge, kernel: Path) -> bool:
    """Does syscall_handler run with AC set in any of the attack's calls?"""
    machine = challenge.machine("/bin/attack ac", kernel=kernel, gdb=True, stopped=True)
    gdb = machine.gdb()
    gdb.insert_breakpoint(Symbols(kernel).address("syscall_handler"))
    try:
        for _ in range(CALLS):
            gdb.cont()
            if gdb.register("eflags") & AC:
                return True
            gdb.step()  # off the breakpoint
    except MachineGone:
        pass
    return False


@pytest.mark.parametrize("name", ATTACKS)
def test_the_kernel_holds(challenge: Challenge, name: str) -> None:
    challenge.needs_program("attack")
    result = challenge.machine(f"/bin/attack {name}").wait()
    if not held(name, result):
        wrong(f"`attack {name}` does not end on your kernel as on a right one: either "
              "the attack takes for a hole what is none, or there is one",
              expected=HELD[name], found=last_line(result), where="user/attack.c")
    if name == "ac" and carries_ac(challenge, challenge.kernel_path):
        wrong("syscall_handler runs with the user's AC: SFMASK does not have it (lab 2), "
              "or the stub loads the user's flags", expected="AC 0", found="AC 1",
              where=challenge.place("syscall_entry"))


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hole_is_found(challenge: Challenge, name: str) -> None:
    challenge.needs_program("attack")
    kernel, what = kernel_with(name), HOLES[name].what
    if name == "ac":
        if not carries_ac(challenge, kernel):
            wrong(f"`attack ac` met a kernel where {what}, and made no call with AC set",
                  expected="AC 1 in syscall_handler", found="AC 0",
                  where="user/attack.c")
        return
    result = challenge.machine(f"/bin/attack {name}", kernel=kernel).wait()
    if held(name, result):
        wrong(f"`attack {name}` met a kernel where {what}, and ended as if it were "
              "right", expected=f"anything but {HELD[name]}", found=HELD[name],
              where="user/attack.c")
    if result.status == 2 or result.why:
        wrong(f"`attack {name}` met a kernel where {what}, and came to no verdict",
              expected="a panic, a signal, or status 1", found=last_line(result),
              where="user/attack.c")
