"""QEMU's monitor, through its JSON protocol (QMP)."""

from __future__ import annotations

import json
import socket

from . import deadlines
from .result import MachineError


class Monitor:
    """One connection to the monitor."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(deadlines.answer())
        self._connection = connection
        self._lines = connection.makefile("r", encoding="utf-8")
        self._lines.readline()
        self._execute("qmp_capabilities")

    def ask(self, line: str) -> str:
        """The answer to a line, as a person would type it; MachineError."""
        return self._execute("human-monitor-command", **{"command-line": line})

    def close(self) -> None:
        """Ends the connection."""
        self._lines.close()
        self._connection.close()

    def _execute(self, name: str, **arguments: str) -> str:
        request = {"execute": name, "arguments": arguments}
        self._connection.sendall(json.dumps(request).encode())
        while True:
            answer = self._lines.readline()
            if not answer:
                raise MachineError(f"QEMU ended while its monitor did {name}")
            reply = json.loads(answer)
            if "return" in reply:
                return str(reply["return"])
            if "error" in reply:
                raise MachineError(f"monitor: {reply['error']['desc']}")
