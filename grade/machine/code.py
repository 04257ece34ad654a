"""Instructions, decoded.

    code = Code(kernel)              # as they are in the file
    code = Code(kernel, gdb.peek)    # as they are in the machine's memory
    code.text(address)               # "movq %rsp, %gs:8", as GNU's assembler has it
"""

from __future__ import annotations

import re
from typing import Any, Callable, Optional

import capstone
from capstone import x86_const

from .symbols import NoSymbols, Symbols
from .x86 import MASK, PAGE, SYSRETQ, Registers, whole

# No instruction is longer, in bytes.
LONGEST = 15

# Memory that an instruction uses: (address, bytes).
Access = tuple[int, int]


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
    """The instructions of one program.

    read   gives so many bytes of memory, None where there are none; without it, the
           program's file is read.
    """

    def __init__(self, symbols: Symbols | NoSymbols,
                 read: Optional[Callable[[int, int], Optional[bytes]]] = None) -> None:
        self.symbols = symbols
        self._read = read
        self._decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self._decoder.detail = True  # operands: which memory, read or written
        self._writer = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self._writer.syntax = capstone.CS_OPT_SYNTAX_ATT

    def decode(self, address: int) -> Instruction:
        """The instruction, with its operands in Intel's order; Undecodable."""
        for instruction in self._decoder.disasm(self._bytes(address), address, 1):
            instruction.__class__ = Instruction
            return instruction
        raise Undecodable(f"no instruction can be read at {self.line(address)}")

    def text(self, address: int) -> str:
        """The instruction in AT&T's syntax; where it jumps or calls, the name of
        what is there. `.byte 0x6` for what is none, "?" where nothing is."""
        data = self._bytes(address)
        for i in self._writer.disasm(data, address, 1):
            mnemonic = "sysretq" if is_sysretq(i) else SILENT.sub("", i.mnemonic)
            operands = i.op_str
            if mnemonic.startswith(("call", "j")) and operands.startswith("0x"):
                operands = self.symbols.name_at(int(operands, 16))
                mnemonic = "call" if mnemonic == "callq" else mnemonic
            return f"{mnemonic} {operands}".strip()
        return f".byte {data[0]:#x}" if data else "?"

    def place(self, address: Optional[int]) -> Optional[str]:
        """`kernel/syscall_entry.c:41`, or None where no line is known."""
        return self.symbols.line_at(address) if address is not None else None

    def line(self, address: int) -> str:
        """`line 41`, with the file where it is not the stub's."""
        place = self.place(address)
        if place is None:
            return self.symbols.name_at(address)
        name, _, line = place.rpartition(":")
        return f"line {line}" if name == "kernel/syscall_entry.c" else place

    def at(self, address: Optional[int]) -> str:
        """`line 41 (popq %r10)`."""
        if address is None:
            return "nothing"
        return f"{self.line(address)} ({self.text(address)})"

    def _bytes(self, address: int) -> bytes:
        if self._read is None:
            return self.symbols.bytes_at(address, LONGEST)
        for size in (LONGEST, PAGE - address % PAGE):  # the next page may be missing
            data = self._read(address, size)
            if data is not None:
                return data
        return b""


def is_sysretq(instruction: capstone.CsInsn) -> bool:
    """SYSRET with REX.W, which returns to 64-bit code."""
    return bytes(instruction.bytes) == SYSRETQ


def written(instruction: capstone.CsInsn) -> set[str]:
    """The general registers that an instruction writes, wholly or in part."""
    found = set()
    for register in instruction.regs_access()[1]:
        try:
            found.add(whole(instruction.reg_name(register))[0])
        except KeyError:
            pass
    return found


def accesses(instruction: capstone.CsInsn, before: Registers
             ) -> tuple[list[Access], list[Access]]:
    """The memory that an instruction reads and writes, by the registers before it,
    the stack included."""
    reads: list[Access] = []
    writes: list[Access] = []
    name = instruction.mnemonic
    for operand in instruction.operands:
        if operand.type != x86_const.X86_OP_MEM or name in ("lea", "nop", "invlpg"):
            continue
        place = address_of(instruction, operand.mem, before), operand.size
        if operand.access & capstone.CS_AC_WRITE or name.startswith("fxsave"):
            writes.append(place)
        if operand.access & capstone.CS_AC_READ or not operand.access:
            reads.append(place)
    rsp = before["rsp"]
    if name in ("push", "pushf", "pushfq", "call"):
        writes.append((rsp - 8, 8))
    elif name in ("pop", "popf", "popfq", "ret"):
        reads.append((rsp, 8))
    elif name in ("iretq", "retf", "retfq"):
        reads += [(rsp + 8 * i, 8) for i in range(5 if name == "iretq" else 2)]
    elif name == "leave":
        reads.append((before["rbp"], 8))
    return reads, writes


def address_of(instruction: capstone.CsInsn, memory: Any, before: Registers) -> int:
    """The address of a memory operand, by the registers before the instruction."""
    def value(register: int) -> int:
        name = instruction.reg_name(register) if register else None
        if name == "rip":
            return int(instruction.address + instruction.size)
        return before[whole(name)[0]] if name else 0

    address = value(memory.base) + value(memory.index) * memory.scale + memory.disp
    if memory.segment in (x86_const.X86_REG_GS, x86_const.X86_REG_FS):
        address += before[f"{instruction.reg_name(memory.segment)}_base"]
    return int(address) & MASK
