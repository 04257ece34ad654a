"""The environment of a command that a test runs."""

from __future__ import annotations

import os

# What the make that runs the tests has exported to them.
EXPORTED = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PROG", "APPEND",
            "FIRMWARE", "CPU", "MEM", "ICOUNT", "ONE_BY_ONE", "GDB", "TIMEOUT",
            "QEMUFLAGS", "INITRD", "KERNEL", "WERROR", "SUBMISSION", "IN", "OUT"}


def without_make() -> dict[str, str]:
    """This process's environment, as if no make had started it."""
    return {name: value for name, value in os.environ.items()
            if name not in EXPORTED}
