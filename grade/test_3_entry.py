"""Lab 3, entry: from ring 3 to ring 0 and back.

The program under test only holds a SYSCALL (probes/probe_call.c). The tests
load its registers from outside, let it run, and read what came back; where
something is lost, one call is followed instruction by instruction to see which
one lost it.
"""

from __future__ import annotations

import itertools
import struct
from typing import Dict, Iterator, List, Tuple

import pytest

from judge import stress
from machine import deadlines
from judge.entry import (
    AC, ARGUMENTS, C_ARGUMENTS, DF, FLAGS_BASE, FLAGS_FREE, GENERAL, IF, KERNEL_HALF,
    KSTACK_BYTES, NT, PAGE, TF, USER_CS, USER_SS, Call, Caller, Finding, Walk, blame,
    close_left, culprit, proved, signed, walk)
from judge.lab import Lab
from judge.verdict import hint, points

READ, WRITE, OPEN, YIELD, NANOSLEEP, GETPID = 0, 1, 2, 24, 35, 39
EXECVE, WAIT4, NOTHING = 59, 61, 9999
ENOENT, EBADF, ECHILD, EFAULT, ENOSYS = -2, -9, -10, -14, -38

# Addresses that no program may use, and one that is not even an address.
UNMAPPED = 0x10000
NOT_CANONICAL = 1 << 63

# Of two processes that make calls by turns: how many calls are to come back after
# the other one has made its own, and how many calls that may take.
OVERLAPS, TURNS = 12, 600

# What a call does not keep: RAX is its result, RCX and R11 are SYSCALL's own.
KEPT_BY_C = ("rbx", "rbp", "r12", "r13", "r14", "r15")
NOT_KEPT_BY_C = ("rdi", "rsi", "rdx", "r10", "r8", "r9")

FLAG_NAMES = {0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF",
              10: "DF", 11: "OF", 12: "IOPL", 13: "IOPL", 14: "NT", 18: "AC",
              21: "ID"}


# ---- what several tests need ---------------------------------------------------

def reached(lab: Lab) -> Walk:
    """The walk through the stub, which got as far as syscall_handler."""
    seen = walk(lab)
    if seen.handler is None:
        lab.needs("lab 3: a call reaches syscall_handler "
                  "(test_a_call_reaches_syscall_handler)")
    return seen


def returned(lab: Lab) -> Walk:
    """The walk through the stub, which came back behind the SYSCALL."""
    seen = reached(lab)
    if not seen.came_back:
        lab.needs("lab 3: a call comes back behind the SYSCALL "
                  "(test_a_call_comes_back_behind_its_syscall)")
    return seen


def returned_whole(lab: Lab) -> Walk:
    """The same, with ring 3's segments and GS: further calls can be made."""
    seen = returned(lab)
    assert seen.back
    lab.needs("lab 3: a call returns to 64-bit code of ring 3 "
              "(test_cs_and_ss_are_ring_3s_after_every_return)",
              (seen.back["cs"], seen.back["ss"]) == (USER_CS, USER_SS))
    lab.needs("lab 3: a call gives ring 3 its GS back "
              "(test_ring_3_gets_its_own_gs_back)",
              seen.back["gs_base"] == seen.entry["gs_base"])
    return seen


def caller_for(lab: Lab, init: str = "/bin/probe_call", **options: object) -> Caller:
    """A machine to make calls in, if one call works at all."""
    returned_whole(lab)
    return Caller(lab, init, **options)


def plain_caller_for(lab: Lab) -> Caller:
    """The same with a plain machine, which the test may leave to the next one."""
    returned_whole(lab)
    return Caller.of(lab)


@pytest.fixture(scope="session", autouse=True)
def no_machine_stays() -> Iterator[None]:
    """Ends what tests have left to one another."""
    yield
    close_left()


# What the calls of the core set did, by kernel: one record serves several tests
# of this process.
_recorded: Dict[str, List[Tuple[Call, int]]] = {}


def core_calls(lab: Lab) -> List[Tuple[Call, int]]:
    """Calls of the core set, that succeed, fail and sleep, each with the result
    that it must have."""
    key = str(lab.kernel_path)
    if key not in _recorded:
        _recorded[key] = make_core_calls(caller_for(lab, append="hz=1000"))
    return _recorded[key]


def make_core_calls(caller: Caller) -> List[Tuple[Call, int]]:
    path, text, time = (caller.buffer + 64 * i for i in range(3))
    caller.gdb.write(path, b"bin/probe_call\0")
    caller.gdb.write(text, b"...\n")
    caller.gdb.write(time, struct.pack("<QQ", 0, 1_000_000))
    calls: List[Tuple[str, int, Tuple[int, ...], int]] = [
        ("getpid", GETPID, (), 1),
        ("open", OPEN, (path, 0), 3),
        ("read", READ, (3, text + 16, 16), 16),
        ("write", WRITE, (1, text, 4), 4),
        ("sched_yield", YIELD, (), 0),
        ("nanosleep", NANOSLEEP, (time, 0), 0),
        ("a read that fails", READ, (77, text, 4), EBADF),
        ("a write that fails", WRITE, (1, UNMAPPED, 4), EFAULT),
        ("a nanosleep that fails", NANOSLEEP, (UNMAPPED, 0), EFAULT),
        ("an execve that fails", EXECVE, (UNMAPPED, 0, 0), EFAULT),
        ("a wait4 without children", WAIT4, (-1, 0, 0), ECHILD),
        ("a call that does not exist", NOTHING, (), ENOSYS),
    ]
    made = [(caller.call(number, *arguments, name=name), result)
            for name, number, arguments, result in calls]
    busy = caller.clobbered_call(NOTHING, "a call whose handler uses all that C may")
    return [*made, (busy, ENOSYS)]


def holder(value: int, call: Call, but: str) -> str:
    """What a register holds, in words: "R8's pattern"."""
    for name in GENERAL:
        if name != but and name not in ("rax", "rcx", "r11") \
                and call.before[name] == value:
            return "the user's RSP" if name == "rsp" else f"{name.upper()}'s pattern"
    if value == call.before["rip"] + 2:
        return "the user's RIP"
    if value == call.before["eflags"]:
        return "the user's RFLAGS"
    if value == call.before["rax"]:
        return "the call's number"
    return "an address of the kernel's" if value >= KERNEL_HALF + (KERNEL_HALF >> 1) \
        else f"{value:#x}"


def blame_register(lab: Lab, call: Call, name: str) -> None:
    """Fails the test because a register did not come back from a call."""
    seen = walk(lab)
    sentence = (f"{name.upper()} came back from {call.name} holding "
                f"{holder(call.after[name], call, name)}")
    finding = proved(lab, name)
    if finding is None and seen.back and seen.back[name] != seen.entry[name]:
        source = seen.source_of(name)
        shift = seen.shift()
        finding = (seen.shifted(shift) if shift
                   else Finding(*source) if source else None)
    blame(lab, sentence, finding or culprit(lab), expected=f"{call.before[name]:#x}",
          found=f"{call.after[name]:#x}", gdb="break syscall_exit")


def check_kept(lab: Lab, call: Call, names: Tuple[str, ...]) -> None:
    for name in names:
        if call.after[name] != call.before[name]:
            blame_register(lab, call, name)


def check_whole(lab: Lab, call: Call) -> None:
    """All that a call has to keep, for tests of circumstances."""
    check_kept(lab, call, (*NOT_KEPT_BY_C, *KEPT_BY_C, "rsp"))
    check_flags(lab, call)


def check_flags(lab: Lab, call: Call) -> None:
    lost = call.before["eflags"] ^ call.after["eflags"]
    if not lost:
        return
    names = ", ".join(dict.fromkeys(
        FLAG_NAMES.get(bit, f"bit {bit}") for bit in range(32) if lost >> bit & 1))
    seen = walk(lab)
    source = seen.source_of("r11") if seen.steps[-1].mnemonic.startswith("sysret") \
        else None
    good = seen.back and seen.back["eflags"] == seen.entry["eflags"]
    finding = proved(lab, "R11", "RFLAGS")
    if finding is None and source and not good:
        finding = Finding(f"SYSRET takes RFLAGS from R11; {source[0]}", source[1])
    blame(lab, f"RFLAGS came back from {call.name} with {names} changed",
          finding or culprit(lab), expected=f"{call.before['eflags']:#x}",
          found=f"{call.after['eflags']:#x}")


def to_handler(caller: Caller, number: int = NOTHING, *arguments: int,
               **fixed: int) -> Tuple[Dict[str, int], Dict[str, int]]:
    """Registers before a call, and at syscall_handler's first instruction."""
    before = caller.prepare(number, *arguments, **fixed)
    caller.run_to(caller.kernel.address("syscall_handler"))
    return before, caller.gdb.registers()


# ---- the way in ------------------------------------------------------------------

@points(3)
@hint("""Each step needs what the one before it gives: SWAPGS makes the per-CPU block
reachable, the block has the stack's address, the stack can be pushed to. The task in
syscall_entry.c names them in order.""")
def test_a_call_reaches_syscall_handler(lab: Lab) -> None:
    seen = walk(lab)
    if seen.handler:
        return
    blame(lab, "the call never reached syscall_handler",
          proved(lab) or (seen.findings[0] if seen.findings else None),
          expected="syscall_handler", found=seen.ended or (
              f"{seen.fault.name} at {lab.kernel.line_at(seen.fault.rip)}"
              if seen.fault else "ring 3"))


@points(2)
@hint("""RSP is still the user's when the stub begins. A program may put anything there;
the kernel's own stack is found through GS.""")
def test_the_handler_runs_on_the_kernel_stack_of_the_process(lab: Lab) -> None:
    seen = reached(lab)
    assert seen.handler
    if not seen.in_kernel_stack(seen.handler["rsp"]):
        blame(lab, f"syscall_handler runs on RSP {seen.handler['rsp']:#x}, which is "
              "not in the process's kernel stack", culprit(lab),
              expected=f"just below {seen.kernel_rsp:#x}",
              found=f"{seen.handler['rsp']:#x}", gdb="break syscall_handler")


@points(1)
@hint("""A frame starts at the same place in every call. If it wanders, something is
pushed that is never taken off, or kernel_rsp is written to.""")
def test_every_call_finds_the_stack_at_the_same_place(lab: Lab) -> None:
    caller = plain_caller_for(lab)
    first = to_handler(caller)[1]["rsp"]
    top = caller.kernel_rsp
    caller.run_to(caller.after)
    for _ in range(8):
        here = to_handler(caller)[1]["rsp"]
        if here != first or caller.kernel_rsp != top:
            blame(lab, f"RSP at syscall_handler was {first:#x} in the first call and "
                  f"is {here:#x} in a later one; kernel_rsp went from {top:#x} to "
                  f"{caller.kernel_rsp:#x}", culprit(lab), expected=f"{first:#x}",
                  found=f"{here:#x}", gdb="break syscall_handler")
        caller.run_to(caller.after)
    caller.leave()


@points(2)
@hint("""The C ABI wants RSP to be a multiple of 16 before a call, so RSP mod 16 is 8 at
the function's first instruction. Count the words that were pushed.""")
def test_the_handler_finds_its_stack_aligned(lab: Lab) -> None:
    seen = reached(lab)
    assert seen.handler
    rest = seen.handler["rsp"] % 16
    if rest != 8:
        pushed = (seen.kernel_rsp - seen.handler["rsp"]) // 8
        blame(lab, f"RSP mod 16 is {rest} at syscall_handler's first instruction: the "
              f"stub put {pushed - 1} words on the stack before the call, "
              "an odd number", None, expected="8", found=str(rest),
              gdb="break syscall_handler")


@points(2)
@hint("""While C code runs, GS_BASE is the per-CPU block and KERNEL_GS_BASE keeps the
user's. One SWAPGS on the way in exchanges them.""")
def test_the_handler_runs_on_the_kernels_gs(lab: Lab) -> None:
    seen = reached(lab)
    assert seen.handler
    if seen.handler["gs_base"] != seen.per_cpu:
        blame(lab, f"GS_BASE is {seen.handler['gs_base']:#x} at syscall_handler; no "
              "swapgs, or more than one, ran before it", culprit(lab),
              expected=f"{seen.per_cpu:#x}", found=f"{seen.handler['gs_base']:#x}",
              gdb="break syscall_handler")


@points(2)
@hint("""SFMASK has cleared the user's TF, DF, NT and AC on the way in. Nothing should
bring them back before SYSRET does.""")
def test_the_handler_runs_with_clean_flags(lab: Lab) -> None:
    reached(lab)
    caller = Caller.of(lab)
    before, at = to_handler(caller, eflags=FLAGS_BASE | DF | NT | AC | 0xD5)
    dirty = at["eflags"] & (TF | DF | NT | AC | 3 << 12)
    if dirty:
        names = ", ".join(dict.fromkeys(
            FLAG_NAMES[bit] for bit in range(32) if dirty >> bit & 1))
        lab.needs("lab 2: SFMASK clears the user's flags", lab.rdmsr(
            caller.gdb, 0xC0000084) & dirty == dirty)
        guilty = [step for step in walk(lab).steps
                  if step.mnemonic.startswith(("popf", "std", "iret"))]
        finding = Finding(f"{guilty[0]} set them", guilty[0].where) if guilty else None
        blame(lab, f"syscall_handler runs with the user's {names}", finding,
              expected=f"{at['eflags'] & ~dirty:#x}", found=f"{at['eflags']:#x}",
              gdb="break syscall_handler")
    if at["cs"] != 0x08 or at["ss"] != 0x10:
        blame(lab, f"syscall_handler runs with CS {at['cs']:#x}, SS {at['ss']:#x}",
              expected="CS 0x8, SS 0x10", found=f"CS {at['cs']:#x}, SS {at['ss']:#x}")


@points(3)
@hint("""SYSCALL's registers are RAX; RDI RSI RDX R10 R8 R9. C's are RDI RSI RDX RCX R8
R9 and then the stack. The number moves in front, all others one place on; mind the
order of the moves.""")
def test_the_number_and_five_arguments_arrive_in_c_registers(lab: Lab) -> None:
    seen = reached(lab)
    caller = Caller.of(lab)
    before, at = to_handler(caller, caller.random.getrandbits(64))
    call = Call("the call", before, at)
    names = ("the number", *(f"argument {n}" for n in range(1, 6)))
    for what, source, target in zip(names, ("rax", *ARGUMENTS), C_ARGUMENTS):
        if at[target] != before[source]:
            holds = holder(at[target], call, source)
            blame(lab, f"{target.upper()} should hold {what} (the user's "
                  f"{source.upper()}) at syscall_handler and holds {holds}: "
                  f"{seen.mover(target)}", None, expected=f"{before[source]:#x}",
                  found=f"{at[target]:#x}", gdb="break syscall_handler")


@points(2)
@hint("""The sixth argument is C's seventh: it stands on the stack, right above the
return address.""")
def test_the_sixth_argument_arrives_on_the_stack(lab: Lab) -> None:
    reached(lab)
    caller = Caller.of(lab)
    before, at = to_handler(caller)
    found = caller.gdb.read_u64(at["rsp"] + 8)
    if found != before["r9"]:
        holds = holder(found, Call("the call", before, at), "r9")
        blame(lab, "the sixth argument (the user's R9) should stand right above the "
              f"return address at syscall_handler; there is {holds}", None,
              expected=f"{before['r9']:#x}", found=f"{found:#x}",
              gdb="x/2gx $rsp")


@points(2)
@hint("""C may write to its arguments, also to the one on the stack. What SYSRET's user
gets back in R9 must be another word.""")
def test_the_sixth_argument_is_a_copy(lab: Lab) -> None:
    caller = plain_caller_for(lab)
    before, at = to_handler(caller)
    mark = caller.random.getrandbits(64)
    caller.gdb.write(at["rsp"] + 8, mark.to_bytes(8, "little"))
    caller.run_to(caller.after)
    after = caller.gdb.registers()
    if after["r9"] == mark:
        blame(lab, "R9 came back as what C wrote to its seventh argument: the word "
              "above the return address is the frame's own R9 and not a copy",
              None, expected=f"{before['r9']:#x}", found=f"{mark:#x}",
              gdb="x/2gx $rsp")
    check_kept(lab, Call("the call", before, after), ("r9",))
    caller.leave()


@points(3)
@hint("""fork and the accessors of lab 4 read the user's sixteen words from the stack,
also those that C would keep by itself.""")
def test_sixteen_words_of_the_user_are_on_the_kernel_stack(lab: Lab) -> None:
    seen = reached(lab)
    assert seen.handler
    words = set(seen.saved.values())
    entry = seen.entry
    needed = {name: entry[name] for name in GENERAL if name not in ("rcx", "r11")}
    needed.update({"rcx (RIP)": seen.next_rip, "r11 (RFLAGS)": entry["eflags"]})
    missing = [name for name, value in needed.items() if value not in words]
    if missing:
        text = ", ".join(name.upper() for name in missing)
        blame(lab, f"the user's {text} stands nowhere on the kernel stack when "
              "syscall_handler begins: no instruction pushes it",
              None if missing != ["rsp"] else culprit(lab),
              expected="sixteen words", found=f"{16 - len(missing)}",
              gdb="x/18gx $rsp")


@points(2)
@hint("""Until RSP is the kernel's and the user's is in the frame, an interrupt would
push onto a stack that the user chose. SFMASK keeps IF clear; leave it so.""")
def test_interrupts_stay_off_until_the_frame_has_the_users_rsp(lab: Lab) -> None:
    seen = reached(lab)
    for finding in seen.findings:
        if finding.kind == "if-in":
            blame(lab, "an interrupt may come too early", finding,
                  expected="IF 0", found="IF 1", gdb="p $eflags")


# ---- the way out -------------------------------------------------------------------

@points(3)
@hint("""SYSRET goes on at RCX with RFLAGS out of R11. C code has used both since; they
come from the frame. A wrong RIP often is another word of the frame: count the pops.""")
def test_a_call_comes_back_behind_its_syscall(lab: Lab) -> None:
    seen = reached(lab)
    if seen.came_back:
        return
    found = (f"RIP {seen.back['rip']:#x}" if seen.back else
             f"{seen.fault.name}" if seen.fault else seen.ended)
    blame(lab, "the call did not come back",
          proved(lab) or (seen.findings[0] if seen.findings else None),
          expected=f"RIP {seen.next_rip:#x} in ring 3", found=str(found),
          gdb="break syscall_exit")


@points(3)
@hint("""What syscall_handler returns is in RAX. The frame's RAX is the call's number
until the stub replaces it.""")
def test_the_result_comes_back_in_rax(lab: Lab) -> None:
    for call, result in core_calls(lab):
        if call.result == result:
            continue
        number = call.before["rax"]
        source = walk(lab).source_of("rax")
        sentence = (f"RAX came back from {call.name} holding its number, {number}, "
                    "and not the result" if call.after["rax"] == number
                    else f"{call.name} gave {call.result}")
        blame(lab, sentence,
              proved(lab, "RAX") or (Finding(*source) if source else None),
              expected=str(result), found=str(call.result), gdb="break syscall_exit")


@points(4)
@hint("""A C function may use these six as it likes, and syscall_handler does. A program
counts on them: its compiler was told that only RAX, RCX and R11 change.""")
def test_registers_that_c_does_not_keep_come_back(lab: Lab) -> None:
    for call, _ in core_calls(lab):
        check_kept(lab, call, NOT_KEPT_BY_C)


@points(4)
@hint("""C keeps these six, so they come back by themselves, unless the stub uses one
of them and forgets to put it back, or pops into the wrong one.""")
def test_registers_that_c_keeps_come_back(lab: Lab) -> None:
    for call, _ in core_calls(lab):
        check_kept(lab, call, KEPT_BY_C)


@points(3)
@hint("""The user's RSP is the frame's topmost word, and the last one to be popped.""")
def test_the_stack_pointer_comes_back(lab: Lab) -> None:
    for call, _ in core_calls(lab):
        check_kept(lab, call, ("rsp",))


@points(3)
@hint("""SYSCALL put RFLAGS into R11, and SYSRET takes them from there. Between the two,
R11 belongs to C.""")
def test_rflags_come_back(lab: Lab) -> None:
    caller = plain_caller_for(lab)
    for flags in (0, FLAGS_FREE, NT, AC, DF | 0x41, 0x894, FLAGS_FREE | NT | AC):
        for number in (GETPID, YIELD, NOTHING):
            check_flags(lab, caller.call(number, eflags=FLAGS_BASE | flags))
        check_flags(lab, caller.clobbered_call(
            NOTHING, "a call whose handler used R11", eflags=FLAGS_BASE | flags))
    caller.leave()


@points(1)
@hint("""SYSCALL overwrites RCX with the next RIP and R11 with RFLAGS; that is what a
program may find there. Anything else is a value out of the kernel.""")
def test_rcx_and_r11_hold_nothing_of_the_kernels(lab: Lab) -> None:
    for call, _ in core_calls(lab):
        for name, right in (("rcx", call.before["rip"] + 2),
                            ("r11", call.before["eflags"])):
            if call.after[name] not in (right, call.before[name]):
                source = walk(lab).source_of(name)
                blame(lab, f"{name.upper()} came back from {call.name} holding "
                      f"{holder(call.after[name], call, name)}",
                      Finding(*source) if source else None, expected=f"{right:#x}",
                      found=f"{call.after[name]:#x}")


@points(2)
@hint("""SYSRETQ makes CS 0x33 and SS 0x2b out of STAR; SYSRETL another CS. IRETQ takes
both from the stack.""")
def test_cs_and_ss_are_ring_3s_after_every_return(lab: Lab) -> None:
    seen = returned(lab)
    assert seen.back
    if (seen.back["cs"], seen.back["ss"]) != (USER_CS, USER_SS):
        blame(lab, f"back in ring 3, CS is {seen.back['cs']:#x} and SS "
              f"{seen.back['ss']:#x}", culprit(lab),
              expected=f"CS {USER_CS:#x}, SS {USER_SS:#x}",
              found=f"CS {seen.back['cs']:#x}, SS {seen.back['ss']:#x}",
              gdb="info registers cs ss")
    for call, _ in core_calls(lab):
        cs, ss = call.after["cs"], call.after["ss"]
        if (cs, ss) != (USER_CS, USER_SS):
            blame(lab, f"after {call.name} ring 3 runs with CS {cs:#x} and SS {ss:#x}",
                  culprit(lab), expected=f"CS {USER_CS:#x}, SS {USER_SS:#x}",
                  found=f"CS {cs:#x}, SS {ss:#x}", gdb="info registers cs ss")


@points(3)
@hint("""Two SWAPGS make a round trip. With one missing on the way out, ring 3 goes on
with the kernel's GS base, and the next call swaps it away.""")
def test_ring_3_gets_its_own_gs_back(lab: Lab) -> None:
    seen = returned(lab)
    assert seen.back
    if (seen.back["gs_base"], seen.back["k_gs_base"]) != (
            seen.entry["gs_base"], seen.entry["k_gs_base"]):
        blame(lab, f"back in ring 3, GS_BASE is {seen.back['gs_base']:#x} and "
              f"KERNEL_GS_BASE {seen.back['k_gs_base']:#x}",
              culprit(lab), expected=f"GS_BASE {seen.entry['gs_base']:#x}",
              found=f"GS_BASE {seen.back['gs_base']:#x}", gdb="p $gs_base")


@points(2)
@hint("""An interrupt between `the user's RSP is back` and SYSRET runs in ring 0 on the
user's stack, or with the user's GS. The stub has to see to it that none can come,
whatever the handler did to IF.""")
def test_no_interrupt_can_come_between_the_users_stack_and_ring_3(lab: Lab) -> None:
    seen = returned(lab)
    for finding in seen.findings:
        if finding.kind == "if-out":
            blame(lab, "an interrupt may come too late", finding,
                  expected="IF 0", found="IF 1", gdb="p $eflags")
    caller = Caller.of(lab)
    _, at = to_handler(caller)
    caller.run_to(caller.gdb.read_u64(at["rsp"]))
    # As a handler would that has interrupts on while it works.
    caller.load({"eflags": caller.gdb.register("eflags") | IF})
    top = caller.kernel_rsp
    for _ in range(200):
        r = caller.gdb.registers()
        if r["cs"] & 3:
            caller.leave()
            return
        own = top - KSTACK_BYTES <= r["rsp"] <= top and r["gs_base"] == caller.per_cpu
        if r["eflags"] & IF and not own:
            place = lab.kernel.line_at(r["rip"]) or "kernel/syscall_entry.c"
            blame(lab, "when syscall_handler comes back with IF set, it is still set "
                  f"at {place}, where RSP or GS is the user's: there is no cli on the "
                  "way out", Finding("", place), expected="IF 0", found="IF 1",
                  gdb="break syscall_exit")
        caller.step()
    blame(lab, "the stub does not come back to ring 3 when syscall_handler leaves IF "
          "set", culprit(lab), expected="ring 3", found="ring 0")


# ---- circumstances -------------------------------------------------------------------

@points(2)
@hint("""What the first call left behind the second one finds: GS, kernel_rsp, flags.""")
def test_a_hundred_thousand_calls_keep_every_register(lab: Lab) -> None:
    caller = plain_caller_for(lab)
    count = 100_000
    before = caller.prepare(GETPID, eflags=FLAGS_BASE)
    caller.store("probe_count", count)
    caller.store("probe_number", GETPID)
    caller.store("probe_sum", 0)
    caller.load({"rip": caller.probe.address("probe_many")})
    caller.run_to(caller.probe.address("probe_done"), deadline=4 * deadlines.probe())
    call = Call(f"{count:,} calls", before, caller.gdb.registers())
    check_kept(lab, call, (*NOT_KEPT_BY_C, *KEPT_BY_C, "rsp"))
    total = caller.fetch("probe_sum")
    if total != count:
        blame(lab, f"{count:,} times getpid gave 1 in total {signed(total):,} times",
              culprit(lab), expected=str(count), found=str(signed(total)))
    caller.leave()


@points(3)
@hint("""RSP is just another register of the program's: all ones, an address of the
kernel's, an odd one. The kernel neither reads nor writes there.""")
def test_a_hostile_stack_pointer_is_harmless(lab: Lab) -> None:
    caller = plain_caller_for(lab)
    table = lab.kernel.range("proc_table")
    victim = table.stop - 64
    for rsp in ((1 << 64) - 1, victim, caller.kernel_rsp, UNMAPPED, NOT_CANONICAL,
                caller.stack + 3, 8):
        memory = caller.gdb.read(victim - 256, 256)
        for number in (GETPID, NOTHING):
            call = caller.call(number, name=f"a call with RSP {rsp:#x}", rsp=rsp)
            check_whole(lab, call)
        if caller.gdb.read(victim - 256, 256) != memory:
            blame(lab, f"a call with RSP {rsp:#x} wrote to the kernel's memory there",
                  culprit(lab), expected="memory as it was", found="memory changed")
    caller.leave()


@points(2)
@hint("""A program may keep data in the 128 bytes below its RSP, the red zone. Whatever
the kernel pushes belongs on its own stack.""")
def test_memory_around_the_users_stack_pointer_is_untouched(lab: Lab) -> None:
    caller = plain_caller_for(lab)
    start = caller.probe.address("probe_stack")
    pattern = caller.random.getrandbits(8 * 3 * PAGE).to_bytes(3 * PAGE, "little")
    caller.write(start, pattern)
    for number in (GETPID, YIELD, NOTHING):
        call = caller.call(number)
        found = caller.gdb.read(start, 3 * PAGE)
        if found == pattern:
            continue
        at = next(i for i in range(3 * PAGE) if found[i] != pattern[i])
        away = start + at - call.before["rsp"]
        blame(lab, f"{call.name} wrote to the user's memory, {abs(away)} bytes "
              f"{'below' if away < 0 else 'above'} RSP", culprit(lab),
              expected="memory as it was", found=f"{found[at & ~7:][:8][::-1].hex()} "
              f"at {start + (at & ~7):#x}")
    caller.leave()


@points(2)
@hint("""All 64 bits of RAX are the number. A number that is not in the table gives
-ENOSYS, -38, and nothing else happens.""")
def test_unknown_numbers_give_enosys(lab: Lab) -> None:
    caller = plain_caller_for(lab)
    table_end = len(lab.kernel.range("calls")) // 8
    for number in (table_end, table_end + 1, NOTHING, 1 << 31, (1 << 31) + GETPID,
                   (1 << 32) + GETPID, 1 << 63, (1 << 63) + GETPID, -1, -GETPID):
        call = caller.call(number, name=f"call number {number}")
        if call.result != ENOSYS:
            as_other = " as if it were getpid, 39" if call.result == 1 else ""
            blame(lab, f"call number {number:#x} gave {call.result}{as_other}: the "
                  "number has 64 bits, and one without an entry in the table is "
                  "-ENOSYS", proved(lab, "number"), expected="-38 (-ENOSYS)",
                  found=str(call.result), gdb="break syscall_handler")
        check_whole(lab, call)
    caller.leave()


@points(1)
@hint("""A pointer from a program is a number until it was checked: every access goes
through copyin or copyout, which give -EFAULT.""")
def test_bad_pointers_give_efault(lab: Lab) -> None:
    caller = plain_caller_for(lab)
    # The last process's, who is not there: writing here would harm nobody.
    secret = lab.kernel.range("proc_table").stop - 512
    for pointer in (secret, 0, UNMAPPED, 0x7FFFFFFFF000, NOT_CANONICAL,
                    (1 << 64) - 2):
        memory = caller.gdb.read(secret, 512)
        for name, call in (
                ("write(1, pointer, 5)", caller.call(WRITE, 1, pointer, 5)),
                ("uname(pointer)", caller.call(63, pointer)),
                ("nanosleep(pointer)", caller.call(NANOSLEEP, pointer, 0))):
            if call.result != EFAULT:
                blame(lab, f"{name} with the pointer {pointer:#x} gave {call.result}: "
                      "the kernel used a pointer that the program must not use",
                      expected="-14 (-EFAULT)", found=str(call.result),
                      gdb="break syscall_handler")
        if caller.gdb.read(secret, 512) != memory:
            blame(lab, f"the kernel wrote through the user's pointer {pointer:#x} to "
                  "its own memory", expected="-14 (-EFAULT)", found="memory changed")
    caller.leave()


@points(2)
@hint("""A move to GS clears the user's GS base. The kernel's is out of reach only while
it stands in KERNEL_GS_BASE.""")
def test_a_program_may_load_gs_as_it_likes(lab: Lab) -> None:
    caller = plain_caller_for(lab)
    for selector in (0, USER_SS, 0, 3):
        before = caller.prepare(selector)
        caller.store("probe_number", GETPID)
        caller.load({"rip": caller.probe.address("probe_gs")})
        caller.run_to(caller.after)
        call = Call(f"a call after mov ${selector:#x}, %gs", before,
                    caller.gdb.registers())
        if call.result != 1:
            blame(lab, f"{call.name} gave {call.result}", culprit(lab),
                  expected="1", found=str(call.result))
        check_kept(lab, call, (*NOT_KEPT_BY_C, *KEPT_BY_C, "rsp"))


@points(4)
@hint("""While one process sleeps in a call another makes its own. Whatever the first
one still needs must lie on its own kernel stack: the per-CPU block and static variables
are shared.""")
def test_two_processes_that_wait_inside_calls_keep_their_own(lab: Lab) -> None:
    caller = caller_for(lab, "/bin/probe_call,/bin/probe_call", append="hz=200")
    gdb = caller.gdb
    time = caller.buffer + 128
    # By process: its call, and whether the other one has made one since.
    begun: Dict[int, Tuple[Dict[str, int], str]] = {}
    overtaken: Dict[int, bool] = {}
    made: List[Tuple[int, Dict[str, int]]] = []
    overlaps = turn = 0
    # yield lets the other one run; one call sleeps while the other makes many.
    # Whose turn it is the timer decides, too, so what has to happen is counted.
    plan = itertools.cycle([YIELD, YIELD, GETPID, YIELD, NANOSLEEP, YIELD])
    while overlaps < OVERLAPS:
        process = gdb.register("cr3")
        if gdb.register("rip") == caller.after:
            before, name = begun[process]
            call = Call(name, before, gdb.registers())
            others = [b for p, b in made if p != process]
            for what in (*NOT_KEPT_BY_C, *KEPT_BY_C, "rsp"):
                if call.after[what] != before[what] and any(
                        call.after[what] == other[what] for other in others):
                    blame_foreign(lab, call, what)
            check_whole(lab, call)
            overlaps += overtaken[process]
        if turn == TURNS:
            blame(lab, f"two processes were to make calls by turns, and in {turn} "
                  f"calls this happened {overlaps} times", culprit(lab),
                  expected="two processes", found=f"{len(begun)}")
        turn, number = turn + 1, next(plan)
        gdb.write(time, struct.pack("<QQ", 0, 500_000))
        before = caller.prepare(number, *([time, 0] if number == NANOSLEEP else []),
                                rsp=caller.stack - 16 * (turn % 64))
        name = {YIELD: "sched_yield", GETPID: "getpid", NANOSLEEP: "nanosleep"}[number]
        overtaken = {p: True for p in overtaken} | {process: False}
        begun[process] = (before, f"{name} (call {turn} of two processes)")
        made.append((process, before))
        caller.enter()
        caller.run_to(caller.before, caller.after)


def blame_foreign(lab: Lab, call: Call, name: str) -> None:
    """Fails the test because a register came back as another process's."""
    seen = walk(lab)
    readers = [step for step in seen.steps[seen.call_index + 1:]
               if step.reads and not seen.in_kernel_stack(step.reads[0])]
    finding = proved(lab, name)
    if finding is None and readers:
        step = readers[0]
        what = ("user_rsp, the per-CPU slot" if step.reads[0] == seen.per_cpu + 8
                else "a place outside the process's kernel stack")
        finding = Finding(f"{step} takes it from {what}, which the other process's "
                          "call has overwritten", step.where)
    blame(lab, f"{name.upper()} came back from {call.name} as the other process's",
          finding, expected=f"{call.before[name]:#x}", found=f"{call.after[name]:#x}",
          gdb="break syscall_exit")


@points(3)
@hint("""The timer takes the CPU away at any instruction of ring 3 and gives it back. If
it never comes, look at RFLAGS.IF after a call; if it does harm, at GS.""")
def test_programs_keep_their_registers_under_a_fast_timer(lab: Lab) -> None:
    caller = caller_for(lab, "/bin/probe_call,/bin/probe_call",
                        icount=stress.ICOUNT, append=stress.FAST_TIMER)
    gdb = caller.gdb
    done = caller.probe.address("probe_done")
    count = 10_000
    running: Dict[int, Dict[str, int]] = {}
    for loop, flags in (("probe_many", 0), ("probe_spin", DF)):
        running[gdb.register("cr3")] = caller.prepare(
            GETPID, eflags=FLAGS_BASE | flags)
        caller.store("probe_count", count if loop == "probe_many" else 40 * count)
        caller.store("probe_number", GETPID)
        caller.load({"rip": caller.probe.address(loop)})
        place = caller.run_to(caller.before, done)
        if loop == "probe_many" and place == done:
            blame(lab, "the timer never interrupted a program that makes calls: the "
                  "other process did not run before it was done", culprit(lab),
                  expected="an interrupt", found=f"IF {gdb.register('eflags') >> 9 & 1}")
    ended: Dict[int, Dict[str, int]] = {}
    while len(ended) < 2:
        if gdb.register("rip") == done:
            ended[gdb.register("cr3")] = gdb.registers()
            caller.load({"rip": caller.probe.address("probe_park")})
        else:
            caller.run_to(done)
    for process, after in ended.items():
        call = Call("a loop under the timer", running[process], after)
        check_kept(lab, call, (*NOT_KEPT_BY_C, *KEPT_BY_C, "rsp"))
        if (after["eflags"] ^ call.before["eflags"]) & (DF | IF):
            check_flags(lab, call)


@points(1)
@hint("""A program may set DF, and C code wants it clear. SFMASK sees to that for calls;
for interrupts the stub of trap_entry.S has to.""")
def test_an_interrupt_of_a_program_with_df_set_runs_c_with_df_clear(lab: Lab) -> None:
    caller = caller_for(lab, append=stress.FAST_TIMER, icount=stress.ICOUNT)
    before = caller.prepare(GETPID, eflags=FLAGS_BASE | DF)
    caller.store("probe_count", 1 << 40)
    caller.load({"rip": caller.probe.address("probe_spin")})
    for _ in range(3):
        caller.run_to(lab.kernel.address("trap_handler"))
        flags = caller.gdb.register("eflags")
        if flags & (DF | AC | NT):
            blame(lab, "trap_handler runs with the user's DF set: string instructions "
                  "go down there", Finding("", lab.kernel.line_at(
                      lab.kernel.address("trap_common")) or ""),
                  expected="DF 0", found="DF 1", gdb="break trap_handler")
    caller.run_to(caller.probe.address("probe_spin"))
    check_kept(lab, Call("an interrupt", before, caller.gdb.registers()),
               (*NOT_KEPT_BY_C, *KEPT_BY_C, "rsp"))


@points(2)
@hint("""TF makes the CPU trap behind each instruction. Over a call it must not do so in
ring 0, where #DB would find the user's stack, but just behind the SYSCALL.""")
def test_a_single_step_over_a_call_traps_just_behind_it(lab: Lab) -> None:
    caller = caller_for(lab)
    caller.prepare(GETPID, eflags=FLAGS_BASE | TF)
    for _ in range(10):
        caller.run_to(lab.kernel.address("trap_handler"))
        frame = caller.gdb.register("rdi")
        vector, rip, cs = (caller.gdb.read_u64(
            frame + lab.kernel.offset_of("trap_frame", name)) for name in
            ("vector", "rip", "cs"))
        if vector < 0x20:  # else the timer has struck, which it may
            break
    place = lab.kernel.line_at(rip) if rip >= KERNEL_HALF else f"{rip:#x}"
    if cs & 3 == 0:
        mask = lab.rdmsr(caller.gdb, 0xC0000084)
        lab.needs("lab 2: SFMASK clears TF", bool(mask & TF))
        guilty = [step for step in walk(lab).steps if step.mnemonic.startswith("popf")]
        blame(lab, f"with TF set, a single step trapped in ring 0 at {place}",
              Finding(f"{guilty[0]} loads the user's RFLAGS, TF and all, while the "
                      "CPU is in ring 0", guilty[0].where) if guilty else culprit(lab),
              expected=f"#DB in ring 3 at {caller.after:#x}", found=f"#DB at {place}")
    # SYSRET traps at once, IRETQ lets one more instruction (a nop) pass.
    if vector != 1 or rip not in (caller.after, caller.after + 1):
        blame(lab, f"after a call with TF set came vector {vector} at {place}",
              culprit(lab), expected=f"#DB at {caller.after:#x}",
              found=f"vector {vector} at {place}")


@points(1)
@hint("""An NMI does not ask for IF. It comes on a stack of its own, and has to look at
GS_BASE itself to know whose GS it is.""")
def test_an_nmi_at_the_edges_of_the_stub_does_no_harm(lab: Lab) -> None:
    seen = returned_whole(lab)
    caller = Caller.of(lab)
    handler = lab.kernel.address("trap_handler")
    places = [step.rip for step in (*seen.steps[:3], *seen.steps[-3:])]
    offset = {name: lab.kernel.offset_of("trap_frame", name)
              for name in ("vector", "rip")}
    for place in places:
        before = caller.prepare(GETPID)
        caller.run_to(place)
        caller.gdb.monitor("nmi")
        caller.run_to(handler)
        frame = caller.gdb.register("rdi")
        where = lab.kernel.line_at(place) or "kernel/syscall_entry.c"
        base = caller.gdb.register("gs_base")
        if caller.gdb.read_u64(frame + offset["vector"]) != 2:
            caller.lost(f"an NMI at {where} became another exception")
        if base != caller.per_cpu:
            blame(lab, f"an NMI at {where} ran trap_handler with GS base {base:#x}",
                  Finding("", where), expected=f"{caller.per_cpu:#x}",
                  found=f"{base:#x}")
        caller.run_to(caller.after)
        call = Call(f"a call with an NMI at {where}", before, caller.gdb.registers())
        check_whole(lab, call)


# ---- stress ------------------------------------------------------------------------

def stressed(lab: Lab, caller: Caller, loop: str, number: int, count: int,
             arguments: Tuple[int, ...] = ()) -> List[stress.Interrupt]:
    """Lets a program make calls for ever under the fast timer, and looks at each
    of the next `count` interrupts. Gives those that came in ring 0."""
    caller.prepare(number, *arguments, eflags=FLAGS_BASE)
    caller.store("probe_count", 1 << 40)
    caller.store("probe_number", number)
    caller.load({"rip": caller.probe.address(loop)})
    ring_0 = []
    for seen in stress.interrupts(caller, count):
        fault = stress.fault_of(caller, seen)
        if fault:
            place = lab.kernel.line_at(seen.rip)
            finding = None if seen.from_ring_3 else culprit(lab)
            blame(lab, fault, finding or Finding("", place or ""), expected=(
                "ring 0 on the kernel's stack and the kernel's GS"),
                found=f"RSP {seen.rsp:#x}, GS base {seen.gs_base:#x}")
        if not seen.from_ring_3:
            ring_0.append(seen)
    return ring_0


@points(3)
@hint("""A window of one instruction is hit one day. Wherever an interrupt can come in
ring 0, RSP must be in the kernel stack and GS the kernel's.""")
def test_interrupts_anywhere_find_the_kernels_stack_and_gs(lab: Lab) -> None:
    caller = caller_for(lab, icount=stress.ICOUNT, append=stress.FAST_TIMER)
    stressed(lab, caller, "probe_vary", NOTHING, 200)


@points(1)
@hint("""The idle process waits in ring 0 with interrupts on. Such an interrupt has to
leave GS as it is; only one from ring 3 swaps.""")
def test_interrupts_of_a_sleeping_system_find_the_kernels_gs(lab: Lab) -> None:
    caller = caller_for(lab, icount=stress.ICOUNT, append=stress.FAST_TIMER)
    time = caller.buffer
    caller.gdb.write(time, struct.pack("<QQ", 0, 400_000))
    if not stressed(lab, caller, "probe_many", NANOSLEEP, 60, (time, 0)):
        blame(lab, "no interrupt came while the process slept", culprit(lab),
              expected="interrupts in ring 0", found="none")
