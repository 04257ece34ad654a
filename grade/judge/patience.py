"""The machine of a test, and how long it is waited for."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Optional

from machine import deadlines
from machine.gdb_remote import WATCH_INTERVAL, Gdb
from machine.qemu import Machine, Result, Why
from machine.state import State, state_of

# How much a machine may print, in bytes.
OUTPUT_LIMIT = 256 << 10
# A machine hangs when QEMU has computed for this part of its time. When QEMU
# could compute too little it gets more time: this many times as much at most.
# A kernel that has hung in some tests gets less time in the others.
HUNG_SHARE = 0.6
HUNG_BEFORE, HUNG_AGAIN_SHARE = 3, 0.25
MORE_PATIENCE = 3


class LabMachine(Machine):
    """A machine of the submission's kernel. Each wait has a deadline of its own.

    A wait ends early if the CPU is halted for good, or if QEMU has computed for
    most of the time that it had; it is prolonged if this machine is so busy that
    QEMU could not compute. Before QEMU is killed its state is kept.
    """

    def __init__(self, init: Optional[str], **options: Any) -> None:
        self.patience: float = options.get("deadline") or deadlines.probe()
        self.hung_share = HUNG_SHARE
        self.state: Optional[State] = None
        self.started_as = dict(options, init=init)
        # Of the present wait: its beginning, how long it may last, QEMU's CPU
        # time then, and how much longer it may last by now.
        self._begun = self._allowed = self._computed = self._given = 0.0
        options.setdefault("monitor", True)
        super().__init__(init, **options)
        self._output_limit = OUTPUT_LIMIT

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
        self._computed = self._cpu_seconds()
        self._given = 0.0

    def _watch(self) -> float:
        """Seconds by which the present wait becomes longer, or shorter."""
        waited = time.monotonic() - self._begun
        state = state_of(self)
        if state is not None and state.is_dead:
            return -1e6
        computed = self._cpu_seconds() - self._computed
        if computed > self.hung_share * self._allowed:
            return -1e6
        halted = state is not None and state.halted
        if (waited + WATCH_INTERVAL > self._allowed + self._given and not halted
                and self._given < MORE_PATIENCE * self._allowed):
            self._given += self._allowed / 2
            return self._allowed / 2
        return 0.0

    def _cpu_seconds(self) -> float:
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
