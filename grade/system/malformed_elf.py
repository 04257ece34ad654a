"""A small good program, and what can be wrong with one.

`GOOD` ends with status 42 at once. Each entry of `MALFORMED` is GOOD with one
thing spoilt; its name says which.
"""

from __future__ import annotations

import dataclasses
import struct

PAGE = 4096
BASE = 0x400000
STATUS = 42

ET_REL, ET_EXEC, ET_DYN, ET_CORE = 1, 2, 3, 4
EM_386, EM_X86_64, EM_AARCH64 = 3, 62, 183
PT_NULL, PT_LOAD, PT_INTERP = 0, 1, 3
PF_X, PF_W, PF_R = 1, 2, 4

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR = struct.Struct("<IIQQQQQQ")

# mov edi, 42; mov eax, 60 (exit); syscall
CODE = bytes([0xBF, STATUS, 0, 0, 0, 0xB8, 60, 0, 0, 0, 0x0F, 0x05])


@dataclasses.dataclass
class Segment:
    """One program header; the fields are ELF's."""

    type: int = PT_LOAD
    flags: int = PF_R | PF_X
    offset: int = 0
    vaddr: int = BASE
    filesz: int = 2 * PAGE
    memsz: int = 2 * PAGE
    align: int = PAGE

    def pack(self) -> bytes:
        return PHDR.pack(self.type, self.flags, self.offset, self.vaddr,
                         self.vaddr, self.filesz, self.memsz, self.align)


def data_segment(**changes: int) -> Segment:
    """The second segment: a page of data in the file, a page of zeros after."""
    return dataclasses.replace(
        Segment(flags=PF_R | PF_W, offset=2 * PAGE, vaddr=BASE + 2 * PAGE,
                filesz=PAGE, memsz=2 * PAGE), **changes)


def elf(
    *,
    magic: bytes = b"\x7fELF",
    elf_class: int = 2,
    byte_order: int = 1,
    type: int = ET_EXEC,
    machine: int = EM_X86_64,
    entry: int = BASE + PAGE,
    phoff: int = EHDR.size,
    phentsize: int = PHDR.size,
    phnum: int | None = None,
    segments: tuple[Segment, ...] = (Segment(), data_segment()),
) -> bytes:
    """A file of three pages: headers, code, data."""
    ident = magic + bytes([elf_class, byte_order, 1]) + bytes(9)
    header = EHDR.pack(
        ident, type, machine, 1, entry, phoff, 0, 0, EHDR.size, phentsize,
        len(segments) if phnum is None else phnum, 0, 0, 0)
    headers = header + b"".join(segment.pack() for segment in segments)
    return (headers.ljust(PAGE, b"\0") + CODE.ljust(PAGE, b"\xcc")
            + b"data".ljust(PAGE, b"\0"))


def with_text(**changes: int) -> bytes:
    """GOOD with a changed first segment."""
    return elf(segments=(dataclasses.replace(Segment(), **changes), data_segment()))


def with_data(**changes: int) -> bytes:
    """GOOD with a changed second segment."""
    return elf(segments=(Segment(), data_segment(**changes)))


GOOD = elf()
GOOD_ANYWHERE = elf(type=ET_DYN)

MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "cut-in-magic": GOOD[:3],
    "cut-in-header": GOOD[:40],
    "cut-after-header": GOOD[:EHDR.size],
    "cut-in-program-header": GOOD[:EHDR.size + 30],
    "cut-between-program-headers": GOOD[:EHDR.size + PHDR.size],
    "cut-after-program-headers": GOOD[:EHDR.size + 2 * PHDR.size],
    "cut-in-code": GOOD[:PAGE + 100],
    "cut-one-byte-short": GOOD[:-1],
    "text-file": b"hello, this is no program\n" * 10,
    "bad-magic": elf(magic=b"\x7fELG"),
    "32-bit": elf(elf_class=1),
    "big-endian": elf(byte_order=2),
    "for-arm": elf(machine=EM_AARCH64),
    "for-i386": elf(machine=EM_386),
    "object-file": elf(type=ET_REL),
    "core-file": elf(type=ET_CORE),
    "wants-an-interpreter": elf(segments=(
        Segment(), data_segment(),
        Segment(type=PT_INTERP, offset=2 * PAGE, filesz=5, memsz=5))),
    "at-any-address-with-an-interpreter": elf(type=ET_DYN, segments=(
        Segment(), data_segment(),
        Segment(type=PT_INTERP, offset=2 * PAGE, filesz=5, memsz=5))),
    "program-header-size": elf(phentsize=32),
    "no-program-header": elf(phnum=0),
    "65535-program-headers": elf(phnum=0xFFFF),
    "program-headers-beyond-file": elf(phoff=100 * PAGE),
    "program-headers-overflow": elf(phoff=2**64 - PHDR.size),
    "nothing-to-load": elf(segments=(Segment(type=PT_NULL),)),
    "file-size-above-memory-size": with_data(memsz=PAGE - 1),
    "file-range-overflows": with_data(offset=2**64 - PAGE, filesz=2 * PAGE),
    "address-range-overflows": with_data(vaddr=2**64 - PAGE),
    "memory-size-overflows": with_data(memsz=2**64 - PAGE),
    "huge-memory-size": with_data(memsz=2**47),
    "huge-file-size": with_data(filesz=2**40, memsz=2**40),
    "in-the-kernel": with_data(vaddr=0xFFFFFFFF80100000),
    "in-the-direct-map": with_data(vaddr=0xFFFF800000000000),
    "not-canonical": with_data(vaddr=0x0001000000000000),
    "across-the-end-of-user-space": with_data(vaddr=0x7FFFFFFFF000),
    "over-the-stack": with_data(vaddr=0x7FFFFFFFE000, memsz=PAGE),
    "at-page-0": with_data(vaddr=0),
    "segments-overlap": with_data(vaddr=BASE + PAGE),
    "segments-identical": elf(segments=(Segment(), Segment())),
    "entry-0": elf(entry=0),
    "entry-in-no-segment": elf(entry=BASE + 100 * PAGE),
    "entry-in-data": elf(entry=BASE + 2 * PAGE),
    "entry-in-the-kernel": elf(entry=0xFFFFFFFF80100000),
    "entry-not-canonical": elf(entry=0x0001000000000000),
}
