"""How slow this machine is, compared with the one the deadlines were made on.

A kernel of a few bytes counts in a loop and leaves QEMU: that measures how fast
QEMU starts and translates, whatever state the tree's own kernel is in.
"""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from . import deadlines

# Seconds that the run takes on a quiet machine of two cores.
REFERENCE = 0.16
# Above this, patience does not help.
LARGEST = 20.0

# mov ecx,20000000; 1: dec ecx; jnz 1b; mov dx,0xf4; mov eax,3; out dx,eax
CODE = bytes.fromhex("b9002d3101 49 75fd 66baf400 b803000000 ef")
BASE = 0x100000
# QEMU's exit status for that 3.
EXITS_WITH = 7


def scale() -> float:
    """What all deadlines are to be multiplied by: 1 or more, or what somebody has
    said before. OSError where QEMU does not run."""
    if deadlines.VARIABLE in os.environ:
        return deadlines.scale()
    try:
        return round(min(max(1.0, measure() / REFERENCE), LARGEST), 2)
    except subprocess.TimeoutExpired:
        return LARGEST


def has_slowed() -> bool:
    """Is this machine now much slower than the deadlines take it for? Where QEMU
    does not run, nobody can say that it is not."""
    try:
        return measure() / REFERENCE > 1.5 * deadlines.scale()
    except (OSError, subprocess.SubprocessError):
        return True


def measure() -> float:
    """Seconds from QEMU's start to its end."""
    with tempfile.TemporaryDirectory(prefix="threshold-calibrate-") as name:
        kernel = Path(name) / "kernel.elf"
        kernel.write_bytes(_kernel())
        begin = time.monotonic()
        done = subprocess.run(
            ["sh", str(Path(__file__).parents[2] / "kernel/host/qemu.sh"),
             "-serial", "none"],
            env={**os.environ, "KERNEL": str(kernel), "INITRD": str(kernel),
                 "PROG": "", "APPEND": "", "GDB": "", "ICOUNT": "", "ONE_BY_ONE": "",
                 "CPU": "",
                 "QEMUFLAGS": "", "FIRMWARE": "qboot", "MEM": ""},
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=LARGEST * REFERENCE)
        seconds = time.monotonic() - begin
    if done.returncode != EXITS_WITH:
        said = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise OSError(f"QEMU does not run: {said or done.returncode}")
    return seconds


def _kernel() -> bytes:
    """An ELF file that PVH starts, with CODE at its entry."""
    entry, note_at = BASE + 0x1000, BASE + 0x2000
    note = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", entry)
    segments = b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, offset, address, address, size, size, 4)
        for kind, flags, offset, address, size in (
            (1, 5, 0x1000, entry, len(CODE)), (4, 4, 0x2000, note_at, len(note))))
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, entry, 64,
                         0, 0, 64, 56, 2, 0, 0, 0)
    return ((header + segments).ljust(0x1000, b"\0") + CODE.ljust(0x1000, b"\0")
            + note)
