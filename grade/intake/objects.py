"""What is looked at in the object that a student's text has become, and how it is
linked.

An object is refused unless all of it is of a known kind. The very object that was
looked at is linked; beside the kernel stands a file of names, the same link with
nothing of the student's in it but the global symbols: from there the grader reads
what it asks of other rooms.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from machine import deadlines

from .error import GraderError, SubmissionError
from .message import first_error

# The solved files' objects have some 30 KB, 20 sections and 20 symbols.
OBJECT_LIMIT = 4 << 20
SECTION_LIMIT, SYMBOL_LIMIT, NAME_LIMIT = 400, 4000, 200
# What one file may reserve in the kernel's image, in bytes.
DATA_LIMIT = 1 << 20
ALIGNMENT_LIMIT = 4096

NAME = re.compile(r"[A-Za-z0-9_.$]+")
# Sections by their names: those that become part of the image, and the others.
IMAGE = re.compile(r"\.(?:text|data|bss|rodata)(?:\.[A-Za-z0-9_.]+)?")
OTHER = re.compile(r"|\.(?:rela(?:\.[a-z_]+[A-Za-z0-9_.]*)?|debug_[a-z_]+|comment|symtab|"
                   r"strtab|shstrtab|note\.GNU-stack)")
BINDINGS = ("STB_LOCAL", "STB_GLOBAL", "STB_WEAK")
TYPES = ("STT_NOTYPE", "STT_OBJECT", "STT_FUNC", "STT_SECTION", "STT_FILE")


def names_of(data: bytes) -> dict[str, list[str]]:
    """The names that an object gives: for all, and for itself only."""
    found: dict[str, list[str]] = {"global": [], "local": []}
    for symbol in _symbols(ELFFile(io.BytesIO(data))):
        if symbol["st_shndx"] != "SHN_UNDEF" and symbol.name and (
                symbol["st_info"]["type"] not in ("STT_FILE", "STT_SECTION")):
            local = symbol["st_info"]["bind"] == "STB_LOCAL"
            found["local" if local else "global"].append(symbol.name)
    return found


def check(source: str, data: bytes, facts: Mapping[str, Any],
          given: Sequence[str]) -> None:
    """Refuses an object that is not as a lab's is. `given` are the files that the
    submission gives; the other rooms' names are not for it to define."""
    try:
        for complaint in _complaints(source, data, facts, given):
            raise SubmissionError(f"{source} {complaint}.", source)
    except SubmissionError:
        raise
    except Exception as error:  # pylint: disable=broad-except
        # Whatever a parser says of it, it was made of the student's text.
        raise SubmissionError(f"{source} becomes an object that cannot be read "
                              f"({type(error).__name__}).", source) from None


def _complaints(source: str, data: bytes, facts: Mapping[str, Any],
                given: Sequence[str]) -> Iterator[str]:
    if len(data) > OBJECT_LIMIT:
        yield f"becomes an object of more than {OBJECT_LIMIT >> 20} MB"
    elf = ELFFile(io.BytesIO(data))
    if (elf.elfclass, elf.little_endian, elf["e_machine"], elf["e_type"]) != (
            64, True, "EM_X86_64", "ET_REL"):
        yield "becomes no object for x86-64"
    if elf.num_sections() > SECTION_LIMIT:
        yield f"has {elf.num_sections()} sections; a lab has some 20"
    yield from _of_sections(elf)
    yield from _of_symbols(elf, source, facts, given)
    _read_debug_information(elf)


def _of_sections(elf: ELFFile) -> Iterator[str]:
    reserved = 0
    for section in elf.iter_sections():
        name, flags = section.name, section["sh_flags"]
        loaded = bool(flags & SH_FLAGS.SHF_ALLOC)
        if not (IMAGE if loaded else OTHER).fullmatch(name) or (
                loaded and section["sh_type"] not in ("SHT_PROGBITS", "SHT_NOBITS")):
            yield f"has a section {_shown(name)}, which a lab has no use for"
        if loaded and section["sh_addralign"] > ALIGNMENT_LIMIT:
            yield f"asks for data at a multiple of {section['sh_addralign']:,} bytes"
        reserved += section["sh_size"] if loaded else 0
    for symbol in _symbols(elf):
        if symbol["st_shndx"] == "SHN_COMMON":
            reserved += symbol["st_size"]
    if reserved > DATA_LIMIT:
        yield (f"asks for {reserved:,} bytes of code and data; the kernel's image has "
               "no room for that")


def _of_symbols(elf: ELFFile, source: str, facts: Mapping[str, Any],
                given: Sequence[str]) -> Iterator[str]:
    table = elf.get_section_by_name(".symtab")
    if isinstance(table, SymbolTableSection) and table.num_symbols() > SYMBOL_LIMIT:
        yield f"has {table.num_symbols():,} symbols; a lab has some 20"
    others = _names_elsewhere(source, facts, given)
    for symbol in _symbols(elf):
        name, about = symbol.name, symbol["st_info"]
        if name and (not NAME.fullmatch(name) or len(name) > NAME_LIMIT):
            yield f"has a symbol called {_shown(name)}"
        if about["bind"] not in BINDINGS or about["type"] not in TYPES:
            yield f"has a symbol {_shown(name)} of a kind that no lab has"
        if (about["bind"] != "STB_LOCAL" and symbol["st_shndx"] != "SHN_UNDEF"
                and name in others):
            yield f"defines {name}, which is {others[name]}'s"


def _names_elsewhere(source: str, facts: Mapping[str, Any], given: Sequence[str]
                     ) -> dict[str, str]:
    """The global names that are not this file's to define, each with its place."""
    inside = set(facts["names"].get(source, {"global": []})["global"])
    found = {name: "the linker script" for name in facts["script"]}
    for room, names in facts["names"].items():
        for name in names["global"]:
            if room in given:
                found.pop(name, None)
            else:
                found[name] = room
    return {name: room for name, room in found.items() if name not in inside}


def _symbols(elf: ELFFile) -> Iterator[Any]:
    table = elf.get_section_by_name(".symtab")
    if isinstance(table, SymbolTableSection):
        yield from table.iter_symbols()


def _read_debug_information(elf: ELFFile) -> None:
    """Reads what is asked of it later, so that it can be read then."""
    dwarf = elf.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        for _ in unit.get_top_DIE().iter_children():
            pass
        program = dwarf.line_program_for_CU(unit)
        if program is not None:
            program.get_entries()


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in repr(name))[:60]


# ---- linking ----------------------------------------------------------------

def link(objects: Mapping[str, bytes], tree: Path, facts: Mapping[str, Any],
         given: Sequence[str], place: Path, with_names: bool) -> Path:
    """The kernel made of a tree's objects and these instead of some, in `place`;
    with_names, names.elf beside it."""
    parts, bare = [], []
    for name in facts["KERNEL_OBJS"]:
        source = name.removeprefix("build/").removesuffix(".o")
        if source in objects:
            path = place / (Path(source).name + ".o")
            path.write_bytes(objects[source])
            parts.append(str(path))
            bare.append(_without(path, facts, source, given) if with_names else "")
        else:
            parts.append(str(tree / name))
            bare.append(str(tree / name))
    first = _ld(parts, tree / "build/ksyms-first.o", tree, facts, place / "first.elf")
    table = place / "ksyms.S"
    table.write_text(_tool(
        ["sh", str(tree / "kernel/host/ksyms.sh"), *facts["NM"], str(first)], place))
    if ".quad" not in table.read_text():  # a shell's pipe does not tell
        raise GraderError(f"{facts['NM'][0]} tells no name of a kernel.")
    _tool([*facts["CC"], "-c", "-o", "ksyms.o", str(table)], place)
    kernel = _ld(parts, place / "ksyms.o", tree, facts, place / "kernel.elf")
    if with_names:
        _ld(bare, place / "ksyms.o", tree, facts, place / "names.elf")
        _compare(kernel, place / "names.elf")
    return kernel


def _without(path: Path, facts: Mapping[str, Any], source: str,
             given: Sequence[str]) -> str:
    """A copy of an object without what its own names and lines say: of a room that
    only has a lab's header in it, without the local names that this brought."""
    target = path.with_suffix(".bare.o")
    if source in given:
        options = ["--discard-all"]
    else:
        known = set(facts["names"][source]["local"])
        strange = [name for name in names_of(path.read_bytes())["local"]
                   if name not in known]
        unwanted = path.with_suffix(".strange")
        unwanted.write_text("".join(f"{name}\n" for name in strange))
        # objcopy takes a list of none for a mistake.
        options = [f"--strip-symbols={unwanted}"] if strange else []
    _tool([*facts["OBJCOPY"], "--strip-debug", *options, str(path), str(target)],
          path.parent)
    return str(target)


def _ld(parts: Sequence[str], table: Path, tree: Path, facts: Mapping[str, Any],
        target: Path) -> Path:
    _tool([*facts["LD"], *facts["LDFLAGS"], "-T", str(tree / "kernel/kernel.ld"),
           "-o", str(target), *parts, str(table)], target.parent)
    return target


def _tool(command: Sequence[str], place: Path) -> str:
    """Runs a tool of the linker's. What it refuses is the submission's doing; that
    it does not run is the machine's."""
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, errors="replace",
                              timeout=deadlines.host())
    except (OSError, subprocess.SubprocessError) as error:
        raise GraderError(f"{Path(command[0]).name} does not run: {error}.") from None
    if done.returncode in (126, 127) or done.returncode < 0:
        raise GraderError(f"{Path(command[0]).name} does not run: "
                          f"{done.stderr.strip()[:200] or done.returncode}")
    if shutil.disk_usage(place).free < OBJECT_LIMIT:
        raise GraderError(f"The disk of {place} is full.")
    if done.returncode:
        raise first_error(done.stderr + done.stdout)
    return done.stdout


def _compare(kernel: Path, names: Path) -> None:
    """Both have the same image, so a name of one is true of the other."""
    def image(path: Path) -> list[tuple[int, bytes]]:
        with path.open("rb") as file:
            return [(segment["p_vaddr"], segment.data())
                    for segment in ELFFile(file).iter_segments()
                    if segment["p_type"] == "PT_LOAD"]

    if image(kernel) != image(names):
        raise GraderError("The kernel and its names were linked differently.")
