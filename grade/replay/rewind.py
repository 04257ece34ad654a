"""Records a run and opens GDB on it: `make rewind PROG=/bin/regs`.

The machine runs once, with its console on this terminal; its end, or Ctrl-A X,
ends the recording. GDB then starts at main(), and can go both ways.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import termios
import tty
from pathlib import Path
from typing import Any, Optional

from machine import deadlines
from machine.qemu import TREE, Machine, MachineError
from machine.recording import COUNTED, Recording, recording
from replay.recorder import TraceError, first_program
from replay.server import Server
from replay.timeline import Timeline

# Where a person may type, time has to pass as it does. Elsewhere instructions are
# counted instead, so that each recording is the same.
AS_TIME_PASSES = "shift=auto"
CTRL_A = b"\x01"


class Terminal:
    """This terminal as the machine's console, while a `with` lasts: each key goes
    there as it is. Ctrl-A X leaves, Ctrl-A twice is one Ctrl-A. Where there is no
    terminal, nothing is typed."""

    def __init__(self) -> None:
        self._typed = sys.stdin.isatty()
        self._before: Optional[list[Any]] = None
        self._shown = 0
        self._after_ctrl_a = False

    def __enter__(self) -> Terminal:
        if self._typed:
            self._before = termios.tcgetattr(0)
            tty.setraw(0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before:
            termios.tcsetattr(0, termios.TCSADRAIN, self._before)

    def __call__(self, machine: Machine) -> bool:
        """Shows what is new and passes on what was typed; True if that is all."""
        self.show(machine.console)
        while self._typed and select.select([0], [], [], 0)[0]:
            key = os.read(0, 1)
            if self._after_ctrl_a and key in b"xX":
                return True
            self._after_ctrl_a = key == CTRL_A and not self._after_ctrl_a
            if not key:
                self._typed = False
            elif not self._after_ctrl_a:
                with contextlib.suppress(OSError):  # it ends at this moment
                    machine.send(key)
        return False

    def show(self, console: str) -> None:
        """Prints what has not been printed yet."""
        text = console[self._shown:]
        self._shown = len(console)
        sys.stdout.write(text.replace("\n", "\r\n") if self._before else text)
        sys.stdout.flush()


def machine_options() -> dict[str, Any]:
    """What was chosen on make's command line, as Machine wants it."""
    chosen = {name: value for name, value in os.environ.items() if value}
    return {"append": chosen.get("APPEND", ""),
            "firmware": chosen.get("FIRMWARE", "qboot"), "cpu": chosen.get("CPU"),
            "memory": int(chosen.get("MEM", 128)),
            "initrd": TREE / chosen.get("INITRD", "build/initrd.cpio"),
            "flags": chosen.get("QEMUFLAGS", "").split(),
            "icount": AS_TIME_PASSES if sys.stdin.isatty() else COUNTED}


def main() -> int:
    program = os.environ.get("PROG") or None
    patience = deadlines.long_run() if sys.stdin.isatty() else deadlines.run()
    options = machine_options()
    try:
        if program:
            first_program(program, options["initrd"])
    except TraceError as error:
        print(f"rewind: {error}", file=sys.stderr)
        return 2
    except ValueError:  # an archive that is none: the kernel says what it makes of it
        pass
    print("rewind: recording; the end of the program ends it, and so does Ctrl-A X.",
          flush=True)
    try:
        with contextlib.ExitStack() as stack:
            with Terminal() as terminal:
                recorded = stack.enter_context(
                    recording(program, patience, terminal, **options))
                terminal.show(recorded.result.console)
            return debug(recorded)
    except MachineError as error:
        print(f"rewind: {error}", file=sys.stderr)
        return 1


def debug(recorded: Recording) -> int:
    """GDB on the recording, until it ends. Ctrl-C is for GDB."""
    if not recorded.result.console:
        print(f"rewind: {recorded.result.report}", file=sys.stderr)
        return 1
    print(f"rewind: {recorded.result.outcome}.", flush=True)
    with tempfile.TemporaryDirectory(prefix="threshold-") as directory, Timeline(
            recorded) as timeline:
        path = Path(directory) / "gdb.sock"
        server = Server(timeline, path)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return subprocess.call(
                ["sh", "kernel/host/debug.sh", "attach"], cwd=TREE,
                env={**os.environ, "GDB_SOCKET": str(path), "REWIND": "1"},
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        finally:
            signal.signal(signal.SIGINT, before)
            server.close()


if __name__ == "__main__":
    sys.exit(main())
