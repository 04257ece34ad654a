"""What is wrong with the stub, for the tests to name.

The proof is asked first. Where it cannot follow the stub, one call is recorded and
judged by the proof's rules. Both happen once in a process.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, NoReturn, Optional, Sequence

from machine.finding import Finding, Kind
from machine.kernel import Kernel
from proof.prove import Proof, judged, proof_of
from proof.rules import Rule

from .caller import Caller
from .verdict import wrong
from .walk import Walk

if TYPE_CHECKING:
    from .lab import Lab

_walks: dict[Path, Walk] = {}


def walk(lab: Lab) -> Walk:
    """A recorded call through this kernel's stub."""
    path = lab.kernel_path
    if path not in _walks:
        _walks[path] = Walk(Caller(lab))
    seen = _walks[path]
    lab.needs("lab 2: KERNEL_GS_BASE is this CPU's block",
              seen.entry["k_gs_base"] == seen.per_cpu)
    return seen


@functools.lru_cache(maxsize=None)
def _proof(kernel: Kernel) -> Proof:
    return proof_of(kernel)


@functools.lru_cache(maxsize=None)
def _judged(kernel: Kernel, walk: Walk) -> list[Finding]:
    return judged(kernel, walk.record)


def findings(lab: Lab) -> list[Finding]:
    """What is wrong with the stub, the likely cause first."""
    proof = _proof(lab.kernel)
    if proof.decided and proof.of("entry"):
        return proof.of("entry")
    found = _judged(lab.kernel, walk(lab))
    # A stub that is proved may still meet what is another's fault.
    return [f for f in found if f.kind is Rule.FAULT] if proof.decided else found


def culprit(lab: Lab) -> Optional[Finding]:
    """The mistake in the stub that is told first; None where there is none."""
    return first(findings(lab))


def proved(lab: Lab, *kinds: Kind, about: Iterable[str] = ()) -> Optional[Finding]:
    """What breaks one of these rules, or is about one of these names."""
    names = set(about)
    return first(f for f in findings(lab)
                 if f.kind in kinds or names & set(f.about))


def first(found: Iterable[Finding]) -> Optional[Finding]:
    return next(iter(found), None)


def blame_place(lab: Lab, sentence: str, address: int, **told: str) -> NoReturn:
    """Fails the test for what was seen at an instruction."""
    wrong(sentence[:1].upper() + sentence[1:], where=lab.kernel.line_at(address),
          **told)


def blame(lab: Lab, sentence: str, finding: Optional[Finding] = None, *,
          expected: str = "", found: str = "", gdb: str = "") -> NoReturn:
    """Fails the test: what was seen, and the mistake that explains it."""
    sentence = re.sub(r"^(the|a|an|back|ring|after|when|with|no)\b",
                      lambda word: word[1].capitalize(), sentence)
    cause = ": ".join(filter(None, (sentence, finding.cause if finding else "")))
    where = finding.where if finding else None
    wrong(cause, expected=expected, found=found,
          where=where or lab.place("syscall_entry") or "kernel/syscall_entry.c",
          gdb=gdb or "break syscall_entry")


def caller_of(lab: Lab, init: str = "/bin/probe_call", *,
              suspects: Sequence[Kind] = (), **options: object) -> Caller:
    """A machine to make calls in. One that is lost is explained by the stub's
    mistake, where there is one: by one of the suspects rather than another."""
    def lost(sentence: str) -> None:
        finding = proved(lab, *suspects) or culprit(lab)
        if finding:
            blame(lab, sentence, finding)

    return Caller(lab, init, on_lost=lost, **options)
