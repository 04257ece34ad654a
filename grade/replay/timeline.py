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

import contextlib
import dataclasses
import re
import tempfile
import time
from typing import Any, Callable, Iterator, Optional

from machine import deadlines
from machine.gdb_remote import Gdb, GdbError, GdbTimeout, MachineGone
from machine.qemu import Machine, MachineError, Result, Why

STOPPED = "T05thread:p01.01;"
BEGIN, END = STOPPED + "replaylog:begin;", STOPPED + "replaylog:end;"

# Instructions are counted instead of time, and random numbers and the date are
# fixed: a program's recordings are all the same.
COUNTED = "shift=0,sleep=off"
SAME_EACH_TIME = ("-seed", "1", "-rtc", "base=2026-01-01,clock=vm")

MSRS = {"EFER": 0xC0000080, "STAR": 0xC0000081, "LSTAR": 0xC0000082,
        "SFMASK": 0xC0000084, "FS_BASE": 0xC0000100, "GS_BASE": 0xC0000101,
        "KERNEL_GS_BASE": 0xC0000102}


@dataclasses.dataclass(frozen=True)
class Recording:
    """What is needed to see a run again: Machine's arguments, and how it ended."""

    init: Optional[str]
    options: dict[str, Any]
    result: Result

    def replay(self, **more: Any) -> Machine:
        """A machine that does the same, stopped before its first instruction."""
        return Machine(self.init, stopped=True, **{**self.options, **more})


@contextlib.contextmanager
def recording(init: Optional[str], patience: Optional[float] = None,
              meanwhile: Callable[[Machine], bool] = lambda machine: False,
              **options: Any) -> Iterator[Recording]:
    """Records a run to its end, or for so many seconds (deadlines.run()), or until
    `meanwhile`, which is asked again and again, says that it is enough; options
    are Machine's."""
    with tempfile.TemporaryDirectory(prefix="threshold-") as directory:
        icount = options.pop("icount", COUNTED)
        log = f"rrfile={directory}/replay.bin"
        options["flags"] = [*options.get("flags", ()), *SAME_EACH_TIME]
        replay = {**options, "icount": f"{icount},rr=replay,{log}"}
        with Machine(init, monitor=True, icount=f"{icount},rr=record,{log}",
                     **options) as machine:
            result = _run(machine, patience or deadlines.run(), meanwhile)
        yield Recording(init, replay, result)


def _run(machine: Machine, patience: float,
         meanwhile: Callable[[Machine], bool]) -> Result:
    until = time.monotonic() + patience
    why, sentence = Why.PATIENCE, (
        f"it was stopped after {patience:g} s: it waits for input, runs for long, or "
        "hangs")
    while machine.is_running and time.monotonic() < until:
        if meanwhile(machine):
            why, sentence = Why.LEFT, "it was left while it ran"
            break
        time.sleep(0.005)
    if not machine.is_running:
        return machine.wait()
    with contextlib.suppress(MachineError, OSError, ValueError):
        machine.monitor("quit")  # the log is written out then
    return dataclasses.replace(machine.wait(), why=why, stopped=sentence)


class _Client(Gdb):
    """One replay's connection, with the stops as QEMU words them."""

    def text_of_stop(self, seconds: float) -> str:
        """Waits for the next stop, so many seconds at most."""
        answer = self._receive(time.monotonic() + seconds)
        self.must_be_there()
        return answer

    def stop_now(self) -> None:
        """Asks the running machine to stop."""
        self._socket.sendall(b"\x03")


class Moment:
    """A replay, stopped at one instruction."""

    def __init__(self, machine: Machine, count: int = 0) -> None:
        self.machine = machine
        try:
            self.gdb = _Client(self.machine._connect("gdb"))
            if count:
                self.break_at(count)
                self.gdb.resume()
                self.gdb.text_of_stop(deadlines.run())
            if self.count() != count:
                raise GdbError(f"the replay stopped at instruction {self.count()}, "
                               f"not {count}")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends this replay."""
        self.machine.close()

    def break_at(self, count: int) -> None:
        """Has the replay stop at an instruction, when next it goes on."""
        answer = self.gdb.monitor(f"replay_break {count}")
        if answer.strip():
            raise GdbError(answer.strip())

    def count(self) -> int:
        """How many instructions have run."""
        found = re.search(r"instruction count = (\d+)",
                          self.gdb.monitor("info replay"))
        if not found:
            raise GdbError("QEMU tells no count of instructions")
        return int(found[1])


class Timeline:
    """A recording, and the moment that is looked at."""

    def __init__(self, recorded: Recording) -> None:
        self._recorded = recorded
        # A replay ahead, so that it has started when it is wanted.
        self._next = recorded.replay()
        self.points: set[str] = set()  # breakpoints
        self._end: Optional[int] = None
        self.now = self._moment(0)

    def close(self) -> None:
        """Ends the replays."""
        self.now.close()
        self._next.close()

    def __enter__(self) -> Timeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def gdb(self) -> _Client:
        """The connection to the replay of the moment."""
        return self.now.gdb

    def count(self) -> int:
        """How many instructions have run at this moment."""
        return self.now.count()

    def goto(self, count: int) -> None:
        """To the moment before instruction `count`, counted from 0."""
        self._take(self._moment(count))

    def _moment(self, count: int) -> Moment:
        machine, self._next = self._next, self._recorded.replay()
        return Moment(machine, count)

    def _take(self, moment: Moment) -> None:
        self.now.close()
        self.now = moment
        for point in self.points:
            self.gdb.ask(f"Z{point}")

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

    # ---- forwards ----

    def step(self) -> str:
        """One instruction on."""
        before = self.count()
        try:
            self.gdb.step()
        except MachineGone:
            return self._to_end(before)
        return STOPPED

    def cont(self, interrupted: Callable[[], bool]) -> str:
        """On to a breakpoint, to the recording's end, or till interrupted."""
        before = self.count()

        def look() -> float:
            if interrupted():
                self.gdb.stop_now()
            return 0

        self.gdb.on_wait = look
        try:
            self.gdb.resume()
            return self.gdb.text_of_stop(deadlines.long_run())
        except MachineGone:
            return self._to_end(before)
        finally:
            self.gdb.on_wait = None

    def _to_end(self, low: int) -> str:
        """The last moment of the recording, which ran at instruction `low`:
        found by trying, once. The machine is gone behind it."""
        if self._end is None:
            step = 1
            while True:
                low, high = self._last_before_gone(low, step)
                if high == low + 1:
                    break
                step = max(1, (high - low) // 64)
            self._end = low
        self.goto(self._end)
        return END

    def _last_before_gone(self, low: int, step: int) -> tuple[int, int]:
        """Forwards from a moment that exists in growing steps; the last count
        that was reached, and one that was not."""
        grows = step == 1
        moment = self._moment(low)
        try:
            while True:
                try:
                    moment.break_at(low + step)
                    moment.gdb.resume()
                    moment.gdb.text_of_stop(deadlines.run())
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
        if count == 0:
            return BEGIN
        self.goto(count - 1)
        return STOPPED

    def back_to_breakpoint(self) -> str:
        """Back to the last moment at which a breakpoint stops; for a
        watchpoint, to before the instruction that writes."""
        found = self.last_stop(self.points)
        if found is None:
            self.goto(0)
            return BEGIN
        count, text = found
        if "watch" in text:
            self.goto(count - 1)
            return text
        self.goto(count)
        return STOPPED

    def last_stop(self, points: set[str]) -> Optional[tuple[int, str]]:
        """The last moment before this one at which one of the breakpoints
        stops, and how QEMU words it; None if there is none."""
        now, last = self.count(), None
        if not points or now == 0:
            return None
        addresses = {int(point.split(",")[1], 16) for point in points
                     if point[0] in "01"}
        moment = self._moment(0)
        try:
            for point in points:
                moment.gdb.ask(f"Z{point}")
            moment.break_at(now)
            while True:
                moment.gdb.resume()
                text = moment.gdb.text_of_stop(deadlines.run())
                while True:
                    count = moment.count()
                    if count >= now:
                        return last
                    last = count, text
                    # Off the breakpoint, perhaps onto the next.
                    watch = moment.gdb.step().watch
                    text = f"{STOPPED}watch:{watch:x};" if watch else STOPPED
                    if watch is None and moment.gdb.register("rip") not in addresses:
                        break
                if moment.count() >= now:
                    return last
        finally:
            moment.close()

    def last_change(self, register: str, limit: int) -> Optional[int]:
        """The moment before the last instruction that changed a register, at
        most `limit` instructions back; None if none did."""
        now, window = self.count(), 256
        end = now
        while end > 0 and now - end < limit:
            begin = max(0, end - window, now - limit)
            moment, last = self._moment(begin), None
            try:
                value = moment.gdb.register(register)
                for count in range(begin, end):
                    moment.gdb.step()
                    was, value = value, moment.gdb.register(register)
                    if value != was:
                        last = count
            finally:
                moment.close()
            if last is not None:
                return last
            end, window = begin, window * 4
        return None

    def msrs(self, scratch: int) -> dict[str, int]:
        """The model-specific registers now: reading them changes a replay, so a
        replay of its own is given up for it. `scratch` is as for Gdb.rdmsr."""
        moment = self._moment(self.count())
        try:
            return {name: moment.gdb.rdmsr(number, scratch)
                    for name, number in MSRS.items()}
        finally:
            moment.close()
