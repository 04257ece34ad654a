"""Lab 4: the struct over the sixteen saved words, and the two accessors.

The user's registers hold patterns that no two of them share and no two runs.
Inside a call the machine is stopped, the accessors are called on it, and what
they and the struct say is compared with what the user had. No test reads what
the kernel prints.
"""

from __future__ import annotations

import collections
from typing import Optional

from judge.frame_causes import (
    ACCESSOR, check, check_none, check_pointer, found_inside, in_getpid, inside)
from judge.frames import WORDS, SeenCall, Stage
from judge.lab import Lab
from judge.verdict import foundation, hint, points, wrong
from machine.x86 import FLAGS_FREE, IF, SYSCALL_ARGUMENTS

KEPT_BY_C = ("rbx", "rbp", "r12", "r13", "r14", "r15")
# RAX is the result on the way out, RCX and R11 are how SYSRET is told where to
# go on: what they do is seen in RIP and RFLAGS.
RESTORED = tuple(name for name in WORDS if name not in ("rax", "rcx", "r11"))


# ---- the struct -------------------------------------------------------------

@points(1)
@hint("The frame is sixteen registers of 64 bits each, under the names of "
      "kernel/frame.h's comment: 128 bytes. A type that is too small, or a gap "
      "that the compiler leaves before a larger one, moves or cuts what follows.")
def test_the_struct_has_a_field_of_64_bits_for_each_register(lab: Lab) -> None:
    layout = lab.kernel.frame_struct
    where, show = "kernel/frame.h", "ptype /o struct syscall_frame"
    if layout is None:
        wrong("struct syscall_frame is not defined: frame.h only says that there "
              "is one", expected="sixteen 64-bit fields", found="none",
              where=where, gdb=show)
    for name in WORDS:
        if name not in layout.fields:
            wrong(f"struct syscall_frame has no field {name}", where=where, gdb=show)
        if layout.fields[name].size != 8:
            wrong(f"Field {name} is {layout.fields[name].size} bytes wide, but a "
                  "register has 8", expected=8, found=layout.fields[name].size,
                  where=where, gdb=show)
    places = sorted((layout.fields[name].offset, name) for name in WORDS)
    for (first, name), (second, after) in zip(places, places[1:]):
        if second < first + 8 or second % 8:
            wrong(f"Fields {name} and {after} overlap or are not aligned: offsets "
                  f"{first} and {second}", where=where, gdb=show)
    if layout.size < 128 or layout.size % 16:
        wrong(f"struct syscall_frame has {layout.size} bytes: the frame is sixteen "
              "words, and RSP is a multiple of 16 above and below it",
              expected=128, found=layout.size, where=where, gdb=show)


@foundation
@points(2)
@hint("A stack grows down: what is pushed last lies lowest, and the struct begins "
      "there. Compare the struct with the pushes from the last one up.")
def test_each_field_lies_where_the_stub_pushed_its_register(lab: Lab) -> None:
    _, call = in_getpid(lab)
    layout = call.layout
    if layout is None:
        lab.needs("struct syscall_frame in kernel/frame.h: lab 4's first step")
        return
    fields = layout.fields
    lowest = min(call.stored.values(), default=call.top)
    for name in WORDS:
        lab.needs(f"lab 3: the stub saves {name.upper()} in the frame",
                  met=name in call.stored)
        lab.needs(f"a field {name} in struct syscall_frame", met=name in fields)
    by_place = sorted(WORDS, key=call.stored.__getitem__)
    by_field = sorted(WORDS, key=lambda name: fields[name].offset)
    if by_field == by_place[::-1]:
        wrong("The struct lists the registers in the order in which they are "
              "pushed. The stack grows down: the last one pushed lies lowest, at "
              "offset 0", expected=f"{by_place[0]} at offset 0",
              found=f"{by_field[0]} at offset 0", where="kernel/frame.h",
              gdb="sysframe")
    for name in by_place:
        there = call.stored[name] - call.base
        if there != fields[name].offset:
            wrong(f"Field {name} is at offset {fields[name].offset}, but the stub "
                  f"keeps {name.upper()} at {there}"
                  + occupant(call, fields[name].offset),
                  expected=f"offset {there}", found=f"offset {fields[name].offset}",
                  where="kernel/frame.h", gdb="sysframe")
    if call.base + layout.size > call.top or call.base > lowest:
        wrong(f"struct syscall_frame has {layout.size} bytes: laid over the "
              f"pushed words it reaches {call.base + layout.size - call.top} "
              "bytes over the top of the kernel stack", where="kernel/frame.h",
              gdb="ptype /o struct syscall_frame")


def occupant(call: SeenCall, offset: int) -> str:
    """Which register the stub keeps at an offset, as part of a sentence."""
    for name, place in call.stored.items():
        if place == call.base + offset:
            return f"; at offset {offset} is {name.upper()}"
    return ""


# ---- inside a call ----------------------------------------------------------

@points(2)
@hint("The stub starts at the top of the process's kernel stack each time, so the "
      "frame of a process that is inside a call has one fixed place. A pointer to "
      "a struct counts in structs, not in bytes.")
def test_get_syscall_frame_finds_the_words_that_the_stub_pushed(lab: Lab) -> None:
    stage, call = in_getpid(lab)
    check_pointer(stage, call)


@points(1)
@hint("Look at which other register's value stands in the field: two fields of the "
      "struct may have changed places.")
def test_the_frame_holds_the_six_arguments(lab: Lab) -> None:
    stage, call = in_getpid(lab)
    check(stage, call, SYSCALL_ARGUMENTS)


@points(1)
@hint("C functions keep RBX, RBP and R12 to R15 by themselves, so a call works "
      "without them in the frame. A forked child has nothing but the frame.")
def test_the_frame_holds_the_registers_that_c_preserves(lab: Lab) -> None:
    stage, call = in_getpid(lab)
    check(stage, call, KEPT_BY_C)


@points(1)
@hint("SYSCALL leaves the address of the user's next instruction in RCX. The field "
      "rcx has exactly that, and r11 is its neighbour.")
def test_the_frame_holds_the_address_of_the_users_next_instruction(lab: Lab) -> None:
    stage, call = in_getpid(lab)
    check(stage, call, ["rcx"])


@points(1)
@hint("SYSCALL leaves the user's RFLAGS in R11, and then changes RFLAGS by SFMASK. "
      "The field r11 has the user's.")
def test_the_frame_holds_the_users_rflags(lab: Lab) -> None:
    stage, call = in_getpid(lab)
    check(stage, call, ["r11"])


@points(1)
@hint("RAX is the number of the call while the kernel works on it; only when the "
      "handler has returned does the stub put the result there.")
def test_the_frame_holds_the_number_of_the_call(lab: Lab) -> None:
    stage = Stage(lab, "getpid 98-others getppid")
    check(stage, stage.call_of("sys_getpid"), ["rax"])
    check(stage, stage.call_of("sys_getppid"), ["rax"])


@points(1)
@hint("The user's RSP goes from the per-CPU slot into the frame, as it was at the "
      "SYSCALL: neither the kernel's, nor one that has moved since.")
def test_the_frame_holds_the_users_stack_pointer(lab: Lab) -> None:
    stage, call = in_getpid(lab)
    check(stage, call, ["rsp"])


@points(1)
@hint("The frame is written anew by each call. What was remembered or copied in an "
      "earlier one is out of date.")
def test_the_frame_is_that_of_the_present_call_and_not_of_the_first(lab: Lab) -> None:
    stage = Stage(lab, "getpid getppid")
    check(stage, stage.call_of("sys_getpid"))
    check(stage, stage.call_of("sys_getppid"))


@points(1)
@hint("Something is used up, or moves, with each call: is the stack pointer where "
      "it was when the call is over?")
def test_the_frame_is_right_in_the_hundredth_call(lab: Lab) -> None:
    stage = Stage(lab, "getpid 98-others getppid")
    first = stage.call_of("sys_getpid")
    last = stage.call_of("sys_getppid")
    check(stage, last)
    lab.needs(f"{ACCESSOR}() to find the frame inside a call", met=first.pointer != 0)
    if last.pointer != first.pointer:
        wrong(f"{ACCESSOR}() returns another address in the hundredth call than in "
              "the first, though each begins at the top of the same stack",
              expected=first.pointer, found=last.pointer,
              where=lab.place(ACCESSOR), gdb="print get_syscall_frame()")


@points(1)
@hint("The user's stack lies near 2^47. A number of 32 bits does not hold its "
      "address.")
def test_get_saved_user_rsp_is_the_users_rsp_even_above_4_gib(lab: Lab) -> None:
    stage = Stage(lab, "getpid")
    call = stage.call_of("sys_getpid")
    check_rsp(stage, call)


def check_rsp(stage: Stage, call: SeenCall) -> None:
    """Fails unless get_saved_user_rsp() returns the user's RSP."""
    stage.lab.needs(f"{ACCESSOR}() to find the frame inside a call",
                    met=call.pointer != 0)
    found, wanted = stage.ask("get_saved_user_rsp"), call.user["rsp"]
    if found == wanted:
        return
    why = f"returns {call.meaning(found, stage.calls[:-1])}"
    if found & 0xFFFFFFFF == wanted & 0xFFFFFFFF:
        why = "loses the upper half of the user's RSP: it lies above 4 GiB"
    elif abs(found - wanted) <= 128 and (
            found != stage.slot or len({c.process for c in stage.calls}) == 1):
        why = f"returns the user's RSP moved by {found - wanted} bytes"
    elif found == stage.slot:
        why = ("returns what stands in the per-CPU slot user_rsp, where the stub puts "
               "the RSP of whoever makes a call: another process has made one since")
    wrong(f"get_saved_user_rsp() {why}", expected=wanted, found=found,
          where=stage.lab.place("get_saved_user_rsp"),
          gdb="print get_saved_user_rsp()")


# ---- among others -----------------------------------------------------------

def asleep_among_others(lab: Lab) -> tuple[Stage, SeenCall, SeenCall]:
    """A process that has slept inside a call while another made calls: the
    stage where it has just woken, its call before, and one of the other's."""
    stage = Stage(lab, "sleep spin", "calls")
    before = found_inside(stage, "sys_nanosleep", 1)
    stage.run_to("timer_sleep_until", 1)
    woken = stage.gdb.read_u64(stage.gdb.register("rsp"))
    other = stage.call_of("sys_getpid", 2)
    stage.run_to_address(woken, 1)
    return stage, before, other


@points(2)
@hint("While a process sleeps inside its call, others make calls of their own. What "
      "all processes share, a global variable or a per-CPU slot, then belongs to "
      "one of them.")
def test_the_frame_is_still_its_own_after_the_process_has_slept(lab: Lab) -> None:
    stage, _, _ = asleep_among_others(lab)
    check(stage, stage.look())


@points(1)
@hint("The per-CPU slot of the user's RSP is scratch for two instructions of the "
      "stub: whoever makes a call next writes to it.")
def test_get_saved_user_rsp_is_the_processs_own_after_it_has_slept(lab: Lab) -> None:
    stage, before, _ = asleep_among_others(lab)
    check_rsp(stage, before)


@points(1)
@hint("The frame of a process lies on its own kernel stack, where no other process "
      "writes.")
def test_two_processes_that_are_inside_calls_have_a_frame_each(lab: Lab) -> None:
    stage = Stage(lab, "sleep-long", "getpid spin")
    first = stage.call_of("sys_nanosleep", 1)
    check(stage, first)
    second = stage.call_of("sys_getpid", 2)
    check(stage, second)
    if second.pointer == first.pointer:
        wrong("Process 2 has its frame where process 1, which sleeps inside a call, "
              f"has its own: {ACCESSOR}() returned the same address in both",
              found=second.pointer, expected="two addresses, on two kernel stacks",
              where=lab.place(ACCESSOR), gdb="ps")
    for name in WORDS:
        at = first.pointer + field_offset(first, name)
        if stage.gdb.read_u64(at) != first.user[name]:
            wrong(f"Process 1 sleeps inside a call, and the call of process 2 has "
                  f"written over field {name} of its frame",
                  expected=first.user[name], found=stage.gdb.read_u64(at),
                  where=lab.place(ACCESSOR), gdb="ps")


@points(2)
@hint("This runs three processes that call and sleep, under a fast timer that may "
      "strike between any two instructions. What holds in one quiet call and not "
      "here is shared between them, or not ready when an interrupt comes.")
def test_the_frame_is_right_in_processes_that_interleave(lab: Lab) -> None:
    stage = Stage(lab, "naps", "naps", "naps", append="hz=4000",
                  icount="shift=3,sleep=off", one_by_one=True)
    stage.run_to("timer_sleep_until")
    woken = stage.gdb.read_u64(stage.gdb.register("rsp"))
    stage.gdb.insert_breakpoint(woken)
    stage.gdb.insert_breakpoint(lab.kernel.address("sys_getpid"))
    seen: collections.Counter[int] = collections.Counter()
    while len(seen) < 3 or min(seen.values()) < 4:
        lab.needs("three processes that get their turns", met=sum(seen.values()) < 100)
        stage.cont()
        call = stage.look()
        seen[call.process] += 1
        rsp = stage.gdb.register("rsp")
        if not lab.kernel.on_stack(rsp, call.top):
            wrong("Ring 0 runs on a stack that is not the current process's kernel "
                  "stack", expected=f"below {call.top:#x}", found=rsp,
                  where=lab.place("syscall_entry"), gdb="info registers")
        check(stage, call)


# ---- outside ----------------------------------------------------------------

@points(1)
@hint("An interrupt of ring 3 also runs on the process's kernel stack, and the words "
      "of its last call may still lie there. They are nobody's frame.")
def test_there_is_no_frame_in_an_interrupt_of_user_mode(lab: Lab) -> None:
    stage = Stage(lab, "getpid spin")
    found_inside(stage, "sys_getpid")
    stage.interrupt_of_user(1)
    check_none(stage, "in an interrupt of user mode",
               "the process is not inside a call; its last one is over")


@points(1)
@hint("Before get_saved_user_rsp() reads a word of the frame it has to know that "
      "there is one.")
def test_get_saved_user_rsp_is_0_outside_a_call(lab: Lab) -> None:
    stage = Stage(lab, "getpid spin")
    found_inside(stage, "sys_getpid")
    stage.interrupt_of_user(1)
    found = stage.ask("get_saved_user_rsp")
    if found:
        wrong("get_saved_user_rsp() is not 0 in an interrupt of user mode: the "
              "process is not inside a call", expected=0, found=found,
              where=lab.place("get_saved_user_rsp"),
              gdb="print get_saved_user_rsp()")


@points(1)
@hint("When all processes sleep, the idle process runs. It has no kernel stack of a "
      "table's slot, makes no calls, and so has no frame; those of the sleepers are "
      "theirs.")
def test_there_is_no_frame_in_the_idle_loop(lab: Lab) -> None:
    stage = Stage(lab, "sleep-long")
    found_inside(stage, "sys_nanosleep")
    stage.interrupt_of_idle()
    check_none(stage, "in the idle loop",
               "the current process is the idle one, which makes no calls")


@points(1)
@hint("execve that succeeds never returns through the stub, so nothing that the "
      "stub does after the handler happens.")
def test_there_is_no_frame_after_exec(lab: Lab) -> None:
    stage = Stage(lab, "getpid exec getppid spin")
    found_inside(stage, "sys_execve")
    stage.run_to_user("_start", 1)
    check_none(stage, "at the first instruction of a program that exec has started",
               "the frame was that of the execve call, which does not return")
    check(stage, stage.call_of("sys_getppid"))


@points(1)
@hint("exit never returns through the stub, so nothing that the stub does after the "
      "handler happens.")
def test_there_is_no_frame_after_exit(lab: Lab) -> None:
    stage = Stage(lab, "spin", "getpid")
    found_inside(stage, "sys_getpid", 2)
    stage.run_to("vm_destroy", 2)
    check_none(stage, "when a process has ended",
               "its memory is being freed, and its call will not return")
    stage.interrupt_of_user(1)
    check_none(stage, "in another process, after the one with the frame has ended",
               "this one has made no call")


# ---- what is written to it --------------------------------------------------

@points(2)
@hint("The frame is no report about the registers: it is where they are until the "
      "stub's pops. A copy of it can be read, but what is written there is lost.")
def test_a_word_changed_in_the_frame_reaches_the_user(lab: Lab) -> None:
    stage = Stage(lab, "getpid")
    call = inside(stage, "sys_getpid")
    target, usual = (stage.probe.address(name)
                     for name in ("main", "registers_next"))
    new = {name: lab.random.getrandbits(63) for name in RESTORED}
    new["rcx"] = target
    new["r11"] = call.user["r11"] ^ (FLAGS_FREE & lab.random.getrandbits(22) | 1)
    for name, value in new.items():
        at = call.pointer + field_offset(call, name)
        stage.gdb.write(at, value.to_bytes(8, "little"))
    for place in (target, usual):
        stage.gdb.insert_breakpoint(place)
    stage.gdb.cont()
    found = stage.gdb.registers()
    found.update(rcx=found["rip"], r11=found["eflags"])
    for name, value in new.items():
        if found[name] == value:
            continue
        kept = found[name] == call.user[name]
        wrong(f"The kernel wrote to field {name} of the frame, and the user does "
              f"not find it in {register_of(name)}: "
              + (f"{register_of(name)} is what it was before the call, so the stub "
                 "restores it from elsewhere, or the frame is a copy" if kept else
                 f"{register_of(name)} holds "
                 f"{of_the_new(new, found[name], call)}"),
              expected=value, found=found[name],
              where=place_of_copy(stage, call), gdb="sysframe")


def field_offset(call: SeenCall, name: str) -> int:
    assert call.layout
    return call.layout.fields[name].offset


def register_of(name: str) -> str:
    return {"rcx": "RIP", "r11": "RFLAGS"}.get(name, name.upper())


def of_the_new(new: dict[str, int], value: int, call: SeenCall) -> str:
    for name, written in new.items():
        if written == value:
            return f"what was written to field {name}"
    return call.meaning(value)


def place_of_copy(stage: Stage, call: SeenCall) -> Optional[str]:
    return stage.lab.place(
        ACCESSOR if call.pointer != call.base else "syscall_exit")


@points(1)
@hint("At syscall_exit the frame is complete, the result in it; the tail restores "
      "every register from it and knows nothing else. That is what lets a child "
      "begin there.")
def test_the_result_is_in_the_frame_when_the_tail_of_the_stub_begins(
    lab: Lab
) -> None:
    stage = Stage(lab, "getpid")
    call = inside(stage, "sys_getpid")
    at = call.pointer + field_offset(call, "rax")
    stage.run_to("syscall_exit")
    found = stage.gdb.read_u64(at)
    if found != 1:
        what = ("still the number of the call" if found == call.user["rax"]
                else "something else")
        wrong(f"At syscall_exit field rax holds {what}, not the result of getpid",
              expected=1, found=found, where=lab.place("syscall_entry"),
              gdb="break syscall_exit")
    new = lab.random.getrandbits(62)
    stage.gdb.write(at, new.to_bytes(8, "little"))
    stage.run_to_user("registers_next")
    found = stage.gdb.register("rax")
    if found != new:
        wrong("The tail of the stub does not take RAX from the frame: a value put "
              "into field rax at syscall_exit does not reach the user",
              expected=new, found=found, where=lab.place("syscall_exit"),
              gdb="break syscall_exit")


@points(1)
@hint("Until the last word is saved and findable, an interrupt would come upon half "
      "a frame. SFMASK has cleared IF for that reason.")
def test_no_interrupt_can_come_before_the_frame_is_whole(lab: Lab) -> None:
    stage = Stage(lab, "getpid")
    stage.run_to("syscall_entry")
    gdb, handler = stage.gdb, lab.kernel.address("syscall_handler")
    while gdb.register("rip") != handler:
        here, flags = gdb.register("rip"), gdb.register("eflags")
        whole = flags & IF and is_whole(stage)
        if flags & IF and not whole:
            wrong("Interrupts are on (RFLAGS.IF is 1) before the stub has saved all "
                  "sixteen registers: an interrupt here finds a frame that is half "
                  "the user's, half an earlier call's", expected="IF = 0",
                  found="IF = 1", where=lab.kernel.line_at(here),
                  gdb=f"break *{here:#x}")
        gdb.step()
        if gdb.register("rip") >> 63 == 0:
            wrong("The stub left ring 0 without calling syscall_handler",
                  where=lab.kernel.line_at(here), gdb="break syscall_entry")
    check(stage, stage.call_of("sys_getpid"))


def is_whole(stage: Stage) -> bool:
    """Whether the stub has saved every register, at any place of its stack."""
    return stage.stored_here() == set(WORDS)
