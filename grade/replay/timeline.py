"""A recorded run that can be walked in both directions, by GDB itself.

QEMU can go backwards by itself (it loads a snapshot and runs forwards from it),
but loading one hangs now and then, and often on a busy host. Here nothing is
loaded: to go back to instruction 4,711 another QEMU replays the recording from
its start and stops there, which takes about as long. GDB talks to a `Server`,
which passes on what it asks to the QEMU of the moment, and answers "one step
back" and "back to the last breakpoint" by such a replay.

A recording cannot be changed: writing a register or memory is refused.

    with recording("/bin/regs 7") as recorded:
        with Timeline(recorded) as timeline:
            timeline.goto(4711)
"""

from __future__ import annotations

from typing import Callable, Iterator, NamedTuple, Optional

from machine import deadlines
from machine.gdb_remote import Gdb, GdbTimeout, MachineGone
from machine.recording import Recording
from machine.x86 import MSRS
from .moment import STOPPED, Moment, watch_text
from .pushes import Push, handlers, pushes

INTERRUPTED = "T02thread:p01.01;"
BEGIN, END = STOPPED + "replaylog:begin;", STOPPED + "replaylog:end;"

AHEAD = 1 << 17  # instructions that are searched at once for a watched word


class Hit(NamedTuple):
    """A stop at a breakpoint.

    moment   to look at: where it stops; for a watchpoint, before the write.
    text     as QEMU words it.
    handler  where the CPU itself wrote: the address to which it went.
    """

    moment: int
    text: str
    handler: int = 0


class Timeline:
    """A recording, and the moment that is looked at."""

    def __init__(self, recorded: Recording) -> None:
        self._recorded = recorded
        # A replay ahead, so that it has started when it is wanted.
        self._next = recorded.replay()
        self.points: set[str] = set()  # breakpoints
        self._end: Optional[int] = None
        self.now = self.moment(0)

    def close(self) -> None:
        """Ends the replays."""
        self.now.close()
        self._next.close()

    def __enter__(self) -> Timeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def gdb(self) -> Gdb:
        """The connection to the replay of the moment."""
        return self.now.gdb

    def count(self) -> int:
        """How many instructions have run at this moment."""
        return self.now.count()

    def goto(self, count: int, steps: int = 0) -> None:
        """To the moment before instruction `count`, counted from 0; or so many
        steps after it, as an interrupt is taken between two of the count."""
        moment = self.moment(count)
        for _ in range(steps):
            moment.step()
        self._take(moment)

    def moment(self, count: int) -> Moment:
        """A replay of its own at a moment, for the caller to close."""
        machine, self._next = self._next, self._recorded.replay()
        return Moment(machine, count)

    def _take(self, moment: Moment) -> None:
        self.now.close()
        self.now = moment
        for point in self.points:
            moment.insert(point)

    def insert(self, point: str) -> str:
        """A breakpoint, as for Moment, kept from replay to replay."""
        answer = self.now.insert(point)
        if answer == "OK":
            self.points.add(point)
        return answer

    def remove(self, point: str) -> str:
        """Takes it away again."""
        self.points.discard(point)
        return self.now.remove(point)

    # ---- forwards ----

    def step(self) -> str:
        """One instruction on."""
        before = self.count()
        try:
            return self.now.step()
        except MachineGone:
            return self._to_end(before)

    def cont(self, interrupted: Callable[[], bool]) -> str:
        """On to a breakpoint, to the recording's end, or till interrupted."""
        before = self.count()
        try:
            if any(point[0] == "2" for point in self.points):
                return self._cont_watching(interrupted)
            return self._cont(interrupted)
        except MachineGone:
            return self._to_end(before)

    def _cont(self, interrupted: Callable[[], bool]) -> str:
        def look() -> float:
            if interrupted():
                self.now.gdb.stop_now()
            return 0

        self.gdb.on_wait = look
        try:
            return self.now.resume(deadlines.long_run())
        finally:
            self.gdb.on_wait = None

    def _cont_watching(self, interrupted: Callable[[], bool]) -> str:
        """The same where words are watched: piece by piece, as what the CPU pushes
        is looked for first."""
        while not interrupted():
            begin = self.count()
            end = self._last_that_exists(begin, begin + AHEAD)
            for hit, moment in self.hits(self.points, begin, end):
                if (moment.count(), moment.steps) > (begin, self.now.steps):
                    self.goto(moment.count(), moment.steps)
                    return hit.text
            if end < begin + AHEAD:
                raise MachineGone()
            self.goto(end)
        return INTERRUPTED

    def _last_that_exists(self, begin: int, end: int) -> int:
        """`end`, or the recording's end if that comes first."""
        if self._end is None:
            try:
                with self.moment(begin) as moment:
                    moment.resume_to(end)
            except MachineGone:
                self._end = self._find_end(begin)
        return end if self._end is None else min(end, self._end)

    def _to_end(self, low: int) -> str:
        """The last moment of the recording, which ran at instruction `low`:
        found by trying, once. The machine is gone after it."""
        if self._end is None:
            self._end = self._find_end(low)
        self.goto(self._end)
        return END

    def _find_end(self, low: int) -> int:
        step = 1
        while True:
            low, high = self._last_before_gone(low, step)
            if high == low + 1:
                return low
            step = max(1, (high - low) // 64)

    def _last_before_gone(self, low: int, step: int) -> tuple[int, int]:
        """Forwards from a moment that exists in growing steps; the last count
        that was reached, and one that was not."""
        grows = step == 1
        moment = self.moment(low)
        try:
            while True:
                try:
                    moment.resume_to(low + step)
                except (MachineGone, GdbTimeout):
                    return low, low + step
                low = moment.count()
                step = step * 4 if grows else step
        finally:
            moment.close()

    # ---- backwards ----

    def step_back(self) -> str:
        """One instruction back."""
        count = self.count()
        if self.now.steps:
            self.goto(count, self.now.steps - 1)
        elif count == 0:
            return BEGIN
        else:
            self.goto(count - 1)
        return STOPPED

    def back_to_breakpoint(self) -> str:
        """Back to the last moment at which a breakpoint stops; for a
        watchpoint, to before the write."""
        last = None
        if self.points and self.count():
            for last, _ in self.hits(self.points, 0, self.count()):
                pass
        self.goto(last.moment if last else 0)
        return last.text if last else BEGIN

    def hits(self, points: set[str], begin: int, end: int
             ) -> Iterator[tuple[Hit, Moment]]:
        """Every stop at breakpoints between two moments, in order, each with the
        replay that has just made it."""
        addresses = {int(point.split(",")[1], 16) for point in points
                     if point[0] in "01"}
        moment = self.moment(begin)
        try:
            for point in points:
                moment.insert(point)
            for push in self._pushes_to(points, begin, end):
                yield from self._hits_until(moment, addresses, push.moment - 1)
                # By steps through the taking, while nothing is watched.
                while not moment.is_at(push.moment, push.handler):
                    text = moment.step()
                    if "watch:" in text and not moment.is_at(push.moment, push.handler):
                        yield Hit(moment.count() - 1, text), moment
                yield Hit(push.moment, watch_text(points), push.handler), moment
            yield from self._hits_until(moment, addresses, end)
        finally:
            moment.close()

    def _hits_until(self, moment: Moment, addresses: set[int],
                    end: int) -> Iterator[tuple[Hit, Moment]]:
        while moment.count() < end:
            text = moment.resume_to(end)
            while True:
                count = moment.count()
                is_at = moment.gdb.register("rip") in addresses
                if "watch:" in text:
                    yield Hit(count - 1, text), moment
                elif is_at and count < end:
                    yield Hit(count, STOPPED), moment
                if not is_at or count >= end:
                    break
                text = moment.step()  # off the breakpoint, perhaps onto the next

    def _pushes_to(self, points: set[str], begin: int, end: int) -> list[Push]:
        """What the CPU pushes to watched words between two moments."""
        words = [tuple(int(text, 16) for text in point.split(",")[1:])
                 for point in points if point[0] == "2"]
        if not words:
            return []
        with self.moment(end) as moment:
            table = handlers(moment)
        with self.moment(begin) as moment:
            return [push for push in pushes(moment, table, end)
                    if any(push.covers(*word) for word in words)]

    def msrs(self, scratch: int) -> dict[str, int]:
        """The model-specific registers now: reading them changes a replay, so a
        replay of its own is given up for it. `scratch` is as for Gdb.rdmsr."""
        moment = self.moment(self.count())
        try:
            return {name: moment.gdb.rdmsr(number, scratch)
                    for name, number in MSRS.items()}
        finally:
            moment.close()
