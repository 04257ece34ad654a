"""One replay of a recording, stopped at one instruction.

Moments are counted in instructions, and the CPU takes an exception or an interrupt
between two of the count: two states have one number then. A replay that is told to
break there stops in either; one that comes by a step is always in the first, with
nothing taken yet. So that is what a moment means, and a step more leads to the other.
"""

from __future__ import annotations

import contextlib
import time
from typing import Iterator

from machine import deadlines
from machine.gdb_remote import STEP_TRIES, Gdb, GdbError, MachineGone
from machine.qemu import Machine
from machine.recording import instruction_count

STOPPED = "T05thread:p01.01;"


def watch_text(points: set[str]) -> str:
    """A stop at the first watchpoint among breakpoints, as QEMU words it."""
    address = next(point.split(",")[1] for point in sorted(points) if point[0] == "2")
    return f"{STOPPED}watch:{address};"


class _Client(Gdb):
    """One replay's connection, with the stops as QEMU words them."""

    def text_of_stop(self, seconds: float) -> str:
        """Waits for the next stop, so many seconds at most."""
        answer = self._receive(time.monotonic() + seconds)
        if answer[:1] in "WX":
            raise MachineGone()
        self.must_be_there()
        return answer

    def stop_now(self) -> None:
        """Asks the running machine to stop."""
        with contextlib.suppress(OSError):  # it has just gone: the answer says so
            self._socket.sendall(b"\x03")

    def step_once(self) -> None:
        """One step, which in a recording may take an interrupt."""
        self._send("s")
        self.text_of_stop(deadlines.answer())


class Moment:
    """A replay, stopped at one instruction."""

    def __init__(self, machine: Machine, count: int = 0) -> None:
        self.machine = machine
        self.points: set[str] = set()  # breakpoints, as GDB words them
        self.steps = 0  # steps that took interrupts since the last instruction
        try:
            self.gdb = _Client(self.machine._connect("gdb"))
            self.run_to(count)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends this replay."""
        self.machine.close()

    def __enter__(self) -> Moment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def count(self) -> int:
        """How many instructions have run."""
        return instruction_count(self.gdb)

    def is_at(self, count: int, rip: int) -> bool:
        """Is this that state of the two that a moment may have?"""
        return self._place() == (count, rip)

    # ---- breakpoints ----

    def insert(self, point: str) -> str:
        """A breakpoint as GDB words it, "1,ffffffff80104000,1"; the answer."""
        answer = self.gdb.ask(f"Z{point}")
        if answer == "OK":
            self.points.add(point)
        return answer

    def remove(self, point: str) -> str:
        """Takes it away again."""
        self.points.discard(point)
        return self.gdb.ask(f"z{point}")

    @contextlib.contextmanager
    def without(self, points: set[str]) -> Iterator[None]:
        """Some breakpoints are away for a while."""
        for point in points:
            self.gdb.ask(f"z{point}")
        try:
            yield
        finally:
            for point in points:
                self.gdb.ask(f"Z{point}")

    # ---- forwards ----

    def resume(self, patience: float) -> str:
        """On to a stop, for so many seconds at most; how QEMU words it."""
        self.steps = 0
        self.gdb.resume()
        return self.gdb.text_of_stop(patience)

    def resume_to(self, count: int) -> str:
        """On to a breakpoint, or to a moment in either of its states; how QEMU
        words the stop."""
        answer = self.gdb.monitor(f"replay_break {count}")
        if answer.strip():
            raise GdbError(answer.strip())
        return self.resume(deadlines.run())

    def run_to(self, count: int) -> None:
        """On to a moment, where no breakpoint is on the way."""
        if count - 1 > self.count():
            self.resume_to(count - 1)
        while self.count() < count:
            self.step()
        if self.count() != count:
            raise GdbError(f"the replay stopped at instruction {self.count()}, not "
                           f"{count}")

    def step(self) -> str:
        """One instruction on, or to the handler of an interrupt that is due; how
        QEMU would word the stop. Watched words are compared here: see pushes."""
        watched = {point for point in self.points if point[0] == "2"}
        before, old = self._place(), self._bytes(watched)
        with self.without(watched):
            for _ in range(STEP_TRIES):
                self.gdb.step_once()
                now = self._place()
                if now != before:
                    break
        self.steps = self.steps + 1 if now[0] == before[0] else 0
        new = self._bytes(watched)
        changed = {point for point in watched if new[point] != old[point]}
        return watch_text(changed) if changed else STOPPED

    def _place(self) -> tuple[int, int]:
        return self.count(), self.gdb.register("rip")

    def _bytes(self, watched: set[str]) -> dict[str, str]:
        """What is watched, or an error where nothing is mapped."""
        return {point: self.gdb.ask(f"m{point[2:]}") for point in watched}
