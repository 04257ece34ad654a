"""syscall: calls by their numbers and results, in words."""

from __future__ import annotations

from .headers import numbers

ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")


def call_names() -> dict[int, str]:
    """The calls' names by their numbers."""
    return {nr: name for name, nr in numbers("SYS_").items()}


def call_name(nr: int) -> str:
    """A call's name by its number."""
    return call_names().get(nr, "an unknown call")


def signed(value: int) -> int:
    """A register as a long."""
    return value - (1 << 64) if value >> 63 else value


def result_text(result: int) -> str:
    """A call's result: the number, or the error's name."""
    for name, error in numbers("E", "errno.h").items():
        if error == -signed(result):
            return f"-E{name}"
    return str(signed(result))
