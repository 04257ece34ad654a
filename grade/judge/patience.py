"""The machine of a test, and how long it is waited for.

When a machine hangs is said here and nowhere else, and so is which kernels have
hung before.
"""

from __future__ import annotations

import collections
import contextlib
import os
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Optional

from machine import deadlines
from machine.gdb_remote import WATCH_INTERVAL, Gdb, GdbTimeout
from machine.qemu import Machine
from machine.result import MachineError, Result, Why
from machine.state import State, state_of

# How much a machine may print, in bytes.
OUTPUT_LIMIT = 256 << 10
# A machine hangs when QEMU has computed for this part of its time; a kernel that
# has hung before gets less. When QEMU could compute too little it gets more time:
# this many times as much at most.
HUNG_SHARE, HUNG_AGAIN_SHARE = 0.6, 0.25
MORE_PATIENCE = 3
# A machine's life, in seconds of QEMU's CPU time and in times of the longest wait
# that was allowed: what comes back each time, but slowly, ends by it.
LIFE, LIFE_IN_WAITS = 8, 4
# A machine that is found so often in ring 0 with interrupts off and not a register
# changed, although it has computed in between, goes round and round for ever.
LOOKS_ALIKE = 4
COMPUTED = 0.05  # seconds of QEMU's CPU time between two looks that count

# How often each kernel has hung in this process.
hangs: collections.Counter[Path] = collections.Counter()


class LabMachine(Machine):
    """A machine of the submission's kernel. Each wait has a deadline of its own.

    A wait ends early if the CPU is halted for good, if it goes round in a loop
    that nothing can end, or if QEMU has computed for most of the time that it
    had; it is prolonged if this machine is so busy that QEMU could not compute.
    Before QEMU is killed its state is kept.
    """

    def __init__(self, init: Optional[str], *, kernel: Path, **options: Any) -> None:
        self.patience: float = options.get("deadline") or deadlines.probe()
        self.kernel = kernel
        self.state: Optional[State] = None
        self.started_as = dict(options, init=init, kernel=kernel)
        # Of the present wait: its beginning, how long it may last, QEMU's CPU
        # time then, and how much longer it may last by now.
        self._begun = self._allowed = self._computed = self._given = 0.0
        self._longest = 0.0
        # What was seen last, how often, and at which CPU time.
        self._seen_last: Optional[str] = None
        self._alike, self._seen_at = 0, 0.0
        options.setdefault("monitor", True)
        super().__init__(init, kernel=kernel, **options)
        self._output_limit = OUTPUT_LIMIT

    @property
    def was_stopped(self) -> bool:
        """Whether the harness ended it, wherever it was."""
        return self._why is not None

    @property
    def answers(self) -> bool:
        """Whether its monitor does: QEMU is there, and not about to leave."""
        try:
            self.monitor("info status")
            return True
        except (MachineError, OSError, ValueError):
            return False

    @property
    def has_gdb(self) -> bool:
        """Whether a debugger is connected."""
        return self._gdb is not None

    def gdb(self) -> Gdb:
        if self._gdb is None:
            self._begin()
            gdb = super().gdb()
            gdb.patience = self.patience
            gdb.on_begin = self._begin
            gdb.on_wait = self._watch
        return super().gdb()

    def expect(self, pattern: str) -> re.Match[str]:
        self._begin()
        return super().expect(pattern)

    def wait(self) -> Result:
        with contextlib.suppress(GdbTimeout):  # the end is what is waited for
            self._begin()
        while self.is_running:
            remaining = self._deadline - time.monotonic()
            try:
                self._process.wait(max(0.0, min(remaining, WATCH_INTERVAL)))
            except subprocess.TimeoutExpired:
                self._deadline += self._watch()
                if time.monotonic() >= self._deadline:
                    break
        return super().wait()

    def _begin(self, seconds: Optional[float] = None) -> None:
        """Another wait begins, of some seconds."""
        self._begun = time.monotonic()
        self._allowed = seconds or self.patience
        self._deadline = self._begun + self._allowed
        self._computed = self.cpu_seconds()
        self._given = 0.0
        self._alike = 0
        self._longest = max(self._longest, self._allowed)
        if self._computed > max(LIFE * deadlines.scale(),
                                LIFE_IN_WAITS * self._longest):
            raise GdbTimeout("the machine has computed for too long")

    def _watch(self) -> float:
        """Seconds by which the present wait becomes longer, or shorter."""
        waited = time.monotonic() - self._begun
        state = state_of(self)
        if state is not None and (state.is_dead or self._goes_round(state)):
            return -1e6
        computed = self.cpu_seconds() - self._computed
        share = HUNG_AGAIN_SHARE if hangs[self.kernel] else HUNG_SHARE
        if computed > share * self._allowed:
            return -1e6
        halted = state is not None and state.halted
        if (waited + WATCH_INTERVAL > self._allowed + self._given and not halted
                and self._given < MORE_PATIENCE * self._allowed):
            self._given += self._allowed / 2
            return self._allowed / 2
        return 0.0

    def _goes_round(self, state: State) -> bool:
        """Whether the CPU is in a loop in which no register changes, and that no
        interrupt can end."""
        now = self.cpu_seconds()
        if state.cpl or state.interrupts or state.text != self._seen_last:
            self._seen_last, self._alike, self._seen_at = state.text, 1, now
        elif now - self._seen_at >= COMPUTED:
            self._alike, self._seen_at = self._alike + 1, now
        return self._alike >= LOOKS_ALIKE

    def cpu_seconds(self) -> float:
        """CPU time that QEMU has used so far."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2]
            user, system = fields.split()[11:13]
            return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError):
            return 0.0

    def _stop(self, why: Why) -> None:
        if self.state is None and threading.current_thread() is not self._reader:
            self.state = state_of(self, stop=True)
        super()._stop(why)
