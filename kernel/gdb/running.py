"""running: the machine goes on to a place, and stops there on a condition."""

from __future__ import annotations

from typing import Callable

import gdb

from .machine import register


class Here(gdb.Breakpoint):
    """An unseen breakpoint at an address, while a `with` lasts, that stops
    where a condition holds."""

    def __init__(self, address: int, holds: Callable[[], bool]) -> None:
        super().__init__(f"*{address:#x}", internal=True)
        self.silent = True
        self._holds = holds

    def stop(self) -> bool:
        return self._holds()

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_valid():
            self.delete()


def resume() -> int:
    """Continues to the next stop and gives its RIP."""
    try:
        gdb.execute("continue")
    except gdb.error:  # the connection is gone with QEMU, or something is wrong
        if gdb.selected_thread():
            raise
    if not gdb.selected_thread():  # QEMU 11 says that it ends, which is no error
        raise gdb.GdbError("The machine has ended: see its console.")
    return register("rip")
