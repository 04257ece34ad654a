"""How far a batch is: a line that is drawn over itself, where a person looks. And what
it has cost."""

from __future__ import annotations

import collections
import resource
import sys
import threading
import time
from typing import TextIO

WIDTH = 24  # of the bar, in columns
MANY = 10_000
CLEAR = "\r\x1b[K"


class Progress:
    """Counts gradings as they end, whatever their order, and draws on a terminal;
    elsewhere nothing is drawn."""

    def __init__(self, whole: int, stream: TextIO = sys.stderr) -> None:
        self._whole = whole
        self._stream = stream
        self._drawn = stream.isatty()
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._ended: collections.Counter[int] = collections.Counter()

    def ended(self, status: int) -> None:
        """One more: 0 right, 1 wrong, 2 not gradable."""
        with self._lock:
            self._ended[status] += 1
            self._draw()

    def say(self, line: str) -> None:
        """A line that stays, above the bar."""
        with self._lock:
            if self._drawn:
                self._stream.write(CLEAR)
                self._stream.flush()
            print(line, flush=True)
            self._draw()

    def close(self) -> None:
        with self._lock:
            if self._drawn:
                self._stream.write(CLEAR)
                self._stream.flush()
            self._drawn = False

    def _draw(self) -> None:
        if self._drawn:
            self._stream.write(CLEAR + shown(
                self._whole, self._ended, time.monotonic() - self._begun))
            self._stream.flush()


def shown(whole: int, ended: "collections.Counter[int]", seconds: float) -> str:
    """The bar, after so many seconds, as `[####----] 12 of 40, 2 min left: …`."""
    done = sum(ended.values())
    filled = WIDTH * done // whole
    left = left_over(seconds / done * (whole - done)) if done else "?"
    return (f"[{'#' * filled}{'-' * (WIDTH - filled)}] {done} of {whole}, {left} left: "
            f"{ended[0]} right, {ended[1]} wrong, {ended[2]} not gradable")


def cpu_seconds() -> float:
    """The CPU's time of this process and of all that it has started and seen end."""
    return sum(used.ru_utime + used.ru_stime for used in map(
        resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def cost(number: int, seconds: float) -> str:
    """What so many gradings have taken of the CPU, and what many more would."""
    each = seconds / number
    many = each * MANY
    return (f"CPU: {each:.1f} s each, so {3600 / each:,.0f} an hour on one core; "
            f"{MANY:,} take {left_over(many)} of 1 core, {left_over(many / 16)} of 16")


def left_over(seconds: float) -> str:
    """A time as a person wants it: 40 s, 12 min, 1 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
