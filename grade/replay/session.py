"""Sessions of the real GDB with .gdbinit and the kernel's own commands.

    session = debug("/bin/hello", ["next-syscall", "sysframe"])
    assert "getpid" in session[0]

The machine waits at its first instruction; .gdbinit connects to a socket of
the session's own and goes on to main. After the last command GDB lets the
machine go on and leaves.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Optional, Sequence

from machine import deadlines
from machine.qemu import TREE, Machine, Result
from machine.recording import recording
from .server import Server
from .timeline import Timeline

MARK = "@@@ next command"


@dataclasses.dataclass(frozen=True)
class Session:
    """What GDB printed, and how the machine ended.

    start    up to the first command.
    answers  to each command.
    result   of the machine, where the session waited for it.
    """

    start: str
    answers: list[str]
    result: Optional[Result]

    def __getitem__(self, index: int) -> str:
        return self.answers[index]

    def __str__(self) -> str:
        return "\n".join(["---- gdb ----", self.start, *self.answers])


def gdb(commands: Sequence[str], *, socket: Optional[Path], tree: Path = TREE,
        early: Sequence[str] = (), connects: bool = True,
        recorded: bool = False) -> Session:
    """Runs GDB in a tree; `early` commands come before .gdbinit, which does
    not connect if it is told not to. `recorded` as in `make rewind`."""
    # GDB by itself waits two seconds for an answer; a busy host may need more.
    line = ["gdb", "-q", "-nx", "-batch", "-iex", "set width 0",
            "-iex", "set history save off",
            "-iex", f"set remotetimeout {int(deadlines.answer())}"]
    for command in early if connects else ["set $ide = 1", *early]:
        line += ["-iex", command]
    line += ["-x", ".gdbinit"]
    for command in [*commands, "# the end"]:
        line += ["-ex", f"echo {MARK}\\n", "-ex", command]
    process = subprocess.Popen(
        line, cwd=tree, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace",
        env={**os.environ, "GDB_SOCKET": str(socket or "/nonexistent"),
             "LC_ALL": "C", **({"REWIND": "1"} if recorded else {})},
        start_new_session=True)
    try:
        output, _ = process.communicate(timeout=deadlines.run())
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise AssertionError(f"GDB did not come to an end:\n{output}") from None
    start, *answers, _ = output.split(MARK + "\n")
    return Session(start, answers, None)


def debug(init: Optional[str], commands: Sequence[str], *, tree: Path = TREE,
          to_end: bool = False, connects: bool = True,
          **options: object) -> Session:
    """Boots a kernel and runs GDB on it; with `to_end`, the machine then goes
    on and its result is given. Other options are Machine's."""
    kernel = tree / "build/kernel.elf"
    with Machine(init, kernel=kernel, stopped=True, **options) as machine:  # type: ignore[arg-type]
        session = gdb(commands, socket=machine.gdb_socket, tree=tree,
                      connects=connects)
        if to_end:
            session = dataclasses.replace(session, result=machine.wait())
    return session


# What make has made, and what the grader builds submissions on: other things in
# build/ come and go while a tree is copied, as build/root does, in which each
# make run ADD=file packs its archive.
MADE = ("kernel", "user", "*.elf", "*.cpio", "ksyms*", "tools-*",
        "made-by-*", "compile_commands.json", "probes", "grade", "base-[0-9a-f]*")


def rewind(init: Optional[str], commands: Sequence[str], *, tree: Path = TREE,
           **options: object) -> Session:
    """Records a run and then runs GDB on it, as `make rewind` does; the result
    is that of the run. Other options are Machine's."""
    options = {"kernel": tree / "build/kernel.elf", **options}
    with recording(init, **options) as recorded, tempfile.TemporaryDirectory(
            prefix="threshold-") as directory, Timeline(recorded) as timeline:
        socket = Path(directory) / "gdb"
        server = Server(timeline, socket)
        try:
            session = gdb(commands, socket=socket, tree=tree, recorded=True)
        finally:
            server.close()
        return dataclasses.replace(session, result=recorded.result)


def copy_tree(place: Path, tree: Path = TREE) -> Path:
    """A copy of a tree with its products, to build in and to use build/gdb.sock
    without disturbing others."""
    def left_out(directory: str, names: list[str]) -> set[str]:
        if Path(directory) in (tree / "build", tree / "build/grade"):
            return {name for name in names
                    if not any(fnmatch.fnmatch(name, made) for made in MADE)}
        return {name for name in names if name in (".git", "__pycache__")}

    shutil.copytree(tree, place, symlinks=True, ignore=left_out)
    return place
