"""What stands at the addresses of a trace: instructions, functions, lines of the
sources, and the functions and variables that its numbers point into.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterable, Optional, Union

from machine.code import Code, Instruction, Undecodable
from machine.gdb_remote import Gdb
from machine.kernel import Kernel, in_kernel_half
from machine.processes import Table
from machine.symbols import NoSymbols, Symbols
from .section import hexa


class Listing:
    """The code that a machine runs, noted as far as it was asked for.

    code   address -> its instruction, function, file and line.
    files  the text of each source file that a line is of.
    """

    def __init__(self, gdb: Gdb, kernel: Kernel, table: Table, tree: Path) -> None:
        self._gdb, self._table, self._tree = gdb, table, tree
        self.code: dict[str, dict[str, Any]] = {}
        self.files: dict[str, str] = {}
        self._decoded: dict[int, Optional[Instruction]] = {}
        self._kernel = Code(kernel, gdb.peek)
        self._programs: dict[str, Code] = {}

    def note(self, address: int) -> dict[str, Any]:
        """What stands at an address: instruction, function, file and line."""
        key = hexa(address)
        if key in self.code:
            return self.code[key]
        code = self._code_for(address)
        entry: dict[str, Any] = {"asm": code.text(address)}
        function = code.symbols.function_at(address)
        if function:
            entry["function"] = function
        place = code.symbols.line_at(address)
        if place:
            file, _, line = place.rpartition(":")
            if file not in self.files and (self._tree / file).is_file():
                self.files[file] = (self._tree / file).read_text(errors="replace")
            entry.update(file=file, line=int(line))
        self.code[key] = entry
        return entry

    def decode(self, address: int) -> Optional[Instruction]:
        """The instruction there; None if there is none, and a step shows what comes
        of it."""
        if address not in self._decoded:
            try:
                self._decoded[address] = self._code_for(address).decode(address)
            except Undecodable:
                self._decoded[address] = None
        return self._decoded[address]

    def _code_for(self, address: int) -> Code:
        if in_kernel_half(address):
            return self._kernel
        name = self._table.name_of(self._table.current())
        if name not in self._programs:
            path = self._tree / "build/user" / name
            symbols: Union[Symbols, NoSymbols] = (
                Symbols(path) if path.is_file() else NoSymbols())
            self._programs[name] = Code(symbols, self._gdb.peek)
        return self._programs[name]

    def symbols_of(self, sections: Iterable[Any]) -> list[dict[str, Any]]:
        """The functions and variables that the numbers of the code and of these
        sections point into."""
        numbers = set(_numbers_in([self.code, *sections]))
        found = []
        for code in (self._kernel, *self._programs.values()):
            if isinstance(code.symbols, NoSymbols):
                continue
            for name, at, size in code.symbols.sized():
                if any(at <= number < at + size for number in numbers):
                    found.append({"name": name, "at": hexa(at), "size": size})
        return sorted(found, key=lambda symbol: int(symbol["at"], 16))


def _numbers_in(value: Any) -> Iterable[int]:
    """Every number in a part of a trace that may be an address."""
    if isinstance(value, dict):
        yield from _numbers_in(list(value))
        yield from _numbers_in(list(value.values()))
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers_in(inner)
    elif isinstance(value, str) and re.fullmatch("0x[0-9a-f]{6,16}", value):
        yield int(value, 16)
