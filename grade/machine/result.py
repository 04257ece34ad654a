"""How a run of the machine ended."""

from __future__ import annotations

import dataclasses
import enum
from typing import Optional

# How much of the console a failure shows, in lines.
TAIL_LINES = 30

# The values that the kernel ends QEMU with, besides a program's status.
STATUS_ABOVE_124 = 125
STATUS_FAULT = 126
STATUS_PANIC = 127


class MachineError(Exception):
    """The machine did not do what was waited for; the text has the console."""


class Why(enum.Enum):
    """Why the harness ended a run that did not end by itself."""

    DEADLINE = "no end before the deadline; QEMU was killed"
    FLOOD = "it printed more than a console may, and was stopped"
    LEFT = "it was still running"
    PATIENCE = "it was stopped: it waits for input, runs for long, or hangs"


@dataclasses.dataclass(frozen=True)
class Result:
    """How a run ended.

    code     QEMU's exit status, negative if a signal ended it.
    console  all that the machine printed.
    stderr   what QEMU itself had to say.
    why      why the harness ended the run, or None if it ended by itself.
    stopped  the same as a sentence, with its numbers; for people.
    """

    code: int
    console: str
    stderr: str
    why: Optional[Why] = None
    stopped: str = ""

    @property
    def status(self) -> Optional[int]:
        """The value the kernel ended QEMU with, or None where it did not.

        QEMU's own errors end it with 1, which looks like the value 0; a machine
        that ran has printed something, so an empty console means it did not.
        """
        if self.why or self.code < 0 or self.code % 2 == 0 or not self.console:
            return None
        return self.code >> 1

    @property
    def outcome(self) -> str:
        """The end in one sentence."""
        if self.why:
            return self.stopped or self.why.value
        if self.status is None:
            if self.code == 0:
                return ("the machine reset itself, as after a triple fault: "
                        "make grade says where")
            if not self.console:
                return f"QEMU did not start the kernel (exit status {self.code})"
            return f"the machine was left (QEMU exit status {self.code})"
        return {
            STATUS_PANIC: "the kernel panicked",
            STATUS_FAULT: "a fault killed the first program",
            STATUS_ABOVE_124: "the first program's status was above 124",
        }.get(self.status, f"the first program ended with status {self.status}")

    @property
    def report(self) -> str:
        """The end and the console's last lines, for a test that fails."""
        text = f"{self.outcome}\n{tail(self.console)}"
        return text + (f"\nQEMU said: {self.stderr.strip()}" if self.stderr else "")


def tail(console: str) -> str:
    """The last lines of a console, as a failure shows them."""
    lines = console.splitlines()
    omitted = len(lines) - TAIL_LINES
    head = [f"… {omitted} lines before …"] if omitted > 0 else []
    return "\n".join(["---- console ----", *head, *lines[-TAIL_LINES:], "----"])
