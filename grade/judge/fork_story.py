"""Lab 5's story: four forks of one program, with the registers on both sides."""

from __future__ import annotations

import dataclasses
import random
import struct
from pathlib import Path
from typing import Optional

from machine import page_tables
from machine.page_tables import ADDRESS, WRITABLE
from machine.processes import Process
from machine.x86 import PAGE
from . import child_way
from .child_way import ChildWay
from .lab import Lab
from .probe_run import ProbeRun
from .raised import OF_THE_KERNEL, explained
from .verdict import Verdict


# The functions of the kernel that call yield because the timer has struck.
TIMERS = ("interrupt", "trap_handler")


@dataclasses.dataclass(frozen=True)
class Start:
    """What a child will start with: its entry of the table, and its kernel stack
    from its RSP up."""

    process: Process
    stack: bytes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Start) and (
            self.process.rsp, self.stack) == (other.process.rsp, other.stack)


@dataclasses.dataclass
class SeenFork:
    """One call of fork.

    before         the caller's registers at its SYSCALL.
    parent         its registers after it; None if it did not return.
    child          how the child came to ring 3; None if it never ran.
    others, made   the processes there were before, and those that are new when
                   the parent is back.
    queued         how often the child stands in the CPU's queue then.
    kstack_is_top  whether the child's kstack_top lies between a page of a stack and
                   a page that is not mapped.
    pml4s          the parent's and the child's top tables, entry by entry.
    unprotected    an address whose page both use and one may write to, and the
                   number of that process.
    missing        an address where the parent has a page and the child has none,
                   and the child's number.
    start          the child, and the RIP and RSP that proc_set_start was given for it.
    copied         another process of whose frame the child's was a copy when it
                   was made ready: its number.
    began_early    whether the child had its first turn before fork was over, with
                   another frame than its parent's.
    ready          what the child had when proc_ready was called first, and
    returned       when fork was over, before it ran.
    marked         whether get_syscall_frame gives the child a frame in ring 3.
    stack          where the program's stack began.
    rsps_since     RSP at the parent's later calls, as far as the child had not
                   run yet.
    """

    caller: Process
    before: dict[str, int]
    others: list[Process]
    stack: int
    parent: Optional[dict[str, int]] = None
    child: Optional[ChildWay] = None
    made: list[Process] = dataclasses.field(default_factory=list)
    queued: int = 0
    kstack_is_top: bool = False
    pml4s: Optional[tuple[tuple[int, ...], tuple[int, ...]]] = None
    unprotected: Optional[tuple[int, int]] = None
    rsps_since: list[int] = dataclasses.field(default_factory=list)
    missing: Optional[tuple[int, int]] = None
    start: Optional[tuple[Process, int, int]] = None
    copied: Optional[int] = None
    began_early: bool = False
    ready: Optional[Start] = None
    returned: Optional[Start] = None
    marked: bool = False


@dataclasses.dataclass
class Story:
    """The four forks of /bin/fork_registers, as far as they came. `blocked` is
    what fork could not do without, and has not got; `last_cr2` the address that a
    page fault was about, when the machine ended."""

    entry: int
    blocked: Optional[str] = "a call of fork that reaches the kernel (labs 1 to 3)"
    forks: list[SeenFork] = dataclasses.field(default_factory=list)
    refused: Optional[int] = None
    verdict: Optional[Verdict] = None
    last_cr2: int = 0

    def why_it_ended(self) -> str:
        if self.verdict:
            return self.verdict.cause
        for fork in self.forks:
            if fork.child and fork.child.lost:
                return f"a child was lost: {fork.child.lost}"
        return "the program ended"


_stories: dict[Path, Story] = {}


def forks_of(lab: Lab) -> Story:
    """The four forks on this kernel; one run serves all tests of a process."""
    if lab.kernel_path not in _stories:
        _stories[lab.kernel_path] = _Recorder(lab).record()
    return _stories[lab.kernel_path]


class _Recorder:
    """Follows /bin/fork_registers."""

    def __init__(self, lab: Lab) -> None:
        seed = random.Random(lab.seed).getrandbits(63)
        self.lab = lab
        self.run = ProbeRun(lab, f"/bin/fork_registers {seed}")
        self.gdb, self.table = self.run.gdb, self.run.table
        self.story = Story(self.run.probe.elf["e_entry"])
        self.next = self.run.probe.address("registers_next")
        self.fork = self.next - 2
        self.switch = lab.kernel.address("switch_to")
        self.entry = lab.kernel.address("syscall_handler")
        self.inside = lab.kernel.address("fork")
        self.after = 0  # where fork returns to
        self.run.places.update(dict.fromkeys(
            (self.next, self.fork, self.switch, self.entry, self.inside)))
        self.run.places[lab.kernel.address("yield")] = self._keeps_its_turn
        self.run.places[lab.kernel.address("proc_set_start")] = self._starts
        self.run.places[lab.kernel.address("proc_ready")] = self._is_ready

    def record(self) -> Story:
        try:
            while (at := self.run.next()) is not None and self._stop(at):
                pass
        except Verdict as found:
            self.story.verdict = found
        except OF_THE_KERNEL as error:
            self.story.verdict = explained(self.lab, error)
        self.story.last_cr2 = self.run.last_cr2
        return self.story

    def _stop(self, at: int) -> bool:
        """One stop; false when there is no more to be learned."""
        if at == self.fork:
            self._call()
        elif at == self.next:
            self._returned()
        elif at == self.entry:
            self._other_call()
        elif at == self.inside:
            self._check_frame()
            return self.story.blocked is None
        elif at == self.after:
            # Before any interrupt: a turn of the parent's would change the queue.
            del self.run.places[at]
            self.after = 0
            fork = self.story.forks[-1]
            self._look_at_child(fork)
            if fork.made:
                fork.returned = self._start_of(fork.made[0].address)
        elif at == self.switch:
            return self._switched()
        else:
            fact = self.run.fact_here()
            if fact.what == "refused":
                self.story.refused = fact.signed
                return False
        return True

    def _keeps_its_turn(self) -> bool:
        """At yield: the timer takes the CPU from nobody, so that who runs when is
        the program's own choice, and the same every time. (At each stop a machine
        that counts instructions goes on to its next timer interrupt: the parent
        would never get to a call before the child runs.)"""
        rsp = self.gdb.register("rsp")
        back = self.gdb.read_u64(rsp)
        if self.lab.kernel.name_at(back).partition("+")[0] in TIMERS:
            self.gdb.set_register("rsp", rsp + 8)
            self.gdb.set_register("rip", back)
        return False

    def _new_process(self) -> Optional[SeenFork]:
        """At a function of a process, RDI: the fork that makes it, if one does."""
        fork = self.story.forks[-1] if self.story.forks else None
        known = {p.address for p in fork.others} if fork else set()
        made = fork and not fork.parent and self.gdb.register("rdi") not in known
        return fork if made else None

    def _starts(self) -> bool:
        """At proc_set_start, where nothing stops."""
        fork = self._new_process()
        if fork:
            fork.start = (self.table.at(self.gdb.register("rdi")),
                          self.gdb.register("rsi"), self.gdb.register("rdx"))
        return False

    def _is_ready(self) -> bool:
        """At proc_ready, where nothing stops."""
        fork = self._new_process()
        if fork and fork.ready is None:
            fork.ready = self._start_of(self.gdb.register("rdi"))
            made = self._frame(fork.ready.process)
            if made and any(made) and made != self._frame(fork.caller):
                fork.copied = next((p.pid for p in fork.others
                                    if self._frame(p) == made), None)
        return False

    def _frame(self, process: Process) -> Optional[bytes]:
        """The words at the top of a process's kernel stack, less RAX, which is the
        one in which a child's frame differs."""
        kernel = self.lab.kernel
        words = self.gdb.peek(process.kstack_top - kernel.frame_bytes,
                              kernel.frame_bytes)
        at = kernel.constants["FRAME_RAX"]
        return words and words[:at] + words[at + 8:]

    def _start_of(self, address: int) -> Start:
        process = self.table.at(address)
        size = process.kstack_top - process.rsp
        on_stack = self.lab.kernel.on_stack(process.rsp, process.kstack_top)
        return Start(process, self.gdb.peek(process.rsp, size) or b""
                     if on_stack else b"")

    def _call(self) -> None:
        caller = self.table.current()
        stack = self.gdb.read_u64(caller.address
                                  + self.lab.kernel.offset_of("proc", "start_rsp"))
        self.story.forks.append(
            SeenFork(caller, self.gdb.registers(), self.table.all(), stack))

    def _check_frame(self) -> None:
        """At the first instruction of fork(), once: is there a live frame?"""
        del self.run.places[self.inside]
        self.after = self.gdb.read_u64(self.gdb.register("rsp"))
        self.run.places[self.after] = None
        top = self.table.current().kstack_top
        frame = self.lab.call(self.gdb, "get_syscall_frame")
        size = self.lab.kernel.frame_bytes
        if top - 2 * size <= frame <= top - size and frame % 16 == 0:
            self.story.blocked = None
            return
        self.story.blocked = (
            "a live frame to copy (lab 4): inside the call get_syscall_frame() gives "
            + (f"{frame:#x}, not {top - size:#x}" if frame else "NULL"))

    def _returned(self) -> None:
        """After a SYSCALL: the parent's side, for a child is met before."""
        here = self.table.current()
        for fork in reversed(self.story.forks):
            if fork.caller.address == here.address and fork.parent is None:
                fork.parent = self.gdb.registers()
                if not fork.made:
                    self._look_at_child(fork)
                return

    def _look_at_child(self, fork: SeenFork) -> None:
        known = {p.address for p in fork.others}
        fork.made = [p for p in self.table.all() if p.address not in known]
        if not fork.made or fork.made[0].state == "ZOMBIE":
            return
        child = fork.made[0]
        fork.queued = self.table.queue().count(child.address)
        fork.kstack_is_top = (child.kstack_top % 16 == 0
                              and self.gdb.is_mapped(child.kstack_top - 8)
                              and not self.gdb.is_mapped(child.kstack_top))
        if child.pml4 and child.pml4 % PAGE == 0:
            parents, childs = (
                struct.unpack("<512Q", self.gdb.read_physical(pml4, PAGE))
                for pml4 in (fork.caller.pml4, child.pml4))
            fork.pml4s = parents, childs
            self._look_at_pages(fork, child)

    def _look_at_pages(self, fork: SeenFork, child: Process) -> None:
        """Is a page that both use protected from writing, on both sides?"""
        for va in (fork.before["rsp"], self.run.probe.address("registers_before")):
            sides = [(p, page_tables.entries(self.gdb, p.pml4, va))
                     for p in (fork.caller, child)]
            leaves = [entries[3] for _, entries in sides if len(entries) == 4]
            there = [len(entries) == 4 and entries[3] & 1 for _, entries in sides]
            if there[0] and not there[1] and child.state != "NEW":
                fork.missing = va, child.pid
            if len(leaves) < 2 or (leaves[0] ^ leaves[1]) & ADDRESS:
                continue
            for process, entries in sides:
                if entries[3] & WRITABLE and fork.unprotected is None:
                    fork.unprotected = va, process.pid

    def _other_call(self) -> None:
        """At syscall_handler: the frame of a later call of the parent's. Its RSP
        is the word that the stub pushed first."""
        if not self.story.forks:
            return
        fork = self.story.forks[-1]
        here = self.table.current()
        if fork.parent and fork.child is None and here.address == fork.caller.address:
            fork.rsps_since.append(self.gdb.read_u64(here.kstack_top - 8))

    def _switched(self) -> bool:
        if not self.story.forks or self.story.forks[-1].child:
            return True
        fork, here = self.story.forks[-1], self.table.current()
        if here.pid == 0 or here.address in {p.address for p in fork.others}:
            return True
        if not fork.made:
            self._look_at_child(fork)
        fork.began_early = fork.parent is None and fork.returned is None \
            and self._frame(here) != self._frame(fork.caller)
        fork.child = child_way.follow(self.run)
        if not fork.child.lost:
            fork.marked = self.lab.call(self.gdb, "get_syscall_frame") != 0
        return not fork.child.lost and fork.child.registers["rip"] == self.next
