"""step: through the entry stub, line by line, with what each one changed."""

from __future__ import annotations

from typing import Iterator

import gdb

from .colour import paint
from .command import command, say
from .context import say_next
from .cpu import GENERAL, control_flags, flags_text
from .frame import find_call
from .machine import cpl, disassemble, register, word
from .proc import Process, stack_bytes
from .running import Here, resume
from .stub import Slot, Stub, frame_names
from .symbols import address_of, code_text, source_at, variable


class Snapshot:
    """What one line of the stub can change."""

    def __init__(self, stub: Stub) -> None:
        self.top = Process.current().top
        self.registers = {name: register(name) for name in
                          GENERAL + ["eflags", "cs", "ss", "gs_base"]}
        self.rsp = self.registers["rsp"]
        self.words = [word(self.top - 8 * (i + 1)) for i in range(len(stub.slots))]
        self.user_rsp = int(variable("per_cpu")["user_rsp"])
        self.on_kernel_stack = 0 <= self.top - self.rsp <= stack_bytes()


def changes(stub: Stub, old: Snapshot, new: Snapshot) -> Iterator[str]:
    """What differs between two snapshots, in words."""
    was, now = old.registers, new.registers
    if was["cs"] & 3 != now["cs"] & 3:
        yield f"ring {now['cs'] & 3}: CS {now['cs']:#x}, SS {now['ss']:#x}"
    if was["gs_base"] != now["gs_base"]:
        whose = "per_cpu" if now["gs_base"] == address_of("per_cpu") else "the user's"
        yield f"GS is {whose}: GS_BASE {now['gs_base']:#x}"
    if old.user_rsp != new.user_rsp:
        yield f"stored {new.user_rsp:#x} in per_cpu.user_rsp"
    on_stack = old.on_kernel_stack and new.on_kernel_stack
    if on_stack:
        yield from stack_changes(stub, old, new)
    elif old.rsp != new.rsp:
        yield "RSP is " + ("the top of the kernel stack" if new.on_kernel_stack
                           else "the user's") + f": {new.rsp:#x}"
    for name in GENERAL:
        if was[name] != now[name] and name != "rsp":
            yield f"{name:<3} {was[name]:#x} -> {now[name]:#x}"
    mask = sum(control_flags().values())
    before, after = (flags & mask for flags in (was["eflags"], now["eflags"]))
    if before != after:
        yield f"RFLAGS: {flags_text(before) or 'none'} -> {flags_text(after) or 'none'}"


def stack_changes(stub: Stub, old: Snapshot, new: Snapshot) -> Iterator[str]:
    """The words that were pushed, popped or stored."""
    size = 8 * len(frame_names())
    for index, slot in enumerate(stub.slots):
        address = new.top - 8 * (index + 1)
        was, now = old.words[index], new.words[index]
        where = f"{slot.name}, frame {size - 8 * (index + 1):+}"
        if new.rsp <= address < old.rsp:
            yield pushed(slot, now, where)
        elif old.rsp <= address < new.rsp:
            yield f"popped {was:#x}: {where}"
        elif was != now and address >= new.rsp:
            yield f"stored {now:#x}: {where}"


def pushed(slot: Slot, value: int, where: str) -> str:
    """What a line put onto the stack. Where it is the wrong register, that is said."""
    if not slot.operand:
        return f"left 8 bytes free: {where}"
    if slot.is_wrong():
        place = paint(f"{slot.operand} INTO {slot.name}'S PLACE", "wrong")
        return f"pushed {value:#x}: {place}, {where.split(', ')[1]}"
    return f"pushed {value:#x}: {where}"


def run_to_return(stub: Stub) -> bool:
    """From inside a call to the stub's line after it, though other processes
    may call meanwhile. False where something else stops the machine."""
    process = Process.current()
    rsp = process.top - 8 * (len(stub.slots) - 1)
    begin, end = address_of("proc_enter_user"), address_of("proc_exit")

    def ours() -> bool:
        return Process.current().address == process.address

    with Here(stub.back, lambda: register("rsp") == rsp), Here(begin, ours), Here(
            end, ours):
        pc = resume()
    if pc in (begin, end):
        what = f"{Process.current()} begins" if pc == begin else "it ends"
        say(f"{process} does not return from this call: {what}.")
    return pc == stub.back


def step_stub(pc: int, line: dict) -> bool:
    """One instruction of the stub; where it leads to is known beforehand, but
    for a jump. False where something else stops the machine."""
    if line["asm"].startswith("j"):
        gdb.execute("stepi")
        return True
    process, leaves = Process.current().address, "ret" in line["asm"]
    target = register("rcx") if leaves else pc + line["length"]
    with Here(target, lambda: not leaves or (
            cpl() == 3 and Process.current().address == process)):
        return resume() == target


@command("step-entry", repeat=True)
def step_entry(argument: str) -> None:
    """Run one line of the entry stub, then say what changed.

    usage: step-entry [COUNT]
    Registers, words pushed and popped, GS, the ring; => is the line that comes
    next. The call of syscall_handler is one line, however many processes run
    meanwhile. Typed inside a call, it goes on to where the stub does."""
    process, stub = Process.current(), Stub()
    if argument and not argument.isdigit():
        raise gdb.GdbError("step-entry: how many lines? As in: step-entry 5")
    count = int(argument or 1)
    for done in range(1, count + 1):
        tell = say_next if done == count else lambda text: say(f"=> {text}")
        pc, before = register("rip"), Snapshot(stub)
        line = disassemble(pc, pc + 1)[0]
        if not stub.holds(pc):
            find_call(process, True)  # or a sentence
        inside = not stub.holds(pc) or line["asm"].startswith("call")
        if not (run_to_return(stub) if inside else step_stub(pc, line)):
            return
        texts = list(changes(stub, before, Snapshot(stub)))
        for text in texts or ["nothing changed: it was so already"]:
            say(f"      {text}")
        pc = register("rip")
        if not stub.holds(pc):
            say_next(f"{pc:#x} {code_text(pc)}")
            return
        tell(source_at(pc))
