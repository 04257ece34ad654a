"""What wait4 gives of children: the tests of programs that end trust it."""

from __future__ import annotations

from .fork_causes import ERRORS, fork_place, refused, status_text, tell_or_refuse
from .lab import Lab
from .probe_run import Told
from .verdict import Verdict, wrong


def status_of(lab: Lab, told: Told, name: str, wanted: int) -> int:
    """A child's status by wait4, where its fork was not refused. One that is not
    what is wanted says something of the child only if wait4 tells the truth."""
    status = told.one(name).signed
    if status in ERRORS:
        refused(lab, status)
    if status != wanted:
        try:
            check_statuses(lab)
        except Verdict as found:
            lab.needs(f"wait4 to give each child's own status. {found.cause}")
    return status


def check_statuses(lab: Lab) -> None:
    """Six children end, each with a status of its own; wait4 gives each once."""
    seed = lab.random.getrandbits(60)
    told = tell_or_refuse(lab, f"/bin/fork_wait {seed} statuses")
    stream, statuses = seed, []
    for _ in range(6):
        stream, value = splitmix(stream)
        statuses.append((value & 0xFF) << 8)
    facts = iter(told.facts)
    left: dict[int, int] = {}
    for status in reversed(statuses[3:]):
        pid, asked, found = (told.next(facts, name).signed
                             for name in ("pid", "asked", "status"))
        check_status(lab, pid, asked, status, found)
        left[pid] = status
    seen = dict(left)
    rest = sorted(statuses[:3])
    for _ in range(3):
        pid, found = told.next(facts, "any").signed, told.next(facts, "status").signed
        if pid in seen or pid <= 0:
            wrong(f"wait4 gave child {pid} "
                  + ("a second time" if pid in seen else "instead of a number")
                  + ": a child that was waited for must be gone (proc_free)",
                  expected="a child that was not waited for", found=pid,
                  where=lab.place("proc_wait"), gdb="ps")
        if found not in rest:
            wrong(f"wait4 gave child {pid} the status {status_text(found)}, with which "
                  "no child that was left has ended",
                  expected=" or ".join(map(status_text, rest)),
                  found=status_text(found), where=fork_place(lab), gdb="ps")
        rest.remove(found)
        seen[pid] = found
    check_nobody_left(lab, told)
    told.end()


def check_status(lab: Lab, pid: int, asked: int, status: int, found: int) -> None:
    if asked != pid:
        wrong(f"wait4({pid}) gave {asked}", expected=pid, found=asked,
              where=fork_place(lab), gdb="ps")
    if found != status:
        wrong(f"wait4({pid}) gave {status_text(found)}, but that child ended with "
              f"{status_text(status)}", expected=status_text(status),
              found=status_text(found), where=fork_place(lab), gdb="ps")


def check_nobody_left(lab: Lab, told: Told) -> None:
    found = told.one("none").signed
    if found != -10:
        wrong("After every child was waited for, wait4 does not give -ECHILD (-10)",
              expected=-10, found=found, where=lab.place("proc_wait"), gdb="ps")


def splitmix(state: int) -> tuple[int, int]:
    """user/lib/random.c: the next state and number."""
    mask = (1 << 64) - 1
    state = (state + 0x9E3779B97F4A7C15) & mask
    z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    return state, z ^ z >> 31
