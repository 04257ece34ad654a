"""Instructions that load a segment register or TR: what they are called, and the
selector that one was to load where the machine refused it."""

from __future__ import annotations

from typing import Mapping, Optional

from machine.gdb_remote import Gdb
from machine.x86 import KERNEL_DS

FAR_RETURN, IRETQ, LTR = "the far return that loads CS", "IRETQ", "LTR"
SEGMENT = ("ES", "CS", "SS", "DS", "FS", "GS", "?", "?")
# As the last three bits of a ModRM byte number them.
GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")


def name(code: bytes) -> str:
    """The name of an instruction that loads a table or a segment; else nothing."""
    code = _without_prefix(code)
    if code[:1] == b"\x8e":
        return f"the move to {SEGMENT[code[1] >> 3 & 7]}"
    if code[:2] == b"\x0f\x00" and code[2] >> 3 & 7 == 3:
        return LTR
    if code[:2] == b"\x0f\x01":
        return "LGDT"
    return {b"\xcf": IRETQ, b"\xcb": FAR_RETURN}.get(code[:1], "")


def selector(code: bytes, registers: Mapping[str, int], rsp: int, gdb: Gdb
             ) -> Optional[int]:
    """The selector that the instruction has in a register, or pops into CS; None
    where that cannot be told."""
    what, code = name(code), _without_prefix(code)
    if what in (FAR_RETURN, IRETQ):
        popped = gdb.peek(rsp + 8, 2)
        return None if popped is None else int.from_bytes(popped, "little")
    if what == LTR or what.startswith("the move"):
        operand = code[2] if what == LTR else code[1]
        if operand >> 6 == 3 and GENERAL[operand & 7] in registers:
            return registers[GENERAL[operand & 7]] & 0xFFFF
    return None


def explained(what: str, value: int) -> str:
    """Why a selector cannot be right there, whatever the table holds; else
    nothing."""
    index, rpl = value & ~7, value & 3
    if index == 0:
        return (f"selector {value:#x} is entry 0, the null descriptor"
                + (f", with RPL {rpl}" if rpl else "")
                + ": a selector is a byte offset into the table, not an index")
    if what == FAR_RETURN and rpl:
        return (f"it was to load CS with {value:#x}, RPL {rpl}: that is a selector "
                f"of ring {rpl}'s, and the kernel runs in ring 0")
    if what == FAR_RETURN and value == KERNEL_DS:
        return f"it was to load CS with {value:#x}, the selector of the kernel's data"
    if what == IRETQ and rpl == 0 and index >= 0x28:
        return (f"it was to load CS with {value:#x}, RPL 0: the way to ring 3 takes a "
                "selector with RPL 3 in its two low bits")
    return ""


def _without_prefix(code: bytes) -> bytes:
    """An instruction without REX.W."""
    return code[1:] if code[:1] == b"\x48" else code
