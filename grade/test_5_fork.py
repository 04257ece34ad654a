"""Lab 5: one process calls fork, and two come back.

The registers of both sides are read from the machine, at the SYSCALL and at the
first instruction of user code behind it; what processes see of one another's
memory, numbers and ends is told by probes through a breakpoint (see
judge/processes.py), never by what the kernel prints.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import time
from typing import NoReturn, Optional

import pytest

from judge import stress
from machine.gdb_remote import MachineGone
from judge.lab import Lab
from judge.verdict import Verdict, hint, points, wrong
from judge.processes import (
    Arrival, Fact, Fork, IF, Run, Story, Told, forks_of, page_entries, tell)

ERRORS = {-11: "-EAGAIN", -12: "-ENOMEM", -38: "-ENOSYS"}
SIGTRAP, SIGSEGV = 5, 11
WRITABLE = 1 << 1
ADDRESS = 0x000FFFFFFFFFF000
# What a call brings back as it was; RAX, RCX, R11 and RSP are looked at alone.
KEPT = ("rbx", "rbp", "rdi", "rsi", "rdx", "r8", "r9", "r10",
        "r12", "r13", "r14", "r15")
FLAGS = {0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF", 10: "DF",
         11: "OF", 14: "NT", 18: "AC", 21: "ID"}
FORKS = ("the first fork", "a fork after a sleep", "a fork by process 1",
         "a fork by a child")


# ---- the four forks of one run ----------------------------------------------

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


def need_fork(lab: Lab) -> Story:
    """The story of the four forks, if what fork itself needs is there."""
    story = forks_of(lab)
    if story.blocked and not (story.forks and story.forks[0].child):
        lab.needs(story.blocked
                  + (f". {story.verdict.cause}" if story.verdict else ""))
    return story


def need_two(lab: Lab) -> None:
    """For the tests of what programs do: there must be a parent that knows its
    child's number and a child that knows it is one. Whatever lacks has a test of
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
    if there["rip"] != fork.before["rip"] + 2:
        lab.needs("a child that goes on behind its parent's SYSCALL")
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
    if fork.child.kernel_rsp != fork.child.process.kstack or any(
            other.kstack == fork.child.process.kstack for other in fork.others):
        lab.needs("a child with a kernel stack of its own")


def nth_fork(lab: Lab, number: int = 0) -> Fork:
    """What is known of one of the four forks; both sides may be missing."""
    story = need_fork(lab)
    if story.refused is not None and len(story.forks) <= number + 1:
        refused(lab, story.refused)
    if len(story.forks) <= number:
        if story.forks:
            lab.needs(f"{FORKS[number]}, and the run ended before it: "
                      f"{story.why_it_ended()}")
        raise story.verdict or Verdict(
            "The program ended before it made the system call fork")
    return story.forks[number]


def child_of(lab: Lab, number: int = 0) -> tuple[Fork, Arrival]:
    """A fork whose child has reached user code."""
    fork = nth_fork(lab, number)
    if fork.child is None or fork.child.lost:
        lab.needs("a child that reaches ring 3, and "
                  + (f"its child did not: {fork.child.lost}" if fork.child
                     else f"there is none: {forks_of(lab).why_it_ended()}"))
    assert fork.child is not None
    return fork, fork.child


def parent_of(lab: Lab, number: int = 0) -> tuple[Fork, dict[str, int]]:
    """A fork that has returned to the parent."""
    fork = nth_fork(lab, number)
    if fork.parent is None:
        lab.needs("a fork that returns to the parent, and it did not: "
                  + forks_of(lab).why_it_ended())
    assert fork.parent is not None
    return fork, fork.parent


def meaning(story: Story, fork: Fork, name: str, value: int) -> str:
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
    if value >> 47:
        return "holds a kernel address" if value >> 48 == 0xFFFF else (
            "holds a number that no register held")
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


# ---- what both sides find in their registers --------------------------------

@points(4)
@hint("fork makes a process and says so: proc_alloc gives one, proc_ready lets it "
      "take part. A result below 0 is an error.")
def test_fork_makes_one_process_whose_parent_is_the_caller(lab: Lab) -> None:
    fork, _ = parent_of(lab)
    if not fork.made:
        wrong("After fork has returned there is no new process in the table",
              expected="one new entry in proc_table", found="none",
              where=fork_place(lab), gdb="ps")
    if len(fork.made) > 1:
        wrong(f"One fork made {len(fork.made)} processes: numbers "
              + ", ".join(str(p.pid) for p in fork.made),
              where=fork_place(lab), gdb="ps")
    child = fork.made[0]
    if child.pid in [p.pid for p in fork.others]:
        wrong(f"The child's number is {child.pid}, which another process has: "
              "every process has a number (pid) of its own",
              expected="a number nobody has", found=child.pid,
              where=fork_place(lab), gdb="ps")
    if child.parent != fork.caller.address:
        whose = next((f"process {p.pid}" for p in [child, *fork.others]
                      if p.address == child.parent), f"{child.parent:#x}")
        wrong(f"The field parent of process {child.pid} names {whose}, but process "
              f"{fork.caller.pid} called fork: wait4 looks for children by it",
              expected=f"process {fork.caller.pid}", found=whose,
              where=fork_place(lab), gdb="ps")
    if child.state == "NEW":
        wrong(f"Process {child.pid} is still PROC_NEW when fork returns: nobody has "
              "called proc_ready for it, so it never runs",
              expected="PROC_RUNNABLE", found="PROC_NEW", where=fork_place(lab),
              gdb="ps")
    if fork.queued > 1:
        wrong(f"Process {child.pid} stands in the CPU's queue twice when fork returns: "
              "proc_ready was called for it more than once, and it would have turns "
              "after its end",
              expected="once", found="twice", where=fork_place(lab), gdb="ps")


@points(5)
@hint("The child leaves the kernel as any call does: on its own kernel stack, by "
      "the stub's tail, with SYSRET. What it finds there is what you put on that "
      "stack.")
def test_the_child_arrives_in_ring_3(lab: Lab) -> None:
    fork = nth_fork(lab)
    arrival = fork.child
    if arrival is None:
        verdict = forks_of(lab).verdict
        if verdict:
            above = re.search(r"write to 0x(\w+), not mapped.*guard page", verdict.cause)
            if above and int(above[1], 16) % 4096 < 256:
                verdict = dataclasses.replace(verdict, cause=(
                    f"fork wrote to 0x{above[1]}, just above the top of a kernel stack: "
                    "child->kstack is where the stack ends, and the frame lies below "
                    f"it. {verdict.cause}"))
            raise verdict
        wrong("The child never ran: the program ended without a turn for it",
              where=fork_place(lab), gdb="ps")
    where = fork_place(lab)
    if arrival.lost:
        wrong("On its way from its first switch_to to user code the child was "
              f"lost: {arrival.lost}",
              expected="CS 0x33 at the instruction behind the SYSCALL",
              where=lab.kernel.line_at(arrival.lost_at) or where,
              gdb="break syscall_exit")
    found = arrival.registers
    for name, wanted in (("cs", 0x33), ("ss", 0x2B)):
        if found[name] != wanted:
            wrong(f"The child runs with {name.upper()} {found[name]:#x}",
                  expected=wanted, found=found[name], where=where,
                  gdb="info registers cs ss")


@points(4)
@hint("The frame's rcx is where SYSRET goes on. The child begins in the middle of "
      "its parent's program, not at its beginning")
def test_the_child_goes_on_behind_the_parents_syscall(lab: Lab) -> None:
    fork, arrival = child_of(lab)
    wanted, found = fork.before["rip"] + 2, arrival.registers["rip"]
    if found == wanted:
        return
    story = forks_of(lab)
    if found == story.entry:
        cause = ("The child begins at the program's first instruction (_start): it "
                 "was started like a new program, not from a copy of the live frame")
    elif found == fork.before["rip"]:
        cause = ("RIP of the child is the SYSCALL itself: it would call again, with "
                 "the number that is in RAX. The frame's rcx already is the next RIP")
    else:
        cause = (f"RIP of the child is {found:#x}, {found - wanted:+d} bytes from "
                 "the instruction behind the SYSCALL: the frame's rcx is not the "
                 "parent's")
    wrong(cause, expected=wanted, found=found, where=fork_place(lab), gdb="sysframe")


@points(4)
@hint("The child's stack is a copy at the same addresses, so its RSP is its "
      "parent's at the call, as the parent's frame has it")
def test_the_child_has_the_parents_rsp(lab: Lab) -> None:
    for number in range(4):
        fork, arrival = child_of(lab, number)
        wanted, found = fork.before["rsp"], arrival.registers["rsp"]
        if found == wanted:
            continue
        if fork.parent and fork.parent["rsp"] == found:
            lab.needs("lab 3: RSP survives a call. Here the parent lost it, too")
        if found == fork.stack:
            cause = ("RSP of the child is where the program's stack began "
                     "(proc.stack), not where it was at the call")
        elif found >> 47:
            cause = "RSP of the child is a kernel address"
        elif found in fork.rsps_since:
            cause = ("RSP of the child is the one its parent had at a later call: "
                     "it was read from per_cpu.user_rsp when the child first ran. "
                     "That slot belongs to whoever called last; the frame's rsp "
                     "belongs to the call")
        else:
            cause = "RSP of the child is not its parent's at the call"
        wrong(f"{cause} ({FORKS[number]})", expected=wanted, found=found,
              where=fork_place(lab), gdb="sysframe")


@points(4)
@hint("One word tells the two apart, and it is in the child's frame, not in the "
      "parent's: the stub writes the parent's result itself")
def test_the_child_finds_0_in_rax(lab: Lab) -> None:
    fork, arrival = child_of(lab)
    found = arrival.registers["rax"]
    if found == 0:
        return
    child = arrival.process
    what = {57: "the number of the call, as the parent's frame has it",
            child.pid: "its own number, which is the parent's result",
            fork.caller.pid: "its parent's number"}.get(found, "something else")
    wrong(f"RAX of the child is {found}: {what}. So it believes it is the parent",
          expected=0, found=found, where=fork_place(lab), gdb="sysframe")


@points(4)
@hint("What fork returns goes into RAX by way of syscall_handler and the stub")
def test_the_parent_finds_the_childs_number_in_rax(lab: Lab) -> None:
    fork, parent = parent_of(lab)
    found = parent["rax"]
    if len(fork.made) != 1:
        lab.needs("a fork that makes one process")
    child = fork.made[0]
    if found == child.pid:
        return
    what = ("so it believes it is the child" if found == 0 else
            "its own number" if found == fork.caller.pid else
            "an error" if found >> 63 else "nobody's number")
    wrong(f"RAX of the parent is {found - (found >> 63 << 64)} after the fork: "
          f"{what}. The child is process {child.pid}",
          expected=child.pid, found=found, where=fork_place(lab), gdb="ps")


@points(6)
@hint("All that the stub saved is the parent's: copy the frame whole. In code "
      "compiled with -O2, RBX, RBP and R12 to R15 hold variables across a call")
def test_the_child_has_every_other_register_of_its_parent(lab: Lab) -> None:
    check_registers(lab, 0)
    fork, arrival = child_of(lab)
    found = arrival.registers
    if found["eflags"] != fork.before["eflags"]:
        return  # that is R11's business, and the next test's
    # A return by IRETQ may leave both as they were.
    for name, wanted in (("rcx", fork.before["rip"] + 2),
                         ("r11", fork.before["eflags"])):
        if found[name] not in (wanted, fork.before[name]):
            wrong(f"{name.upper()} of the child "
                  f"{meaning(forks_of(lab), fork, name, found[name])}",
                  expected=wanted, found=found[name], where=fork_place(lab),
                  gdb="sysframe")


@points(4)
@hint("The frame's r11 is the user's RFLAGS. Without IF no timer interrupts the "
      "process; the other flags belong to the program")
def test_the_child_has_its_parents_flags(lab: Lab) -> None:
    for number in range(4):
        fork, arrival = child_of(lab, number)
        wanted = fork.before["eflags"]
        found = arrival.registers["eflags"]
        if found == wanted:
            continue
        if fork.parent and fork.parent["eflags"] == found:
            lab.needs("lab 3: RFLAGS survives a call. Here the parent lost it, too")
        differ = [name for bit, name in FLAGS.items() if (found ^ wanted) >> bit & 1]
        cause = (f"RFLAGS of the child is not its parent's at the call: "
                 f"{', '.join(differ)} changed")
        if not found & IF:
            cause += (". With IF = 0 no timer interrupt ever takes the CPU from the "
                      "child")
        wrong(f"{cause}. The frame's r11 is where RFLAGS comes from",
              expected=wanted, found=found, where=fork_place(lab), gdb="sysframe")


@points(3)
@hint("fork reads the parent's frame and changes nothing in it")
def test_the_parent_keeps_its_registers(lab: Lab) -> None:
    fork, found = parent_of(lab)
    if not fork.made:
        lab.needs("a fork that makes a process")
    for name in (*KEPT, "rsp", "eflags"):
        if found[name] != fork.before[name]:
            wrong(f"{name.upper()} of the parent is not what it was before fork: "
                  f"it {meaning(forks_of(lab), fork, name, found[name])}",
                  expected=fork.before[name], found=found[name],
                  where=fork_place(lab), gdb="sysframe")
    if found["rip"] != fork.before["rip"] + 2:
        wrong("The parent does not go on behind its SYSCALL",
              expected=fork.before["rip"] + 2, found=found["rip"],
              where=fork_place(lab), gdb="sysframe")


@points(3)
@hint("XMM registers are not in the frame. proc_inherit takes them over, with what "
      "else belongs to a process")
def test_the_child_has_its_parents_xmm_registers(lab: Lab) -> None:
    fork, arrival = child_of(lab)
    for n in range(16):
        wanted, found = fork.before[f"xmm{n}"], arrival.registers[f"xmm{n}"]
        if found != wanted:
            wrong(f"XMM{n} of the child "
                  + ("is 0, as in a new program" if found == 0 else
                     "is not its parent's at the call")
                  + ": the FPU's state was not copied to the child (fxsave, "
                    "proc_inherit)",
                  expected=wanted, found=found, where=fork_place(lab),
                  gdb=f"p $xmm{n}")


@points(4)
@hint("Each process has a frame of its own, at the top of its own kernel stack. "
      "Ask get_syscall_frame in each call anew")
@pytest.mark.parametrize("number", range(1, 4), ids=[
    "after a sleep", "after another fork", "by a child"])
def test_every_fork_copies_the_frame_of_its_own_call(lab: Lab, number: int) -> None:
    check_registers(lab, number)
    fork, arrival = child_of(lab, number)
    for name, wanted in (("rip", fork.before["rip"] + 2), ("rax", 0)):
        if arrival.registers[name] != wanted:
            wrong(f"{name.upper()} of the child of {FORKS[number]} is not what it "
                  "must be", expected=wanted, found=arrival.registers[name],
                  where=fork_place(lab), gdb="sysframe")


# ---- stacks, page tables, GS ------------------------------------------------

@points(5)
@hint("proc_alloc has given the child a kernel stack; child->kstack is its top. Two "
      "processes that share one overwrite each other's frames as soon as both are "
      "in a call")
def test_the_child_has_a_kernel_stack_of_its_own(lab: Lab) -> None:
    fork = nth_fork(lab)
    if not fork.made:
        lab.needs("a fork that makes a process")
    child, place = fork.made[0], fork_place(lab)
    for other in fork.others:
        if other.kstack == child.kstack:
            wrong(f"Process {child.pid} has the kernel stack of process {other.pid}: "
                  f"both have kstack {child.kstack:#x}",
                  expected="a kernel stack of its own", found=child.kstack,
                  where=place, gdb="ps")
    if not fork.kstack_is_top:
        wrong(f"kstack of process {child.pid} is {child.kstack:#x}, which is not the "
              "top of a kernel stack: below it must be a page of the stack, and at "
              "it the next one's guard page", found=child.kstack, where=place,
              gdb="ps")
    arrival = child_of(lab)[1]
    for what, value in (("per_cpu.kernel_rsp, where the next SYSCALL pushes",
                         arrival.kernel_rsp),
                        ("TSS.rsp0, where the next interrupt pushes", arrival.rsp0)):
        if value != child.kstack:
            owner = next((f"process {p.pid}'s" for p in fork.others
                          if p.kstack == value), "nobody's")
            wrong(f"While the child runs, {what}, is {value:#x}: {owner} kernel "
                  f"stack. The top of the child's own is {child.kstack:#x}",
                  expected=child.kstack, found=value,
                  where=lab.place("set_kernel_stack"), gdb="percpu")


@points(4)
@hint("An address space is a PML4 with its own tables below for the lower half, "
      "while the upper half, the kernel's, is the same in all")
def test_the_child_has_page_tables_of_its_own(lab: Lab) -> None:
    fork = nth_fork(lab)
    if not fork.made or not fork.pml4s:
        lab.needs("a fork that makes a process")
    child, place = fork.made[0], lab.place("vm_clone")
    parents, childs = fork.pml4s
    if child.pml4 == fork.caller.pml4:
        wrong(f"Process {child.pid} and its parent have the same page tables: both "
              f"have vm.pml4 {child.pml4:#x}", expected="a PML4 of its own",
              found=child.pml4, where=fork_place(lab), gdb="ps")
    for index in range(512):
        mine, theirs = childs[index], parents[index]
        if index < 256 and mine & 1 and mine & ADDRESS == theirs & ADDRESS:
            wrong(f"PML4 entry {index} of both processes leads to the same table at "
                  f"{mine & ADDRESS:#x}: the copy is shallow, and what one maps or "
                  "writes the other has",
                  expected="tables of its own at every level", found=mine,
                  where=place, gdb="pagewalk 0x400000")
        if index >= 256 and mine & ADDRESS != theirs & ADDRESS:
            wrong(f"PML4 entry {index} of the child, in the kernel's half, is "
                  f"{mine:#x}: as soon as CR3 names that table the kernel's own code "
                  "and stack are gone, and the machine ends by a triple fault",
                  expected=theirs, found=mine, where=place, gdb="pagewalk main")
    arrival = child_of(lab)[1]
    cr3 = arrival.registers["cr3"] & ADDRESS
    if cr3 != child.pml4:
        whose = "its parent's" if cr3 == fork.caller.pml4 else "another one"
        wrong(f"The child runs with CR3 {cr3:#x}, which is {whose} PML4; its own is "
              f"{child.pml4:#x}: the switch to it does not load CR3",
              expected=child.pml4, found=cr3, where=lab.place("vm_activate"),
              gdb="info registers cr3")


@points(3)
@hint("Every way into the kernel has one swapgs, every way out another. C code "
      "needs none")
def test_both_sides_return_with_the_users_gs(lab: Lab) -> None:
    block = lab.kernel.address("per_cpu")
    for who in ("parent", "child"):
        found = parent_of(lab)[1] if who == "parent" else child_of(lab)[1].registers
        if found["gs_base"] == block:
            wrong(f"The {who} comes back from fork with the kernel's GS base: on its "
                  "way there is a swapgs too many or one too few, and at its next "
                  "SYSCALL the stub finds no stack",
                  expected=0, found=found["gs_base"], where=fork_place(lab),
                  gdb="info registers gs_base k_gs_base")
        if found["k_gs_base"] != block:
            wrong(f"KERNEL_GS_BASE is not per_cpu when the {who} is in ring 3",
                  expected=block, found=found["k_gs_base"], where=fork_place(lab),
                  gdb="info registers gs_base k_gs_base")


@points(2)
@hint("The user's RFLAGS come into force with SYSRET and not before: SFMASK has "
      "cleared them for the kernel")
def test_no_flag_of_the_users_is_set_while_the_child_is_in_ring_0(lab: Lab) -> None:
    for number in range(4):
        fork = nth_fork(lab, number)
        if fork.child is None:
            lab.needs("a child that runs")
        assert fork.child is not None
        if fork.child.dirty:
            rip, flags = fork.child.dirty
            names = [name for bit, name in ((8, "TF"), (10, "DF"), (14, "NT"),
                                            (18, "AC")) if flags >> bit & 1]
            wrong(f"In ring 0, at {lab.kernel.name_at(rip)}, the child runs with "
                  f"{' and '.join(names)} set: the user's RFLAGS (the frame's r11) "
                  "were loaded with popfq in the kernel. SYSRET loads them",
                  expected="RFLAGS with DF, TF, NT and AC 0", found=flags,
                  where=lab.kernel.line_at(rip), gdb="break syscall_exit")
    child_of(lab)


@points(2)
@hint("A child leaves the kernel as every call does. Wherever an interrupt can come "
      "in ring 0, RSP must be in the kernel stack and GS the kernel's")
def test_interrupts_anywhere_find_the_stack_and_gs_of_the_process_that_forks(
    lab: Lab
) -> None:
    need_two(lab)
    for number, fork in enumerate(forks_of(lab).forks):
        if fork.child and fork.child.open:
            rip, what = fork.child.open
            wrong(f"On the way to ring 3 ({FORKS[number]}) the child has interrupts on "
                  f"(IF is 1) at {lab.kernel.name_at(rip)}, where {what} already is the "
                  f"user's: an interrupt there would run in ring 0 on the user's {what}",
                  expected="IF 0", found="IF 1", where=lab.kernel.line_at(rip),
                  gdb="break switch_to")
    program = stress.Program(lab, "/bin/fork_limits many 1000000")
    for seen in stress.interrupts(program, 60):
        fault = stress.fault_of(program, seen)
        if fault:
            wrong(f"While a program forks again and again, {fault}",
                  expected="ring 0 on the process's kernel stack and the kernel's GS",
                  found=f"RSP {seen.rsp:#x}, GS base {seen.gs_base:#x}",
                  where=lab.kernel.line_at(seen.rip) or fork_place(lab), gdb="percpu")


@points(2)
@hint("A trap after one instruction of ring 3 is a matter of ring 3; in the kernel "
      "TF is 0, on the child's way, too")
def test_a_fork_that_is_single_stepped_traps_in_ring_3_on_both_sides(lab: Lab
                                                                      ) -> None:
    told = tell_or_refuse(lab, "/bin/fork_wait 1 step")
    for name, who in (("child", "the process that forked"),
                      ("other", "the child of its fork")):
        found = status_of(lab, told, name)
        if found != SIGTRAP:
            wrong(f"With RFLAGS.TF set at the fork, {who} was not killed by SIGTRAP "
                  "behind its SYSCALL: wait4 gives " + status_text(found),
                  expected="SIGTRAP (5)", found=status_text(found),
                  where=fork_place(lab), gdb="break syscall_exit")
    told.end()


# ---- programs that fork -----------------------------------------------------

def tell_or_refuse(lab: Lab, command: str, **options: object) -> Told:
    """All that a probe tells, where no fork may be refused."""
    need_two(lab)
    told = tell(lab, command, **options)
    for fact in told.facts:
        if fact.what == "refused":
            refused(lab, fact.signed)
    return told


def status_of(lab: Lab, told: Told, name: str) -> int:
    """A child's status by wait4, where its fork was not refused."""
    status = told.one(name).signed
    if status in ERRORS:
        refused(lab, status)
    return status


def status_text(status: int) -> str:
    """A status of wait4 in words."""
    if status < 0:
        return f"the error {status}"
    if status & 0x7F:
        return f"killed by signal {status & 0x7F}"
    return f"exit status {status >> 8}"


@points(4)
@hint("The way back goes through every function that is under way: each finds its "
      "return address on the stack and its variables in RBX, RBP, R12 to R15")
@pytest.mark.parametrize("depth", ["deep", "nested"])
def test_a_fork_returns_through_all_functions_on_both_sides(lab: Lab, depth: str
                                                             ) -> None:
    seed = lab.random.getrandbits(63)
    told = tell_or_refuse(lab, f"/bin/fork_deep {seed} {depth}")
    wanted = deep_sum(seed) if depth == "deep" else nested_sum(seed)
    for who in ("parent", "child"):
        try:
            found = told.one(who).value
        except Verdict as verdict:
            verdict.cause = (f"The {who} did not find its way back from fork "
                             f"through the functions that called it. {verdict.cause}")
            raise
        if found != wanted:
            wrong(f"The {who} came back from fork "
                  + ("500 calls deep" if depth == "deep"
                     else "in a function inside a function")
                  + " with other numbers in its registers and variables than it "
                    "had", expected=wanted, found=found, where=fork_place(lab),
                  gdb="sysframe")
    told.end()


def mix(a: int, b: int) -> int:
    a = (a ^ b) * 0x9E3779B97F4A7C15 & (1 << 64) - 1
    return a ^ a >> 29


def deep_sum(seed: int) -> int:
    """fork_deep's descend() over its 500 levels."""
    total = 0
    for level in range(501):
        value, values = mix(seed, level), []
        for n in range(1, 7):
            values.append(value)
            value = mix(value, n)
        for value in values:
            total = mix(total, value)
    return total


def nested_sum(seed: int) -> int:
    """fork_deep's nest()."""
    outer, a, b = mix(seed, 77), mix(seed, 5), mix(seed, 6)
    return mix(mix(outer, a), mix(outer, b))


# ---- memory -----------------------------------------------------------------

PLACES = {"data": "a variable in .data", "first": "the first page of an array",
          "last": "the last page of an array of 300 pages", "heap": "the heap",
          "mapped": "mapped memory", "stack": "the stack"}


def check_memory(lab: Lab, mode: str, writers: dict[str, tuple[str, int]]) -> None:
    """Runs fork_memory. `writers` says, for who looks, whose numbers it must see,
    and how far above the seed they are."""
    need_two(lab)
    fork = forks_of(lab).forks[0]
    if fork.unprotected:
        va, pid = fork.unprotected
        wrong(f"Behind fork both processes use one page at {va:#x}, and the page table "
              f"entry of process {pid} allows it to write there (PTE.W is 1). A shared "
              "page must be write-protected on both sides until it has one user",
              expected="PTE.W 0 on both sides", found="PTE.W 1",
              where=lab.place("vm_clone"), gdb=f"pagewalk {va:#x}")
    seed = lab.random.getrandbits(40)
    run = Run(lab, f"/bin/fork_memory {seed} {mode}")
    seen: set[str] = set()
    who = ""
    try:
        for fact in run.facts():
            if fact.what == "refused":
                refused(lab, fact.signed)
            elif fact.what == "begin":
                who = {"c": "child", "p": "parent", "f": "first", "s": "second"}[
                    chr(fact.value)]
                seen.add(who)
            elif fact.what in PLACES and who:
                offset = list(PLACES).index(fact.what)
                check_place(run, fact, who, offset + seed, writers[who])
    except Verdict as verdict:
        if verdict.outcome != "fail" and "fork" not in verdict.cause:
            verdict.cause = f"While two processes shared memory: {verdict.cause}"
        raise
    missing = set(writers) - seen
    if missing:
        wrong(f"The {sorted(missing)[0]} never told what it sees: it did not run to "
              "its end. Its memory was changed behind its back, though the entries of "
              "shared pages are write-protected: then the CPU wrote by what its TLB "
              "remembered, as CR3 was not loaded after PTE.W was cleared", where=fork_place(lab), gdb="ps")


def check_place(run: Run, fact: Fact, who: str, base: int, wanted: tuple[str, int]
                ) -> None:
    """One place as one process sees it."""
    whose, above = wanted
    if fact.value == base + above:
        return
    others = {0: "what there was before the fork", 100: "what the parent wrote",
              200: "what the child wrote"}
    what = others.get(fact.value - base, "neither's number")
    name = {"child": "the child", "parent": "the parent", "first": "the first child",
            "second": "the second child"}[who]
    wrong(f"In {PLACES[fact.what]}, {name} sees {what} instead of {whose}: "
          + why_shared(run, fact, who),
          expected=base + above, found=fact.value,
          where=run.lab.place("vm_clone"), gdb=f"pagewalk {place_of(run, fact):#x}")


def place_of(run: Run, fact: Fact) -> int:
    """The address of a place, in the process that runs."""
    probe = run.probe
    if fact.what in ("heap", "mapped", "stack"):
        pointer = {"stack": "on_stack"}.get(fact.what, fact.what)
        return run.gdb.read_u64(probe.address(pointer))
    if fact.what == "data":
        return probe.address("data")
    return probe.address("array") + (299 * 4096 if fact.what == "last" else 0)


def why_shared(run: Run, fact: Fact, who: str) -> str:
    """Why one process sees what another wrote, from their page tables."""
    va = place_of(run, fact)
    here = run.table.current()
    others = [p for p in run.table.all()
              if p.address != here.address and p.state != "ZOMBIE" and p.pml4]
    mine = page_entries(run.gdb, here.pml4, va)
    for other in others:
        theirs = page_entries(run.gdb, other.pml4, va)
        both = f"processes {other.pid} and {here.pid}"
        if other.pml4 == here.pml4:
            return f"{both} have the same PML4"
        if run.gdb.register("cr3") & ADDRESS != here.pml4:
            return (f"process {here.pid} runs on page tables that are not its own "
                    "(CR3)")
        for level, (a, b) in enumerate(zip(mine, theirs)):
            if level < 3 and a & ADDRESS == b & ADDRESS:
                return (f"{both} share the page table at {a & ADDRESS:#x} (level "
                        f"{4 - level} leads to it), so every page below is one page")
        if len(mine) == len(theirs) == 4 and mine[3] & ADDRESS == theirs[3] & ADDRESS:
            for p, entry in ((other, theirs[3]), (here, mine[3])):
                if entry & WRITABLE:
                    return (f"{both} share the page at {entry & ADDRESS:#x}, and the "
                            f"page table entry of process {p.pid} for {va:#x} allows "
                            "it to write (PTE.W is 1). A shared page must be "
                            "write-protected on both sides until it has one user")
            return (f"{both} share the page at {mine[3] & ADDRESS:#x} and neither's "
                    "entry allows to write (PTE.W is 0), so the CPU wrote by what "
                    "its TLB remembered: after PTE.W is cleared, CR3 must be loaded "
                    "again")
    return (f"the page at {va:#x} was copied at the wrong time or not at all, or two "
            "processes were given one page")


@points(5)
@hint("After fork both use the same pages until one writes. The parent's own page "
      "table entries must lose PTE.W as well, and the CPU must forget what it knew "
      "of them.")
def test_the_child_does_not_see_what_the_parent_writes(lab: Lab) -> None:
    check_memory(lab, "parent", {"child": ("what there was before the fork", 0),
                                 "parent": ("what it wrote itself", 100)})


@points(4)
@hint("After fork both use the same pages until one writes; the one that writes "
      "gets a copy")
def test_the_parent_does_not_see_what_the_child_writes(lab: Lab) -> None:
    check_memory(lab, "child", {"parent": ("what there was before the fork", 0),
                                "child": ("what it wrote itself", 200)})


@points(3)
@hint("A page knows how many use it. With three users, the first copy leaves two")
def test_a_page_of_three_processes_stays_protected_when_one_has_copied_it(lab: Lab
                                                                          ) -> None:
    check_memory(lab, "three", {"second": ("what it wrote itself", 200),
                                "first": ("what there was before the fork", 0),
                                "parent": ("what it wrote itself", 100)})


@points(3)
@hint("The kernel writes for read(2), too; copyout makes the page ready first")
def test_what_the_kernel_writes_for_the_child_stays_the_childs(lab: Lab) -> None:
    seed = lab.random.getrandbits(40)
    told = tell_or_refuse(lab, f"/bin/fork_memory {seed} kernel")
    heap = [fact for fact in told.facts if fact.what == "heap"]
    if len(heap) < 2:
        told.end()
        wrong("One of the two processes never told what it sees", gdb="ps",
              where=fork_place(lab))
    for fact, who, wanted in ((heap[0], "child", seed + 200),
                              (heap[1], "parent", seed + 3)):
        if fact.value != wanted:
            wrong(f"After read(2) in the child, the {who}'s page of the heap holds "
                  + ("what was read" if fact.value == seed + 200
                     else "what there was before" if fact.value == seed + 3
                     else "neither what there was nor what was read"),
                  expected=wanted, found=fact.value, where=lab.place("copyout"),
                  gdb="pagewalk")
    told.end()


@points(3)
@hint("A child may give its memory back or protect it; that is its own affair")
def test_what_the_child_maps_and_unmaps_is_its_own(lab: Lab) -> None:
    told = tell_or_refuse(lab, f"/bin/fork_memory {lab.random.getrandbits(40)} "
                               "mappings")
    for name, wanted, cause in (
            ("grown", 1, "brk in the child did not grow its heap: brk and the areas "
                         "are part of what vm_clone copies"),
            ("status", 0, "The child that changed its mappings did not end well: "),
            ("end", 0, "The child's brk moved the end of the parent's heap")):
        found = told.one(name).signed
        if found != wanted:
            wrong(cause + (status_text(found) if name == "status" else ""),
                  expected=wanted, found=found, where=lab.place("vm_clone"), gdb="ps")
    told.end()


@points(4)
@hint("A copied entry keeps its rights: read-only and no-execute stay so. "
      "Copy-on-write may only give back what the area allows")
def test_the_child_may_do_with_a_page_what_the_parent_may(lab: Lab) -> None:
    told = tell_or_refuse(lab, "/bin/fork_memory 1 rights")
    for name, wanted, what in (
            ("constant", SIGSEGV, "writes to a page that is read-only"),
            ("code", SIGSEGV, "writes to its own code"),
            ("fresh", 0, "writes to a page that it may write to"),
            ("run data", SIGSEGV, "runs a page of data"),
            ("run code", 0, "runs its code"),
            ("page 0", SIGSEGV, "writes to address 0")):
        found = status_of(lab, told, name)
        if found != wanted:
            wrong(f"A child that {what} "
                  + ("was not stopped" if wanted else "could not")
                  + f": wait4 gives {status_text(found)}. The rights of the page "
                    "table entry were not copied with it",
                  expected=status_text(wanted), found=status_text(found),
                  where=lab.place("vm_clone"), gdb="pagewalk")
    told.end()


# ---- turns ------------------------------------------------------------------

@points(5)
@hint("The timer takes the CPU from a process only while RFLAGS.IF is 1, and gives "
      "it to those in the queue. Nobody has to wait for anybody")
def test_parent_and_child_take_turns_without_a_call(lab: Lab) -> None:
    need_two(lab)
    run = Run(lab, f"/bin/fork_turns {lab.random.getrandbits(40)}",
              append="hz=1000", icount=None)
    loop = run.probe.address("registers_spin") + run.probe.code(
        "registers_spin").index(b"\xe2\xfe")
    turns: list[int] = []
    run.gdb.insert_breakpoint(loop)
    while run.next() not in (loop, None):
        pass
    run.gdb.remove_breakpoint(loop)
    for _ in range(60):
        run.gdb.resume()
        time.sleep(0.012)  # a dozen ticks without the debugger
        try:
            run.gdb.interrupt()
            registers, process = run.gdb.registers(), run.table.current()
        except (MachineGone, OSError):
            lab.stopped(run.machine)
        if registers["rip"] != loop:
            continue
        if not registers["eflags"] & IF:
            wrong(f"Process {process.pid} runs in ring 3 with IF = 0: no timer "
                  "interrupt ever takes the CPU from it",
                  expected="RFLAGS with IF (0x200)", found=registers["eflags"],
                  where=fork_place(lab), gdb="info registers eflags")
        turns.append(process.slot)
        check_spinning(run, Arrival(process, registers))
        if len(turns) >= 6 and len(set(turns)) == 2:
            return
    there = ", ".join(str(p) for p in run.table.all())
    wrong("After the fork, with nobody waiting, "
          + ("only one process ever got a turn" if turns else "nobody got on")
          + f". In the table are: {there}. What proc_ready has put into the queue "
            "gets its turn at the next tick", where=fork_place(lab), gdb="ps")


def check_spinning(run: Run, arrival: Arrival) -> None:
    """A process that counts RCX down has everything else as it loaded it."""
    data = run.gdb.read(run.probe.address("registers_before"), 144 + 256)
    names = ("rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15 "
             "eflags").split()
    wanted = dict(zip(names, struct.unpack_from("<17Q", data)))
    del wanted["rcx"]
    for n in range(16):
        wanted[f"xmm{n}"] = int.from_bytes(data[144 + 16 * n:160 + 16 * n], "little")
    for name, value in wanted.items():
        found = arrival.registers[name]
        if found != value:
            wrong(f"{name.upper()} of process {arrival.process.pid} changed while "
                  "another one had its turn: it did not come back from its own "
                  "kernel stack", expected=value, found=found,
                  where=run.lab.place("switch_to"), gdb="ps")


# ---- parents and children ---------------------------------------------------

@points(4)
@hint("Each process has a number of its own, and knows its parent's")
def test_getpid_getppid_and_wait4_agree_with_what_fork_returned(lab: Lab) -> None:
    told = tell_or_refuse(lab, "/bin/fork_wait 1 numbers")
    first, child = told.one("first").signed, told.one("fork").signed
    for name, wanted, cause in (
            ("getpid", child, "getpid in the child is not what fork returned"),
            ("getppid", first, "getppid in the child is not its parent's number"),
            ("waited", child, "wait4 did not give the child's number"),
            ("again", first, "the parent has another number after the fork")):
        found = told.one(name).signed
        if found != wanted:
            wrong(cause[0].upper() + cause[1:], expected=wanted, found=found,
                  where=fork_place(lab), gdb="ps")
    told.end()


@points(4)
@hint("wait4 gives each child once, with its own status, in whatever order it is "
      "asked")
def test_wait4_gives_every_childs_status_once(lab: Lab) -> None:
    seed = lab.random.getrandbits(60)
    told = tell_or_refuse(lab, f"/bin/fork_wait {seed} statuses")
    stream, statuses = seed, []
    for _ in range(6):
        stream, value = splitmix(stream)
        statuses.append((value & 0xFF) << 8)
    facts = iter(told.facts)
    left: dict[int, int] = {}
    for status in reversed(statuses[3:]):
        pid, asked, found = (told.next(facts, name).signed
                             for name in ("pid", "asked", "status"))
        check_status(lab, pid, asked, status, found)
        left[pid] = status
    seen = dict(left)
    rest = sorted(statuses[:3])
    for _ in range(3):
        pid, found = told.next(facts, "any").signed, told.next(facts, "status").signed
        if pid in seen or pid <= 0:
            wrong(f"wait4 gave child {pid} "
                  + ("a second time" if pid in seen else "instead of a number")
                  + ": a child that was waited for must be gone (proc_free)",
                  expected="a child that was not waited for", found=pid,
                  where=lab.place("proc_wait"), gdb="ps")
        if found not in rest:
            wrong(f"wait4 gave child {pid} the status {status_text(found)}, with which "
                  "no child that was left has ended",
                  expected=" or ".join(map(status_text, rest)),
                  found=status_text(found), where=fork_place(lab), gdb="ps")
        rest.remove(found)
        seen[pid] = found
    check_nobody_left(lab, told)
    told.end()


def check_status(lab: Lab, pid: int, asked: int, status: int, found: int) -> None:
    if asked != pid:
        wrong(f"wait4({pid}) gave {asked}", expected=pid, found=asked,
              where=fork_place(lab), gdb="ps")
    if found != status:
        wrong(f"wait4({pid}) gave {status_text(found)}, but that child ended with "
              f"{status_text(status)}", expected=status_text(status),
              found=status_text(found), where=fork_place(lab), gdb="ps")


def check_nobody_left(lab: Lab, told: Told) -> None:
    found = told.one("none").signed
    if found != -10:
        wrong("After every child was waited for, wait4 does not give -ECHILD (-10)",
              expected=-10, found=found, where=lab.place("proc_wait"), gdb="ps")


def splitmix(state: int) -> tuple[int, int]:
    """user/lib/random.c: the next state and number."""
    mask = (1 << 64) - 1
    state = (state + 0x9E3779B97F4A7C15) & mask
    z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    return state, z ^ z >> 31


@points(4)
@hint("A grandchild is its own parent's child. When that one ends it comes to "
      "process 1. The parent of a new process is whoever called fork")
def test_a_grandchild_is_not_its_grandparents_child(lab: Lab) -> None:
    told = tell_or_refuse(lab, "/bin/fork_wait 1 nobody")
    child, orphan = told.one("child").signed, told.one("orphan").signed
    if told.has("foreign") and not told.has("running"):
        told.lost("wait4 with WNOHANG, for a child that still runs, does not come back.")
    for name, wanted, cause in (
            ("foreign", -10, "wait4 for the grandchild's number, while its parent "
                             "lives, does not give -ECHILD: the grandchild's field "
                             "parent names its grandparent"),
            ("running", 0, "wait4 with WNOHANG for a child that still runs does not "
                           "give 0"),
            ("first", child, "the first to end is the child, and wait4 gives another "
                             "number"),
            ("adopted", 0, "The grandchild whose parent has ended is not process 1's "
                           "child now"),
            ("second", orphan, "process 1 cannot wait for the grandchild that came "
                               "to it"),
            ("none", -10, "there is a child left that nobody made")):
        found = told.one(name).signed
        if found != wanted:
            wrong(cause[0].upper() + cause[1:], expected=wanted, found=found,
                  where=fork_place(lab), gdb="ps")
    told.end()


@points(3)
@hint("A child in ring 0 can do everything. CS says in which ring it is")
def test_hlt_cli_and_the_kernels_memory_are_refused_to_the_child(lab: Lab) -> None:
    told = tell_or_refuse(lab, "/bin/fork_wait 1 ring0")
    for name, what in (("hlt", "executes hlt"), ("cli", "executes cli"),
                       ("kernel", "reads the kernel's memory")):
        found = status_of(lab, told, name)
        if found != SIGSEGV:
            wrong(f"A child that {what} is not killed by SIGSEGV: wait4 gives "
                  f"{status_text(found)}. It runs with ring 0's rights",
                  expected="killed by signal 11", found=status_text(found),
                  where=fork_place(lab), gdb="info registers cs")
    told.end()


@points(4)
@hint("Files, working directory, FS base: proc_inherit copies what is neither "
      "memory nor a register of the call, and it must be called once")
def test_the_child_inherits_files_directory_and_thread_pointer_once(lab: Lab) -> None:
    told = tell_or_refuse(lab, "/bin/fork_wait 1 inherit")
    for name, wanted, cause in (
            ("fs", 0, "FS base of the child is not its parent's"),
            ("cwd", 1, "the child is not in its parent's working directory"),
            ("read", 3, "the child cannot read the file its parent has open"),
            ("wrote", 3, "the child cannot write to the pipe its parent has open"),
            ("offset", 3, "the child's reading did not move the parent's offset: "
                          "they must share the open file, not have one each"),
            ("heard", 3, "what the child wrote to the pipe did not arrive")):
        found = told.one(name).signed
        if found != wanted:
            wrong(f"{cause[0].upper()}{cause[1:]}: proc_inherit gives the child what "
                  "is neither memory nor a register", expected=wanted, found=found,
                  where=fork_place(lab), gdb="ps")
    if not told.has("eof") and told.ending and told.ending.outcome == "hung":
        wrong("read(2) waits for ever at a pipe whose writing end every process has "
              "closed: the kernel counts one user of the file too many. proc_inherit "
              "counts a user for each open file and must be called once for a child",
              expected="0, the end of the file", found="no answer",
              where=fork_place(lab), gdb="ps")
    if told.one("eof").signed != 0:
        wrong("The pipe's end was not seen after all writers had closed it",
              expected=0, found=told.one("eof").signed, where=fork_place(lab))
    told.end()


# ---- limits -----------------------------------------------------------------

@points(4)
@hint("proc_alloc gives NULL when the table is full and says why in *error. Look "
      "before you use what it gave")
def test_fork_is_refused_when_the_table_is_full_and_works_again_after(lab: Lab
                                                                      ) -> None:
    need_two(lab)
    told = tell(lab, "/bin/fork_limits table")
    rounds = zip(told.many("made"), told.many("refusal"), told.many("gone"),
                 told.many("free"))
    slots = lab.kernel.object_size("proc_table") // lab.kernel.size_of("proc")
    made_first = free_first = None
    if told.has("made") and told.one("made").signed == 0:
        refused(lab, told.one("refusal").signed)
    count = 0
    for made, refusal, gone, free in rounds:
        count += 1
        check_refusal(lab, refusal, "With the table of processes full,")
        if made_first is None:
            made_first, free_first = made, free
            if made != slots - 1:
                wrong(f"fork was refused with {made} children, but the table has room "
                      f"for {slots - 1} beside process 1", expected=slots - 1,
                      found=made, where=fork_place(lab), gdb="ps")
        if gone != made:
            wrong(f"{made} children were made, and wait4 gave {gone} of them"
                  + (" and more: what wait4 gave is not gone from the table "
                     "(proc_free)" if gone > made else ""), expected=made,
                  found=gone, where=lab.place("proc_wait"), gdb="ps")
        if made != made_first:
            wrong(f"The table had room for {made_first} children the first time, and "
                  f"for {made} in round {count}: a refused fork or an ended child "
                  "keeps its place", expected=made_first, found=made,
                  where=fork_place(lab), gdb="ps")
        if free != free_first:
            assert free_first is not None
            wrong(f"Each round of forks until the table is full costs memory: "
                  f"{free_first - free} pages are lost in round {count}",
                  expected=free_first, found=free, where=fork_place(lab), gdb="ps")
    if count < 3:
        told.lost("With the table of processes full, fork did not come back with an "
                  "error.")


def check_try(lab: Lab, free: int, result: int, then: int) -> None:
    """One fork with little memory: what it gave, and the pages free after it."""
    if result < 0:
        check_refusal(lab, result, f"With {free} pages free,")
    if then != free:
        wrong(f"With {free} pages free, fork returned {result}, and when it was "
              f"over {free - then} pages were lost"
              + (": a fork that cannot be made must give back what it took, the "
                 "kernel stack and the place in the table (proc_free)"
                 if result < 0 else ""),
              expected=free, found=then, where=fork_place(lab), gdb="break vm_clone")


def check_refusal(lab: Lab, result: int, when: str) -> None:
    """An error of fork's must be one of two."""
    if result in (-11, -12):
        return
    shown = ERRORS.get(result, str(result))
    wrong(f"{when} fork returned {shown} instead of -EAGAIN (-11) or -ENOMEM (-12)",
          expected="-11 or -12", found=result, where=fork_place(lab),
          gdb="break proc_alloc")


@points(5)
@hint("Each of fork's two allocations may fail, and vm_clone may fail halfway. What "
      "was taken by then must be given back: proc_free undoes proc_alloc")
def test_fork_is_refused_without_memory_and_gives_everything_back(lab: Lab) -> None:
    need_two(lab)
    free, last = 0, 0
    tries: list[tuple[int, ...]] = []
    run = Run(lab, "/bin/fork_limits memory", memory=8, patience=4)
    try:
        for fact in run.facts():
            if fact.what == "at first" and fact.signed < 0:
                refused(lab, fact.signed)
            if fact.what == "try":
                done = struct.unpack("<3q", run.gdb.read(
                    run.probe.address("results") + 24 * len(tries), 24))
                if done[2] >= 0:  # else it is the first, or the same stop once more
                    tries.append(done)
                    check_try(lab, *done)
                free = fact.signed
            if fact.what == "at last":
                last = fact.signed
    except Verdict as verdict:
        if verdict.outcome != "fail" or "The kernel killed" in verdict.cause:
            verdict.cause = (f"With {free} pages free, fork did not come back with "
                             f"an error. {verdict.cause}")
        raise
    if not tries:
        lab.needs("a program that forks until memory is full; it ended before")
    results = {result for _, result, _ in tries}
    if min(results) >= 0 or max(results) <= 0:
        wrong("fork must work with enough memory and be refused without; here the "
              f"results were {sorted(results)}", where=fork_place(lab))
    if last <= 0:
        wrong(f"With memory free again, fork still returns {last}: the refused ones "
              "keep their places in the table of processes",
              expected="a child's number", found=last, where=fork_place(lab),
              gdb="ps")


@points(4)
@hint("What fork takes, the end of the child and wait4 give back: its pages and "
      "tables, its kernel stack, its place in the table, its files")
def test_thousands_of_forks_cost_no_page(lab: Lab, request: pytest.FixtureRequest
                                         ) -> None:
    # 10,000 with --long (make stress); what leaks at all, leaks 1,000 times here.
    count = 10_000 if request.config.getoption("--long") else 1_000
    told = tell_or_refuse(lab, f"/bin/fork_limits many {count}", patience=6)
    for name, wanted, cause in (
            ("right", count, "not every child was waited for with its status"),
            ("after", told.one("before").signed,
             f"{count} times fork, exit and wait4 lost "
             f"{told.one('before').signed - told.one('after').signed} pages")):
        found = told.one(name).signed
        if found != wanted:
            wrong(cause[0].upper() + cause[1:], expected=wanted, found=found,
                  where=fork_place(lab), gdb="ps")
    told.end()
