"""Lab 3, entry, under all circumstances: many calls, hostile programs, interrupts.

As in test_3_entry.py, registers are loaded and read from outside.
"""

from __future__ import annotations

import itertools
import struct
from typing import Dict, List, Tuple

from judge import stress
from judge.call_checks import (
    EFAULT, ENOSYS, GETPID, KEPT_BY_C, NANOSLEEP, NOTHING, NOT_CANONICAL,
    NOT_KEPT_BY_C, UNMAPPED, WRITE, YIELD, caller_for, check_flags, check_kept,
    check_whole, returned_whole, stressed)
from judge.caller import Call, Caller
from judge.lab import Lab
from judge.stub import blame, blame_place, caller_of, culprit, proved
from judge.verdict import hint, points
from machine import deadlines, headers
from machine.kernel import in_kernel_half
from machine.qemu import TREE
from machine.x86 import (
    AC, DB, DF, FIRST_IRQ, FLAGS_BASE, IF, NMI, NT, PAGE, RING3_SS, SFMASK, TF,
    signed)
from proof.rules import Rule

# Of two processes that make calls by turns: how many calls are to come back after
# the other one has made its own, and how many calls that may take.
OVERLAPS, TURNS = 12, 600


# ---- circumstances -------------------------------------------------------------------

@points(2)
@hint("""What the first call has left the second one finds: GS, kernel_rsp, flags.""")
def test_a_hundred_thousand_calls_keep_every_register(lab: Lab) -> None:
    caller = caller_for(lab)
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


@points(3)
@hint("""RSP is just another register of the program's: all ones, an address of the
kernel's, an odd one. The kernel neither reads nor writes there.""")
def test_a_hostile_stack_pointer_is_harmless(lab: Lab) -> None:
    caller = caller_for(lab)
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


@points(2)
@hint("""A program may keep data in the 128 bytes below its RSP, the red zone. Whatever
the kernel pushes belongs on its own stack.""")
def test_memory_around_the_users_stack_pointer_is_untouched(lab: Lab) -> None:
    caller = caller_for(lab)
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


@points(2)
@hint("""The low 32 bits of RAX are the number, and no fewer. One that is not in the
table gives -ENOSYS, -38, and nothing else happens.""")
def test_unknown_numbers_give_enosys(lab: Lab) -> None:
    caller = caller_for(lab)
    table_end = max(headers.with_prefix(
        headers.constants(TREE / "kernel/syscall.h"), "SYS_").values()) + 1
    for number in (table_end, table_end + 1, NOTHING, (1 << 8) + GETPID,
                   (1 << 16) + GETPID, 1 << 31, (1 << 31) + GETPID,
                   (1 << 32) + NOTHING, (1 << 63) + NOTHING, -1, -GETPID):
        call = caller.call(number, name=f"call number {number}")
        if call.result != ENOSYS:
            as_other = " as if it were getpid, 39" if call.result == 1 else ""
            blame(lab, f"call number {number:#x} gave {call.result}{as_other}: the "
                  "number is the low 32 bits of RAX, and one without an entry in the "
                  "table is -ENOSYS", proved(lab, about=["rdi"]), expected="-38 (-ENOSYS)",
                  found=str(call.result), gdb="break syscall_handler")
        check_whole(lab, call)


@points(1)
@hint("""A pointer from a program is a number until it was checked: every access goes
through copyin or copyout, which give -EFAULT.""")
def test_bad_pointers_give_efault(lab: Lab) -> None:
    caller = caller_for(lab)
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


@points(2)
@hint("""A move to GS clears the user's GS base. The kernel's is out of reach only while
it stands in KERNEL_GS_BASE.""")
def test_a_program_may_load_gs_as_it_likes(lab: Lab) -> None:
    caller = caller_for(lab)
    for selector in (0, RING3_SS, 0, 3):
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


@points(3)
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
    blame(lab, f"{name.upper()} came back from {call.name} as the other process's",
          proved(lab, about=[name]), expected=f"{call.before[name]:#x}", found=f"{call.after[name]:#x}",
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
            blame_place(lab, "trap_handler runs with the user's DF set: string "
                        "instructions go down there", lab.kernel.address("trap_common"),
                        expected="DF 0", found="DF 1", gdb="break trap_handler")
    caller.run_to(caller.probe.address("probe_spin"))
    check_kept(lab, Call("an interrupt", before, caller.gdb.registers()),
               (*NOT_KEPT_BY_C, *KEPT_BY_C, "rsp"))


@points(2)
@hint("""TF makes the CPU trap after each instruction. Over a call it must not do so in
ring 0, where #DB would find the user's stack, but just after the SYSCALL.""")
def test_a_single_step_over_a_call_traps_just_after_it(lab: Lab) -> None:
    caller = caller_for(lab)
    caller.prepare(GETPID, eflags=FLAGS_BASE | TF)
    for _ in range(10):
        caller.run_to(lab.kernel.address("trap_handler"))
        frame = caller.gdb.register("rdi")
        vector, rip, cs = (caller.gdb.read_u64(
            frame + lab.kernel.offset_of("trap_frame", name)) for name in
            ("vector", "rip", "cs"))
        if vector < FIRST_IRQ:  # else the timer has struck, which it may
            break
    place = lab.kernel.line_at(rip) if in_kernel_half(rip) else f"{rip:#x}"
    if cs & 3 == 0:
        mask = lab.rdmsr(caller.gdb, SFMASK)
        lab.needs("lab 2: SFMASK clears TF", bool(mask & TF))
        blame(lab, f"with TF set, a single step trapped in ring 0 at {place}",
              proved(lab, Rule.INTERRUPTS) or culprit(lab),
              expected=f"#DB in ring 3 at {caller.after:#x}", found=f"#DB at {place}")
    # SYSRET traps at once, IRETQ lets one more instruction (a nop) pass.
    if vector != DB or rip not in (caller.after, caller.after + 1):
        blame(lab, f"after a call with TF set came vector {vector} at {place}",
              culprit(lab), expected=f"#DB at {caller.after:#x}",
              found=f"vector {vector} at {place}")


@points(1)
@hint("""An NMI does not ask for IF. It comes on a stack of its own, and has to look at
GS_BASE itself to know whose GS it is.""")
def test_an_nmi_at_the_edges_of_the_stub_does_no_harm(lab: Lab) -> None:
    seen = returned_whole(lab)
    caller = caller_of(lab)
    handler = lab.kernel.address("trap_handler")
    steps = seen.record.steps
    places = [step.rip for step in (*steps[:3], *steps[-3:])]
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
        if caller.gdb.read_u64(frame + offset["vector"]) != NMI:
            caller.lost(f"an NMI at {where} became another exception")
        if base != caller.per_cpu:
            blame_place(lab, f"an NMI at {where} ran trap_handler with GS base "
                        f"{base:#x}", place, expected=f"{caller.per_cpu:#x}",
                        found=f"{base:#x}")
        caller.run_to(caller.after)
        call = Call(f"a call with an NMI at {where}", before, caller.gdb.registers())
        check_whole(lab, call)


# ---- stress ------------------------------------------------------------------------

@points(2)
@hint("""A window of one instruction is hit one day. Wherever an interrupt can come in
ring 0, RSP must be in the kernel stack and GS the kernel's.""")
def test_interrupts_anywhere_find_the_kernels_stack_and_gs(lab: Lab) -> None:
    stressed(lab, "probe_vary", NOTHING, 60_000, rings=(3,))


@points(1)
@hint("""The idle process waits in ring 0 with interrupts on. Such an interrupt has to
leave GS as it is; only one from ring 3 swaps.""")
def test_interrupts_of_a_sleeping_system_find_the_kernels_gs(lab: Lab) -> None:
    def sleep(caller: Caller) -> Tuple[int, ...]:
        caller.gdb.write(caller.buffer, struct.pack("<QQ", 0, 400_000))
        return caller.buffer, 0

    if not stressed(lab, "probe_many", NANOSLEEP, 60, (0,), sleep):
        blame(lab, "no interrupt came while the process slept", culprit(lab),
              expected="interrupts in ring 0", found="none")
