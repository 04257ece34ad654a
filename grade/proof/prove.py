"""Follows the entry stub for all inputs at once, and says what it does.

The stub is straight-line code. It is disassembled from the built kernel and
executed with symbols in place of numbers, from the state that SYSCALL leaves
to SYSRET (or IRETQ); the final state is then compared with the first one. So
"on return R10 holds what R8 held at entry" is a fact, not a guess.

    proof = prove(Path("build/kernel.elf"))
    proof.ok, proof.sentence, proof.findings[0].cause, proof.findings[0].where

A stub that branches is not followed: it is not decided. A call that a machine has
made shows one way through it, and judged() judges that by the same rules.

What is assumed: the MSRs hold what the contract says (IF, TF and DF are clear,
KERNEL_GS_BASE is the per-CPU block), kernel_rsp is 16-aligned, and
syscall_handler is any function that keeps the C ABI. It changes RAX, RCX, RDX,
RSI, RDI and R8 to R11, overwrites its arguments on the stack, may return with
interrupts on, and others make calls while it sleeps. The frame it leaves as it
is: the stub's tail is followed a second time, for any frame.

    python3 -m proof.prove [KERNEL.ELF]
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Iterator, Sequence

from machine import names
from machine.code import Code, Undecodable
from machine.finding import Finding
from machine.kernel import Kernel
from machine.x86 import GENERAL

from .compare import CALLER, CHILD, Comparison
from .cpu import Undecided, must_follow_what_is_right
from .frame import Frame, frame_of, misplaced_words, missing_words
from .path import Run, follow, retrace
from .record import Record
from .rules import WAY_BACK, Rule
from .state import KERNEL_RSP, State
from .values import STACK, Cell, Value
from .witness import Findings, Witness


@dataclasses.dataclass
class Proof:
    """What is known of a stub.

    ok        everything was followed and nothing is wrong.
    decided   everything was followed.
    sentence  what is proved, or what is wrong, or why it is not decided.
    findings  what is wrong, the likely cause first.
    frame     offset in the frame -> the register that stands there.
    below     bytes from the frame's end up to the top of the kernel stack.
    steps     instructions followed from SYSCALL to the return.
    returns   "sysretq" or "iretq".
    """

    ok: bool = False
    decided: bool = True
    sentence: str = ""
    findings: list[Finding] = dataclasses.field(default_factory=list)
    frame: dict[int, str] = dataclasses.field(default_factory=dict)
    below: int = 0
    steps: int = 0
    returns: str = ""

    def of(self, room: str) -> list[Finding]:
        """The findings of one room: "entry" or "frame"."""
        return [f for f in self.findings if room_of(f) == room]


def room_of(finding: Finding) -> str:
    assert isinstance(finding.kind, Rule)
    return finding.kind.room


def prove(kernel: Path) -> Proof:
    """What is known of the stub of a built kernel."""
    return proof_of(names.of_kernel(kernel))


def proof_of(symbols: Kernel) -> Proof:
    """The same, of a kernel whose names have been read."""
    must_follow_what_is_right()
    code = Code(symbols)
    if "syscall_entry" not in symbols:
        return Proof(decided=False, sentence="not decided: the kernel has no "
                     "syscall_entry")
    try:
        run = follow(code, symbols.address("syscall_entry"), State.after_syscall())
        frame = frame_of(run, symbols.frame_offsets)
        findings = rules_broken(run, frame, symbols)
        for finding in child(run, frame, findings, symbols):
            findings.insert(finding)
    except (Undecided, Undecodable) as reason:
        return Proof(decided=False,
                     sentence=f"not decided: {reason}; the tests decide")
    return answer(run, frame, findings.in_order())


def judged(symbols: Kernel, record: Record) -> list[Finding]:
    """What is wrong with a stub, as far as one recorded call shows."""
    run = retrace(Code(symbols), record)
    if not run.moments:
        return list(lost(run, record))
    frame = frame_of(run, symbols.frame_offsets)
    return [*rules_broken(run, frame, symbols).in_order(), *lost(run, record)]


def lost(run: Run, record: Record) -> Iterator[Finding]:
    """How a recorded machine was lost, where it was."""
    place = run.end.rip if run.moments else None
    if record.fault:
        text = f"{run.code.at(place)} raises {record.fault.name}"
        if record.fault.cr2 is not None:
            text += (f" (CR2 {record.fault.cr2:#x}; RSP "
                     f"{record.steps[-1].before['rsp']:#x})")
        yield Finding(Rule.FAULT, text, run.code.place(place))
    elif record.ended:
        yield Finding(Rule.FAULT, record.ended, run.code.place(place))


def rules_broken(run: Run, frame: Frame, symbols: Kernel) -> Findings:
    """What is wrong on a way from SYSCALL to the end of a stub, and at that end."""
    findings = Findings(run)
    witness = Witness(run, frame, findings)
    if run.whole:
        Comparison(run, frame, witness, findings, CALLER)
    for finding in missing_words(run, frame):
        findings.insert(finding, _step_of_missing(run, frame))
    for finding in misplaced_words(run, frame, symbols.frame_struct):
        findings.insert(finding)
    return findings


def _step_of_missing(run: Run, frame: Frame) -> int:
    """When a word that is missing is to be told: before what became of its
    register, unless that shows by itself which word it was."""
    shown = run.state.called is not None and any(
        cell.loaded and cell.source and cell.source.writer
        for cell in (run.state.registers[r] for r in frame.missing))
    return WAY_BACK + 1 if shown else Rule.FRAME.step


def child(run: Run, frame: Frame, known: Findings, symbols: Kernel
          ) -> Iterator[Finding]:
    """Follows the stub from syscall_exit with any frame, as a forked child goes;
    gives what the caller's own way has not shown."""
    if run.end.mnemonic not in ("sysret", "iretq") or run.call is None:
        return
    if "syscall_exit" not in symbols:
        yield Finding(Rule.CHILD, "the stub has no label syscall_exit: a forked child "
                      "begins there", run.code.place(run.call.rip))
        return
    if frame.missing or Rule.SHIFT in known:
        return  # which is said
    tail = follow(run.code, symbols.address("syscall_exit"), any_frame(run, frame))
    findings = Findings(tail)
    witness = Witness(tail, frame, findings)
    Comparison(tail, frame, witness, findings, CHILD)
    said = {(f.kind, f.about) for f in known.in_order()}
    for f in findings.in_order():
        if (f.kind, f.about) not in said:
            yield Finding(Rule.CHILD, "a process that starts at syscall_exit with RSP "
                          f"at a frame (a forked child): {f.cause}", f.where, f.about)


def any_frame(run: Run, frame: Frame) -> State:
    """The state of a process that begins at syscall_exit: its registers are the
    kernel's, and of its frame only the places are known."""
    state = State(
        {r: Cell(Value.other(f"what the kernel had in {r.upper()}")) for r in GENERAL},
        {STACK.plus(at): Cell(Value.word(r), frame.writers[r])
         for r, at in frame.words.items()},
        {KERNEL_RSP: Cell(STACK)}, kernel_gs=True, interrupts=True,
        shadow=True,  # the first instruction may be the cli
        called=run.state.called)
    state.interrupts_by = state.called
    state.registers["rsp"] = Cell(STACK.plus(frame.base))
    return state


# ---- the answer ------------------------------------------------------------


def answer(run: Run, frame: Frame, findings: list[Finding]) -> Proof:
    end = run.end.mnemonic
    proof = Proof(ok=not findings, findings=findings, steps=len(run.moments),
                  returns={"sysret": "sysretq"}.get(end, end))
    if frame.words:
        proof.frame = {at: register for register, at in sorted(
            frame.offsets.items(), key=lambda item: item[1])}
        proof.below = -(max(frame.words.values()) + 8)
    proof.sentence = right(proof) if proof.ok else findings[0].cause
    return proof


def right(proof: Proof) -> str:
    return (
        f"proved for all inputs, over {proof.steps} instructions from SYSCALL to "
        f"{proof.returns}: RAX is the handler's result; every other general "
        "register, RSP, RIP and RFLAGS are as they were; the user's stack is not "
        "touched, however wrong RSP is; GS changes over and back; no interrupt "
        "can come while RSP or GS is the user's or the registers are being "
        "restored; the number and six arguments arrive, the sixth as a copy, with "
        "RSP a multiple of 16; the user's RSP is kept in the process's own frame, "
        f"which ends {proof.below} bytes below the top of its kernel stack and whose "
        f"{len(proof.frame)} words stand where struct syscall_frame has them; "
        "syscall_exit restores everything from any such frame")


def report(proof: Proof) -> str:
    lines = [("proved" if proof.ok else "wrong" if proof.decided else "not decided")
             + f" ({proof.steps} instructions)", proof.sentence]
    lines += [f"  {f.where or '?'}: {f.cause}" for f in proof.findings]
    if proof.frame:
        lines.append("frame: " + "  ".join(
            f"{offset}:{name}" for offset, name in proof.frame.items()))
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    kernel = Path(arguments[0]) if arguments else (
        Path(__file__).resolve().parents[2] / "build/kernel.elf")
    proof = prove(kernel)
    print(report(proof))
    return 0 if proof.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
