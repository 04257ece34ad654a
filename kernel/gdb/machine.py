"""machine: the stopped machine. Registers and memory through GDB; GDTR, IDTR and
TR from QEMU's monitor; and the packets that GDB does not send by itself."""

from __future__ import annotations

import re
import struct

import gdb

from .cpu import RF
from .headers import number
from .versions import sends_packets, unquoted

MASK = (1 << 64) - 1


def need_kernel() -> None:
    """Refuses without a machine, and while the CPU does not yet see the
    kernel's addresses."""
    if gdb.selected_thread() is None:
        raise gdb.GdbError("No machine is attached. Start one by `make qemu "
                           "GDB=1` in another terminal, then type `connect`.")
    if not register("efer") & number("EFER_LMA"):
        raise gdb.GdbError("The CPU is not in long mode yet. Type `tbreak "
                           "main`, then `continue`.")


def register(name: str) -> int:
    """A register of the machine, whatever frame is selected; RFLAGS without RF."""
    text = gdb.newest_frame().read_register(name).format_string(format="x")
    return int(text, 16) & ~(RF if name == "eflags" else 0)


def cpl() -> int:
    """The ring that the CPU is in."""
    return register("cs") & 3


def read(address: int, size: int) -> bytes:
    """Memory through the page tables in force."""
    return bytes(gdb.selected_inferior().read_memory(address & MASK, size))


def word(address: int) -> int:
    """The eight bytes at an address."""
    return struct.unpack("<Q", read(address, 8))[0]


def disassemble(start: int, end: int) -> list[dict]:
    """The instructions of [start, end), each with addr, length and asm."""
    return gdb.newest_frame().architecture().disassemble(start, end - 1)


def monitor(line: str) -> str:
    """The answer of QEMU's monitor."""
    return unquoted(gdb.execute(f"monitor {line}", to_string=True))


def hidden(name: str) -> list[int]:
    """What no packet of GDB's tells: GDT and IDT as [base, limit], TR as
    [selector, base, limit, attributes]."""
    line = re.search(rf"^{name} *= *(.*)$", monitor("info registers"), re.MULTILINE)
    return [int(text, 16) for text in re.findall(r"\b[0-9a-f]{4,16}\b", line[1])]


# Registers by QEMU's own packets, which GDB does not see: it keeps its view of
# the machine, and that is right again when all has been put back.
PACKET_NUMBERS = {"rax": 0, "rcx": 2, "rdx": 3, "rip": 16, "eflags": 17,
                  "cs": 18, "ss": 19}


def packet(text: str) -> str:
    """The answer to a packet of the remote protocol."""
    if not sends_packets():
        raise gdb.GdbError("Only GDB 12 or newer can ask this of the machine.")
    return gdb.selected_inferior().connection.send_packet(text).decode()


def packet_get(name: str) -> int:
    """A register of PACKET_NUMBERS."""
    answer = bytes.fromhex(packet(f"p{PACKET_NUMBERS[name]:x}"))
    return int.from_bytes(answer, "little")


def packet_set(name: str, value: int) -> None:
    """Changes it; GDB does not know."""
    packet(f"P{PACKET_NUMBERS[name]:x}={value.to_bytes(8, 'little').hex()}")
