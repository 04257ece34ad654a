"""calls: to the next call, with its arguments."""

from __future__ import annotations

import functools
import re

import gdb

from .command import command, say
from .headers import TREE, number
from .machine import need_kernel, read, register
from .proc import Process
from .running import Here, resume
from .symbols import address_of, code_text, source_at
from .syscall import ARGUMENTS, call_name, call_names, signed


@functools.lru_cache(maxsize=None)
def functions() -> dict[str, str]:
    """The kernel's function for each call, by the dispatcher's cases."""
    return dict(re.findall(r"case SYS_(\w+):\s+return (\w+)\(",
                           (TREE / "kernel/syscall.c").read_text()))


def call_text() -> str:
    """The call that is about to be made, at the stub's first instruction. Its
    parameters' names are those of the kernel's function for it."""
    nr = register("rax")
    names = [f"a{i}" for i in range(1, 7)]
    if nr in call_names():
        function = functions().get(call_name(nr))
        block = gdb.block_for_pc(address_of(function)) if function else None
        names = [s.name for s in block or () if s.is_argument]
    texts, page = [], number("PAGE_SIZE")
    for name, value in zip(names, map(register, ARGUMENTS)):
        text = hex(value) if page < value < number("USER_END") else str(signed(value))
        try:
            if "path" in name:
                size = min(64, page - value % page)  # its page may be the last
                string = read(value, size).partition(b"\0")[0]
                text += f' "{string.decode(errors="replace")}"'
        except gdb.MemoryError:
            pass
        texts.append(f"{name.replace('user_', '')}={text}")
    return (f"{Process.current()} calls {call_name(nr)} ({signed(nr)})"
            f"{': ' if texts else ''}{', '.join(texts)}\n"
            f"  from {register('rcx'):#x} {code_text(register('rcx'))}")


@command("next-syscall", repeat=True, choices=lambda: list(call_names().values()))
def next_syscall(argument: str) -> None:
    """Continue to the next SYSCALL and say which it is.

    usage: next-syscall [NUMBER|NAME]
    Stops at the first instruction of syscall_entry: ring 0, but RSP and GS are
    still the user's. With a NUMBER (57) or a NAME (fork), at the next such
    call of any process."""
    need_kernel()
    by_name = {name: nr for nr, name in call_names().items()}
    wanted = by_name.get(argument, int(argument) if argument.isdigit() else None)
    if argument and wanted is None:
        raise gdb.GdbError(f"next-syscall: the kernel has no call {argument}.")
    entry = address_of("syscall_entry")
    with Here(entry, lambda: wanted in (None, register("rax"))):
        if resume() != entry:
            return
    say(f"{call_text()}\n=> {source_at(entry)}")
