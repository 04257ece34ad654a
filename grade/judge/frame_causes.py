"""Why lab 4's frame does not hold what the user had: from what stands at the top of
the kernel stack, where the accessor points, and what the struct says."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, Optional

from machine.x86 import IF
from .frames import WORDS, SeenCall, Stage
from .lab import Lab
from .verdict import wrong

ACCESSOR = "get_syscall_frame"
KERNEL_IMAGE = 0xFFFFFFFF80000000


def check(stage: Stage, call: SeenCall, names: Iterable[str] = WORDS) -> None:
    """Fails with the cause unless these fields hold what the user had."""
    lab = stage.lab
    lab.needs("struct syscall_frame in kernel/frame.h: lab 4's first step",
              met=call.layout is not None)
    fields = call.layout.fields if call.layout else {}
    if call.pointer == 0:
        check_pointer(stage, call, first=call is stage.calls[0])
    for name in names:
        lab.needs(f"a field {name} in struct syscall_frame", met=name in fields)
        if call.words.get(name) != call.user[name]:
            wrong(culprit(stage, call, name), expected=call.user[name],
                  found=call.words.get(name, "no memory"),
                  where=place_of(stage, call), gdb="sysframe")


def check_pointer(stage: Stage, call: SeenCall, first: bool = False) -> None:
    """Fails unless the accessor finds the frame. Where it never does, the test
    of that says so, and others are `first` in need of it."""
    if first:
        stage.lab.needs(f"{ACCESSOR}() to find the frame inside a call",
                        met=call.pointer != 0)
    if call.pointer == 0:
        wrong(f"{ACCESSOR}() returns NULL inside a system call"
              + (", though it did not in one before" if len(stage.calls) > 1 else ""),
              expected="an address on the current process's kernel stack",
              found="NULL", where=stage.lab.place(ACCESSOR),
              gdb="print get_syscall_frame()")
    if call.pointer != call.base:
        wrong(displaced(stage, call), expected=call.base, found=call.pointer,
              where=stage.lab.place(ACCESSOR), gdb="print get_syscall_frame()")


def place_of(stage: Stage, call: SeenCall) -> Optional[str]:
    """The accessor if it points elsewhere, else the struct if the stub's words
    are not where its fields are, else the stub."""
    if call.pointer != call.base:
        return stage.lab.place(ACCESSOR)
    if len(call.stored) == len(WORDS):
        return "kernel/frame.h"
    return stage.lab.place("syscall_entry")


def culprit(stage: Stage, call: SeenCall, name: str) -> str:
    """Why a field does not hold what the user had in its register."""
    assert call.layout
    if name not in call.words:
        return displaced(stage, call)
    field, found, wanted = call.layout.fields[name], call.words[name], call.user[name]
    title = f"Field {name} (offset {field.offset})"
    if field.size < 8:
        return (f"{title} is {field.size} bytes wide: the upper half of "
                f"{name.upper()} is lost")
    meaning = call.meaning(found, stage.calls[:-1])
    if call.pointer != call.base:
        return f"{title} holds {meaning}: {displaced(stage, call)}"
    off = (found - wanted + (1 << 63)) % (1 << 64) - (1 << 63)
    if name == "rcx" and off == -2:
        return (f"{title} is the address of the SYSCALL instruction itself, two "
                "bytes before the user's next one: who returns there makes the "
                "call again")
    if name == "r11" and not found & IF and 0 < found < 1 << 22:
        return (f"{title} holds RFLAGS as ring 0 runs with them (IF is 0), not the "
                "user's, which SYSCALL has put into R11: pushfq in the kernel "
                "reads the wrong ones")
    if name == "rsp" and 0 < abs(off) <= 128:
        side = "below" if off < 0 else "above"
        return (f"{title} is {abs(off)} bytes {side} the user's RSP: it was saved "
                "after RSP had moved")
    if name not in call.stored:
        return (f"{title} holds {meaning}: the stub has stored {name.upper()} "
                "nowhere in its frame")
    return (f"{title} holds {meaning}; the stub keeps {name.upper()} at offset "
            f"{call.stored[name] - call.base}")


def displaced(stage: Stage, call: SeenCall) -> str:
    """Where the accessor points instead of to the frame."""
    off = call.pointer - call.base
    if call.top - call.stack_bytes <= call.pointer < call.top + 256:
        side = "above" if off > 0 else "below"
        return f"{ACCESSOR}() points {abs(off)} bytes {side} the frame"
    if call.pointer >= KERNEL_IMAGE:
        return (f"{ACCESSOR}() points to {stage.lab.kernel.variable_at(call.pointer)}, "
                "a variable of the kernel: a copy of the frame, not the frame")
    owner = stage.owner_of(call.pointer)
    if owner is not None:
        return (f"{ACCESSOR}() points into the kernel stack of another process, "
                f"{owner}, while process {call.process} runs")
    return (f"{ACCESSOR}() points to {call.pointer:#x}, which is "
            f"{abs(off)} bytes {'above' if off > 0 else 'below'} the frame and on "
            "no process's kernel stack")


def inside(stage: Stage, function: str, process: int = 1) -> SeenCall:
    """A call whose frame is right, for tests of what comes before or after."""
    call = stage.call_of(function, process)
    stage.lab.needs("a frame that is right inside a call, which other tests of "
                    "lab 4 look at", met=call.right)
    return call


def found_inside(stage: Stage, function: str, process: int = 1) -> SeenCall:
    """A call whose frame is found, for tests of when there is one: of the struct's
    fields they ask nothing."""
    call = stage.call_of(function, process)
    stage.lab.needs("a frame that is found inside a call, which other tests of "
                    "lab 4 look at", met=call.right or call.pointer == call.base)
    return call


# By kernel, where a call of getpid was looked at and its frame was right: then
# what was read serves other tests of this process, which need no machine.
_right: dict[Path, tuple[Stage, SeenCall]] = {}


def in_getpid(lab: Lab) -> tuple[Stage, SeenCall]:
    """A quiet call of getpid, to be looked at only."""
    if lab.kernel_path in _right:
        return _right[lab.kernel_path]
    stage = Stage(lab, "getpid")
    call = stage.call_of("sys_getpid")
    if call.right and call.pointer == call.base:
        _right[lab.kernel_path] = stage, call
    return stage, call


def check_none(stage: Stage, when: str, why: str) -> None:
    """Fails unless there is no frame here."""
    pointer = stage.ask(ACCESSOR)
    if pointer:
        wrong(f"{ACCESSOR}() is not NULL {when}: {why}", expected="NULL",
              found=pointer, where=stage.lab.place(ACCESSOR),
              gdb="print get_syscall_frame()")
