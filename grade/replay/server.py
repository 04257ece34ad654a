"""What GDB talks to when it looks at a recording: its packets, answered by the
replay of the moment, and the questions that only somebody with the whole recording
can answer."""

from __future__ import annotations

import re
import select
import socket
import threading
from pathlib import Path
from typing import Optional

from machine import deadlines
from machine.gdb_remote import GdbError, GdbTimeout, MachineGone
from machine.qemu import MachineError
from .last_write import last_change, last_write
from .moment import STOPPED
from .timeline import Timeline

FIXED = "E.This is a recording: what has happened cannot be changed"

# Questions of kernel/gdb/rewind.py to the server, after this word.
OURS = "qThreshold."


class Server:
    """Serves one GDB on a socket, until it leaves."""

    def __init__(self, timeline: Timeline, path: Path) -> None:
        self.timeline = timeline
        self._listener = socket.socket(socket.AF_UNIX)
        path.unlink(missing_ok=True)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._buffer = b""
        self._armed: Optional[tuple[int, int]] = None
        self._connection: Optional[socket.socket] = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the conversation."""
        for end in (self._listener, self._connection):
            if end is not None:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()
        self._thread.join(deadlines.answer())

    def _serve(self) -> None:
        try:
            self._connection, _ = self._listener.accept()
            while True:
                request = self._next()
                if request is None or request[:1] in ("k", "D") or (
                        request.startswith("vKill")):
                    if request:
                        self._answer("OK")
                    return
                self._answer(self._handle(request))
        except OSError:
            pass  # GDB has gone, or close() was called

    def _handle(self, request: str) -> str:
        try:
            return self._do(request)
        except GdbTimeout:
            return "E.The replay does not answer"
        except MachineGone:
            return "E.The recording ends here"
        except (GdbError, MachineError) as error:
            return f"E.{error}"

    def _do(self, request: str) -> str:
        line, kind = self.timeline, request[:1]
        if request in ("vCont?", "QStartNoAckMode"):
            return ""  # c and s are enough, and every packet is acknowledged
        if request.startswith(OURS):
            return self._ours(*request[len(OURS):].split(":"))
        if kind in ("s", "S"):
            return line.step()
        if kind in ("c", "C"):
            return line.cont(self._interrupted)
        if request == "bs":
            if self._armed is not None:
                target, self._armed = self._armed, None
                line.goto(*target)
                return STOPPED
            return line.step_back()
        if request == "bc":
            return line.back_to_breakpoint()
        if kind in ("P", "G", "M", "X"):
            return FIXED
        if request.startswith("qRcmd,"):
            text = line.gdb.monitor(bytes.fromhex(request[6:]).decode())
            if text:
                self._answer("O" + text.encode().hex())
            return "OK"
        if kind in ("Z", "z"):
            return (line.insert if kind == "Z" else line.remove)(request[1:])
        return line.gdb.ask(request)

    def _ours(self, question: str, *words: str) -> str:
        """What kernel/gdb/rewind.py asks. The moment that `arm` names is where the
        next step back leads: GDB then sees that the machine has moved."""
        line = self.timeline
        if question == "count":
            return f"{line.count():x}"
        if question == "arm":
            self._armed = int(words[0], 16), int(words[1], 16)
            return "OK"
        if question == "register":
            found = last_change(line, words[0], int(words[1], 16))
            return "none" if found is None else f"{found.moment:x}:{found.steps:x}"
        if question == "memory":
            write = last_write(line, int(words[0], 16), int(words[1], 16))
            return "none" if write is None else ":".join(
                f"{number or 0:x}" for number in write)
        if question == "console":
            return line.now.machine.console.encode().hex() or "none"
        if question == "msrs":
            return ",".join(f"{name}={value:x}" for name, value in line.msrs(
                int(words[0], 16)).items())
        return ""

    # ---- packets ----

    def _interrupted(self) -> bool:
        """Has GDB sent its Ctrl-C, or has it gone?"""
        assert self._connection
        if not select.select([self._connection], [], [], 0)[0]:
            return False
        data = self._connection.recv(65536)
        self._buffer += data.replace(b"\x03", b"")
        return b"\x03" in data or not data

    def _next(self) -> Optional[str]:
        assert self._connection
        while True:
            found = re.search(rb"\$([^#]*)#..", self._buffer, re.DOTALL)
            if found:
                self._buffer = self._buffer[found.end():]
                self._connection.sendall(b"+")
                return found[1].decode("latin-1")
            data = self._connection.recv(65536)
            if not data:
                return None
            self._buffer += data

    def _answer(self, text: str) -> None:
        assert self._connection
        data = re.sub(rb"[#$}*]", lambda m: b"}" + bytes([m[0][0] ^ 0x20]),
                      text.encode("latin-1", errors="replace"))
        self._connection.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))
