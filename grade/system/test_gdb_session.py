"""Sessions of GDB hold on a busy host."""

from __future__ import annotations

import os
import signal
import threading
import time

from machine.qemu import Machine
from replay.session import gdb


def test_gdb_waits_for_a_qemu_that_is_slow_to_answer() -> None:
    """As on a host that is busy with others: QEMU takes the connection, and gives
    its first answer after longer than the two seconds that GDB waits by itself."""
    with Machine("/bin/hello", stopped=True) as machine:
        while not machine.gdb_socket.exists():
            assert machine.is_running
            time.sleep(0.01)
        os.kill(machine.pid, signal.SIGSTOP)
        later = threading.Timer(4, os.kill, (machine.pid, signal.SIGCONT))
        later.start()
        try:
            session = gdb(["info registers rip"], socket=machine.gdb_socket)
        finally:
            later.join()
    assert "<main" in session[0], session
