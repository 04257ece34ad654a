"""The instructions of a running machine, and the memory that each uses."""

from __future__ import annotations

from typing import Any

import capstone
from capstone import x86_const as x86

from machine.code import Code, whole
from machine.gdb_remote import Gdb, GdbError, GdbTimeout
from machine.symbols import Symbols

Registers = dict[str, int]


class LiveCode(Code):
    """Instructions as they are in memory, with one program's symbols."""

    def __init__(self, gdb: Gdb, symbols: Symbols) -> None:
        super().__init__(symbols)
        self._gdb = gdb

    def _bytes(self, address: int) -> bytes:
        return code_at(self._gdb, address)


def code_at(gdb: Gdb, address: int) -> bytes:
    """As many bytes as one instruction may have, or fewer where no more are
    mapped."""
    for size in (16, 4096 - address % 4096):  # the next page may not be there
        try:
            return gdb.read(address, size)
        except GdbTimeout:
            raise
        except GdbError:
            pass
    return b""


def writes_to(gdb: Gdb, address: int, size: int) -> bool:
    """Does the instruction that comes next write to any of these bytes?"""
    registers = gdb.registers()
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    for instruction in decoder.disasm(code_at(gdb, registers["rip"]),
                                      registers["rip"], 1):
        return any(start < address + size and address < start + length
                   for start, length in accesses(instruction, registers)[1])
    return False


def accesses(instruction: capstone.CsInsn,
             before: Registers) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The memory that an instruction reads and writes, as (address, bytes)."""
    reads, writes = [], []
    name = instruction.mnemonic
    for operand in instruction.operands:
        if operand.type != x86.X86_OP_MEM or name in ("lea", "nop", "invlpg"):
            continue
        place = _address(instruction, operand.mem, before), operand.size
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


def _address(instruction: capstone.CsInsn, memory: Any, before: Registers) -> int:
    def value(register: int) -> int:
        name = instruction.reg_name(register) if register else None
        if name == "rip":
            return int(instruction.address + instruction.size)
        return before[whole(name)[0]] if name else 0
    address = value(memory.base) + value(memory.index) * memory.scale + memory.disp
    if memory.segment in (x86.X86_REG_GS, x86.X86_REG_FS):
        address += before[f"{instruction.reg_name(memory.segment)}_base"]
    return int(address) & (1 << 64) - 1
