"""Lab 3, entry: from ring 3 to ring 0 and back.

The program under test only holds a SYSCALL (probes/probe_call.c). The tests
load its registers from outside, let it run, and read what came back; where
something is lost, one call is followed instruction by instruction to see which
one lost it. What a call has to bear is in test_3_entry_circumstances.py.
"""

from __future__ import annotations

from judge.call_checks import (
    GETPID, IOPL, KEPT_BY_C, NOTHING, NOT_KEPT_BY_C, YIELD, caller_for, check_flags,
    check_kept, core_calls, flag_names, holder, reached, returned, to_handler)
from typing import Dict

from judge.caller import Call
from judge.lab import Lab
from judge.stub import blame, caller_of, culprit, proved, walk
from judge.verdict import foundation, hint, points, wrong
from judge.walk import Walk
from machine.x86 import (
    AC, C_ARGUMENTS, DF, FLAGS_BASE, FLAGS_FREE, GENERAL, IF, KERNEL_CS, KERNEL_DS,
    MASK, NT, RING3_CS, RING3_SS, SFMASK, SYSCALL_ARGUMENTS, TF)
from proof.rules import Rule


# ---- the way in ------------------------------------------------------------------

@foundation
@points(3)
@hint("""Each step needs what the one before it gives: SWAPGS makes the per-CPU block
reachable, the block has the stack's address, the stack can be pushed to. The task in
syscall_entry.c names them in order.""")
def test_a_call_reaches_syscall_handler(lab: Lab) -> None:
    seen, mistake = walk(lab), culprit(lab)
    if seen.handler:
        return
    blame(lab, "the call never reached syscall_handler", mistake,
          expected="syscall_handler", found=seen.found)


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
@hint("""The C ABI wants RSP to be a multiple of 16 before a call, so RSP mod 16 is 8 at
the function's first instruction. Count the words that were pushed.""")
def test_the_handler_finds_its_stack_aligned(lab: Lab) -> None:
    seen = reached(lab)
    assert seen.handler
    rest = seen.handler["rsp"] % 16
    if rest != 8:
        pushed = (seen.kernel_rsp - seen.handler["rsp"]) // 8
        if seen.kernel_rsp % 16:
            wrong(f"kernel_rsp is {seen.kernel_rsp:#x}, which is no multiple of 16: "
                  "that is the top of a kernel stack as set_kernel_stack has stored it, "
                  "and not the stub's doing", expected="a multiple of 16",
                  found=f"{seen.kernel_rsp:#x}", where=lab.place("set_kernel_stack"),
                  gdb="print/x per_cpu.kernel_rsp")
        blame(lab, f"RSP mod 16 is {rest} at syscall_handler's first instruction: the "
              f"stub put {pushed - 1} words on the stack before the call, "
              "an odd number", None, expected="8", found=str(rest),
              gdb="break syscall_handler")


@points(2)
@hint("""SFMASK has cleared the user's TF, DF, NT and AC on the way in. Nothing should
bring them back before SYSRET does.""")
def test_the_handler_runs_with_clean_flags(lab: Lab) -> None:
    reached(lab)
    caller = caller_of(lab)
    before, at = to_handler(caller, eflags=FLAGS_BASE | DF | NT | AC | 0xD5)
    dirty = at["eflags"] & (TF | DF | NT | AC | IOPL)
    if dirty:
        names = ", ".join(flag_names(dirty))
        lab.needs("lab 2: SFMASK clears the user's flags", lab.rdmsr(
            caller.gdb, SFMASK) & dirty == dirty)
        blame(lab, f"syscall_handler runs with the user's {names}",
              proved(lab, Rule.C_STATE), expected=f"{at['eflags'] & ~dirty:#x}", found=f"{at['eflags']:#x}",
              gdb="break syscall_handler")
    if (at["cs"], at["ss"]) != (KERNEL_CS, KERNEL_DS):
        blame(lab, f"syscall_handler runs with CS {at['cs']:#x}, SS {at['ss']:#x}",
              expected=f"CS {KERNEL_CS:#x}, SS {KERNEL_DS:#x}",
              found=f"CS {at['cs']:#x}, SS {at['ss']:#x}")


@points(3)
@hint("""fork and the accessors of lab 4 read the user's sixteen words from the stack,
also those that C would keep by itself.""")
def test_sixteen_words_of_the_user_are_on_the_kernel_stack(lab: Lab) -> None:
    seen = reached(lab)
    assert seen.handler
    missing = [name for name in GENERAL if name not in seen.frame]
    if missing:
        role = {"rcx": "RCX (RIP)", "r11": "R11 (RFLAGS)"}
        text = ", ".join(role.get(name, name.upper()) for name in missing)
        blame(lab, f"the user's {text} {'is' if len(missing) == 1 else 'are'} nowhere "
              "on the kernel stack when syscall_handler begins",
              proved(lab, Rule.USER_RSP) or proved(lab, Rule.FRAME)
              or proved(lab, Rule.USER_STACK, about=missing),
              expected="sixteen words", found=f"{16 - len(missing)}",
              gdb="x/18gx $rsp")


@points(2)
@hint("""FRAME_R9 to FRAME_RSP say where each word is, from where RSP stands after the
last push. C code, and a forked child's first return, go by them.""")
def test_the_words_of_the_frame_stand_in_their_order(lab: Lab) -> None:
    frame = whole_frame(reached(lab), lab)
    base = min(frame.values())
    stub = {name: at - base for name, at in frame.items()}
    struct, contract = lab.kernel.frame_struct, lab.kernel.frame_offsets
    if stub == contract or struct and all(
            name in struct.fields and struct.fields[name].offset == stub[name]
            for name in stub):
        return
    name, offset = next(item for item in contract.items() if stub[item[0]] != item[1])
    blame(lab, "the words of the frame do not stand where FRAME_R9 to FRAME_RSP say",
          proved(lab, Rule.FRAME),
          expected=f"{name.upper()} at {offset}", found=f"{name.upper()} at "
          f"{stub[name]}", gdb="sysframe")


def whole_frame(seen: Walk, lab: Lab) -> Dict[str, int]:
    """Where the sixteen words are, from the top of the kernel stack."""
    lab.needs("lab 3: sixteen words of the user on the kernel stack "
              "(test_sixteen_words_of_the_user_are_on_the_kernel_stack)",
              len(seen.frame) == len(GENERAL))
    return seen.frame


@points(3)
@hint("""SYSCALL's registers are RAX; RDI RSI RDX R10 R8 R9. C's are RDI RSI RDX RCX R8
R9 and then the stack. The number moves in front, all others one place on; mind the
order of the moves.""")
def test_the_number_and_five_arguments_arrive_in_c_registers(lab: Lab) -> None:
    reached(lab)
    caller = caller_of(lab)
    before, at = to_handler(caller, caller.random.getrandbits(64))
    call = Call("the call", before, at)
    names = ("the number", *(f"argument {n}" for n in range(1, 6)))
    for what, source, target in zip(names, ("rax", *SYSCALL_ARGUMENTS), C_ARGUMENTS):
        # Of the number the low half counts.
        bits = (1 << 32) - 1 if source == "rax" else MASK
        if (at[target] ^ before[source]) & bits:
            holds = holder(at[target], call, source)
            blame(lab, f"{target.upper()} should hold {what} (the user's "
                  f"{source.upper()}) at syscall_handler and holds {holds}",
                  proved(lab, Rule.ARGUMENT, about=[target]) or culprit(lab), expected=f"{before[source]:#x}",
                  found=f"{at[target]:#x}", gdb="break syscall_handler")


# ---- the way back ----------------------------------------------------------------

@points(3)
@hint("""SYSRET goes on at RCX with RFLAGS out of R11. C code has used both since; they
come from the frame. A wrong RIP often is another word of the frame: count the pops.""")
def test_a_call_comes_back_after_its_syscall(lab: Lab) -> None:
    seen = reached(lab)
    if seen.came_back:
        return
    blame(lab, "the call did not come back", culprit(lab),
          expected=f"RIP {seen.next_rip:#x} in ring 3", found=seen.found,
          gdb="break syscall_exit")


@points(2)
@hint("""SYSRETQ makes CS 0x33 and SS 0x2b out of STAR; SYSRETL another CS. IRETQ takes
both from the stack.""")
def test_cs_and_ss_are_ring_3s_after_every_return(lab: Lab) -> None:
    seen = returned(lab)
    assert seen.back
    if (seen.back["cs"], seen.back["ss"]) != (RING3_CS, RING3_SS):
        blame(lab, f"back in ring 3, CS is {seen.back['cs']:#x} and SS "
              f"{seen.back['ss']:#x}", culprit(lab),
              expected=f"CS {RING3_CS:#x}, SS {RING3_SS:#x}",
              found=f"CS {seen.back['cs']:#x}, SS {seen.back['ss']:#x}",
              gdb="info registers cs ss")
    for call, _ in core_calls(lab):
        cs, ss = call.after["cs"], call.after["ss"]
        if (cs, ss) != (RING3_CS, RING3_SS):
            blame(lab, f"after {call.name} ring 3 runs with CS {cs:#x} and SS {ss:#x}",
                  culprit(lab), expected=f"CS {RING3_CS:#x}, SS {RING3_SS:#x}",
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


@points(3)
@hint("""C keeps these six, so they come back by themselves, unless the stub uses one
of them and forgets to put it back, or pops into the wrong one.""")
def test_registers_that_c_keeps_come_back(lab: Lab) -> None:
    for call, _ in core_calls(lab):
        check_kept(lab, call, KEPT_BY_C)


@points(3)
@hint("""A C function may use these six as it likes, and syscall_handler does. A program
counts on them: its compiler was told that only RAX, RCX and R11 change.""")
def test_registers_that_c_does_not_keep_come_back(lab: Lab) -> None:
    for call, _ in core_calls(lab):
        check_kept(lab, call, NOT_KEPT_BY_C)


@points(3)
@hint("""The user's RSP is the frame's topmost word, and the last one to be popped.""")
def test_the_stack_pointer_comes_back(lab: Lab) -> None:
    for call, _ in core_calls(lab):
        check_kept(lab, call, ("rsp",))


@points(3)
@hint("""SYSCALL put RFLAGS into R11, and SYSRET takes them from there. Between the two,
R11 belongs to C.""")
def test_rflags_come_back(lab: Lab) -> None:
    caller = caller_for(lab)
    for flags in (0, FLAGS_FREE, NT, AC, DF | 0x41, 0x894, FLAGS_FREE | NT | AC):
        for number in (GETPID, YIELD, NOTHING):
            check_flags(lab, caller.call(number, eflags=FLAGS_BASE | flags))
        check_flags(lab, caller.clobbered_call(
            NOTHING, "a call whose handler used R11", eflags=FLAGS_BASE | flags))


@points(1)
@hint("""SYSCALL overwrites RCX with the next RIP and R11 with RFLAGS; that is what a
program may find there. Anything else is a value out of the kernel.""")
def test_rcx_and_r11_hold_nothing_of_the_kernels(lab: Lab) -> None:
    for call, _ in core_calls(lab):
        for name, right in (("rcx", call.before["rip"] + 2),
                            ("r11", call.before["eflags"])):
            if call.after[name] not in (right, call.before[name]):
                blame(lab, f"{name.upper()} came back from {call.name} holding "
                      f"{holder(call.after[name], call, name)}",
                      proved(lab, about=[name]), expected=f"{right:#x}",
                      found=f"{call.after[name]:#x}")


@points(1)
@hint("""A frame starts at the same place in every call. If it wanders, something is
pushed that is never taken off, or kernel_rsp is written to.""")
def test_every_call_finds_the_stack_at_the_same_place(lab: Lab) -> None:
    caller = caller_for(lab)
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


# ---- the result, a child, and the sixth argument ---------------------------------

@foundation
@points(3)
@hint("""What syscall_handler returns is in RAX. The frame's RAX is the call's number
until the stub replaces it.""")
def test_the_result_comes_back_in_rax(lab: Lab) -> None:
    for call, result in core_calls(lab):
        if call.result == result:
            continue
        number = call.before["rax"]
        sentence = (f"RAX came back from {call.name} holding its number, {number}, "
                    "and not the result" if call.after["rax"] == number
                    else f"{call.name} gave {call.result}")
        mistake = (proved(lab, Rule.RESULT, Rule.SHIFT, about=["rax"])
                   or culprit(lab))
        if not mistake and call.returned == call.after["rax"]:
            wrong(sentence + why_returned(call, result),
                  where=lab.place("syscall_handler"), expected=str(result),
                  found=str(call.result), gdb="break syscall_handler")
        blame(lab, sentence, mistake,
              expected=str(result), found=str(call.result), gdb="break syscall_exit")


def why_returned(call: Call, result: int) -> str:
    """Of a wrong result that the stub has passed on as it got it."""
    narrow = (call.result ^ result) & 0xffffffff == 0
    return (": syscall_handler had returned that, and the stub passed it on"
            + ("; the low 32 bits are right, as if the handler kept the result in an "
               "int" if narrow else ""))


@points(2)
@hint("""A forked child has a frame, a copy of its parent's, and begins at the label
syscall_exit with RSP at it. All that it takes to ring 3 it has to find there.""")
def test_a_process_may_begin_at_syscall_exit(lab: Lab) -> None:
    frame = whole_frame(returned(lab), lab)
    if not lab.kernel.is_global("syscall_exit"):
        blame(lab, "the stub has no global label syscall_exit, where a forked child "
              "begins", None, expected=".globl syscall_exit", found="no such label")
    caller = caller_for(lab, suspects=[Rule.CHILD])
    to_handler(caller)
    words = caller.patterns() | {
        "rsp": caller.stack, "rcx": caller.after, "r11": FLAGS_BASE | DF | 0x41}
    for name, at in frame.items():
        caller.gdb.write(caller.kernel_rsp + at, words[name].to_bytes(8, "little"))
    caller.load({name: value for name, value in caller.patterns().items()})
    caller.load({"rip": lab.kernel.address("syscall_exit"), "eflags": 1 << 1,
                 "rsp": caller.kernel_rsp + min(frame.values())})
    caller.doing = "a return that begins at syscall_exit"
    caller.run_to(caller.after)
    call = Call("syscall_exit, with RSP at a frame,",
                words | {"eflags": words["r11"], "rip": caller.before},
                caller.gdb.registers())
    for name in GENERAL:
        if call.after[name] != words[name] and name not in ("rcx", "r11"):
            blame(lab, f"after a return that began at syscall_exit, as a forked "
                  f"child's does, {name.upper()} is not what the frame had",
                  proved(lab, Rule.CHILD, about=[name]), expected=f"{words[name]:#x}",
                  found=f"{call.after[name]:#x}", gdb="break syscall_exit")
    check_flags(lab, call)


@points(2)
@hint("""The sixth argument is C's seventh: it stands on the stack, right above the
return address.""")
def test_the_sixth_argument_arrives_on_the_stack(lab: Lab) -> None:
    reached(lab)
    caller = caller_of(lab)
    before, at = to_handler(caller)
    found = caller.gdb.read_u64(at["rsp"] + 8)
    if found != before["r9"]:
        holds = holder(found, Call("the call", before, at), "r9")
        blame(lab, "the sixth argument (the user's R9) should stand right above the "
              f"return address at syscall_handler; there is {holds}",
              proved(lab, Rule.SIXTH),
              expected=f"{before['r9']:#x}", found=f"{found:#x}",
              gdb="x/2gx $rsp")


@points(2)
@hint("""C may write to its arguments, also to the one on the stack. What SYSRET's user
gets back in R9 must be another word.""")
def test_the_sixth_argument_is_a_copy(lab: Lab) -> None:
    caller = caller_for(lab)
    before, at = to_handler(caller)
    mark = caller.random.getrandbits(64)
    caller.gdb.write(at["rsp"] + 8, mark.to_bytes(8, "little"))
    caller.run_to(caller.after)
    after = caller.gdb.registers()
    if after["r9"] == mark:
        blame(lab, "R9 came back as what C wrote to its seventh argument: the word "
              "above the return address is the frame's own R9 and not a copy",
              proved(lab, Rule.SIXTH), expected=f"{before['r9']:#x}", found=f"{mark:#x}",
              gdb="x/2gx $rsp")
    check_kept(lab, Call("the call", before, after), ("r9",))


# ---- interrupts --------------------------------------------------------------------

@points(2)
@hint("""Until RSP is the kernel's and the user's is in the frame, an interrupt would
push onto a stack that the user chose. SFMASK keeps IF clear; leave it so.""")
def test_interrupts_stay_off_until_the_frame_has_the_users_rsp(lab: Lab) -> None:
    reached(lab)
    finding = proved(lab, Rule.INTERRUPTS)
    if finding:
        blame(lab, "an interrupt may come too early", finding,
              expected="IF 0", found="IF 1", gdb="p $eflags")


@points(2)
@hint("""An interrupt between `the user's RSP is back` and SYSRET runs in ring 0 on the
user's stack, or with the user's GS. The stub has to see to it that none can come,
whatever the handler did to IF.""")
def test_no_interrupt_can_come_between_the_users_stack_and_ring_3(lab: Lab) -> None:
    returned(lab)
    finding = proved(lab, Rule.INTERRUPTS)
    if finding:
        blame(lab, "an interrupt may come too late", finding, expected="IF 0",
              found="IF 1", gdb="p $eflags")
    caller = caller_of(lab)
    _, at = to_handler(caller)
    caller.run_to(caller.gdb.read_u64(at["rsp"]))
    # As a handler would that has interrupts on while it works.
    caller.load({"eflags": caller.gdb.register("eflags") | IF})
    top = caller.kernel_rsp
    for _ in range(200):
        r = caller.gdb.registers()
        if r["cs"] & 3:
            return
        own = (lab.kernel.on_stack(r["rsp"], top)
               and r["gs_base"] == caller.per_cpu)
        if r["eflags"] & IF and not own:
            place = lab.kernel.line_at(r["rip"]) or "kernel/syscall_entry.c"
            blame(lab, "when syscall_handler comes back with IF set, it is still set "
                  f"at {place}, where RSP or GS is the user's", proved(lab, Rule.CLI),
                  expected="IF 0", found="IF 1", gdb="break syscall_exit")
        caller.step()
    blame(lab, "the stub does not come back to ring 3 when syscall_handler leaves IF "
          "set", culprit(lab), expected="ring 3", found="ring 0")
