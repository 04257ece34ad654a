"""Names, lines and layouts of an ELF file with debug information."""

from __future__ import annotations

import bisect
import functools
from pathlib import Path
from typing import Iterator, Optional

from elftools.construct import Container
from elftools.dwarf.aranges import ARanges
from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection


class Symbols:
    """What stands where in one ELF file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.elf = ELFFile(self._file)
        table = self.elf.get_section_by_name(".symtab")
        if not isinstance(table, SymbolTableSection):
            raise ValueError(f"{path} has no symbol table")
        self._symbols = {s.name: s for s in table.iter_symbols() if s.name}
        code = {
            index for index, section in enumerate(self.elf.iter_sections())
            if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR
        }
        self.functions: list[tuple[int, str]] = sorted(
            (s["st_value"], s.name)
            for s in self._symbols.values()
            if s["st_shndx"] in code
        )

    def __contains__(self, name: str) -> bool:
        return name in self._symbols

    def address(self, name: str) -> int:
        """The address of a symbol; KeyError if there is none of that name."""
        return int(self._symbols[name]["st_value"])

    def range(self, name: str) -> range:
        """The addresses of a function; one without a size ends at the next."""
        start, size = self.address(name), self._symbols[name]["st_size"]
        if size:
            return range(start, start + size)
        after = bisect.bisect_right(self.functions, (start, "\x7f"))
        return range(start, self.functions[after][0])

    def object_size(self, name: str) -> int:
        """Bytes of a variable or function, as its symbol says."""
        return int(self._symbols[name]["st_size"])

    def code(self, name: str) -> bytes:
        """The bytes of a function, from the file."""
        place = self.range(name)
        for section in self.elf.iter_sections():
            start = section["sh_addr"]
            if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR and (
                    start <= place.start < start + section["sh_size"]):
                data: bytes = section.data()
                return data[place.start - start:place.stop - start]
        raise KeyError(name)

    def name_at(self, address: int) -> str:
        """`function+0x12`, or the number where nothing is known."""
        index = bisect.bisect_right(self.functions, (address, "\x7f")) - 1
        if index < 0:
            return f"{address:#x}"
        start, name = self.functions[index]
        return name if address == start else f"{name}+{address - start:#x}"

    def function_at(self, address: int) -> Optional[str]:
        """The function an address is in, by the functions' sizes; a label in it
        is not another function. Where none has that size, the symbol before."""
        for start, end, name in self._extents:
            if start <= address < end:
                return name
        name = self.name_at(address)
        return None if name.startswith("0x") else name.partition("+")[0]

    @functools.cached_property
    def _extents(self) -> list[tuple[int, int, str]]:
        """From where to where each function of a size is."""
        known = set(self.functions)
        return [(start, start + size, name) for name, start, size in self.sized()
                if (start, name) in known]

    def line_at(self, address: int) -> Optional[str]:
        """`kernel/gdt.c:41`, or None where there is no line information."""
        unit = self._ranges.cu_offset_at_addr(address) if self._ranges else None
        if unit is None:
            return None
        lines = self._lines_of(unit)
        index = bisect.bisect_right(lines, (address, "\x7f")) - 1
        return lines[index][1] or None if index >= 0 else None

    def line_of(self, name: str) -> Optional[str]:
        """Where a function begins. Code of others that was inlined may start at
        the same address; the function's own line is the first one there."""
        address = self.address(name)
        unit = self._ranges.cu_offset_at_addr(address) if self._ranges else None
        rows = self._lines_of(unit) if unit is not None else []
        return next((where for at, where in rows if at == address and where), None)

    def offset_of(self, structure: str, member: str) -> int:
        """Bytes from the start of a struct to one of its members; KeyError if
        either does not exist."""
        return self._structure(structure)[1][member]

    def members(self, structure: str) -> dict[str, int]:
        """The members of a struct, each with its offset in bytes."""
        return dict(self._structure(structure)[1])

    def sized(self) -> Iterator[tuple[str, int, int]]:
        """Name, address and bytes of every function and variable of a size."""
        for name, symbol in self._symbols.items():
            if symbol["st_size"] and symbol["st_info"]["type"] in (
                    "STT_FUNC", "STT_OBJECT"):
                yield name, int(symbol["st_value"]), int(symbol["st_size"])

    def size_of(self, structure: str) -> int:
        """Bytes of a struct."""
        return self._structure(structure)[0]

    @functools.cached_property
    def _ranges(self) -> Optional[ARanges]:
        """Which compilation unit has which addresses."""
        return self.elf.get_dwarf_info().get_aranges()

    def _lines_of(self, unit_offset: int) -> list[tuple[int, str]]:
        """(address, "file:line") of one compilation unit, in order; an empty
        text ends a sequence. Only the units asked for are read."""
        if unit_offset in self._lines:
            return self._lines[unit_offset]
        dwarf = self.elf.get_dwarf_info()
        program = dwarf.line_program_for_CU(dwarf.get_CU_at(unit_offset))
        lines = []
        if program is not None:
            names = _file_names(program.header)
            for entry in program.get_entries():
                state = entry.state
                if state is None:
                    continue
                where = "" if state.end_sequence else (
                    f"{names[state.file]}:{state.line}")
                lines.append((state.address, where))
        # Of two lines at one address the later is meant, whatever its text.
        self._lines[unit_offset] = sorted(
            lines, key=lambda line: (line[0], line[1] != ""))
        return self._lines[unit_offset]

    @functools.cached_property
    def _lines(self) -> dict[int, list[tuple[int, str]]]:
        """The lines of the units read so far."""
        return {}

    def _structure(self, name: str) -> tuple[int, dict[str, int]]:
        """A struct's size and the offsets of its members, in bytes. Units are
        read until one defines it, which is soon: headers are in many."""
        while name not in self._structures:
            unit = next(self._units, None)
            if unit is None:
                raise KeyError(name)
            for die in unit.get_top_DIE().iter_children():
                if die.tag == "DW_TAG_structure_type":
                    self._add_structure(die)
        return self._structures[name]

    @functools.cached_property
    def _structures(self) -> dict[str, tuple[int, dict[str, int]]]:
        """The structs of the units read so far."""
        return {}

    @functools.cached_property
    def _units(self) -> Iterator[CompileUnit]:
        return iter(self.elf.get_dwarf_info().iter_CUs())

    def _add_structure(self, die: DIE) -> None:
        if not {"DW_AT_name", "DW_AT_byte_size"} <= set(die.attributes):
            return
        self._structures[die.attributes["DW_AT_name"].value.decode()] = (
            die.attributes["DW_AT_byte_size"].value,
            {child.attributes["DW_AT_name"].value.decode():
                 child.attributes["DW_AT_data_member_location"].value
             for child in die.iter_children()
             if {"DW_AT_name", "DW_AT_data_member_location"}
             <= set(child.attributes)})


def _file_names(header: Container) -> dict[int, str]:
    """The files of a line program by their numbers, each with its directory."""
    directories = [d.decode() for d in header.include_directory]
    # Files and directories count from 0 since DWARF 5; before, from 1, and
    # directory 0 is where the compiler ran.
    first = 0 if header.version >= 5 else 1
    names = {}
    for number, entry in enumerate(header.file_entry, start=first):
        name = entry.name.decode()
        directory = directories[entry.dir_index - first] if entry.dir_index else ""
        names[number] = f"{directory}/{name}" if directory else name
    return names
