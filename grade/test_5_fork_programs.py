"""Lab 5, programs that fork.

What processes see of one another's numbers, turns and ends is told by probes
through a breakpoint (judge/probe_run.py), never by what the kernel prints.
"""

from __future__ import annotations

import struct

import pytest

from judge.child_way import ChildWay
from judge.fork_causes import (
    ERRORS, SIGSEGV, fork_place, need_two, refused, status_text, tell_or_refuse)
from judge.fork_wait import check_statuses, status_of
from judge.lab import Lab
from judge.probe_run import ProbeRun, Told, tell
from judge.verdict import Ground, Verdict, hint, points, wrong
from machine.x86 import IF, RF

EAGAIN, ENOMEM = -11, -12  # the table is full; there is no memory
LOOP = b"\xe2\xfe"  # an instruction that jumps to itself while RCX is not 0
TURNS = 30

# ---- programs that fork -----------------------------------------------------

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
            number = told.one(who).value
        except Verdict as found:
            raise found.during(f"The {who} did not find its way back from fork through "
                               "the functions that called it.") from None
        if number != wanted:
            wrong(f"The {who} came back from fork "
                  + ("500 calls deep" if depth == "deep"
                     else "in a function inside a function")
                  + " with other numbers in its registers and variables than it "
                    "had", expected=wanted, found=number, where=fork_place(lab),
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


# ---- turns ------------------------------------------------------------------

@points(5)
@hint("The timer takes the CPU from a process only while RFLAGS.IF is 1, and gives "
      "it to those in the queue. Nobody has to wait for anybody")
def test_parent_and_child_take_turns_without_a_call(lab: Lab) -> None:
    need_two(lab)
    run = ProbeRun(lab, f"/bin/fork_turns {lab.random.getrandbits(40)}")
    loop = run.probe.address("registers_spin") + run.probe.code(
        "registers_spin").index(LOOP)
    handler, turns = lab.kernel.address("trap_handler"), list[int]()
    run.places[handler] = lambda: lab.kernel.trap_at(
        run.gdb, run.gdb.register("rdi")).rip == loop
    while len(turns) < TURNS and (at := run.next()) is not None:
        if at != handler:
            continue
        registers, process = interrupted(run), run.table.current()
        if not registers["eflags"] & IF:
            wrong(f"Process {process.pid} runs in ring 3 with IF = 0: no timer "
                  "interrupt ever takes the CPU from it",
                  expected="RFLAGS with IF (0x200)", found=registers["eflags"],
                  where=fork_place(lab), gdb="info registers eflags")
        turns.append(process.slot)
        check_spinning(run, ChildWay(process, registers))
        if len(turns) >= 6 and len(set(turns)) == 2:
            return
    there = ", ".join(str(p) for p in run.table.all())
    wrong("After the fork, with nobody waiting, "
          + ("only one process ever got a turn" if turns else "nobody got on")
          + f". In the table are: {there}. What proc_ready has put into the queue "
            "gets its turn at the next tick", where=fork_place(lab), gdb="ps")


def interrupted(run: ProbeRun) -> dict[str, int]:
    """The registers of what the timer has interrupted, at trap_handler. The kernel
    uses no XMM register, so those are still there."""
    gdb, frame = run.gdb, run.gdb.register("rdi")
    saved = {name: gdb.read_u64(frame + field.offset) for name, field
             in run.lab.kernel.structure("trap_frame").fields.items()}
    return {**gdb.registers(), **saved, "eflags": saved["rflags"] & ~RF}


def check_spinning(run: ProbeRun, arrival: ChildWay) -> None:
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
        if name.startswith("xmm"):
            found = run.gdb.xmm(found)
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
    check_statuses(lab)


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
        found = status_of(lab, told, name, SIGSEGV)
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
    if not told.has("eof") and told.ending and told.ending.ground is Ground.HUNG:
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
        check_refusal(lab, refusal, EAGAIN, "With the table of processes full,")
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
                  expected=f"{free_first}", found=f"{free}", where=fork_place(lab), gdb="ps")
    if count < 3:
        told.lost("With the table of processes full, fork did not come back with an "
                  "error.")


def check_try(lab: Lab, free: int, result: int, then: int) -> None:
    """One fork with little memory: what it gave, and the pages free after it."""
    if result < 0:
        check_refusal(lab, result, ENOMEM, f"With {free} pages free,")
    if then != free:
        wrong(f"With {free} pages free, fork returned {result}, and when it was "
              f"over {free - then} pages were lost"
              + (": a fork that cannot be made must give back what it took, the "
                 "kernel stack and the place in the table (proc_free)"
                 if result < 0 else ""),
              expected=f"{free}", found=f"{then}", where=fork_place(lab),
              gdb="break vm_clone")


def check_refusal(lab: Lab, result: int, wanted: int, when: str) -> None:
    """Each of fork's two errors has its reason."""
    if result == wanted:
        return
    shown = ERRORS.get(result, str(result))
    wrong(f"{when} fork returned {shown} instead of {ERRORS[wanted]} ({wanted}): "
          "proc_alloc says in *error which of the two it is, and vm_clone in its "
          "result", expected=f"{wanted}", found=f"{result}", where=fork_place(lab),
          gdb="break proc_alloc")


@points(5)
@hint("Each of fork's two allocations may fail, and vm_clone may fail halfway. What "
      "was taken by then must be given back: proc_free undoes proc_alloc")
def test_fork_is_refused_without_memory_and_gives_everything_back(lab: Lab) -> None:
    need_two(lab)
    free, last = 0, 0
    tries: list[tuple[int, ...]] = []
    run = ProbeRun(lab, "/bin/fork_limits memory", memory=8, patience=4)
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
    except Verdict as found:
        if found.ground is Ground.WRONG:
            raise
        raise found.during(f"With {free} pages free, fork did not come back with an "
                           "error.") from None
    if not tries:
        lab.needs("a program that forks until memory is full; it ended before")
    results = {result for _, result, _ in tries}
    if min(results) > 0 and last == 0:
        wrong(f"With fewer than {free} pages free, fork could not make a child and "
              "returned 0: the program believed that it is the child, and ended. The "
              "parent must hear the error", expected="-ENOMEM (-12)", found=0,
              where=fork_place(lab), gdb="break vm_clone")
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
