"""The sixteen words: where the stub has put them, and what C says of them."""

from __future__ import annotations

import dataclasses
from typing import Iterator, Optional, Sequence

from capstone import x86_const as x86

from machine.finding import Finding
from machine.symbols import Structure
from machine.x86 import GENERAL, whole

from .path import Run
from .rules import Rule
from .values import Cell, Origin, Value


@dataclasses.dataclass(frozen=True)
class Frame:
    """The user's registers on the kernel stack while the handler runs, or, where
    it is never called, at the stub's end.

    contract  register -> its word's offset in the frame, as it should be.
    words     register -> bytes from the top of the stack, below 0.
    writers   register -> the instruction that put it there.
    nearly    register -> a word that is almost its value.
    """

    contract: dict[str, int]
    words: dict[str, int]
    writers: dict[str, Optional[int]]
    nearly: dict[str, Cell]

    @property
    def missing(self) -> list[str]:
        return [r for r in self.contract if r not in self.words]

    @property
    def base(self) -> int:
        """Where the lowest word stands, in bytes from the top of the stack."""
        return min(self.words.values())

    @property
    def offsets(self) -> dict[str, int]:
        """register -> its word's offset in the frame."""
        return {r: at - self.base for r, at in self.words.items()}


def frame_of(run: Run, contract: dict[str, int]) -> Frame:
    """Finds the words of each register on the stack."""
    call = run.call
    state = call.state if call else run.state
    frame = Frame(contract, {}, {}, {})
    for register in GENERAL:
        cells = {at.offset: cell for at, cell in state.memory.items()
                 if at.origin is Origin.STACK and at.offset >= state.rsp.offset
                 and cell.value == Value.entry(register)}
        places = sorted(cells)
        if call and register == "r9" and len(places) > 1 and (
                places[0] == state.rsp.offset):
            del places[0]  # argument 6's copy
        if not places:
            frame.nearly.update(_nearly(run, register))
            continue
        usual = contract[register] - 8 * len(contract)
        place = usual if usual in places else places[-1]
        frame.words[register] = place
        frame.writers[register] = cells[place].writer
    return frame


def _nearly(run: Run, register: str) -> dict[str, Cell]:
    call = run.call
    state = call.state if call else run.state
    for at, cell in state.memory.items():
        value = cell.value
        if at.origin is Origin.STACK and value.is_of(Value.entry(register)):
            return {register: cell}
    return {}


def listed(registers: Sequence[str]) -> str:
    """`RDX, RSI and RDI`."""
    names = [r.upper() for r in registers]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def missing_words(run: Run, frame: Frame) -> Iterator[Finding]:
    """What is wrong if not all sixteen words are on the stack: one finding."""
    missing = frame.missing
    if not missing or not (run.call or frame.words):
        return
    code = run.code
    near = next((r for r in missing if r in frame.nearly), None)
    spoilt = [(r, cell) for r in missing for cell in _spoilt(run, r)]
    place = run.call.rip if run.call else run.end.rip
    if near:
        cell = frame.nearly[near]
        text = (f"the frame has {cell.value} where {Value.entry(near)} belongs: "
                f"{code.at(cell.writer)}")
        about, place = [near], cell.writer or place
    elif spoilt:
        register, cell = spoilt[-1]
        assert cell.source and cell.writer
        text = (f"{code.at(cell.writer)} stores {cell.value}, and not "
                f"{Value.entry(register)}: {code.at(cell.source.writer)} has changed "
                f"{register.upper()} before it was saved")
        about, place = [register], cell.source.writer or place
    elif missing == ["rsp"]:
        text = ("the user's RSP is not in the frame: in gs:8 the next process "
                "that makes a call overwrites it")
        about = missing
    else:
        text = (f"the frame has no word for {listed(missing)}: a forked child and "
                "get_syscall_frame need all sixteen")
        about = missing
    yield Finding(Rule.FRAME, text, code.place(place), tuple(about))


def _spoilt(run: Run, register: str) -> Iterator[Cell]:
    """Words that an instruction stored out of a register which another one had
    changed by then."""
    for moment in run.before_call():
        i = moment.instruction
        if moment.mnemonic not in ("push", "mov") or not i.operands:
            continue
        source = i.operands[-1]
        if source.type != x86.X86_OP_REG or (
                whole_or_none(i.reg_name(source.reg)) != register):
            continue
        for access in moment.accesses:
            if access.write and access.cell.source and not access.gs and (
                    access.address.origin is Origin.STACK):
                yield access.cell


def whole_or_none(name: str) -> Optional[str]:
    try:
        return whole(name)[0]
    except KeyError:
        return None


# ---- what C has for it -----------------------------------------------------


def misplaced_words(run: Run, frame: Frame, struct: Optional[Structure]
                    ) -> Iterator[Finding]:
    """Compares the words on the stack with the contract, or with the struct that C
    has for them: one finding."""
    if frame.missing:
        return
    stub, contract = frame.offsets, frame.contract
    if struct and stub == {r: f.offset for r, f in struct.fields.items() if r in stub}:
        yield from struct_findings(frame, struct)
    elif stub != contract:
        yield elsewhere(run, frame)
    elif struct:
        yield from struct_findings(frame, struct)


def elsewhere(run: Run, frame: Frame) -> Finding:
    """Which word stands where another one belongs."""
    stub, contract, code = frame.offsets, frame.contract, run.code
    wrong = [r for r in contract if stub[r] != contract[r]]
    register = wrong[0]
    here = at_offset(stub, contract[register])
    writer = frame.writers.get(here)
    text = (f"the frame's word at {contract[register]}, where {register.upper()} "
            f"belongs (FRAME_{register.upper()}), holds {here.upper()}: "
            f"{code.at(writer)} put it there")
    if len(wrong) > 1:
        text += f"; {len(wrong) - 1} more stand elsewhere"
    return Finding(Rule.FRAME, text, code.place(writer), tuple(wrong))


def at_offset(stub: dict[str, int], offset: int) -> str:
    return next((r for r in stub if stub[r] == offset), "nothing")


def struct_findings(frame: Frame, struct: Structure) -> Iterator[Finding]:
    """What is wrong with the struct, where the stub is as it must be: one."""
    size = 8 * len(frame.contract)
    for register in frame.contract:
        text = field_fault(register, frame.offsets, struct)
        if text:
            break
    else:
        if struct.size == size:
            return
        text = (f"struct syscall_frame has {struct.size} bytes; the stub's sixteen "
                f"words are {size}")
    yield Finding(Rule.STRUCT, text, "kernel/frame.h")


def field_fault(register: str, stub: dict[str, int], struct: Structure
                ) -> Optional[str]:
    """What is wrong with one field."""
    field = struct.fields.get(register)
    if field is None:
        return f"struct syscall_frame has no field {register}"
    if field.offset != stub[register]:
        return (f"struct syscall_frame has {register} at {field.offset}, where the stub "
                f"puts {at_offset(stub, field.offset).upper()}; {register.upper()} is "
                f"at {stub[register]}")
    if field.size != 8:
        return (f"struct syscall_frame gives {register} {field.size} bytes of its "
                "eight")
    return None
