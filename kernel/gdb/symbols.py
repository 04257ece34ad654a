"""symbols: names, lines and layouts, from the debug information."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Optional

import gdb

from .headers import TREE


def address_of(name: str) -> int:
    """The address of a symbol of the kernel; refuses if there is none."""
    try:
        return int(gdb.parse_and_eval(f"(unsigned long)&{name}"))
    except gdb.error:
        raise gdb.GdbError(f"This kernel has no symbol {name}.") from None


def label(name: str) -> Optional[int]:
    """The address of a label of the kernel, if it is there."""
    try:
        return address_of(name)
    except gdb.GdbError:
        return None


def variable(name: str) -> gdb.Value:
    """A variable of the kernel outside any function."""
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if symbol is None:
        raise gdb.GdbError(f"This kernel has no variable {name}.")
    return symbol.value()


def structure(name: str, address: int) -> gdb.Value:
    """What lies at an address, as a struct of the kernel."""
    return gdb.Value(address).cast(gdb.lookup_type(f"struct {name}").pointer()
                                   ).dereference()


def offsets(name: str) -> dict[str, int]:
    """The members of a struct of the kernel and where they begin, in bytes."""
    return {field.name: field.bitpos // 8
            for field in gdb.lookup_type(f"struct {name}").fields()}


def symbol_at(address: int) -> str:
    """`function+0x12`, or nothing where no symbol is known."""
    answer = gdb.execute(f"info symbol {address:#x}", to_string=True)
    if " in section " not in answer:
        return ""
    name, _, offset = answer.split(" in section ")[0].partition(" + ")
    return f"{name}+{int(offset):#x}" if offset else name


def line_at(address: int) -> str:
    """`kernel/gdt.c:41`, or nothing."""
    place = gdb.find_pc_line(address)
    if not place.symtab or not place.line:
        return ""
    path = Path(place.symtab.filename)
    return f"{path.relative_to(TREE) if TREE in path.parents else path}:{place.line}"


def source_at(address: int) -> str:
    """The number and the text of the source line."""
    place = gdb.find_pc_line(address)
    if not place.symtab:
        return f"{address:#x}, of which no source is known"
    text = linecache.getline(place.symtab.fullname(), place.line)
    return f"{place.line:<6}{text.strip().expandtabs()}"


def code_text(address: int) -> str:
    """Function and line."""
    return ", ".join(filter(None, (symbol_at(address), line_at(address))))
