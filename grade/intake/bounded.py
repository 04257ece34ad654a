"""A program that is run for a submission: it ends in time, and neither says nor
uses more than it may."""

from __future__ import annotations

import dataclasses
import os
import selectors
import signal
import subprocess
import time
from pathlib import Path
from typing import Mapping, Optional, Sequence

from .error import GraderError


@dataclasses.dataclass(frozen=True)
class Limits:
    """What each process may use: seconds of CPU, bytes of memory and of one file,
    and how many processes there may be."""

    cpu: int
    memory: int
    file: int
    processes: int = 4096

    def command(self) -> list[str]:
        """Words before a command that sets these."""
        # At the soft limit of CPU time a signal tells which limit it was.
        return ["prlimit", f"--cpu={self.cpu}:{self.cpu + 2}", f"--as={self.memory}",
                f"--fsize={self.file}", f"--nproc={self.processes}", "--core=0", "--"]


@dataclasses.dataclass(frozen=True)
class Done:
    """How a program ended. `late` and `flooded`: it was ended for its time, or for
    having said too much."""

    status: int
    output: bytes
    errors: str
    late: bool = False
    flooded: bool = False


def run(command: Sequence[str], directory: Path, environment: Mapping[str, str],
        seconds: float, output_limit: int = 8 << 20, error_limit: int = 100_000
        ) -> Done:
    """Runs a program in a session of its own, which is killed whole."""
    try:
        process = subprocess.Popen(
            command, cwd=directory, env=dict(environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    except OSError as error:
        raise GraderError(f"{command[0]} cannot be started: {error.strerror}.") from None
    until = time.monotonic() + seconds
    try:
        texts, why = _collect(process, until, (output_limit, error_limit))
        if why is None:
            why = _ended(process, until)
    finally:
        _kill(process)
    return Done(process.returncode, texts[0], texts[1].decode(errors="replace"),
                why == "late", why == "flooded")


def _ended(process: subprocess.Popen[bytes], until: float) -> Optional[str]:
    """Waits for the end of a program that has closed its channels."""
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "late"
    return None


def _collect(process: subprocess.Popen[bytes], until: float, limits: Sequence[int]
             ) -> tuple[list[bytes], Optional[str]]:
    """What a program says on both its channels, until it closes them."""
    texts = [bytearray(), bytearray()]
    with selectors.DefaultSelector() as selector:
        for number, stream in enumerate((process.stdout, process.stderr)):
            assert stream
            selector.register(stream, selectors.EVENT_READ, number)
        why = None
        while selector.get_map() and why is None:
            remaining = until - time.monotonic()
            if remaining <= 0:
                why = "late"
            for key, _ in selector.select(max(0.0, min(remaining, 1.0))):
                data = os.read(key.fd, 65536)
                texts[key.data] += data
                if not data:
                    selector.unregister(key.fileobj)
                elif len(texts[key.data]) > limits[key.data]:
                    why = "flooded"
    return [bytes(text[:limit]) for text, limit in zip(texts, limits)], why


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
