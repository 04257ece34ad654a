"""What parent and child see of each other's memory, and why, from their page
tables."""

from __future__ import annotations

import dataclasses

from machine import page_tables
from machine.page_tables import ADDRESS, WRITABLE
from machine.processes import Process
from machine.x86 import PAGE
from .fork_causes import fork_place, need_two, refused
from .fork_story import forks_of
from .lab import Lab
from .probe_run import Fact, ProbeRun
from .verdict import Ground, Verdict, wrong

PLACES = {"data": "a variable in .data", "first": "the first page of an array",
          "last": "the last page of an array of 300 pages", "heap": "the heap",
          "mapped": "mapped memory", "stack": "the stack"}


def check_memory(lab: Lab, mode: str, writers: dict[str, tuple[str, int]]) -> None:
    """Runs fork_memory. `writers` says, for who looks, whose numbers it must see,
    and how far above the seed they are."""
    need_two(lab)
    fork = forks_of(lab).forks[0]
    if fork.missing:
        va, pid = fork.missing
        wrong(f"After fork process {pid} has no page at {va:#x}, where its parent has "
              "one: vm_clone has to give it every page, up to the end of each area",
              expected="the parent's page", found="none", where=lab.place("vm_clone"),
              gdb=f"pagewalk {va:#x}")
    if fork.unprotected:
        va, pid = fork.unprotected
        wrong(f"After fork both processes use one page at {va:#x}, and the page table "
              f"entry of process {pid} allows it to write there (PTE.W is 1). A shared "
              "page must be write-protected on both sides until it has one user",
              expected="PTE.W 0 on both sides", found="PTE.W 1",
              where=lab.place("vm_clone"), gdb=f"pagewalk {va:#x}")
    seed = lab.random.getrandbits(40)
    run = ProbeRun(lab, f"/bin/fork_memory {seed} {mode}")
    killed = watch_for_kills(run)
    seen: set[str] = set()
    who = ""
    try:
        for fact in run.facts():
            if fact.what == "refused":
                refused(lab, fact.signed)
            elif fact.what == "begin":
                who = {"c": "child", "p": "parent", "f": "first", "s": "second"}[
                    chr(fact.value)]
                seen.add(who)
            elif fact.what in PLACES and who:
                offset = list(PLACES).index(fact.what)
                check_place(run, fact, who, offset + seed, writers[who])
    except Verdict as found:
        if found.ground is Ground.WRONG:
            raise
        tell_killed(lab, killed)
        raise found.during("While two processes shared memory:") from None
    missing = set(writers) - seen
    if missing:
        tell_killed(lab, killed)
        wrong(f"The {sorted(missing)[0]} never told what it sees: it did not run to "
              "its end. Its memory was changed while it did not run, though the entries of "
              "shared pages are write-protected: then the CPU wrote by what its TLB "
              "remembered, as CR3 was not loaded after PTE.W was cleared", where=fork_place(lab), gdb="ps")


@dataclasses.dataclass(frozen=True)
class Killed:
    """A process that a signal ends: the address of the last page fault, and the
    entries that lead to it, its own and its parent's."""

    process: Process
    address: int
    own: list[int]
    parents: list[int]


def watch_for_kills(run: ProbeRun) -> list[Killed]:
    """What is found at proc_exit from now on, where nothing stops."""
    killed: list[Killed] = []

    def ends() -> bool:
        if run.gdb.register("rdi") & 0x7F:
            process, address = run.table.current(), run.gdb.register("cr2")
            parent = run.table.at(process.parent) if process.parent else process
            killed.append(Killed(process, address, *(
                page_tables.entries(run.gdb, p.pml4, address)
                for p in (process, parent))))
        return False

    run.places[run.lab.kernel.address("proc_exit")] = ends
    return killed


def tell_killed(lab: Lab, killed: list[Killed]) -> None:
    """Fails the test if a process was killed: it would never tell what it sees."""
    for one in killed:
        wrong("While two processes shared memory, process "
              f"{one.process.pid} was killed by a signal. " + why_killed(one),
              where=lab.place("vm_clone"), gdb=f"pagewalk {one.address:#x}")


def why_killed(killed: Killed) -> str:
    """Why a child was killed at a page, from what its parent has there."""
    page = f"the page at {killed.address & ~(PAGE - 1):#x}"
    if not is_there(killed.own):
        return (f"It touched {page}, which its parent has, and which vm_clone has not "
                "given it" if is_there(killed.parents) else
                f"It touched {page}, which its parent has not either")
    if not killed.own[3] & WRITABLE:
        return (f"{page[0].upper()}{page[1:]} is there, and it may not write to it, as "
                "is right while two share it; but its area does not allow it either: "
                "vm_clone copies an area with its rights")
    return f"{page[0].upper()}{page[1:]} is there, and it may write to it"


def is_there(entries: list[int]) -> bool:
    """Whether entries lead to a page."""
    return len(entries) == 4 and bool(entries[3] & 1)


def check_place(run: ProbeRun, fact: Fact, who: str, base: int, wanted: tuple[str, int]
                ) -> None:
    """One place as one process sees it."""
    whose, above = wanted
    if fact.value == base + above:
        return
    others = {0: "what there was before the fork", 100: "what the parent wrote",
              200: "what the child wrote"}
    what = others.get(fact.value - base, "neither's number")
    name = {"child": "the child", "parent": "the parent", "first": "the first child",
            "second": "the second child"}[who]
    wrong(f"In {PLACES[fact.what]}, {name} sees {what} instead of {whose}: "
          + why_shared(run, fact, who),
          expected=base + above, found=fact.value,
          where=run.lab.place("vm_clone"), gdb=f"pagewalk {place_of(run, fact):#x}")


def place_of(run: ProbeRun, fact: Fact) -> int:
    """The address of a place, in the process that runs."""
    probe = run.probe
    if fact.what in ("heap", "mapped", "stack"):
        pointer = {"stack": "on_stack"}.get(fact.what, fact.what)
        return run.gdb.read_u64(probe.address(pointer))
    if fact.what == "data":
        return probe.address("data")
    return probe.address("array") + (299 * 4096 if fact.what == "last" else 0)


def why_shared(run: ProbeRun, fact: Fact, who: str) -> str:
    """Why one process sees what another wrote, from their page tables."""
    va = place_of(run, fact)
    here = run.table.current()
    others = [p for p in run.table.all()
              if p.address != here.address and p.state != "ZOMBIE" and p.pml4]
    mine = page_tables.entries(run.gdb, here.pml4, va)
    for other in others:
        theirs = page_tables.entries(run.gdb, other.pml4, va)
        both = f"processes {other.pid} and {here.pid}"
        if other.pml4 == here.pml4:
            return f"{both} have the same PML4"
        if run.gdb.register("cr3") & ADDRESS != here.pml4:
            return (f"process {here.pid} runs on page tables that are not its own "
                    "(CR3)")
        for level, (a, b) in enumerate(zip(mine, theirs)):
            if level < 3 and a & ADDRESS == b & ADDRESS:
                return (f"{both} share the page table at {a & ADDRESS:#x} (level "
                        f"{4 - level} leads to it), so every page below is one page")
        if len(mine) == len(theirs) == 4 and mine[3] & ADDRESS == theirs[3] & ADDRESS:
            for p, entry in ((other, theirs[3]), (here, mine[3])):
                if entry & WRITABLE:
                    return (f"{both} share the page at {entry & ADDRESS:#x}, and the "
                            f"page table entry of process {p.pid} for {va:#x} allows "
                            "it to write (PTE.W is 1). A shared page must be "
                            "write-protected on both sides until it has one user")
            return (f"{both} share the page at {mine[3] & ADDRESS:#x} and neither's "
                    "entry allows to write (PTE.W is 0), so the CPU wrote by what "
                    "its TLB remembered: after PTE.W is cleared, CR3 must be loaded "
                    "again")
    return (f"the page at {va:#x} was copied at the wrong time or not at all, or two "
            "processes were given one page")
