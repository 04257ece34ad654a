"""The instructions of a kernel, as they are in its file: decoded, as GNU's assembler
writes them, and by the line of the source that they come from."""

from __future__ import annotations

import re
from typing import Optional

import capstone

from .symbols import Symbols

# In the order in which reports name them.
GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
           *(f"r{n}" for n in range(8, 16)))


class Undecodable(Exception):
    """No instruction can be read where one was asked for; the text says where."""


# Prefixes that say nothing of what the instruction does, which Capstone tells from
# release 5 on.
SILENT = re.compile(r"^(repz (?=ret)|notrack )")


class Instruction(capstone.CsInsn):  # type: ignore[misc]
    """Capstone's instruction, by one mnemonic in all of its releases."""

    @property
    def mnemonic(self) -> str:
        name = SILENT.sub("", super().mnemonic)
        # Release 4 says sysret for both widths; is_sysretq() tells them apart.
        return "sysret" if name == "sysretq" else name


class Code:
    """The instructions of a kernel: decoded, as text, and by line."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self._decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self._decoder.detail = True
        self._writer = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self._writer.syntax = capstone.CS_OPT_SYNTAX_ATT

    def decode(self, address: int) -> Instruction:
        for instruction in self._decoder.disasm(self._bytes(address), address, 1):
            instruction.__class__ = Instruction
            return instruction
        raise Undecodable(f"no instruction can be read at {self.line(address)}")

    def text(self, address: int) -> str:
        """The instruction as GNU's assembler writes it."""
        for i in self._writer.disasm(self._bytes(address), address, 1):
            mnemonic = "sysretq" if is_sysretq(i) else SILENT.sub("", i.mnemonic)
            operands = i.op_str
            if mnemonic in ("callq", "jmp") and operands.startswith("0x"):
                operands = self.symbols.name_at(int(operands, 16))
                mnemonic = mnemonic.removesuffix("q")
            return f"{mnemonic} {operands}".strip()
        return "?"

    def place(self, address: Optional[int]) -> Optional[str]:
        return self.symbols.line_at(address) if address is not None else None

    def line(self, address: int) -> str:
        """`line 41`, with the file where it is not the stub's."""
        place = self.place(address)
        if place is None:
            return self.symbols.name_at(address)
        name, _, line = place.rpartition(":")
        if name == "kernel/syscall_entry.c":
            return f"line {line}"
        return place

    def at(self, address: Optional[int]) -> str:
        """`line 41 (popq %r10)`."""
        if address is None:
            return "nothing"
        return f"{self.line(address)} ({self.text(address)})"

    def name(self, address: int) -> str:
        """The variable at an address, or what is known of it."""
        table = self.symbols.elf.get_section_by_name(".symtab")
        for symbol in table.iter_symbols():
            if symbol["st_value"] == address and symbol["st_info"]["type"] == (
                    "STT_OBJECT"):
                return str(symbol.name)
        return self.symbols.name_at(address)

    def _bytes(self, address: int) -> bytes:
        for segment in self.symbols.elf.iter_segments():
            start = segment["p_vaddr"]
            if segment["p_type"] == "PT_LOAD" and (
                    start <= address < start + segment["p_filesz"]):
                file = self.symbols.elf.stream
                file.seek(segment["p_offset"] + address - start)
                return bytes(file.read(min(16, start + segment["p_filesz"] - address)))
        return b""


def is_sysretq(instruction: capstone.CsInsn) -> bool:
    return bytes(instruction.bytes) == b"\x48\x0f\x07"


def whole(name: str) -> tuple[str, int]:
    """The 64-bit register that a name is part of, and the bits of the part."""
    if name in GENERAL:
        return name, 64
    if name[0] == "r" and name[-1] in "dwb":
        return name[:-1], {"d": 32, "w": 16, "b": 8}[name[-1]]
    if name[0] == "e":
        return "r" + name[1:], 32
    for register in GENERAL[:8]:
        stem = register[1:]
        if name == stem:
            return register, 16
        if name in (stem + "l", stem[0] + "l", stem[0] + "h"):
            return register, 8
    raise KeyError(name)
