"""connect: to a machine that waits."""

from __future__ import annotations

import os
import time
from pathlib import Path

import gdb

from .command import command, say
from .machine import register
from .running import Here, resume
from .symbols import address_of
from .versions import at_exit

# Where QEMU is to end with GDB, it ends first: let go, it would run on. The file
# says whose will that was.
if "GDB_ENDS_QEMU" in os.environ:
    at_exit(lambda: end_machine())

SOCKET = os.environ.get("GDB_SOCKET", "build/gdb.sock")


@command("connect")
def connect(argument: str) -> None:
    """Attach to QEMU, and run to main if it has not started yet.

    usage: connect [SOCKET]
    SOCKET is the one that `make qemu GDB=1` serves, build/gdb.sock. Waits a
    few seconds for it to appear."""
    path = Path(argument or SOCKET)
    until = time.monotonic() + 10
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    try:
        gdb.execute(f"target remote {path}", to_string=True)
    except gdb.error:
        raise gdb.GdbError(f"Nobody answers on {path}. Start QEMU by `make qemu "
                           "GDB=1` in another terminal, then type `connect`."
                           ) from None
    if register("rip") == 0xFFF0:
        say("That is the CPU's first instruction after a reset. On to main():")
        with Here(address_of("main"), lambda: True):
            resume()
    gdb.execute("frame")
    say("`help threshold` lists the commands that know this kernel.")


def end_machine() -> None:
    """Ends QEMU, if there is one."""
    Path(os.environ["GDB_ENDS_QEMU"]).touch()
    try:
        gdb.execute("kill", to_string=True)
    except gdb.error:
        pass
