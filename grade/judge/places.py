"""Where in a kernel an address is, for people."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Optional

from machine import deadlines, toolchain
from machine.kernel import Kernel


def in_text(kernel: Kernel, address: int) -> bool:
    """Whether the kernel has code there."""
    start = kernel.functions[0][0]
    end = (kernel.address("text_end") if "text_end" in kernel
           else kernel.functions[-1][0] + 4096)
    return start <= address < end


def line_of(kernel: Kernel, address: int) -> Optional[str]:
    """The line of a function's own file, also where what is there came from an
    inline function of a header."""
    line = kernel.line_at(address)
    # Of a function of the student's own nobody is asked where it begins.
    start = address - int(kernel.name_at(address).partition("+")[2] or "0", 16)
    while line is not None and ".h:" in line and address > start:
        address -= 1
        line = kernel.line_at(address)
    return line


def name_of(kernel: Kernel, address: int) -> str:
    """A function of the kernel with its line, or what else is there."""
    if not in_text(kernel, address):
        return f"no code of the kernel's (0x{address:x})"
    line = line_of(kernel, address)
    return kernel.name_at(address) + (f" ({line})" if line else "")


def line_in(kernel: Path, file: str, rip: int) -> Optional[str]:
    """The line of this file that an instruction belongs to, be it inside an
    inline function of another; None where it belongs to none."""
    done = subprocess.run(
        [f"{toolchain.tool_prefix()}addr2line", "-i", "-e", str(kernel), f"{rip:#x}"],
        capture_output=True, text=True, timeout=deadlines.host(), check=False)
    match = re.search(rf"{re.escape(file)}:\d+", done.stdout)
    return match[0] if match else None
