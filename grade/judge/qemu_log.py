"""QEMU's log of exceptions and interrupts, as it grows: only its end is kept.

The log goes through a pipe and into memory, so however much a kernel makes QEMU
write, no disk is filled.
Source: QEMU's own format, `-d int` of target/i386/tcg.
"""

from __future__ import annotations

import dataclasses
import os
import re
import select
import threading
from pathlib import Path
from typing import Iterator, Optional

from machine import deadlines
from machine.x86 import NAMES_SELECTOR, PAGE_FAULT, vector_name

# What is kept of a log: its end, in bytes.
LIMIT = 1 << 20


class QemuLog:
    """A log that QEMU is told to write, by `flags`; use it in a `with`."""

    def __init__(self, directory: Path, limit: int = LIMIT) -> None:
        self._path = directory / "qemu-log"
        self._limit = limit
        self._kept = bytearray()
        self._lock = threading.Lock()
        self._done = threading.Event()
        os.mkfifo(self._path)
        # Opened for both, so that neither end waits for the other.
        self._handle = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def flags(self) -> list[str]:
        """For QEMU."""
        return ["-d", "int,cpu_reset", "-D", str(self._path)]

    def text(self) -> str:
        """The end of what has been written by now."""
        with self._lock:
            self._take()
            return self._kept[-self._limit:].decode(errors="replace")

    def clear(self) -> None:
        """Forgets what has been written by now."""
        self.text()
        with self._lock:
            self._kept.clear()

    def close(self) -> None:
        self._done.set()
        self._reader.join(deadlines.answer())
        os.close(self._handle)

    def __enter__(self) -> QemuLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        while not self._done.is_set():
            if select.select([self._handle], [], [], 0.05)[0]:
                with self._lock:
                    self._take()

    def _take(self) -> None:
        """Takes what is in the pipe, which is 64 KB at most."""
        try:
            self._kept += os.read(self._handle, 1 << 20)
        except BlockingIOError:
            pass
        if len(self._kept) > 2 * self._limit:
            del self._kept[:-self._limit]


@dataclasses.dataclass(frozen=True)
class LoggedException:
    """One exception of the log."""

    vector: int
    error: int
    cpl: int
    rip: int
    cr2: int

    @property
    def name(self) -> str:
        """`#GP(0x30)`."""
        name = vector_name(self.vector)
        return f"{name}({self.error:#x})" if self.vector in NAMES_SELECTOR else name

    @property
    def sentence(self) -> str:
        """`#PF in ring 0, a write to 0x10`."""
        text = f"{self.name} in ring {self.cpl}"
        if self.vector == PAGE_FAULT:
            what = ("a fetch from" if self.error & 16 else
                    "a write to" if self.error & 2 else "a read of")
            text += f", {what} 0x{self.cr2:x}"
        elif self.vector in NAMES_SELECTOR and self.error:
            table = "IDT" if self.error & 2 else "LDT" if self.error & 4 else "GDT"
            text += f", for selector 0x{self.error & 0xFFF8:x} of the {table}"
        return text


_DETAILS = re.compile(
    r"v=([0-9a-f]+) e=([0-9a-f]+) .*?cpl=(\d) IP=[0-9a-f]+:([0-9a-f]+)"
    r".*?(?:CR2=([0-9a-f]+)|$)", re.MULTILINE)
_CHECK = re.compile(r"check_exception old: 0x([0-9a-f]+) new 0x([0-9a-f]+)")
_NONE = "ffffffff"  # no exception was under way


def chain(log: str) -> Iterator[LoggedException]:
    """The chain of exceptions at a log's end: the first, which no other led to,
    and what followed."""
    starts = list(_CHECK.finditer(log))
    roots = [i for i, match in enumerate(starts) if match[1] == _NONE]
    if not roots:
        return
    for match in starts[roots[-1]:]:
        found = _DETAILS.search(log, match.end())
        if found is None:
            # The last one is never delivered: only its number is known.
            yield LoggedException(int(match[2], 16), 0, 0, 0, 0)
            continue
        yield LoggedException(int(match[2], 16), int(found[2], 16), int(found[3]),
                              int(found[4], 16), int(found[5] or "0", 16))


def root(log: str) -> Optional[LoggedException]:
    """The exception that the chain at a log's end began with."""
    return next(chain(log), None)


def is_triple_fault(log: str) -> bool:
    """Whether a log ends with an exception that a double fault led to. A machine
    that resets itself by a port ends without one."""
    last = None
    for last in _CHECK.finditer(log):
        pass
    return last is not None and int(last[1], 16) == 8
