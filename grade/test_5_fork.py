"""Lab 5: one process calls fork, and two come back.

The registers of both sides are read from the machine, at the SYSCALL and at the
first instruction of user code after it. What programs see of it is in
test_5_fork_memory.py and test_5_fork_programs.py.
"""

from __future__ import annotations

from typing import Optional

import pytest

from judge import fork_start, stress, stub
from judge.child_way import USERS_FLAGS
from judge.fork_causes import (
    FORKS, KEPT, SIGTRAP, check_registers, child_of, fork_place, meaning, need_two,
    nth_fork, parent_of, status_text, tell_flaw, tell_or_refuse)
from judge.fork_story import Story, forks_of
from judge.fork_wait import status_of
from judge.lab import Lab
from judge.probe_run import ProbeRun
from judge.verdict import Verdict, foundation, hint, points, wrong
from machine.kernel import in_kernel_half
from machine.page_tables import ADDRESS
from machine.x86 import FLAGS, IF, RING3_CS, RING3_SS, flags_in
from proof.rules import Rule

# Forks under the fast timer.
ROUNDS = 100

# ---- what both sides find in their registers --------------------------------

@foundation
@points(4)
@hint("fork makes a process and says so: proc_alloc gives one, proc_ready lets it "
      "take part. A result below 0 is an error.")
def test_fork_makes_one_process_whose_parent_is_the_caller(lab: Lab) -> None:
    tell_flaw(lab, fork_start.too_early(nth_fork(lab)), "break proc_ready")
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
    tell_flaw(lab, fork_start.too_early(fork), "break proc_ready")
    tell_flaw(lab, fork_start.misplaced(lab, fork), "break proc_set_start")
    arrival = fork.child
    if arrival is None:
        story = forks_of(lab)
        if fork.parent and fork.parent["gs_base"] == lab.kernel.address("per_cpu"):
            lab.needs("a parent that comes back with the user's GS. It has the kernel's, "
                      "and its next SYSCALL changes it away")
        if story.verdict:
            raise above_a_stack(lab, story) or story.verdict
        if fork.parent and fork.parent["rax"] == 0:
            lab.needs("a parent that finds its child's number in RAX. It found 0, "
                      "believed that it is the child, and gave nobody a turn")
        wrong("The child never ran: the program ended without a turn for it",
              where=fork_place(lab), gdb="ps")
    if arrival.lost:
        not_the_stubs(lab, f"On its way to user code the child was lost: {arrival.lost}")
        wrong("On its way from its first switch_to to user code the child was "
              f"lost: {arrival.lost}",
              expected="CS 0x33 at the instruction after the SYSCALL",
              where=lab.kernel.line_at(arrival.lost_at) or fork_place(lab),
              gdb="break syscall_exit")
    found = arrival.registers
    for name, wanted in (("cs", RING3_CS), ("ss", RING3_SS)):
        if found[name] != wanted:
            wrong(f"The child runs with {name.upper()} {found[name]:#x}",
                  expected=wanted, found=found[name], where=fork_place(lab),
                  gdb="info registers cs ss")
    if fork.marked:
        wrong("In ring 3 get_syscall_frame() gives the child a frame: it is marked as "
              "inside a call, of which nothing is on its stack any more. The child "
              "makes no call, it only leaves one", expected="NULL", found="a frame",
              where=fork_place(lab), gdb="sysframe")


def not_the_stubs(lab: Lab, sentence: str) -> None:
    """Fails the test for the stub's mistake if no process can begin at its label."""
    finding = stub.proved(lab, Rule.CHILD)
    if finding:
        stub.blame(lab, sentence, finding, gdb="break syscall_exit")


def above_a_stack(lab: Lab, story: Story) -> Optional[Verdict]:
    """The verdict on a kernel that panicked where fork wrote its frame above the top
    of a kernel stack, on the guard page there."""
    fault = story.last_cr2
    tops = {p.kstack_top for fork in story.forks for p in (*fork.others, *fork.made)}
    stride = lab.kernel.constants["KSTACK_STRIDE"]
    over = any(0 <= (fault - top) % stride < 2 * lab.kernel.frame_bytes for top in tops)
    if not story.verdict or not in_kernel_half(fault) or not over:
        return None
    return story.verdict.during(
        f"fork wrote to {fault:#x}, just above the top of a kernel stack: child->kstack_top "
        "is where the stack ends, and the frame lies below it.")


@points(4)
@hint("The frame's rcx is where SYSRET goes on. The child begins in the middle of "
      "its parent's program, not at its beginning")
def test_the_child_goes_on_after_the_parents_syscall(lab: Lab) -> None:
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
                 "the instruction after the SYSCALL: the frame's rcx is not the "
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
        tell_flaw(lab, fork_start.of_another(fork), "break proc_ready")
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
    not_the_stubs(lab, f"RAX of the child is {found}, not 0")
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
        differ = flags_in(found ^ wanted, *FLAGS)
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
    users_gs(lab, "parent", found)
    if not fork.made:
        lab.needs(f"a fork that makes a process. Here: {forks_of(lab).why_it_ended()}")
    for name in (*KEPT, "rsp", "eflags"):
        if found[name] != fork.before[name]:
            wrong(f"{name.upper()} of the parent is not what it was before fork: "
                  f"it {meaning(forks_of(lab), fork, name, found[name])}",
                  expected=fork.before[name], found=found[name],
                  where=fork_place(lab), gdb="sysframe")
    if found["rip"] != fork.before["rip"] + 2:
        wrong("The parent does not go on after its SYSCALL",
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
@hint("proc_alloc has given the child a kernel stack; child->kstack_top is its top. Two "
      "processes that share one overwrite each other's frames as soon as both are "
      "in a call")
def test_the_child_has_a_kernel_stack_of_its_own(lab: Lab) -> None:
    fork = nth_fork(lab)
    if not fork.made:
        lab.needs(f"a fork that makes a process. Here: {forks_of(lab).why_it_ended()}")
    child = fork.made[0]
    for other in fork.others:
        if other.kstack_top == child.kstack_top:
            wrong(f"Process {child.pid} has the kernel stack of process {other.pid}: "
                  f"both have kstack_top {child.kstack_top:#x}",
                  expected="a kernel stack of its own", found=child.kstack_top,
                  where=fork_place(lab), gdb="ps")
    if not fork.kstack_is_top:
        wrong(f"kstack_top of process {child.pid} is {child.kstack_top:#x}, which is not the "
              "top of a kernel stack: below it must be a page of the stack, and at "
              "it the next one's guard page", found=child.kstack_top,
              where=fork_place(lab), gdb="ps")
    arrival = child_of(lab)[1]
    for what, value in (("per_cpu.kernel_rsp, where the next SYSCALL pushes",
                         arrival.kernel_rsp),
                        ("TSS.rsp0, where the next interrupt pushes", arrival.rsp0)):
        if value != child.kstack_top:
            owner = next((f"process {p.pid}'s" for p in fork.others
                          if p.kstack_top == value), "nobody's")
            wrong(f"While the child runs, {what}, is {value:#x}: {owner} kernel "
                  f"stack. The top of the child's own is {child.kstack_top:#x}",
                  expected=child.kstack_top, found=value,
                  where=lab.place("set_kernel_stack"), gdb="percpu")


@points(4)
@hint("An address space is a PML4 with its own tables below for the lower half, "
      "while the upper half, the kernel's, is the same in all")
def test_the_child_has_page_tables_of_its_own(lab: Lab) -> None:
    fork = nth_fork(lab)
    if not fork.made or not fork.pml4s:
        lab.needs(f"a fork that makes a process. Here: {forks_of(lab).why_it_ended()}")
    child = fork.made[0]
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
                  where=lab.place("vm_clone"), gdb="pagewalk 0x400000")
        if index >= 256 and mine & ADDRESS != theirs & ADDRESS:
            wrong(f"PML4 entry {index} of the child, in the kernel's half, is "
                  f"{mine:#x}: as soon as CR3 names that table the kernel's own code "
                  "and stack are gone, and the machine ends by a triple fault",
                  expected=theirs, found=mine, where=lab.place("vm_clone"),
                  gdb="pagewalk main")
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
    users_gs(lab, "parent", parent_of(lab)[1])
    users_gs(lab, "child", child_of(lab)[1].registers)


def users_gs(lab: Lab, who: str, found: dict[str, int]) -> None:
    """Fails the test if a side is in ring 3 with other GS bases than it must have."""
    block = lab.kernel.address("per_cpu")
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
            lab.needs(f"a child that runs. Here: {forks_of(lab).why_it_ended()}")
        assert fork.child is not None
        if fork.child.dirty:
            rip, flags = fork.child.dirty
            names = flags_in(flags, *USERS_FLAGS)
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
    run = ProbeRun(lab, f"/bin/fork_limits many {ROUNDS}", patience=6,
                   icount=stress.ICOUNT, append=stress.FAST_TIMER,
                   flags=(log := stress.log_of(lab)).flags)
    ending = None
    try:
        faults = list(stress.entry_faults(lab.kernel, run.gdb, ring=3))
        run.next()  # the first fact is told after all rounds
    except Verdict as found:
        ending = found
    seen = stress.first_fault(lab.kernel, log.text())
    if seen or faults:
        fault, at = seen or (faults[0], None)
        wrong(f"While a program forks again and again, {fault}",
              expected="ring 0 on the process's kernel stack and the kernel's GS",
              found=at and f"RSP {at.rsp:#x}, GS base {at.gs_base:#x}",
              where=at and lab.kernel.line_at(at.rip) or fork_place(lab), gdb="percpu")
    if ending:
        raise ending


@points(2)
@hint("A trap after one instruction of ring 3 is a matter of ring 3; in the kernel "
      "TF is 0, on the child's way, too")
def test_a_fork_that_is_single_stepped_traps_in_ring_3_on_both_sides(lab: Lab
                                                                      ) -> None:
    told = tell_or_refuse(lab, "/bin/fork_wait 1 step")
    for name, who in (("child", "the process that forked"),
                      ("other", "the child of its fork")):
        found = status_of(lab, told, name, SIGTRAP)
        if found != SIGTRAP:
            wrong(f"With RFLAGS.TF set at the fork, {who} was not killed by SIGTRAP "
                  "after its SYSCALL: wait4 gives " + status_text(found),
                  expected="SIGTRAP (5)", found=status_text(found),
                  where=fork_place(lab), gdb="break syscall_exit")
    told.end()
