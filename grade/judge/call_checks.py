"""What lab 3's tests share: calls to look at, and who is to blame for what did not
come back."""

from __future__ import annotations

import struct
from typing import Callable, Dict, List, Tuple, Union

from machine import deadlines
from machine.kernel import in_kernel_half
from machine.x86 import FLAGS, FLAGS_BASE, GENERAL, PAGE, RING3_CS, RING3_SS
from proof.rules import Rule
from . import stress
from .caller import Call, Caller
from .lab import Lab
from .stub import blame, blame_place, caller_of, culprit, proved, walk
from .verdict import Verdict
from .walk import Walk

READ, WRITE, OPEN, YIELD, NANOSLEEP, GETPID = 0, 1, 2, 24, 35, 39
EXECVE, WAIT4, MMAP, NOTHING = 59, 61, 9, 9999
ENOENT, EBADF, ECHILD, EFAULT, ENOSYS = -2, -9, -10, -14, -38

# Addresses that no program may use, and one that is not even an address.
UNMAPPED = 0x10000
NOT_CANONICAL = 1 << 63

# The two bits of RFLAGS that say who may use ports.
IOPL = 3 << 12

# What a call does not keep: RAX is its result, RCX and R11 are SYSCALL's own.
KEPT_BY_C = ("rbx", "rbp", "r12", "r13", "r14", "r15")
NOT_KEPT_BY_C = ("rdi", "rsi", "rdx", "r10", "r8", "r9")


def reached(lab: Lab) -> Walk:
    """The walk through the stub, which got as far as syscall_handler."""
    seen = walk(lab)
    if seen.handler is None:
        lab.needs("lab 3: a call reaches syscall_handler "
                  f"(test_a_call_reaches_syscall_handler). Here: {seen.found}")
    return seen


def returned(lab: Lab) -> Walk:
    """The walk through the stub, which came back after the SYSCALL."""
    seen = reached(lab)
    if not seen.came_back:
        lab.needs("lab 3: a call comes back after the SYSCALL "
                  f"(test_a_call_comes_back_after_its_syscall). Here: {seen.found}")
    return seen


def returned_whole(lab: Lab) -> Walk:
    """The same, with ring 3's segments and GS: further calls can be made."""
    seen = returned(lab)
    assert seen.back
    lab.needs("lab 3: a call returns to 64-bit code of ring 3 "
              "(test_cs_and_ss_are_ring_3s_after_every_return)",
              (seen.back["cs"], seen.back["ss"]) == (RING3_CS, RING3_SS))
    lab.needs("lab 3: a call gives ring 3 its GS back "
              "(test_ring_3_gets_its_own_gs_back)",
              seen.back["gs_base"] == seen.entry["gs_base"])
    return seen


def caller_for(lab: Lab, init: str = "/bin/probe_call", **options: object) -> Caller:
    """A machine to make calls in, if one call works at all."""
    returned_whole(lab)
    return caller_of(lab, init, **options)


# What the calls of the core set did, by kernel, or how they ended: one record serves
# several tests of this process.
_recorded: Dict[str, Union[List[Tuple[Call, int]], Verdict]] = {}


def core_calls(lab: Lab) -> List[Tuple[Call, int]]:
    """Calls of the core set, that succeed, fail and sleep, each with the result
    that it must have."""
    key = str(lab.kernel_path)
    if key not in _recorded:
        caller = caller_for(lab, append="hz=1000")
        try:
            _recorded[key] = make_core_calls(caller)
        except Verdict as found:
            _recorded[key] = found
    recorded = _recorded[key]
    if isinstance(recorded, Verdict):
        raise recorded.with_traceback(None)
    return recorded


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
        # A private page of nobody's: an address, which is wider than an int.
        ("mmap", MMAP, (0, PAGE, 3, 0x22, -1, 0),
         caller.kernel.constants["MMAP_TOP"] - PAGE),
        ("a read that fails", READ, (77, text, 4), EBADF),
        ("a write that fails", WRITE, (1, UNMAPPED, 4), EFAULT),
        ("a nanosleep that fails", NANOSLEEP, (UNMAPPED, 0), EFAULT),
        ("an execve that fails", EXECVE, (UNMAPPED, 0, 0), EFAULT),
        ("a wait4 without children", WAIT4, (-1, 0, 0), ECHILD),
        ("a call that does not exist", NOTHING, (), ENOSYS),
    ]
    made = [(caller.watched_call(number, *arguments, name=name), result)
            for name, number, arguments, result in calls]
    busy = caller.clobbered_call(NOTHING, "a call whose handler uses all that C may")
    # An address, say: positive, and wider than an int.
    wide = caller.random.getrandbits(62) | 3 << 30
    far = caller.clobbered_call(NOTHING, f"a call with the result {wide:#x}",
                                result=wide)
    return [*made, (busy, ENOSYS), (far, wide)]


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
    return "an address of the kernel's" if in_kernel_half(value) else f"{value:#x}"


def blame_register(lab: Lab, call: Call, name: str) -> None:
    """Fails the test because a register did not come back from a call."""
    sentence = (f"{name.upper()} came back from {call.name} holding "
                f"{holder(call.after[name], call, name)}")
    blame(lab, sentence, proved(lab, Rule.SHIFT, about=[name]) or culprit(lab),
          expected=f"{call.before[name]:#x}", found=f"{call.after[name]:#x}",
          gdb="break syscall_exit")


def check_kept(lab: Lab, call: Call, names: Tuple[str, ...]) -> None:
    for name in names:
        if call.after[name] != call.before[name]:
            blame_register(lab, call, name)


def check_whole(lab: Lab, call: Call) -> None:
    """All that a call has to keep, for tests of circumstances."""
    check_kept(lab, call, (*NOT_KEPT_BY_C, *KEPT_BY_C, "rsp"))
    check_flags(lab, call)


def flag_names(bits: int) -> List[str]:
    """What flags of RFLAGS are called."""
    known = {**FLAGS, "IOPL": IOPL}
    names = [name for name, mask in known.items() if bits & mask]
    rest = bits & ~sum(known.values())
    return names + [f"bit {bit}" for bit in range(64) if rest >> bit & 1]


def check_flags(lab: Lab, call: Call) -> None:
    lost = call.before["eflags"] ^ call.after["eflags"]
    if not lost:
        return
    names = ", ".join(flag_names(lost))
    blame(lab, f"RFLAGS came back from {call.name} with {names} changed",
          proved(lab, about=["r11", "RFLAGS"]) or culprit(lab),
          expected=f"{call.before['eflags']:#x}", found=f"{call.after['eflags']:#x}")


def to_handler(caller: Caller, number: int = NOTHING, *arguments: int,
               **fixed: int) -> Tuple[Dict[str, int], Dict[str, int]]:
    """Registers before a call, and at syscall_handler's first instruction."""
    before = caller.prepare(number, *arguments, **fixed)
    caller.run_to(caller.kernel.address("syscall_handler"))
    return before, caller.gdb.registers()


def stressed(lab: Lab, loop: str, number: int, count: int, rings: Tuple[int, ...],
             prepare: Callable[[Caller], Tuple[int, ...]] = lambda caller: (),
             ) -> List[stress.Interrupted]:
    """Lets a program make `count` calls under the fast timer, and looks at each
    interrupt; at some of those in `rings` also at what trap_handler finds. `prepare`
    gives the call's arguments. Gives the interrupts that came in ring 0."""
    log = stress.log_of(lab)
    caller = caller_for(lab, icount=stress.ICOUNT, append=stress.FAST_TIMER,
                        flags=log.flags)
    caller.prepare(number, *prepare(caller), eflags=FLAGS_BASE)
    caller.store("probe_count", count)
    caller.store("probe_number", number)
    caller.load({"rip": caller.probe.address(loop)})
    stack, ending = caller.kernel_rsp, None
    for ring in rings:
        places = caller.waits() if ring == 3 else ()
        for fault in stress.entry_faults(lab.kernel, caller.gdb, ring, places):
            blame(lab, fault, None)
    if 3 in rings:
        caller.load({"rip": caller.probe.address(loop)})
    log.clear()
    try:
        caller.run_to(caller.probe.address("probe_done"), deadline=deadlines.test())
    except Verdict as found:
        ending = found
    seen = stress.first_fault(lab.kernel, log.text(), stack)
    if seen:
        fault, at = seen
        told = dict(expected="ring 0 on the kernel's stack and the kernel's GS",
                    found=f"RSP {at.rsp:#x}, GS base {at.gs_base:#x}")
        finding = culprit(lab)
        if finding:
            blame(lab, fault, finding, **told)
        blame_place(lab, fault, at.rip, **told)
    if ending:
        raise ending
    return [found for found in stress.interrupted(log.text()) if found.cpl == 0]
