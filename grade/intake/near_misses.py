"""What a wrong answer is, where it is the right number of something else.

A student who answers with a selector where its index is asked for has understood
most of it; a word says what the number is. It never says which one is right.
"""

from __future__ import annotations

from typing import Callable, Mapping, Optional

from machine.headers import constants
from machine.qemu import TREE

LOW_HALF = (1 << 32) - 1

_gdt = constants(TREE / "kernel/gdt.h")
_x86 = constants(TREE / "kernel/x86.h")
_frame = constants(TREE / "kernel/syscall_entry.h")


def near_miss(question: str, right: int, given: int) -> Optional[str]:
    """A sentence on what a wrong number is; None where nothing is known of it."""
    if question not in NEAR or given == right:
        return None
    what = NEAR[question](right).get(given)
    return f"That is {what}." if what else None


def _bit(mask: int) -> int:
    return mask.bit_length() - 1


def _efer(right: int) -> dict[int, str]:
    """EFER without some of its bits."""
    bits = {name: _x86[f"EFER_{name}"] for name in ("SCE", "LME", "LMA", "NXE")}
    return {bits["SCE"]: "SCE alone: what stood in EFER before stays there",
            **{right & ~bit: f"EFER without {name}" for name, bit in bits.items()}}


def _star(right: int) -> dict[int, str]:
    sysret, syscall = right >> 48, right >> 32 & 0xFFFF
    return {
        (sysret & ~3) << 48 | syscall << 32: "STAR without RPL 3 for ring 3",
        syscall << 48 | sysret << 32: "STAR with its two fields exchanged",
        right >> 32: "its upper half alone: the register has 64 bits",
        _gdt["USER_DS"] << 48 | syscall << 32:
            "STAR with user data's selector where SYSRET's base stands",
        _gdt["USER_CS"] << 48 | syscall << 32:
            "STAR with user code's selector where SYSRET's base stands"}


def _word_of(register: str, what: str) -> dict[int, str]:
    return {_frame[f"FRAME_{register}"]: f"the place of {register}, {what}"}


def _status(right: int) -> dict[int, str]:
    return {right >> 8: "what exit was given: a status says in its other bits how the "
                        "process ended"}


# Question: from its right answer, numbers that are the right ones of something else.
NEAR: Mapping[str, Callable[[int], Mapping[int, str]]] = {
    "q1.1": lambda right: {
        _gdt["USER_CS"]: "the selector, with the RPL in its low bits",
        right // 8: "the index: the offset counts bytes",
        _gdt["USER_DS"]: "the selector of user data", _gdt["USER_DS"] & ~3:
            "where user data's descriptor is"},
    "q1.2": lambda right: {
        right + 1: "the size of the table: the limit is an offset",
        _gdt["GDT_ENTRIES"]: "the number of entries: the limit counts bytes",
        _gdt["GDT_ENTRIES"] - 1: "the last entry's index: the limit counts bytes"},
    "q1.3": lambda right: {
        right + 1: "D, which speaks of 32-bit code",
        right - 32: "its bit in the upper four bytes: count in all eight",
        right + 2: "G, which speaks of the limit", right - 10: "E, which makes it code"},
    "q1.4": lambda right: {
        right + 8: "the place of the next stack: a gate counts from 1, the array from 0",
        right - 8: "the place of the stack before it",
        right + 4: "where it would be if the structure were not packed",
        4: "the place of RSP0"},
    "q1.5": lambda right: {
        right | 3: "the selector: the error code has other things in the RPL's place",
        right >> 3: "the selector's index"},
    "q2.1": _efer,
    "q2.2": _star,
    "q2.3": lambda right: {
        1 << right: "the mask: the number of its bit is asked for",
        _bit(_x86["RFLAGS_IF"]): "IF, which lets interrupts in"},
    "q2.5": lambda right: {
        right & ~sum(_x86[f"RFLAGS_{name}"] for name in (
            "TF", "IF", "DF", "IOPL", "NT", "AC")):
            "RFLAGS after SYSCALL has cleared what SFMASK names"},
    "q3.1": lambda right: {0: "what it is just before the call instruction"},
    "q3.2": lambda right: {
        **_word_of("RSP", "the user's"), **_word_of("R11", "the user's RFLAGS"),
        **_word_of("RAX", "the call's number"), right // 8: "its place in words",
        _frame["FRAME_SIZE"] - right: "its place below the frame's upper end"},
    "q3.4": lambda right: {
        -right: "the error's number: the kernel returns it with a sign",
        -1: "what a C library makes of an error"},
    "q3.5": lambda right: {right & LOW_HALF: "its low half alone"},
    "q4.1": lambda right: {
        **_word_of("RCX", "C's fourth argument; in a system call SYSCALL spoils it"),
        **_word_of("R8", "the fifth argument"), **_word_of("RDX", "the third argument"),
        right // 8: "its place in words"},
    "q4.2": lambda right: {
        right // 8: "its size in words", right - 8: "where its last word begins",
        right + 16: "where the words below the frame begin"},
    "q4.4": lambda right: dict.fromkeys(
        [n for n in range(6) if n != right], "not it; ask of each process whether it "
        "has made a call that has not returned yet"),
    "q4.5": lambda right: {right & LOW_HALF: "its low half alone"},
    "q5.2": lambda right: {
        6: "one for each fork, and the first: but every process goes on to the next fork",
        right - 1: "how many are new", right // 2: "what four forks make"},
    "q5.3": _status,
    "q5.4": lambda right: {
        1 << right: "the mask, or the bit that lets ring 3 in: the number of a bit is "
                    "asked for", 0: "P: the page is still there to be read",
        63: "NX, which forbids to run it"},
    "q5.5": lambda right: {
        right ^ (1 << 64) - 1: "what the child has stored",
        right & LOW_HALF: "its low half alone"},
}
