"""calls: to the next call, with its arguments, and to its end, with its result."""

from __future__ import annotations

import functools
import re

from typing import Callable

import gdb

from .command import command, say
from .context import say_next
from .headers import TREE, number
from .frame import find_call
from .machine import cpl, need_kernel, read, register, word
from .proc import Process, stack_bytes
from .running import Here, resume
from .stub import Stub
from .symbols import address_of, code_text, source_at
from .syscall import ARGUMENTS, call_name, call_names, result_text, signed


@functools.lru_cache(maxsize=None)
def functions() -> dict[str, tuple[str, list[str]]]:
    """The kernel's function for each call and what it is given, by the dispatcher's
    cases: open's are those of sys_openat(AT_FDCWD, a1, a2, a3)."""
    cases = re.findall(r"case SYS_(\w+):\s+return (\w+)\(([^;]*)\);",
                       (TREE / "kernel/syscall.c").read_text())
    return {call: (function, re.split(r",\s*", given))
            for call, function, given in cases}


SHOWN = 32  # bytes of a buffer


def quoted(address: int, size: int,
           part: Callable[[bytes], bytes] = lambda data: data) -> str:
    """The user's bytes there, as text."""
    try:
        data = part(read(address, size)) if size else b""
    except gdb.MemoryError:
        return " (its page is not there yet)"
    text = data.decode(errors="replace").encode("unicode_escape").decode()
    return f' "{text}"' + ("..." if size == SHOWN else "")


def call_text() -> str:
    """The call that is about to be made, at the stub's first instruction. Its
    parameters' names are those of the kernel's function for it."""
    nr = register("rax")
    names = [f"a{i}" for i in range(1, 7)]
    if nr in call_names():
        function, given = functions().get(call_name(nr), ("", []))
        block = gdb.block_for_pc(address_of(function)) if function else None
        named = dict(zip(given, (s.name for s in block or () if s.is_argument)))
        names = [named[name] for name in names if name in named]
    texts, page = [], number("PAGE_SIZE")
    for name, value in zip(names, map(register, ARGUMENTS)):
        text = hex(value) if page < value < number("USER_END") else str(signed(value))
        if "path" in name:
            size = min(64, page - value % page)  # its page may be the last
            text += quoted(value, size, lambda data: data.partition(b"\0")[0])
        elif name == "buffer" and call_name(nr) == "write":
            text += quoted(value, min(register("rdx"), SHOWN))
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
    say(call_text())
    say_next(source_at(entry))


@command("finish-syscall")
def finish_syscall(argument: str) -> None:
    """Continue to after the SYSCALL of the call that is being made.

    Says what the call has returned, an error by its name. Others may run
    meanwhile; that a call does not return, as exit's, is said."""
    process, stub = Process.current(), Stub()
    target, name = return_place(process, stub)
    begins, ends = address_of("proc_enter_user"), address_of("proc_exit")

    def is_ours() -> bool:
        return Process.current().address == process.address

    with Here(target, lambda: is_ours() and cpl() == 3), Here(begins, is_ours), Here(
            ends, is_ours):
        pc = resume()
    if pc in (begins, ends):
        what = f"{Process.current()} begins" if pc == begins else "it ends"
        say(f"{process}: {name} does not return: {what}.")
    elif pc == target:
        say(f"{process}: {name} returns {result_text(register('rax'))}")
        say_next(source_at(pc))


def return_place(process: Process, stub: Stub) -> tuple[int, str]:
    """Where the call that is being made returns to, and its name."""
    pc = register("rip")
    on_stack = 0 < process.top - register("rsp") <= stack_bytes()
    if cpl() == 0 and stub.start <= pc < stub.back and not on_stack:
        return register("rcx"), call_name(register("rax"))  # nothing is pushed yet
    call = find_call(process, True)
    words = {slot.name: word(address) for address, slot in call.words()}
    is_number = not process.in_syscall and not call.has_result
    nr = words["rax"] if is_number else int(process.value["syscall_nr"])
    return words["rcx"], call_name(nr)
