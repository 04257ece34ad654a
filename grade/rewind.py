"""Records a run and opens GDB on it: `make rewind PROG=/bin/regs`.

The machine runs once, with its console on this terminal; its end, or Ctrl-A X,
ends the recording. GDB then starts at main(), and can go both ways. What GDB is
given to type comes from the terminal, or from standard input where there is none.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.qemu import TREE, MachineError, Result
from harness.timeline import (
    COUNTED, SAME_EACH_TIME, Recording, Server, Timeline, replay_options)

# Where a person types into the shell, time has to pass as it does.
AS_TIME_PASSES = "shift=auto"


def first_program() -> str:
    """PROG, as Machine wants it: empty for the shell."""
    return os.environ.get("PROG", "")


def record(icount: str, log: Path) -> bool:
    """Runs the machine once; False where there is nothing to look at."""
    terminal = sys.stdin.isatty()
    flags = " ".join([os.environ.get("QEMUFLAGS", ""), *SAME_EACH_TIME])
    status = subprocess.call(
        ["sh", "grade/run.sh", "terminal" if terminal else "batch"], cwd=TREE,
        env={**os.environ, "ICOUNT": f"{icount},rr=record,rrfile={log}",
             "QEMUFLAGS": flags, "GDB": ""})
    return log.is_file() and log.stat().st_size > 0 and status != 125


def main() -> int:
    icount = COUNTED if first_program() else AS_TIME_PASSES
    print("rewind: recording; the end of the program or Ctrl-A X ends it.")
    with tempfile.TemporaryDirectory(prefix="threshold-") as name:
        directory = Path(name)
        log = directory / "replay.bin"
        if not record(icount, log):
            print("rewind: nothing was recorded.", file=sys.stderr)
            return 1
        options = {
            "append": os.environ.get("APPEND", ""),
            "firmware": os.environ.get("FIRMWARE") or "qboot",
            "cpu": os.environ.get("CPU") or None,
            "memory": int(os.environ.get("MEM") or 128),
            "initrd": TREE / (os.environ.get("INITRD") or "build/initrd.cpio"),
            "flags": os.environ.get("QEMUFLAGS", "").split()}
        recorded = Recording(first_program(), replay_options(log, icount, **options),
                             Result(0, "", ""))
        try:
            with Timeline(recorded) as timeline:
                return debug(timeline, directory / "gdb.sock")
        except MachineError as error:
            print(f"rewind: {error}", file=sys.stderr)
            return 1


def debug(timeline: Timeline, path: Path) -> int:
    """GDB on the recording, until it ends. Ctrl-C is for GDB."""
    server = Server(timeline, path)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.call(
            ["sh", "kernel/debug.sh", "attach"], cwd=TREE,
            env={**os.environ, "GDB_SOCKET": str(path), "REWIND": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    finally:
        signal.signal(signal.SIGINT, before)
        server.close()


if __name__ == "__main__":
    sys.exit(main())
