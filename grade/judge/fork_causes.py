"""What lab 5's tests share: the forks to look at, what a test needs of them, and what
a wrong value is."""

from __future__ import annotations

from typing import NoReturn, Optional

from machine.finding import Finding
from machine.kernel import in_kernel_half
from machine.x86 import SYSCALL
from . import fork_start
from .child_way import ChildWay
from .fork_story import SeenFork, Story, forks_of
from .lab import Lab
from .probe_run import Told, tell
from .verdict import Ground, verdict, wrong

ERRORS = {-11: "-EAGAIN", -12: "-ENOMEM", -38: "-ENOSYS"}
SIGTRAP, SIGSEGV = 5, 11
# What a call brings back as it was; RAX, RCX, R11 and RSP are looked at alone.
KEPT = ("rbx", "rbp", "rdi", "rsi", "rdx", "r8", "r9", "r10",
        "r12", "r13", "r14", "r15")
FORKS = ("the first fork", "a fork after a sleep", "a fork by process 1",
         "a fork by a child")

def fork_place(lab: Lab) -> Optional[str]:
    return lab.place("fork") or "kernel/fork.c"


def refused(lab: Lab, result: int) -> NoReturn:
    """fork gave an error where there was room for a process."""
    name = ERRORS.get(result, str(result))
    wrong(f"fork() returned {name} ({result}), and there is no second process"
          + (": nothing in lab 5's place makes one yet" if result == -38 else
             ", though there was room for one"),
          expected="the number of a new process", found=result,
          where=fork_place(lab), gdb="break fork")


def tell_flaw(lab: Lab, found: Optional[Finding], gdb: str) -> None:
    """Fails the test with what is wrong, if anything is."""
    if found:
        wrong(found.cause, expected=found.expected, found=found.found,
              where=fork_place(lab), gdb=gdb)


def need_fork(lab: Lab) -> Story:
    """The story of the four forks, if what fork itself needs is there."""
    story = forks_of(lab)
    if story.blocked and not (story.forks and story.forks[0].child):
        lab.needs(story.blocked
                  + (f". {story.verdict.cause}" if story.verdict else ""))
    return story


def need_two(lab: Lab) -> None:
    """For the tests of what programs do: there must be a parent that knows its
    child's number and a child that knows it is one. What is missing has a test of
    its own; without it a program would only go astray."""
    story = need_fork(lab)
    if story.refused is not None and len(story.forks) <= 1:
        refused(lab, story.refused)
    fork = story.forks[0] if story.forks else None
    if fork is None or fork.child is None or fork.child.lost:
        lab.needs("a child that reaches ring 3, and there is none. "
                  + (f"It was lost: {fork.child.lost}" if fork and fork.child
                     else story.why_it_ended()))
    assert fork is not None and fork.child is not None
    there = fork.child.registers
    if there["rip"] != fork.before["rip"] + len(SYSCALL):
        lab.needs("a child that goes on after its parent's SYSCALL")
    if there["rsp"] != fork.before["rsp"]:
        lab.needs("a child that has its parent's RSP")
    if there["rax"] != 0:
        lab.needs("a child that finds 0 in RAX")
    if fork.parent and fork.made and fork.parent["rax"] != fork.made[0].pid:
        lab.needs("a parent that finds its child's number in RAX")
    for who, side in (("parent", fork.parent), ("child", there)):
        if side and side["gs_base"] == lab.kernel.address("per_cpu"):
            lab.needs(f"a {who} that comes back with the user's GS")
    if fork.queued > 1:
        lab.needs("a child that stands in the CPU's queue once")
    if fork.child.kernel_rsp != fork.child.process.kstack_top or any(
            other.kstack_top == fork.child.process.kstack_top for other in fork.others):
        lab.needs("a child with a kernel stack of its own")


def nth_fork(lab: Lab, number: int = 0) -> SeenFork:
    """What is known of one of the four forks; both sides may be missing."""
    story = need_fork(lab)
    if story.refused is not None and len(story.forks) <= number + 1:
        refused(lab, story.refused)
    if len(story.forks) <= number:
        if story.forks:
            lab.needs(f"{FORKS[number]}, and the run ended before it: "
                      f"{story.why_it_ended()}")
        raise story.verdict or verdict(
            Ground.ENDED, "The program ended before it made the system call fork")
    return story.forks[number]


def child_of(lab: Lab, number: int = 0) -> tuple[SeenFork, ChildWay]:
    """A fork whose child has reached user code."""
    fork = nth_fork(lab, number)
    if fork.child is None or fork.child.lost:
        lab.needs("a child that reaches ring 3, and "
                  + (f"its child did not: {fork.child.lost}" if fork.child
                     else f"there is none: {forks_of(lab).why_it_ended()}"))
    assert fork.child is not None
    return fork, fork.child


def parent_of(lab: Lab, number: int = 0) -> tuple[SeenFork, dict[str, int]]:
    """A fork that has returned to the parent."""
    fork = nth_fork(lab, number)
    if fork.parent is None:
        lab.needs("a fork that returns to the parent, and it did not: "
                  + forks_of(lab).why_it_ended())
    assert fork.parent is not None
    return fork, fork.parent


def meaning(story: Story, fork: SeenFork, name: str, value: int) -> str:
    """What a wrong value in a register is, if that can be told."""
    before = fork.before
    for other in (*KEPT, "rsp", "rip"):
        if other != name and before[other] == value:
            return f"holds what {other.upper()} held at the call"
    for number, earlier in enumerate(story.forks):
        if earlier is not fork and earlier.before[name] == value:
            return (f"holds what {name.upper()} held at another fork "
                    f"({FORKS[number]}, by process {earlier.caller.pid})")
    if value == 0:
        return "is 0"
    if in_kernel_half(value):
        return "holds a kernel address"
    return "holds a number that no register held"


def check_registers(lab: Lab, number: int) -> None:
    """Every register of a child but RAX and RSP is its parent's at the call."""
    fork, arrival = child_of(lab, number)
    story, found = forks_of(lab), arrival.registers
    bad = [name for name in KEPT if found[name] != fork.before[name]]
    if not bad:
        return
    if fork.parent and all(fork.parent[name] == found[name] for name in bad):
        lab.needs("lab 3: every register survives a call. Here the parent lost "
                  "the same ones: " + ", ".join(bad))
    tell_flaw(lab, fork_start.too_early(fork) or fork_start.of_another(fork),
              "break proc_ready")
    name = bad[0]
    others = [f"{other.upper()} {meaning(story, fork, other, found[other])}"
              for other in bad[1:4]]
    if len(bad) > 4:
        others.append(f"{len(bad) - 4} more registers are wrong")
    wrong(f"{name.upper()} of the child {meaning(story, fork, name, found[name])}"
          + "".join(f"; {text}" for text in others)
          + f". Field {name} of the child's frame is not that of its parent's "
            "live frame",
          expected=fork.before[name], found=found[name], where=fork_place(lab),
          gdb="sysframe")


def tell_or_refuse(lab: Lab, command: str, **options: object) -> Told:
    """All that a probe tells, where no fork may be refused."""
    need_two(lab)
    told = tell(lab, command, **options)
    for fact in told.facts:
        if fact.what == "refused":
            refused(lab, fact.signed)
    return told


def status_text(status: int) -> str:
    """A status of wait4 in words."""
    if status < 0:
        return f"the error {status}"
    if status & 0x7F:
        return f"killed by signal {status & 0x7F}"
    return f"exit status {status >> 8}"
