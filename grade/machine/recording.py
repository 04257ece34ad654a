"""A run that QEMU records, so that it can be run again, the same, as often as wanted.

    with recording("/bin/regs 7") as recorded:
        with recorded.replay() as machine:
            machine.gdb().run_to(address)
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

from . import deadlines
from .gdb_remote import Gdb, GdbError
from .qemu import Machine
from .result import MachineError, Result, Why

# Instructions are counted instead of time, and random numbers and the date are
# fixed: a program's recordings are all the same.
COUNTED = "shift=0,sleep=off"
SAME_EACH_TIME = ("-seed", "1", "-rtc", "base=2026-01-01,clock=vm")
# How often a run that is recorded is looked at, in seconds.
LOOK_INTERVAL = 0.005


@dataclasses.dataclass(frozen=True)
class Recording:
    """What is needed to see a run again: Machine's arguments, and how it ended."""

    init: Optional[str]
    options: dict[str, Any]
    result: Result
    whole: bool  # whether QEMU came to write the log's end

    def replay(self, **more: Any) -> Machine:
        """A machine that does the same, stopped before its first instruction;
        MachineError where the recording was cut off, which no QEMU reads."""
        if not self.whole:
            raise MachineError("QEMU was killed before its recording was whole: "
                               f"{self.result.outcome}")
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
        yield Recording(init, replay, result, _is_whole(Path(directory, "replay.bin")))


def _is_whole(log: Path) -> bool:
    """QEMU writes the log's head last: a QEMU that was killed leaves zeros there."""
    if not log.exists():
        return False
    with log.open("rb") as file:
        return any(file.read(4))


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
        time.sleep(LOOK_INTERVAL)
    if not machine.is_running:
        return machine.wait()
    with contextlib.suppress(MachineError, OSError, ValueError):
        machine.monitor("quit")  # the log is written out then
    return dataclasses.replace(machine.wait(), why=why, stopped=sentence)


def instruction_count(gdb: Gdb) -> int:
    """How many instructions the machine of a recording or replay has run."""
    answer = gdb.monitor("info replay")
    found = re.search(r"instruction count = (\d+)", answer)
    if not found:
        raise GdbError(f"no count of instructions in {answer!r}")
    return int(found[1])
