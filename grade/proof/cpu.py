"""What each instruction does to a state: the CPU, and no opinion of it."""

from __future__ import annotations

import dataclasses
import functools
from typing import Callable, Optional

import capstone
from capstone import x86_const as x86

from machine.code import Code
from machine.symbols import NoSymbols
from machine.x86 import CALLER_SAVED, DF, IF, MASK, signed, whole

from .state import State
from .values import RESULT, SLOT, Cell, Origin, Value


# What a right stub is made of, in machine code: swapgs; mov %rsp, %gs:8; mov %gs:0,
# %rsp; push %rax; push $1; push %gs:8; mov %r10, %rcx; mov %rsp, %r9; movb $1, %gs:16;
# cld; call; sti; cli; add $8, %rsp; pop %r15; pop %rsp; sysretq; iretq.
RIGHT = ("0f01f8", "654889242508000000", "65488b242500000000", "50", "6a01",
         "65ff342508000000", "4c89d1", "4989e1", "65c604251000000001", "fc",
         "e800000000", "fb", "fa", "4883c408", "415f", "5c", "480f07", "48cf")


class Undecided(Exception):
    """An instruction that is beyond this; the text says which and where."""


@dataclasses.dataclass(frozen=True)
class Access:
    """One access to memory: through GS or not, where, and what was moved."""

    write: bool
    gs: bool
    address: Value
    cell: Cell


class Cpu:
    """Executes a stub's instructions.

    rip       the next one.
    state     what is known before it.
    accesses  what the last one did to memory, in its order.
    """

    def __init__(self, code: Code, state: State, rip: int) -> None:
        self.code = code
        self.state = state
        self.rip = rip
        self.accesses: list[Access] = []

    def step(self, i: capstone.CsInsn) -> bool:
        """Executes one; False where the stub ends there, by whatever means."""
        if is_end(i):
            return False
        operation = getattr(self, "do_" + i.mnemonic.replace(" ", "_"), None)
        if operation is None:
            raise self.undecided("an instruction or branch that is not followed")
        self.accesses = []
        target = operation(i)
        self.rip = i.address + i.size if target is None else target
        return True

    def undecided(self, what: str) -> Undecided:
        return Undecided(f"{what} at {self.code.at(self.rip)}")

    # -- registers and memory

    def set(self, register: str, value: Value, source: Optional[Cell] = None,
            loaded: bool = False) -> None:
        self.state.registers[register] = Cell(value, self.rip, source, loaded)

    def read_register(self, name: str) -> Cell:
        register, bits = whole(name)
        cell = self.state.registers[register]
        return dataclasses.replace(cell, value=cell.value.part(bits))

    def write_register(self, name: str, cell: Cell, loaded: bool) -> None:
        register, bits = whole(name)
        value = cell.value
        if bits == 32:
            value = value.part(32)
        elif bits < 32:
            value = Value.other(f"a register of which {self.code.at(self.rip)} "
                                "changed a part")
        source = cell if cell.writer is not None or loaded else None
        self.set(register, value, source, loaded)

    def address_of(self, i: capstone.CsInsn, operand: object) -> tuple[bool, Value]:
        """Whether a memory operand goes through GS, and where it lies."""
        memory = operand.mem  # type: ignore[attr-defined]
        value = Value.number(0)
        if memory.base == x86.X86_REG_RIP:
            value = Value.number(i.address + i.size)
        elif memory.base:
            value = self.read_register(i.reg_name(memory.base)).value
        if memory.index:
            index = self.read_register(i.reg_name(memory.index)).value
            if index.is_number:
                value = value.plus(index.offset * memory.scale)
            elif value.is_number and memory.scale == 1:
                value = index.plus(value.offset)
            else:
                raise self.undecided("an address of two unknowns")
        if memory.segment == x86.X86_REG_FS:
            raise self.undecided("an access through FS")
        return memory.segment == x86.X86_REG_GS, value.plus(memory.disp)

    def load(self, gs: bool, address: Value, size: int = 8) -> Cell:
        cell = self._through_gs(address) if gs else self._word(address)
        self.accesses.append(Access(False, gs, address, cell))
        return dataclasses.replace(cell, value=cell.value.part(8 * size))

    def _through_gs(self, address: Value) -> Cell:
        if not address.is_number:
            raise self.undecided("an address of two unknowns")
        return self.state.per_cpu.setdefault(
            address.offset, Cell(Value.other(f"what stood in gs:{address.offset}")))

    def _word(self, address: Value) -> Cell:
        text = f"the word at {address}"
        if address.is_number:
            text = f"what {self.code.symbols.variable_at(address.offset)} held"
        elif address.origin is Origin.STACK:
            text = (f"the word {-address.offset} bytes below the top of the kernel "
                    "stack, which nobody wrote")
        return self.state.memory.setdefault(address, Cell(Value.other(text)))

    def store(self, gs: bool, address: Value, cell: Cell, size: int = 8) -> None:
        value = cell.value
        if size != 8:
            value = Value.other(
                f"a word of which {self.code.at(self.rip)} wrote a part")
        stored = Cell(value, self.rip, cell if cell.writer is not None else None)
        self.accesses.append(Access(True, gs, address, stored))
        if gs:
            if not address.is_number:
                raise self.undecided("an address of two unknowns")
            self.state.per_cpu[address.offset] = stored
            return
        if address.offset % 8 and address.origin in (Origin.STACK, Origin.ENTRY):
            raise self.undecided("a store across words")
        self.state.memory[address] = stored

    def push(self, cell: Cell) -> None:
        self.set("rsp", self.state.rsp.plus(-8))
        self.store(False, self.state.rsp, cell)

    def pop(self) -> Cell:
        cell = self.load(False, self.state.rsp)
        self.set("rsp", self.state.rsp.plus(8))
        return cell

    # -- operands

    def read(self, i: capstone.CsInsn, operand: object) -> Cell:
        kind = operand.type  # type: ignore[attr-defined]
        if kind == x86.X86_OP_REG:
            return self.read_register(
                i.reg_name(operand.reg))  # type: ignore[attr-defined]
        if kind == x86.X86_OP_IMM:
            return Cell(Value.number(operand.imm))  # type: ignore[attr-defined]
        return self.load(*self.address_of(i, operand),
                         operand.size)  # type: ignore[attr-defined]

    def write(self, i: capstone.CsInsn, operand: object, cell: Cell,
              loaded: bool = False) -> None:
        if operand.type == x86.X86_OP_REG:  # type: ignore[attr-defined]
            self.write_register(
                i.reg_name(operand.reg), cell, loaded)  # type: ignore[attr-defined]
        else:
            self.store(*self.address_of(i, operand), cell,
                       operand.size)  # type: ignore[attr-defined]

    def compute(self, i: capstone.CsInsn, value: Optional[Value]) -> None:
        """Writes what an instruction made into its first operand."""
        if value is None:
            value = Value.other(f"what {self.code.at(self.rip)} computed")
        self.write(i, i.operands[0], Cell(value))

    # -- one by one

    def do_nop(self, i: capstone.CsInsn) -> None:
        pass

    do_endbr64 = do_lfence = do_mfence = do_sfence = do_pause = do_nop

    def do_cmp(self, i: capstone.CsInsn) -> None:
        # Flags only; whoever branches on them is not followed.
        for operand in i.operands:
            self.read(i, operand)

    do_test = do_cmp

    def do_swapgs(self, i: capstone.CsInsn) -> None:
        self.state.kernel_gs = not self.state.kernel_gs

    def do_cli(self, i: capstone.CsInsn) -> None:
        self.state.interrupts = False

    def do_sti(self, i: capstone.CsInsn) -> None:
        self.state.shadow = not self.state.interrupts
        self.state.interrupts, self.state.interrupts_by = True, self.rip

    def do_cld(self, i: capstone.CsInsn) -> None:
        self.state.direction = False

    def do_std(self, i: capstone.CsInsn) -> None:
        self.state.direction, self.state.direction_by = True, self.rip

    def do_stac(self, i: capstone.CsInsn) -> None:
        self.state.user_memory = True

    def do_clac(self, i: capstone.CsInsn) -> None:
        self.state.user_memory = False

    def do_push(self, i: capstone.CsInsn) -> None:
        self.push(self.read(i, i.operands[0]))

    def do_pop(self, i: capstone.CsInsn) -> None:
        self.write(i, i.operands[0], self.pop(), loaded=True)

    def do_pushfq(self, i: capstone.CsInsn) -> None:
        self.push(Cell(Value.other("the kernel's RFLAGS")))

    def do_popfq(self, i: capstone.CsInsn) -> None:
        value = self.pop().value
        state = self.state
        if value.is_number:
            state.interrupts = bool(value.offset & IF)
            state.direction = bool(value.offset & DF)
        else:
            # The user's flags, or who knows whose: they may have any bit set.
            state.interrupts = state.direction = True
        if state.interrupts:
            state.interrupts_by = self.rip
        if state.direction:
            state.direction_by = self.rip

    def do_mov(self, i: capstone.CsInsn) -> None:
        target, source = i.operands
        for operand in i.operands:
            if operand.type == x86.X86_OP_REG:
                name = i.reg_name(operand.reg)
                try:
                    whole(name)
                except KeyError:
                    raise self.undecided(f"the register {name}") from None
        self.write(i, target, self.read(i, source), source.type == x86.X86_OP_MEM)

    do_movabs = do_movzx = do_mov

    def do_movsx(self, i: capstone.CsInsn) -> None:
        target, source = i.operands
        self.compute(i, self.read(i, source).value.part(
            8 * source.size, signed=True).part(8 * target.size))

    do_movsxd = do_movsx

    def do_cdqe(self, i: capstone.CsInsn) -> None:
        rax = self.state.registers["rax"]
        self.set("rax", rax.value.part(32, signed=True), rax)

    def do_lea(self, i: capstone.CsInsn) -> None:
        self.compute(i, self.address_of(i, i.operands[1])[1])

    def do_xchg(self, i: capstone.CsInsn) -> None:
        a, b = i.operands
        left, right = self.read(i, a), self.read(i, b)
        if b.type == x86.X86_OP_MEM:
            a, b, left, right = b, a, right, left
        self.write(i, a, right, b.type == x86.X86_OP_MEM)
        self.write(i, b, left, a.type == x86.X86_OP_MEM)

    def do_add(self, i: capstone.CsInsn) -> None:
        a, b = (self.read(i, o).value for o in i.operands)
        self.compute(i, a.plus(signed(b.offset)) if b.is_number else
                     b.plus(a.offset) if a.is_number else None)

    def do_sub(self, i: capstone.CsInsn) -> None:
        a, b = (self.read(i, o).value for o in i.operands)
        self.compute(i, Value.number(0) if a == b else
                     a.plus(-signed(b.offset)) if b.is_number else None)

    def do_inc(self, i: capstone.CsInsn) -> None:
        self.compute(i, self.read(i, i.operands[0]).value.plus(1))

    def do_dec(self, i: capstone.CsInsn) -> None:
        self.compute(i, self.read(i, i.operands[0]).value.plus(-1))

    def do_xor(self, i: capstone.CsInsn) -> None:
        a, b = (self.read(i, o).value for o in i.operands)
        if a == b:
            self.compute(i, Value.number(0))
        else:
            self.logic(i, lambda a, b: a ^ b)

    def do_or(self, i: capstone.CsInsn) -> None:
        self.logic(i, lambda a, b: a | b)

    def do_and(self, i: capstone.CsInsn) -> None:
        a, b = (self.read(i, o).value for o in i.operands)
        if a.origin is Origin.STACK and b.is_number and b.offset in (
                MASK - 15, MASK - 7):
            # kernel_rsp is a multiple of 16, so the distance alone is rounded.
            self.compute(i, a.plus(-(a.offset % (MASK + 1 - b.offset))))
        else:
            self.logic(i, lambda a, b: a & b)

    def logic(self, i: capstone.CsInsn,
              operation: Callable[[int, int], int]) -> None:
        a, b = (self.read(i, o).value for o in i.operands)
        both = a.is_number and b.is_number
        self.compute(i, Value.number(operation(a.offset, b.offset)) if both else None)

    def do_leave(self, i: capstone.CsInsn) -> None:
        self.set("rsp", self.state.registers["rbp"].value)
        cell = self.pop()
        self.set("rbp", cell.value, cell, loaded=True)

    # -- elsewhere

    def do_jmp(self, i: capstone.CsInsn) -> int:
        return self.target(self.read(i, i.operands[0]), "a jump")

    def do_ret(self, i: capstone.CsInsn) -> int:
        return self.target(self.pop(), "a return")

    def do_call(self, i: capstone.CsInsn) -> None:
        target = self.target(self.read(i, i.operands[0]), "a call")
        name = self.code.symbols.name_at(target)
        if "+" in name or name in ("syscall_entry", "syscall_exit"):
            raise self.undecided("a call into the middle of a function")
        self.call(name)

    def target(self, cell: Cell, what: str) -> int:
        """Where a jump, call or return goes."""
        if not cell.value.is_number:
            raise self.undecided(f"{what} to where only the run tells")
        return cell.value.offset

    def call(self, name: str) -> None:
        """What any C function does, as far as the ABI lets it."""
        state = self.state
        handler = name == "syscall_handler"
        # It may write to its arguments on the stack, and below.
        for at in [a for a in state.memory if a.is_of(state.rsp)]:
            if at.offset < state.rsp.offset:
                del state.memory[at]
        if handler:
            state.called = self.rip
            state.memory[state.rsp] = Cell(
                SLOT, state.memory.get(state.rsp, Cell(SLOT)).writer)
        for register in CALLER_SAVED:
            self.set(register, Value.other(f"what {name} left in {register.upper()}"))
        self.set("rax", RESULT if handler else Value.other(f"the result of {name}"))
        state.others_make_calls(self.code)
        state.interrupts, state.interrupts_by = True, self.rip


ENDS = ("ud2", "hlt", "sysret", "iretq", "iretd", "iret")


@functools.lru_cache(maxsize=None)
def must_follow_what_is_right() -> None:
    """RuntimeError where what decodes here has names of its own for instructions of
    every right stub: then nothing would be decided, of any stub, and nothing said."""
    code = bytes.fromhex("".join(RIGHT))
    decoder, at, unknown = Code(NoSymbols(), lambda at, size: code[at:at + size]), 0, []
    for part in RIGHT:
        instruction = decoder.decode(at)
        if instruction.size != len(part) // 2 or not (
                is_end(instruction) or hasattr(Cpu, f"do_{instruction.mnemonic}")):
            unknown.append(f"{part} is {instruction.mnemonic!r}")
        at += len(part) // 2
    if unknown:
        raise RuntimeError(f"this Capstone ({capstone.__version__}) decodes as the proof "
                           f"does not know it: {', '.join(unknown)}")


def is_end(i: capstone.CsInsn) -> bool:
    """Whether a stub goes no further than this, in ring 0."""
    return i.mnemonic in ENDS
