"""Types at a program what it asks for, on the host's terminal and on this kernel's.

The program (programs/terminal.c) prints "type: " and the keys in hexadecimal.
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from pathlib import Path

from machine import deadlines
from machine.qemu import Machine

END = "all parts done"
ASKED = re.compile(r"type: ([0-9a-f]*)\r?\n")


def _be_a_shell(program: Path) -> None:
    """In the child: leads the terminal's session, as a shell would, and has the
    program in the foreground. Each signal is as a login finds it: who started the
    tests, nohup or a shell in its background, may have had some ignored."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.execv(program, [str(program)])
    for key in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(key, signal.SIG_IGN)
    os.waitpid(child, 0)
    os._exit(0)


def _read(terminal: int, until: float) -> str:
    """What the terminal shows next; nothing after the time or at the end."""
    if not select.select([terminal], [], [], max(0.0, until - time.monotonic()))[0]:
        return ""
    try:
        return os.read(terminal, 1 << 16).decode(errors="replace")
    except OSError:  # Linux's way to say that nobody is left on the other side
        return ""


def _type(terminal: int, keys: bytes) -> None:
    while keys:
        keys = keys[os.write(terminal, keys[:256]):]


def on_the_host(program: Path, end: str = END) -> list[str]:
    """The lines that the host's terminal shows, to the one that has the end."""
    leader, terminal = pty.fork()
    if leader == 0:
        _be_a_shell(program)
    shown, seen = "", 0
    until = time.monotonic() + deadlines.host()
    try:
        while end not in shown and (more := _read(terminal, until)):
            shown += more
            while asked := ASKED.search(shown, seen):
                seen = asked.end()
                _type(terminal, bytes.fromhex(asked[1]))
    finally:
        os.close(terminal)  # which ends the session, if it has not ended
        os.waitpid(leader, 0)
    return shown.replace("\r\n", "\n").splitlines()


def here(name: str, initrd: Path) -> list[str]:
    """The lines that this kernel's terminal shows, from the shell's command on."""
    with Machine(initrd=initrd) as machine:
        machine.expect(r"^\$ ")
        machine.send(f"{name}\n")
        start = machine.expect(rf"{name}\n").end()
        while (asked := machine.expect(ASKED.pattern + f"|{END}"))[1] is not None:
            machine.send(bytes.fromhex(asked[1]))
        return machine.console[start:].partition("$ ")[0].splitlines()
