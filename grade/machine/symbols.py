"""Names, lines and layouts of an ELF file with debug information."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import io
import re
import struct
from pathlib import Path
from typing import Iterator, Mapping, NamedTuple, Optional

from elftools.construct import Container
from elftools.dwarf.aranges import ARanges
from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE
from elftools.dwarf.dwarfinfo import DWARFInfo
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section, SymbolTableSection


@dataclasses.dataclass(frozen=True)
class Field:
    """A member of a struct: where it is, in bytes from the struct's start, and how
    many bytes it has."""

    offset: int
    size: int


@dataclasses.dataclass(frozen=True)
class Structure:
    """A struct as the compiler laid it out: its bytes, and its members by their
    names. Those of nameless members (a union of two names for a word) count as the
    struct's own."""

    size: int
    fields: Mapping[str, Field]


# ELF-64 Object File Format, "Symbol Table": name, info (binding and type), other,
# section, value, size; and what of info is asked for.
ENTRY = struct.Struct("<IBBHQQ")
STB_LOCAL, STT_OBJECT, STT_FUNC = 0, 1, 2


class Symbol(NamedTuple):
    """One entry of the symbol table."""

    name: str
    value: int
    size: int
    binding: int
    kind: int
    section: int


class Symbols:
    """What stands where in one ELF file."""

    def __init__(self, path: Path) -> None:
        # In memory: processes that are forked from this one would share an open
        # file's place, and read what another is looking for.
        self._file = io.BytesIO(path.read_bytes())
        self.elf = ELFFile(self._file)
        table = self.elf.get_section_by_name(".symtab")
        if not isinstance(table, SymbolTableSection):
            raise ValueError(f"{path} has no symbol table")
        # Several files may have a static function of one name: each address knows its
        # own, and the name means the last.
        self._all = list(_symbols(table, self.elf.get_section(table["sh_link"])))
        self._symbols = {s.name: s for s in self._all}
        code = {
            index for index, section in enumerate(self.elf.iter_sections())
            if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR
        }
        self.functions: list[tuple[int, str]] = sorted(
            (s.value, s.name) for s in self._all if s.section in code
        )

    def __contains__(self, name: str) -> bool:
        return name in self._symbols

    def is_global(self, name: str) -> bool:
        """Whether other files can use the name."""
        return (name in self
                and self._symbols[name].binding != STB_LOCAL)

    def address(self, name: str) -> int:
        """The address of a symbol; KeyError if there is none of that name."""
        return self._symbols[name].value

    def range(self, name: str) -> range:
        """The addresses of a function; one without a size ends at the next."""
        start, size = self.address(name), self._symbols[name].size
        if size:
            return range(start, start + size)
        after = bisect.bisect_right(self.functions, (start, "\x7f"))
        return range(start, self.functions[after][0])

    def object_size(self, name: str) -> int:
        """Bytes of a variable or function, as its symbol says."""
        return self._symbols[name].size

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

    def bytes_at(self, address: int, size: int) -> bytes:
        """What the file puts at an address: fewer bytes at a segment's end, none
        where there is nothing."""
        for segment in self.elf.iter_segments():
            start, length = segment["p_vaddr"], segment["p_filesz"]
            if segment["p_type"] == "PT_LOAD" and start <= address < start + length:
                self._file.seek(segment["p_offset"] + address - start)
                return self._file.read(min(size, start + length - address))
        return b""

    def variable_at(self, address: int) -> str:
        """The variable that an address lies in, or the number."""
        for name, symbol in self._symbols.items():
            end = symbol.value + symbol.size
            if symbol.kind == STT_OBJECT and symbol.value <= address < end:
                return re.sub(r"\.\d+$", "", name)
        return f"{address:#x}"

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
        """Where a function's name stands, or, of one in assembler, where it begins.
        Code of others that was inlined may start at the same address; the
        function's own file is the first one there."""
        address = self.address(name)
        unit = self._ranges.cu_offset_at_addr(address) if self._ranges else None
        if unit is None:
            return None
        first = next((where for at, where in self._lines_of(unit)
                      if at == address and where), None)
        declared = self._declared(unit, address)
        if first is None or declared is None:
            return first  # the line of the brace that opens the function
        return f"{first.rpartition(':')[0]}:{declared}"

    def _declared(self, unit_offset: int, address: int) -> Optional[int]:
        """The line that says the name and the parameters of a function of C."""
        unit = self._dwarf.get_CU_at(unit_offset)
        for die in unit.get_top_DIE().iter_children():
            low = die.attributes.get("DW_AT_low_pc")
            if die.tag == "DW_TAG_subprogram" and low and low.value == address:
                line = die.attributes.get("DW_AT_decl_line")
                return line and int(line.value)
        return None

    def structure(self, name: str, seen_by: Optional[str] = None) -> Structure:
        """How a struct is laid out: as the file of the function `seen_by` has it,
        else as the first file that defines it; KeyError if none does."""
        if seen_by is not None:
            unit = self._ranges.cu_offset_at_addr(self.address(seen_by)) \
                if self._ranges else None
            if unit is None:
                raise KeyError(name)
            return _structures(self._dwarf.get_CU_at(unit))[name]
        # Units are read until one defines it, which is soon: headers are in many.
        while name not in self._structures and self._read_unit():
            pass
        return self._structures[name]

    def enumeration(self, name: str) -> Mapping[int, str]:
        """The names of an enum by their numbers; KeyError if there is no such."""
        while name not in self._enumerations and self._read_unit():
            pass
        return self._enumerations[name]

    def structures(self) -> Mapping[str, Structure]:
        """Every struct, as the first file that defines it has it."""
        while self._read_unit():
            pass
        return self._structures

    def enumerations(self) -> Mapping[str, Mapping[int, str]]:
        """Every enum that has a name."""
        self.structures()
        return self._enumerations

    def offset_of(self, structure: str, member: str) -> int:
        """Bytes from the start of a struct to one of its members; KeyError if
        either does not exist."""
        return self.structure(structure).fields[member].offset

    def members(self, structure: str) -> dict[str, int]:
        """The members of a struct, each with its offset in bytes."""
        return {name: field.offset
                for name, field in self.structure(structure).fields.items()}

    def sized(self) -> Iterator[tuple[str, int, int]]:
        """Name, address and bytes of every function and variable of a size."""
        for symbol in self._all:
            if symbol.size and symbol.kind in (STT_FUNC, STT_OBJECT):
                yield symbol.name, symbol.value, symbol.size

    def size_of(self, structure: str) -> int:
        """Bytes of a struct."""
        return self.structure(structure).size

    @functools.cached_property
    def _dwarf(self) -> DWARFInfo:
        return self.elf.get_dwarf_info()

    @functools.cached_property
    def _ranges(self) -> Optional[ARanges]:
        """Which compilation unit has which addresses."""
        return self._dwarf.get_aranges()

    def _lines_of(self, unit_offset: int) -> list[tuple[int, str]]:
        """(address, "file:line") of one compilation unit, in order; an empty
        text ends a sequence. Only the units asked for are read."""
        if unit_offset in self._lines:
            return self._lines[unit_offset]
        dwarf = self._dwarf
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

    def _read_unit(self) -> bool:
        """Reads the types of one more unit; False after the last one."""
        unit = next(self._units, None)
        if unit is None:
            return False
        self._structures = {**_structures(unit), **self._structures}
        self._enumerations = {**_enumerations(unit), **self._enumerations}
        return True

    @functools.cached_property
    def _structures(self) -> dict[str, Structure]:
        """The structs of the units read so far."""
        return {}

    @functools.cached_property
    def _enumerations(self) -> dict[str, dict[int, str]]:
        """The enums of the units read so far."""
        return {}

    @functools.cached_property
    def _units(self) -> Iterator[CompileUnit]:
        return iter(self._dwarf.iter_CUs())


class NoSymbols:
    """A program of which nothing is known; what Symbols answers then."""

    def name_at(self, address: int) -> str:
        return f"{address:#x}"

    def line_at(self, address: int) -> Optional[str]:
        return None

    def function_at(self, address: int) -> Optional[str]:
        return None

    def bytes_at(self, address: int, size: int) -> bytes:
        return b""


def _symbols(table: SymbolTableSection, names: Section) -> Iterator[Symbol]:
    """The symbols that have a name. There are a thousand, and pyelftools, which takes
    any ELF file's one by one, needs a quarter of a submission's Python time."""
    texts = names.data()
    for name, info, _, section, value, size in ENTRY.iter_unpack(table.data()):
        if name:
            text = texts[name:texts.index(b"\0", name)].decode(errors="replace")
            yield Symbol(text, value, size, info >> 4, info & 15, section)


def _structures(unit: CompileUnit) -> dict[str, Structure]:
    return {_name(die): Structure(die.attributes["DW_AT_byte_size"].value,
                                  dict(_fields(die, 0)))
            for die in unit.get_top_DIE().iter_children()
            if die.tag == "DW_TAG_structure_type" and _name(die)
            and "DW_AT_byte_size" in die.attributes}


def _enumerations(unit: CompileUnit) -> dict[str, dict[int, str]]:
    return {_name(die): {child.attributes["DW_AT_const_value"].value: _name(child)
                         for child in die.iter_children()}
            for die in unit.get_top_DIE().iter_children()
            if die.tag == "DW_TAG_enumeration_type" and _name(die)}


def _fields(die: DIE, base: int) -> Iterator[tuple[str, Field]]:
    """The members of a struct or union at `base`, and of those without a name in
    it."""
    for member in die.iter_children():
        if member.tag != "DW_TAG_member":
            continue
        place = member.attributes.get("DW_AT_data_member_location")
        offset = base + (place.value if place else 0)
        kind = member.get_DIE_from_attribute("DW_AT_type")
        if _name(member):
            yield _name(member), Field(offset, _size(kind))
        else:
            yield from _fields(kind, offset)


def _size(kind: DIE) -> int:
    """Bytes of a type: its own, those of what it is another name for, or all of an
    array's elements."""
    if "DW_AT_byte_size" in kind.attributes:
        return int(kind.attributes["DW_AT_byte_size"].value)
    if kind.tag == "DW_TAG_pointer_type":  # clang leaves its size to the machine's
        return int(kind.cu.header["address_size"])
    count = 1
    if kind.tag == "DW_TAG_array_type":
        for child in kind.iter_children():
            if "DW_AT_upper_bound" in child.attributes:  # GCC's
                count *= child.attributes["DW_AT_upper_bound"].value + 1
            elif "DW_AT_count" in child.attributes:  # clang's
                count *= child.attributes["DW_AT_count"].value
    if "DW_AT_type" not in kind.attributes:
        return 0
    return count * _size(kind.get_DIE_from_attribute("DW_AT_type"))


def _name(die: DIE) -> str:
    name = die.attributes.get("DW_AT_name")
    return str(name.value.decode(errors="replace")) if name else ""


def _file_names(header: Container) -> dict[int, str]:
    """The files of a line program by their numbers, each with its directory."""
    directories = [d.decode(errors="replace") for d in header.include_directory]
    # Files and directories count from 0 since DWARF 5; before, from 1, and
    # directory 0 is where the compiler ran.
    first = 0 if header.version >= 5 else 1
    names = {}
    for number, entry in enumerate(header.file_entry, start=first):
        name = entry.name.decode(errors="replace")
        directory = directories[entry.dir_index - first] if entry.dir_index else ""
        names[number] = f"{directory}/{name}" if directory else name
    return names
