"""programs: the symbols of the program that runs, and breakpoints in programs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Iterator, Optional

import gdb

from .command import command, say
from .headers import TREE, number
from .machine import cpl, read, register
from .proc import Process
from .symbols import code_text


class Symbols:
    """The symbols of one program, build/user/NAME: the one that runs."""

    loaded: Optional[Path] = None

    @classmethod
    def follow(cls) -> None:
        try:
            process = Process.current()
        except (gdb.error, gdb.GdbError):
            return
        path = program_file(process.name)
        if process.pid and path != cls.loaded and path.is_file():
            cls.load(path)
            if cpl() == 3:
                say(f"This is {process}: {code_text(register('rip'))}")

    @classmethod
    def load(cls, path: Optional[Path]) -> None:
        """In place of those that are loaded."""
        if cls.loaded:
            gdb.execute(f"remove-symbol-file {cls.loaded}", to_string=True)
        if path:
            gdb.execute(f"add-symbol-file {path}", to_string=True)
        cls.loaded = path

    @classmethod
    @contextlib.contextmanager
    def of(cls, process: Process) -> Iterator[None]:
        """For a while, those of another process's program."""
        before, path = cls.loaded, program_file(process.name)
        if path == before or not path.is_file():
            yield
            return
        cls.load(path)
        try:
            yield
        finally:
            cls.load(before)


def program_file(name: str) -> Path:
    """Where the symbols of a program are."""
    return TREE / "build/user" / name


gdb.events.stop.connect(lambda event: Symbols.follow())


def name_size() -> int:
    """How many bytes struct proc has for a name."""
    return gdb.lookup_type("struct proc")["name"].type.sizeof


class InProgram(gdb.Breakpoint):
    """A breakpoint at an address of one program."""

    def __init__(self, address: int, program: str) -> None:
        super().__init__(f"*{address:#x}")
        self._address = address
        self._name = program[:name_size() - 1]

    def stop(self) -> bool:
        try:
            read(self._address, 1)
        except gdb.MemoryError:
            return False  # stopped before the page fault that brings the code
        return Process.current().name == self._name


@command("break-kernel", choices=lambda: [])
def break_kernel(argument: str) -> None:
    """Set a breakpoint in the kernel only.

    usage: break-kernel LOCATION
    LOCATION is as for break: a function, or FILE:LINE. Programs may have the
    same name, as fork and main."""
    if not argument:
        raise gdb.GdbError("break-kernel: where? As in: break-kernel fork")
    places = gdb.decode_line(argument)[1] or ()
    kernel = [place.pc for place in places if place.pc >= number("USER_END")]
    if not kernel:
        raise gdb.GdbError(f"break-kernel: the kernel has no {argument}.")
    for pc in kernel:
        gdb.Breakpoint(f"*{pc:#x}")


@command("break-user", choices=lambda: [p.stem for p in (TREE / "user").glob("*.c")])
def break_user(argument: str) -> None:
    """Set a breakpoint in a program, whether or not it runs yet.

    usage: break-user PROGRAM [LOCATION]
    LOCATION is as for break: a function, or FILE:LINE; main if there is none.
    Other programs have other code at that address; there it does not stop."""
    program, _, location = argument.partition(" ")
    path = program_file(program)
    if not program or not path.is_file():
        raise gdb.GdbError("break-user: which program? As in: break-user hello")
    Symbols.load(path)
    places = gdb.decode_line(location.strip() or "main")[1] or ()
    user = [place.pc for place in places if place.pc < number("USER_END")]
    if not user:
        raise gdb.GdbError(f"break-user: {program} has no {location}.")
    InProgram(user[0], program)
