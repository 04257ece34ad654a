"""Challenge of lab 5: count the pages that copy-on-write saved.

What it takes from you: lab 5, and a change of kernel/vm.c, where vm_sharing has
two counters for all forks since the machine started:

    shared   a fork that is made adds the number of user pages that parent and
             child then have in common. A fork that is refused adds nothing.
    copied   adds one when somebody has to have a copy of such a page after all,
             the kernel on a program's behalf included. A page that arrives for
             the first time, or whose last user just gets to write again, is no
             copy.

The difference is what a fork that copied at once would have copied for nothing.
The test does not ask your kernel how many there are: it walks the page tables of
all processes from outside, before and after.
"""

from __future__ import annotations

import struct
from typing import Iterator, Optional

import pytest

from judge import probes
from judge.challenge import Challenge
from judge.lab import Lab
from judge.patience import LabMachine
from judge.probe_run import ProbeRun
from judge.verdict import wrong
from machine import deadlines
from machine.gdb_remote import Gdb

ADDRESS = 0x000FFFFFFFFFF000
PRESENT = 1
# Seconds on a quiet machine. Each stop reads every page table, which takes its time on a busy host.
PATIENCE = 60

Pages = dict[int, int]  # virtual address: physical address


def user_pages(gdb: Gdb, pml4: int) -> Pages:
    """The pages of an address space's lower half."""
    return dict(_below(gdb, pml4, 0, 39, 256))


def _below(gdb: Gdb, table: int, va: int, shift: int, count: int = 512
           ) -> Iterator[tuple[int, int]]:
    data = gdb.read_physical(table, 8 * count)
    for index, entry in enumerate(struct.unpack(f"<{count}Q", data)):
        if not entry & PRESENT:
            continue
        here = va + (index << shift)
        if shift == 12:
            yield here, entry & ADDRESS
        else:
            yield from _below(gdb, entry & ADDRESS, here, shift - 9)


class Ledger:
    """What the page tables say that forks have shared and writes have copied."""

    def __init__(self, run: ProbeRun, lab: Lab) -> None:
        self._run, self._gdb = run, run.gdb
        self._counters = lab.kernel.address("vm_sharing")
        self.shared = self.copied = 0
        self._known: dict[int, Pages] = {}  # by pid
        self._forking: Optional[tuple[int, Pages]] = None

    def look(self) -> None:
        """At a stop: compares every process's pages with those it had. Whose page
        at an address is another one now has got a copy."""
        for p in self._run.table.all():
            if not p.pml4 or p.state in ("NEW", "ZOMBIE"):
                continue
            now = user_pages(self._gdb, p.pml4)
            before = self._known.get(p.pid)
            if before is None and self._forking and p.pid > self._forking[0]:
                before = self._forking[1]
                self.shared += len(before)
                self._forking = None
            self.copied += sum(pa != now.get(va, pa)
                               for va, pa in (before or {}).items())
            self._known[p.pid] = now

    def fork_begins(self) -> None:
        """At the first instruction of vm_clone."""
        here = self._run.table.current()
        self._forking = (max(self._known), user_pages(self._gdb, here.pml4))

    def counted(self) -> tuple[int, int]:
        shared, copied = struct.unpack("<2Q", self._gdb.read(self._counters, 16))
        return shared, copied


def follow(challenge: Challenge, command: str, **options: object) -> None:
    """Runs a program of the graders' and compares the counters at each step."""
    run = ProbeRun(_Graders(challenge), command, patience=PATIENCE * deadlines.scale(),
              **options)  # type: ignore[arg-type]
    ledger = Ledger(run, challenge)
    clone, end = (challenge.kernel.address(name) for name in ("vm_clone", "proc_exit"))
    run.places.update({clone: None, end: None})
    while (at := run.next()) is not None:
        ledger.look()
        compare(challenge, ledger)
        if at == clone:
            ledger.fork_begins()
    if not ledger.shared:
        challenge.needs("a fork that makes a process (lab 5)")


class _Graders(Challenge):
    """The student's kernel with the graders' programs, which tell facts."""

    def __init__(self, challenge: Challenge) -> None:
        self.__dict__ = challenge.__dict__

    def machine(self, init: str, **options: object) -> LabMachine:
        return super().machine(init, initrd=probes.base_archive(), **options)


def compare(challenge: Challenge, ledger: Ledger) -> None:
    shared, copied = ledger.counted()
    if shared != ledger.shared:
        wrong(f"vm_sharing.shared is {shared}, but by the page tables the forks that "
              f"were made so far have shared {ledger.shared} pages"
              + (": count what is present, and only when the fork is sure"
                 if shared > ledger.shared else ""),
              expected=str(ledger.shared), found=str(shared),
              where=challenge.place("vm_clone"), gdb="print vm_sharing")
    if copied != ledger.copied:
        wrong(f"vm_sharing.copied is {copied}, but by the page tables "
              f"{ledger.copied} pages were copied so far"
              + (": a page that is new, or has one user left, is no copy"
                 if copied > ledger.copied else ""),
              expected=str(ledger.copied), found=str(copied),
              where=challenge.place("vm_fault"), gdb="print vm_sharing")


@pytest.mark.parametrize("mode", ["parent", "child"])
def test_two_processes_of_whom_one_writes(challenge: Challenge, mode: str) -> None:
    follow(challenge, f"/bin/fork_memory {challenge.random.getrandbits(40)} {mode}")


def test_three_processes_share_a_page_two_times(challenge: Challenge) -> None:
    follow(challenge, f"/bin/fork_memory {challenge.random.getrandbits(40)} three")


def test_a_copy_that_the_kernel_writes_to_counts(challenge: Challenge) -> None:
    follow(challenge, f"/bin/fork_memory {challenge.random.getrandbits(40)} kernel")


def test_a_fork_that_is_refused_shares_nothing(challenge: Challenge) -> None:
    follow(challenge, "/bin/fork_limits memory", memory=32)
