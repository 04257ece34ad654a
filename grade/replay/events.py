"""What a step does besides registers and memory: an exception, and what the CPU's
tables and model-specific registers are told.
"""

from __future__ import annotations

import re
import struct
from typing import Any, Optional

from machine.code import Instruction, accesses
from machine.gdb_remote import Gdb
from machine.kernel import Kernel, in_kernel_half
from machine.x86 import (
    DOUBLE_FAULT, HAS_ERROR_CODE, MSR_NAMES, PAGE_FAULT, Registers, vector_name, whole)
from .section import hexa, words

# The model-specific registers that are among the registers, by the names that the
# machine's description has.
KNOWN_MSRS = {"EFER": "efer", "FS_BASE": "fs_base", "GS_BASE": "gs_base",
              "KERNEL_GS_BASE": "k_gs_base"}
# The vectors for which CR2 may have the address: #DF, when a #PF led to it, and #PF.
HAVE_ADDRESS = {DOUBLE_FAULT, PAGE_FAULT}
# The most entries of the GDT that are written down.
GDT_ENTRIES = 16
# Where the TSS has RSP0, the seven ISTs and the I/O map's base; its bytes.
TSS_RSP0, TSS_IST, TSS_IOMAP, TSS_BYTES = 4, 36, 102, 104


def exception(gdb: Gdb, kernel: Kernel, after: Registers, vector: int) -> dict[str, Any]:
    """The exception at whose first instruction the machine stands."""
    at, error = after["rsp"], None
    if vector in HAS_ERROR_CODE:
        error, at = gdb.read_u64(at), at + 8
    name, rip = vector_name(vector), gdb.read_u64(at)
    text = name + (f"({error:#x})" if error is not None else "")
    if vector in HAVE_ADDRESS:
        text += f" for address {after['cr2']:#x}"
    text += f" at {kernel.name_at(rip) if in_kernel_half(rip) else hexa(rip)}"
    place = kernel.line_at(rip) if in_kernel_half(rip) else None
    text += f", {place}" if place else ""
    found = {"vector": vector, "name": name, "at": hexa(rip), "text": text}
    if error is not None:
        found["error"] = hexa(error)
    if vector in HAVE_ADDRESS:
        found["cr2"] = hexa(after["cr2"])
    return found


class Events:
    """Notes what instructions tell the CPU. `before` is asked when one is about to
    run, `complete` when it has."""

    def __init__(self, gdb: Gdb) -> None:
        self._gdb = gdb
        self._msrs: dict[int, int] = {}  # written so far

    def before(self, instruction: Optional[Instruction], text: str,
               registers: Registers) -> Optional[dict[str, Any]]:
        """What an instruction is about to tell; None for most. `text` is the
        instruction as it is shown."""
        name = instruction.mnemonic if instruction is not None else ""
        if name == "wrmsr":
            return self._wrmsr(registers)
        if name in ("lgdt", "lidt"):
            return self._table(name, accesses(instruction, registers)[0][0][0])
        if name == "ltr":
            register = whole(instruction.op_str)[0]
            return {"kind": "ltr", "selector": hexa(registers[register] & 0xFFFF)}
        load = re.match(r"(?:mov|pop)\w* .*%([c-gs]s)$", text)
        if load or name in ("retf", "retfq"):
            return {"kind": "segment", "register": load[1] if load else "cs"}
        return None

    def complete(self, event: dict[str, Any], after: Registers) -> None:
        """Adds what is only known when the instruction has run."""
        if event["kind"] == "segment":
            event["selector"] = hexa(after[event["register"]])
        if event["kind"] == "ltr":
            event.update(self._tss())

    def _wrmsr(self, registers: Registers) -> dict[str, Any]:
        number = registers["rcx"] & 0xFFFFFFFF
        new = (registers["rdx"] & 0xFFFFFFFF) << 32 | registers["rax"] & 0xFFFFFFFF
        name = MSR_NAMES.get(number, "")
        old = self._msrs.get(number, 0)  # no packet tells, but all are 0 at reset
        if name in KNOWN_MSRS:
            old = registers[KNOWN_MSRS[name]]
        self._msrs[number] = new
        return {"kind": "wrmsr", "number": hexa(number), "name": name,
                "old": hexa(old), "new": hexa(new)}

    def _table(self, kind: str, at: int) -> dict[str, Any]:
        limit, base = struct.unpack("<HQ", self._gdb.read(at, 10))
        event: dict[str, Any] = {"kind": kind, "base": hexa(base), "limit": hexa(limit)}
        if kind == "lgdt":
            entries = min((limit + 1) // 8, GDT_ENTRIES)
            event["entries"] = list(words(self._gdb, base, base + 8 * entries).values())
        return event

    def _tss(self) -> dict[str, Any]:
        answer = re.search(r"^TR *=([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)",
                           self._gdb.monitor("info registers"), re.MULTILINE)
        if not answer:
            return {}
        base, limit = int(answer[2], 16), int(answer[3], 16)
        found: dict[str, Any] = {"base": hexa(base), "limit": hexa(limit)}
        data = self._gdb.peek(base, TSS_BYTES)
        if data:
            found.update(
                rsp0=hexa(struct.unpack_from("<Q", data, TSS_RSP0)[0]),
                ist=[hexa(w) for w in struct.unpack_from("<7Q", data, TSS_IST)],
                iomap_base=hexa(struct.unpack_from("<H", data, TSS_IOMAP)[0]))
        return found
