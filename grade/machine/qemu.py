"""Starts QEMU, talks with its console, and says how it ended.

    with Machine("/bin/regs 7") as machine:
        result = machine.wait()
    assert result.status == 0, result.report

QEMU is started by kernel/host/qemu.sh, which describes the machine for everyone. It
runs in a session of its own that is killed whole when the `with` ends, however
it ends; a test runner that is killed takes its QEMU along. Any number may run
side by side: sockets lie in a directory of their own, and no port is used.
"""

from __future__ import annotations

import codecs
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Optional, Sequence, Union

from . import deadlines
from .gdb_remote import Gdb
from .monitor import Monitor
from .result import (  # noqa: F401: who starts a machine asks for its result
    STATUS_ABOVE_124, STATUS_FAULT, STATUS_PANIC, MachineError, Result, Why, tail)

TREE = Path(__file__).resolve().parents[2]
KERNEL = TREE / "build/kernel.elf"
INITRD = TREE / "build/initrd.cpio"

# What a console may print before the machine is stopped, in bytes.
OUTPUT_LIMIT = 16 << 20
class Machine:
    """One QEMU, from start to end; use it in a `with`.

    init      first program and its arguments; None boots to the shell.
    append    kernel options that stand before it, as "hz=1000".
    firmware  "qboot" or "seabios".
    cpu       a model other than the pinned one.
    memory    in MB.
    icount    as "shift=0,sleep=off".
    gdb       offer the debugger's socket: connect with `machine.gdb()`.
    stopped   wait before the first instruction for a debugger to continue.
    monitor   offer QEMU's monitor: ask with `machine.monitor("info registers")`.
    one_by_one  let interrupts come between any two instructions, not only where a
              translation block ends.
    flags     more arguments for QEMU.
    deadline  seconds after which the whole run is killed.
    """

    def __init__(
        self,
        init: Optional[str] = None,
        *,
        append: str = "",
        firmware: str = "qboot",
        cpu: Optional[str] = None,
        memory: int = 128,
        icount: Optional[str] = None,
        kernel: Path = KERNEL,
        initrd: Path = INITRD,
        gdb: bool = False,
        stopped: bool = False,
        monitor: bool = False,
        one_by_one: bool = False,
        flags: Sequence[str] = (),
        deadline: Optional[float] = None,
    ) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="threshold-"))
        self._output = bytearray()
        self._output_limit = OUTPUT_LIMIT
        self._changed = threading.Condition()
        self._finished = False
        self._why: Optional[Why] = None
        self._seen = 0
        self._gdb: Optional[Gdb] = None
        self._monitor: Optional[Monitor] = None

        arguments = ["-chardev", "stdio,id=console,signal=off",
                     "-serial", "chardev:console"]
        if gdb or stopped:
            arguments += ["-gdb", f"unix:{self._directory}/gdb,server=on,wait=off"]
        if stopped:
            arguments += ["-S"]
        if monitor:
            arguments += ["-qmp", f"unix:{self._directory}/qmp,server=on,wait=off"]
        self._process = subprocess.Popen(
            [*_die_with_parent(), "sh", str(TREE / "kernel/host/qemu.sh"),
             *arguments, *flags],
            env={
                **os.environ,
                "GDB": "",
                "QEMUFLAGS": "",
                "PROG": init or "",
                "APPEND": append,
                "FIRMWARE": firmware,
                "CPU": cpu or "",
                "MEM": str(memory),
                "ICOUNT": icount or "",
                "ONE_BY_ONE": "1" if one_by_one else "",
                "KERNEL": str(kernel),
                "INITRD": str(initrd),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self._directory / "stderr").open("wb"),
            start_new_session=True,
        )
        self._deadline = time.monotonic() + (deadline or deadlines.run())
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Is QEMU still there?"""
        return self._process.poll() is None

    @property
    def gdb_socket(self) -> Path:
        """Where QEMU serves a debugger, with gdb or stopped."""
        return self._directory / "gdb"

    @property
    def console(self) -> str:
        """All that the machine has printed so far."""
        with self._changed:
            return _text(bytes(self._output))

    def send(self, text: Union[str, bytes]) -> None:
        """Types into the console."""
        data = text.encode() if isinstance(text, str) else text
        assert self._process.stdin
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def expect(self, pattern: str) -> re.Match[str]:
        """Waits until the console shows the regular expression after what was
        expected before, and gives the match.

        Raises MachineError if the machine ends or the deadline passes first.
        """
        expression = re.compile(pattern, re.MULTILINE)
        with self._changed:
            while True:
                text = _text(bytes(self._output))
                match = expression.search(text, self._seen)
                if match:
                    self._seen = match.end()
                    return match
                remaining = self._deadline - time.monotonic()
                if self._finished or remaining <= 0:
                    break
                self._changed.wait(remaining)
        why = "the machine ended" if self._finished else "the deadline passed"
        raise MachineError(f"{why} before {pattern!r} was seen\n{tail(text)}")

    def command(self, line: str, prompt: str = r"^\S*\$ ") -> str:
        """Types a line at the shell's prompt and gives what stood between its
        echo and the next prompt."""
        start = self._seen
        self.send(line + "\n")
        match = self.expect(prompt)
        answer = match.string[start:match.start()]
        return answer.partition("\n")[2]

    def wait(self) -> Result:
        """Waits until QEMU ends by itself and gives the result; kills it when
        the deadline passes, which the result then says."""
        try:
            self._process.wait(max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._stop(Why.DEADLINE)
        self._reader.join(deadlines.answer())
        stderr = (self._directory / "stderr").read_text(errors="replace")
        return Result(self._process.wait(), self.console, stderr, self._why,
                      self._sentence())

    def end(self) -> Result:
        """Ends the machine now, if it still runs, and gives the result."""
        if self._process.poll() is None:
            self._stop(Why.LEFT)
        return self.wait()

    def gdb(self) -> Gdb:
        """The debugger's connection, made at the first call; it stops the
        machine."""
        if self._gdb is None:
            self._gdb = Gdb(self._connect("gdb"))
        return self._gdb

    def monitor(self, line: str) -> str:
        """QEMU's answer to a line typed at its monitor."""
        if self._monitor is None:
            self._monitor = Monitor(self._connect("qmp"))
        return self._monitor.ask(line)

    def close(self) -> None:
        """Kills QEMU if it still runs and removes its directory."""
        if self._process.poll() is None:
            self._why = self._why or Why.LEFT
            self._kill()
        self._process.wait()
        self._reader.join(deadlines.answer())
        for connection in (self._gdb, self._monitor):
            if connection is not None:
                connection.close()
        for stream in (self._process.stdin, self._process.stdout):
            try:
                if stream is not None:
                    stream.close()
            except BrokenPipeError:
                pass
        shutil.rmtree(self._directory, ignore_errors=True)

    def _connect(self, name: str) -> socket.socket:
        """Connects to a socket that QEMU is about to make."""
        until = min(self._deadline, time.monotonic() + deadlines.answer())
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self._directory / name))
                return connection
            except OSError:
                connection.close()
                if self._process.poll() is not None:
                    raise MachineError(self.wait().report) from None
                if time.monotonic() > until:
                    raise MachineError(f"QEMU offers no {name} socket") from None
            time.sleep(0.002)

    def _stop(self, why: Why) -> None:
        self._why = self._why or why
        self._kill()

    def _sentence(self) -> str:
        if self._why is Why.FLOOD:
            return f"printed more than {self._output_limit >> 10} KB and was stopped"
        return self._why.value if self._why else ""

    def _kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def _read(self) -> None:
        """Collects the console, in a thread of its own."""
        assert self._process.stdout
        while True:
            data = os.read(self._process.stdout.fileno(), 65536)
            with self._changed:
                self._output += data
                self._finished = not data
                self._changed.notify_all()
            if not data:
                return
            if len(self._output) > self._output_limit:
                self._stop(Why.FLOOD)
                return


def run(init: Optional[str] = None, **options: object) -> Result:
    """Boots, waits for the end, and gives the result; options as for Machine."""
    with Machine(init, **options) as machine:  # type: ignore[arg-type]
        return machine.wait()


def _text(output: bytes) -> str:
    """A console as text, which only grows: half a character, and a carriage return
    whose line feed may still come, are not told yet."""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(output)
    return text.replace("\r\n", "\n").removesuffix("\r")


def _die_with_parent() -> list[str]:
    """Words before a command that make Linux kill it when this process dies."""
    if shutil.which("setpriv"):
        return ["setpriv", "--pdeathsig", "KILL", "--"]
    return []
