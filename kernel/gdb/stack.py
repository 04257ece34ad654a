"""stack: a kernel stack, each word named."""

from __future__ import annotations

import gdb

from .command import command, say
from .frame import find_call
from .headers import number
from .machine import hidden, read, register, word
from .proc import Process, stack_bytes
from .programs import Symbols
from .symbols import address_of, code_text, offsets, structure, symbol_at


def find_stack(process: Process, rsp: int) -> tuple[str, int]:
    """The kernel's stack that RSP is in: its name and its top."""
    if 0 <= process.top - rsp <= stack_bytes():
        return f"{process}'s kernel stack", process.top
    base = hidden("TR")[1]
    for index in range(1, number("IST_COUNT") + 1 if base else 1):
        top = int(structure("tss", base)["ist"][index - 1])
        if 0 <= top - rsp <= number("IST_STACK_SIZE"):
            return f"the stack IST{index}", top
    raise gdb.GdbError(f"RSP is {rsp:#x}, the user's: {process}'s kernel stack, "
                       f"top {process.top:#x}, is empty.")


def is_return_address(value: int) -> bool:
    """Does a call instruction end at this address of the kernel's code?"""
    if not address_of("kernel_start") + 8 <= value < address_of("text_end"):
        return False
    code = read(value - 7, 7)
    return code[-5] == 0xE8 or any(  # call to an address, or ff /2: through one
        code[-n] == 0xFF and code[1 - n] >> 3 & 7 == 2 for n in (2, 3, 4, 6, 7))


def name_words(process: Process, is_current: bool, rsp: int,
               top: int) -> dict[int, str]:
    """What the words from RSP to the top are, by their addresses."""
    names = {}
    for address in range(rsp, top, 8):
        value = word(address)
        if is_return_address(value):
            # The call may be the last of its function: look at it, not after it.
            names[address] = f"return to {code_text(value - 1)}"
            if symbol_at(value - 1).partition("+")[0] in ("trap_call", "trap_any_gs"):
                names.update((address + 8 + offset, f"trap: {name}")
                             for name, offset in offsets("trap_frame").items())
    link = register("rbp")
    if not is_current:
        saved = offsets("context")
        link = word(rsp + saved["rbp"])
        del saved["rip"]  # it is a return address
        names.update((rsp + offset, f"for switch_to: {name}")
                     for name, offset in saved.items())
    while rsp <= link < top - 8:
        names.setdefault(link, "saved RBP")
        if word(link) <= link:  # overwritten, or the chain's end
            break
        link = word(link)
    try:
        call = find_call(process, is_current)
    except gdb.GdbError:
        return names
    for address, slot in list(call.words())[:call.count]:
        text = f"{slot.name:<4} {call.meaning(slot, word(address))}"
        if slot.name == "return address":
            text = (f"return to {code_text(word(address) - 1)}"
                    if is_return_address(word(address))
                    else "return address, to where no call is")
        names[address] = text
    return names


@command("kstack")
def kstack(argument: str) -> None:
    """Draw the kernel stack from its top to RSP, each word named.

    usage: kstack [PID]
    The frame, the padding and the copy of argument 6 below it, return
    addresses, saved RBPs, what a trap saved; all else is locals and saved
    registers. PID is another process: its stack as it left it."""
    process, is_current = Process.by_pid(argument)
    rsp = register("rsp") if is_current else int(process.value["rsp"])
    name, top = find_stack(process, rsp)
    with Symbols.of(process):
        show(process, is_current, rsp, name, top)


def show(process: Process, is_current: bool, rsp: int, name: str, top: int) -> None:
    say(f"{name}: top {top:#x}, {(top - rsp) // 8} words")
    names = name_words(process, is_current, rsp, top)
    run: list[str] = []  # words without a name; a long run is left out
    for address in range(top - 8, rsp - 1, -8):
        value = word(address)
        line = f"  ..{address & 0xFFFF:04x}  {value:#018x}  "
        if address not in names and address != rsp:
            run.append(line + symbol_at(value))
            continue
        for text in run if len(run) <= 12 else [f"  ... {len(run)} words ..."]:
            say(text)
        run = []
        say(line + names.get(address, symbol_at(value)))
    say(f"  ..{rsp & 0xFFFF:04x}  <- RSP, {rsp:#x}")
