"""frame: the frame of the call that a process is in, kernel/frame.c (lab 4)."""

from __future__ import annotations

from typing import Iterator, NamedTuple

import gdb

from .colour import paint
from .command import command, say
from .cpu import flags_text
from .machine import cpl, register, word
from .proc import Process, stack_bytes
from .programs import Symbols
from .stub import Slot, Stub, frame_names
from .symbols import code_text, line_at, structure
from .syscall import ARGUMENTS, call_name, result_text

MEANINGS = {"rsp": "the user's RSP", "rcx": "RIP", "r11": "RFLAGS",
            **{name: f"argument {i}" for i, name in enumerate(ARGUMENTS, 1)}}


class Call(NamedTuple):
    """The call that a process is in."""

    process: Process
    stub: Stub
    count: int  # how many of stub.slots are on the stack
    has_result: bool  # rax is no longer the number

    def words(self) -> Iterator[tuple[int, Slot]]:
        """Each slot with its address, also those not on the stack now."""
        for index, slot in enumerate(self.stub.slots):
            yield self.process.top - 8 * (index + 1), slot

    def meaning(self, slot: Slot, value: int) -> str:
        text = MEANINGS.get(slot.name, "")
        if slot.name == "rax":
            return (f"result: {result_text(value)}" if self.has_result
                    else f"number: {call_name(value)}")
        if slot.name == "rcx":
            return f"{text}: {code_text(value) or 'no symbol'}"
        return f"{text}: {flags_text(value)}" if slot.name == "r11" else text


def find_call(process: Process, is_current: bool) -> Call:
    """The call; refuses, with the reason, where there is none."""
    stub = Stub()
    whole = Call(process, stub, len(stub.slots), False)
    if not is_current:
        if process.in_syscall:
            return whole
        # A child that has not run since its fork is about to run the tail.
        context = structure("context", int(process.value["rsp"]))
        if process.state == "runnable" and int(context["rip"]) == stub.tail:
            return whole._replace(count=len(frame_names()), has_result=True)
        raise gdb.GdbError(f"No frame: {process} is not inside a call.")
    pc, depth = register("rip"), process.top - register("rsp")
    if cpl() == 3:
        raise gdb.GdbError(f"No frame: {process} is in ring 3, not inside a "
                           "call. `next-syscall` goes to the next one.")
    if stub.holds(pc):
        if 0 < depth <= stack_bytes():
            return whole._replace(count=min(depth // 8, whole.count),
                                  has_result=pc >= stub.tail)
        raise gdb.GdbError(f"No frame: {process} is in the stub, but " + (
            "all words have been popped." if pc >= stub.back
            else "nothing has been pushed yet."))
    block = gdb.block_for_pc(pc)
    while block and not block.function:
        block = block.superblock
    name = block.function.name if block else ""
    if name == "proc_enter_user":
        raise gdb.GdbError(f"No frame: {process} is about to begin its program, not "
                           "inside a call.")
    if process.in_syscall or name == "syscall_handler":
        return whole
    raise gdb.GdbError(f"No frame: {process} is in the kernel, but not inside a "
                       "call (an interrupt, a fault, or its beginning).")


@command("sysframe")
def sysframe(argument: str) -> None:
    """Show the live frame of a system call, field by field.

    usage: sysframe [PID]
    Each with its offset, its value, the stub's line that pushed it, and what
    it means; inside the stub, as far as it has come. PID is another process
    that is inside a call."""
    call = find_call(*Process.by_pid(argument))
    with Symbols.of(call.process):
        show(call)


def show(call: Call) -> None:
    names = frame_names()
    base = call.process.top - 8 * len(names)
    say(f"{call.process}: the frame at {base:#x}, by "
        f"{line_at(call.stub.start).partition(':')[0]}")
    for index, (address, slot) in enumerate(call.words()):
        if address < base:
            break
        text = "popped" if call.has_result else "not pushed yet"
        meaning = ""
        if index < call.count:
            value = word(address)
            text, meaning = f"{value:#018x}", call.meaning(slot, value)
            if slot.is_wrong():
                meaning += "  " + paint(f"BUT {slot.operand or 'nothing'} WAS PUSHED",
                                        "wrong")
        say(f"  +{address - base:<4}{slot.name:<4} {text:<18}  line {slot.line}  "
            f"{meaning}")
