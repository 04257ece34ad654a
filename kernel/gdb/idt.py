"""idt: the gates that kernel/idt.c makes. Source: AMD APM vol. 2 section 4.8.4."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

import gdb

from .command import command, say
from .cpu import vector_name
from .headers import number
from .machine import disassemble, hidden, need_kernel, read
from .symbols import symbol_at


class Gate(NamedTuple):
    target: int
    selector: int
    ist: int
    access: int

    def __str__(self) -> str:
        kind = {0xE: "interrupt gate", 0xF: "trap gate"}.get(self.access & 0xF)
        if not self.access & 0x80 or not kind:
            return "not present"
        return (f"{kind}, CS {self.selector:#x}, DPL {self.access >> 5 & 3}"
                + (f", IST{self.ist}" if self.ist else ""))


def gates() -> dict[int, Gate]:
    """The IDT in force, by vectors."""
    base, limit = hidden("IDT")
    if base < number("USER_END"):
        raise gdb.GdbError("The kernel has not loaded an IDT yet.")
    raw = struct.iter_unpack("<HHBBHLL", read(base, (limit + 1) // 16 * 16))
    return {vector: Gate(low | middle << 16 | high << 32, selector, ist & 7, access)
            for vector, (low, selector, ist, access, middle, high, _)
            in enumerate(raw)}


@command("idt")
def idt(argument: str) -> None:
    """Show the interrupt descriptor table that IDTR points to.

    usage: idt [VECTOR]
    VECTOR is a number (14, 0xe) or an exception's name (PF). With it, the one
    gate and the code it leads to; without, all, equal neighbours in one line."""
    need_kernel()
    table = gates()
    if argument:
        show_gate(argument, table)
        return
    base, limit = hidden("IDT")
    say(f"IDTR: base {base:#x} {symbol_at(base)}, limit {limit:#x}: "
        f"{len(table)} gates")
    first = 0
    for vector in table:
        if vector + 1 in table and alike(first, vector + 1, table):
            continue
        span, name = f"{first:#04x}", vector_name(first)
        if vector > first:
            span += f"-{vector:#x}"
            name += vector_name(vector).replace("IRQ ", "-")
        say(f"  {span:<10} {name:<9} {str(table[first]):<38} "
            f"-> {symbol_at(table[first].target)}")
        first = vector + 1


def alike(first: int, second: int, table: dict[int, Gate]) -> bool:
    """May two vectors share a line? Each exception has its own."""
    kinds = {vector_name(vector).rstrip("0123456789") for vector in (first, second)}
    return kinds in ({""}, {"IRQ "}) and str(table[first]) == str(table[second])


def show_gate(argument: str, table: dict[int, Gate]) -> None:
    names = {vector_name(v).strip("#").lower(): v for v in table}
    vector = names.get(argument.strip("#").lower(), -1)
    if vector < 0 and re.fullmatch("0x[0-9a-fA-F]+|[0-9]+", argument):
        vector = int(argument, 0)
    if vector not in table:
        raise gdb.GdbError(f"{argument} is neither a vector of the IDT nor an "
                           "exception's name, as PF.")
    gate = table[vector]
    say(f"vector {vector:#x} {vector_name(vector)}: {gate}")
    say(f"  leads to {gate.target:#x} {symbol_at(gate.target)}")
    for line in disassemble(gate.target, gate.target + 16):
        say(f"    {line['asm']}")
        if line["asm"].startswith("jmp"):
            break
