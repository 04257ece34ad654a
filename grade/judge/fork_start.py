"""How fork starts its child: where, and whether all was done when it was put into
the queue."""

from __future__ import annotations

from typing import Optional

from machine.finding import Finding
from .fork_story import SeenFork
from .lab import Lab
from .segments import flaw


def too_early(fork: SeenFork) -> Optional[Finding]:
    """What was not done yet when proc_ready was called, or when the child began."""
    if fork.ready is None:
        return None
    pid = fork.ready.process.pid
    last = "proc_ready comes last, when all of the child is there"
    if fork.began_early:
        return flaw(f"Process {pid} had its first turn before fork was over, and its "
                    f"frame was not yet a copy of its parent's. {last}")
    if fork.ready.process.rsp == 0:
        return flaw(f"proc_ready was called for process {pid} before proc_set_start: "
                    "a switch to it would find no stack, its RSP is still 0. "
                    f"{last}")
    if fork.returned is not None and fork.returned != fork.ready:
        return flaw(f"proc_ready was called for process {pid}, and after it fork still "
                    f"changed what the child starts with. {last}")
    return None


def misplaced(lab: Lab, fork: SeenFork) -> Optional[Finding]:
    """What is wrong with the RSP that proc_set_start was given."""
    if fork.start is None:
        return None
    process, rip, rsp = fork.start
    top, frame = process.kstack_top, lab.kernel.frame_bytes
    own = f"the child's own ends at {top:#x}, and its frame lies right below"
    for other in fork.others:
        if other.kstack_top != top and lab.kernel.on_stack(rsp, other.kstack_top):
            return flaw(f"proc_set_start was given RSP {rsp:#x}, on the kernel stack of "
                        f"process {other.pid}"
                        + (", the parent" if other.address == fork.caller.address
                           else "") + f": {own}", f"{top - frame:#x}", f"{rsp:#x}")
    if rip == lab.kernel.address("syscall_exit") and lab.kernel.on_stack(rsp, top) \
            and top - rsp < frame:
        return flaw(f"proc_set_start was given RSP {rsp:#x}, {top - rsp} bytes below the "
                    f"top of the child's kernel stack: a frame takes {frame}, and "
                    "syscall_exit begins with RSP at it", f"{top - frame:#x}",
                    f"{rsp:#x}")
    return None


def of_another(fork: SeenFork) -> Optional[Finding]:
    """What is wrong with a frame that is another process's."""
    if fork.copied is None or fork.ready is None:
        return None
    return flaw(f"The frame of process {fork.ready.process.pid} is a copy of process "
                f"{fork.copied}'s, but process {fork.caller.pid} called fork: each call has "
                "a frame of its own, and get_syscall_frame() has to be asked in each",
                f"process {fork.caller.pid}'s frame", f"process {fork.copied}'s")
