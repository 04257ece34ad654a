"""What a stub leaves, beside what the user must find."""

from __future__ import annotations

from typing import Iterator, Optional

from machine.code import is_sysretq
from machine.x86 import GENERAL, RING3_CS, RING3_SS

from .cpu import Cpu
from .frame import Frame, listed
from .path import Moment, Run
from .rules import Rule
from .state import State
from .values import RESULT, SLOT, Cell, Origin, Value
from .witness import Findings, Witness

ROLE = {"rcx": "RCX, the RIP to return to,", "r11": "R11, the RFLAGS to return with,",
        "rax": "RAX, the result,"}
# Why a stub's end is none, by the instruction.
NO_END = {
    "ud2": "the stub runs into {}: it never returns",
    "hlt": "the stub stops at {}",
    "sysret": "{} has no REX.W: it returns to 32-bit code (CS 0x23); sysretq is meant",
    "iretd": "{} pops five words of 32 bits; iretq is meant",
}
NO_END["iret"] = NO_END["iretd"]

Expected = dict[str, Value]  # "rcx" is the RIP, "r11" the RFLAGS
CALLER: Expected = {**{r: Value.entry(r) for r in GENERAL}, "rax": RESULT}
CHILD: Expected = {r: Value.word(r) for r in GENERAL}


class Comparison:
    """Compares the state at a run's end with what is expected there."""

    def __init__(self, run: Run, frame: Frame, witness: Witness, findings: Findings,
                 expected: Expected) -> None:
        self.run, self.code, self.frame = run, run.code, frame
        self.witness, self.findings, self.expected = witness, findings, expected
        self.state: State = run.state
        self.held = dict(run.state.registers)
        end = run.end.mnemonic
        here = self.code.at(run.end.rip)
        if end == "ud2" and len(run.moments) == 1:
            findings.add(Rule.CODE, f"the stub's first instruction is {here}: it has "
                         "no code yet", run.end.rip)
        elif end in NO_END and not is_sysretq(run.end.instruction):
            stops = end in ("ud2", "hlt")
            text = NO_END[end].format(here)
            if self.state.rsp.is_of(Value.entry("rsp")):
                text += "; RSP is still the user's there"
            findings.add(Rule.END if stops else Rule.RETURN, text, run.end.rip)
        if end not in ("sysret", "iretq"):
            return
        if self.state.called is None:
            findings.add(Rule.RETURN, f"{here} is reached without a call of "
                         "syscall_handler", run.end.rip)
            return
        if end == "iretq":
            self.iretq()
        self.gs()
        self.registers()

    def iretq(self) -> None:
        """Compares the five words that IRETQ takes."""
        cpu = Cpu(self.code, self.state, self.run.end.rip)
        wanted = (("RIP", self.expected["rcx"]), ("CS", Value.number(RING3_CS)),
                  ("RFLAGS", self.expected["r11"]), ("RSP", self.expected["rsp"]),
                  ("SS", Value.number(RING3_SS)))
        for nth, (name, value) in enumerate(wanted):
            cell = cpu.load(False, self.state.rsp.plus(8 * nth))
            if cell.value != value:
                self.findings.add(
                    Rule.RETURN, f"iretq's word {nth}, {name}, is {cell.value}, from "
                    f"{self.code.at(cell.writer)}; it must be {value}", cell.writer,
                    name)
        self.held["rsp"] = Cell(self.expected["rsp"])
        for register in ("rcx", "r11"):  # free, if nothing of the kernel's shows
            if self.held[register].value.origin in (
                    Origin.ENTRY, Origin.WORD, Origin.NUMBER):
                self.held[register] = Cell(self.expected[register])

    def gs(self) -> None:
        end = self.run.end
        if not self.witness.kernel_gs(end):
            return
        text = f"{self.code.at(end.rip)} is reached with the kernel's GS: "
        swaps = self.witness.swaps(end)
        following = self.code.decode(end.rip + end.instruction.size)
        if following.mnemonic == "swapgs":
            text += f"{self.code.at(following.address)} stands after it and never runs"
        elif swaps:
            text += (f"{self.code.at(swaps[-1].rip)} undoes "
                     f"{self.code.at(swaps[0].rip)}")
        else:
            text += "no swapgs stands before it"
        self.findings.add(Rule.GS_BACK, text,
                          swaps[-1].rip if len(swaps) > 1 else end.rip)

    # -- registers

    def registers(self) -> None:
        wrong = [r for r in GENERAL if self.held[r].value != self.expected[r]]
        if len(wrong) >= 3 and self.shift():
            return
        done: set[str] = set()
        for register in wrong:
            if register in done:
                continue
            twin = self.twin(register, wrong)
            alike = self.alike(register, wrong, done)
            if twin:
                done.add(twin)
                self.exchanged(register, twin)
            elif alike:
                done.update(alike)
                self.not_restored(register, alike)
            else:
                self.lost(register)

    def shift(self) -> bool:
        """Whether every pop takes the word of another register."""
        misses = [(moment, name, moment.state.rsp.offset - self.frame.words[name])
                  for moment in self.run.moments for name in self.popped(moment)]
        distances = {distance for _, _, distance in misses}
        if len(misses) < 3 or len(distances) > 1 or distances == {0}:
            return False
        first, name, distance = misses[0]
        self.findings.add(
            Rule.SHIFT, f"at {self.code.at(first.rip)} RSP is {abs(distance)} bytes "
            f"{'above' if distance > 0 else 'below'} {name.upper()}'s word, so every "
            "pop takes another register's", first.rip)
        return True

    def popped(self, moment: Moment) -> Iterator[str]:
        """The register that an instruction pops out of the frame, if one."""
        if (moment.mnemonic == "pop" and moment.state.called is not None
                and moment.state.rsp.origin is Origin.STACK):
            name = moment.instruction.op_str
            if name in self.frame.words:
                yield name

    def twin(self, register: str, wrong: list[str]) -> Optional[str]:
        """The register that has what this one should have, and the other way round."""
        held, expected = self.held, self.expected
        twin = next((r for r in wrong if r != register
                     and held[r].value == expected[register]
                     and held[register].value == expected[r]), None)
        if twin and held[register].writer and held[twin].writer:
            return twin
        return None

    def exchanged(self, one: str, other: str) -> None:
        a, b = self.held[one], self.held[other]
        self.findings.add(
            Rule.KEPT, f"{one.upper()} and {other.upper()} come back exchanged: "
            f"{one.upper()} holds {a.value}, by {self.code.at(a.writer)}, and "
            f"{other.upper()} holds {b.value}, by {self.code.at(b.writer)}", a.writer,
            one)

    def alike(self, register: str, wrong: list[str], done: set[str]) -> list[str]:
        """The registers that lack the same as this one: that anything restores them."""
        writer = self.held[register].writer
        if writer not in (None, self.state.called):
            return []
        alike = [r for r in wrong if r not in done and r not in ROLE
                 and self.held[r].writer == writer]
        return alike if register in alike and len(alike) > 1 else []

    def not_restored(self, register: str, alike: list[str]) -> None:
        writer = self.held[register].writer
        after = f" after {self.code.at(writer)}" if writer else ""
        self.findings.add(
            Rule.KEPT, f"on return {listed(alike)} hold what the kernel had in them: "
            f"nothing{after} restores them", writer, register)

    def lost(self, register: str) -> None:
        cell = self.held[register]
        name = register.upper()
        if register == "rax" or self.run.end.mnemonic == "sysret":
            name = ROLE.get(register, name)
        rule = (Rule.RESULT if register == "rax" else
                Rule.SIXTH if cell.value == SLOT else Rule.KEPT)
        self.findings.add(rule, f"on return {name} holds {cell.value}{self.by(cell)}",
                          cell.writer, register)

    def by(self, cell: Cell) -> str:
        """Which instructions brought a value where it is."""
        if cell.writer is None:
            return ": nothing restores it"
        if cell.writer == self.state.called:
            return f": nothing after {self.code.at(cell.writer)} restores it"
        if not cell.loaded or cell.source is None or cell.source.writer is None:
            return f": {self.code.at(cell.writer)} wrote it"
        stored = cell.source
        text = (f": {self.code.at(cell.writer)} takes the word that "
                f"{self.code.at(stored.writer)} wrote")
        made = stored.source
        if made and made.writer and made.writer != self.state.called:
            text += f", and {self.code.at(made.writer)} had put it there"
        return text
