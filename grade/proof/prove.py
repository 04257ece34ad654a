"""Follows the entry stub for all inputs at once, and says what it does.

The stub is straight-line code. It is disassembled from the built kernel and
executed with symbols in place of numbers, from the state that SYSCALL leaves
to SYSRET (or IRETQ); the final state is then compared with the first one. So
"on return R10 holds what R8 held at entry" is a fact, not a guess.

    proof = prove(Path("build/kernel.elf"))
    proof.ok, proof.sentence, proof.findings[0].cause, proof.findings[0].where

What is assumed: the MSRs hold what the contract says (IF, TF and DF are clear,
KERNEL_GS_BASE is the per-CPU block), kernel_rsp is 16-aligned, and
syscall_handler is any function that keeps the C ABI. It changes RAX, RCX, RDX,
RSI, RDI and R8 to R11, overwrites its arguments on the stack, may return with
interrupts on, and others make calls while it sleeps. The frame it leaves as it
is: the stub's tail is followed a second time, for any frame.

    python3 -m proof.prove [KERNEL.ELF]    one kernel
    python3 -m proof.prove --table         every entry and frame mistake
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Callable, Iterator, Optional, Sequence

import capstone
from capstone import x86_const as x86
from elftools.dwarf.die import DIE

from machine.code import Code, Undecodable, is_sysretq
from machine.symbols import Symbols
from machine.x86 import GENERAL, whole

# The frame as the contract has it: offsets in bytes.
FRAME = {name: 8 * index for index, name in enumerate(
    "r9 r8 r10 rdx rsi rdi r15 r14 r13 r12 rbx rbp r11 rcx rax rsp".split())}
# What a C function may change.
CALLER_SAVED = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
# Where C looks for the number and arguments 1 to 5, and where the user put them.
ARGUMENTS = (("rdi", "rax", "the number"), ("rsi", "rdi", "argument 1"),
             ("rdx", "rsi", "argument 2"), ("rcx", "rdx", "argument 3"),
             ("r8", "r10", "argument 4"), ("r9", "r8", "argument 5"))
USER_CS, USER_SS = 0x33, 0x2B
# Bytes: the two words of the per-CPU block that the stub uses.
KERNEL_RSP, USER_RSP = 0, 8
STEPS = 1000  # a stub that takes more is not decided
MASK = (1 << 64) - 1
RFLAGS_IF, RFLAGS_DF = 1 << 9, 1 << 10


# ---- values ----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Value:
    """A number, or a symbol and a distance from it.

    kind   "" for a number; else what the symbol is: "entry" (a register as
           SYSCALL left it), "word" (a word of any frame), "result", "stack"
           (the top of the kernel stack), or "other", described by its name.
    """

    kind: str
    name: str
    offset: int = 0

    def plus(self, distance: int) -> Value:
        offset = self.offset + distance
        if not self.kind:
            offset &= MASK
        return dataclasses.replace(self, offset=offset)

    def __str__(self) -> str:
        if not self.kind:
            return f"{self.offset:#x}"
        text = {
            "entry": ENTRY_TEXT.get(self.name,
                                    f"what {self.name.upper()} held at entry"),
            "word": f"the frame's {self.name}",
            "result": "the handler's result",
            "stack": "the top of the kernel stack",
        }.get(self.kind, self.name)
        if self.offset:
            text += f" {'-' if self.offset < 0 else '+'} {abs(self.offset)}"
        return text


ENTRY_TEXT = {
    "rax": "the call's number (RAX at entry)",
    "rcx": "the user's RIP (RCX at entry)",
    "r11": "the user's RFLAGS (R11 at entry)",
    "rsp": "the user's RSP",
}
RESULT = Value("result", "rax")
STACK = Value("stack", "kernel_rsp")


def number(n: int) -> Value:
    return Value("", "", n & MASK)


def entry(register: str) -> Value:
    return Value("entry", register)


def word(register: str) -> Value:
    return Value("word", register)


def other(text: str) -> Value:
    return Value("other", text)


@dataclasses.dataclass(frozen=True)
class Cell:
    """What a register or a word holds: the value, the instruction that put it
    there, and the one that had put it where that instruction took it from."""

    value: Value
    writer: Optional[int] = None
    source: Optional[int] = None


# ---- the answer ------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong: a sentence, its place ("kernel/….c:41"), and
    whose it is: "entry", the stub's, or "frame", the struct's."""

    cause: str
    where: Optional[str]
    room: str = "entry"


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
        return [f for f in self.findings if f.room == room]


class Undecided(Exception):
    """An instruction that is beyond this; the text says which and where."""


# ---- one way through the code ----------------------------------------------


class Run:
    """The state of the machine, and what was seen on the way."""

    def __init__(self, code: Code, start: int) -> None:
        self.code = code
        self.rip = start
        self.registers: dict[str, Cell] = {}
        self.memory: dict[tuple[str, str, int], Cell] = {}
        self.per_cpu: dict[int, Cell] = {}
        self.kernel_gs = False
        self.interrupts = False  # IF may be 1
        self.interrupts_by: Optional[int] = None  # the sti, or the call
        self.shadow = False  # the instruction behind sti is not interrupted
        self.direction = False  # DF
        self.user_memory = False  # AC, which lifts SMAP
        self.first_sti: Optional[int] = None  # before the call,
        self.saved_before: set[int] = set()  # and who ran before it
        self.ran: set[int] = set()
        self.findings: dict[str, Finding] = {}  # by kind, in order
        self.steps = 0
        self.swaps: list[int] = []
        self.called: Optional[int] = None  # the call of syscall_handler
        self.words: dict[str, int] = {}  # register -> distance from the top
        self.writers: dict[str, Optional[int]] = {}  # and who pushed it
        self.nearly: dict[str, Cell] = {}  # what is not quite a register's value
        self.stack_at_exit: Optional[Value] = None  # RSP at syscall_exit
        self.first_pop: Optional[int] = None  # after the call, with IF on
        self.cli_after: Optional[int] = None  # a cli behind that pop
        self.pop_base: Optional[Value] = None  # RSP at the first pop
        self.first_pop_any: Optional[int] = None
        self.end: Optional[capstone.CsInsn] = None

    # -- what is wrong

    def find(self, kind: str, cause: str, address: Optional[int] = None) -> None:
        """Notes a finding, once for each kind."""
        where = self.code.place(self.rip if address is None else address)
        self.findings.setdefault(kind, Finding(cause, where))

    def undecided(self, what: str) -> Undecided:
        return Undecided(f"{what} at {self.code.at(self.rip)}")

    # -- registers and memory

    @property
    def rsp(self) -> Value:
        return self.registers["rsp"].value

    def set(self, register: str, value: Value, source: Optional[int] = None) -> None:
        self.registers[register] = Cell(value, self.rip, source)

    def read_register(self, name: str) -> Cell:
        register, bits = whole(name)
        cell = self.registers[register]
        return cell if bits == 64 else Cell(part(cell.value, bits), cell.writer)

    def write_register(self, name: str, value: Value,
                       source: Optional[int] = None) -> None:
        register, bits = whole(name)
        if bits == 32:
            value = part(value, 32)
        elif bits < 32:
            value = other(f"a register of which {self.code.at(self.rip)} "
                          "changed a part")
        self.set(register, value, source)

    def address_of(self, instruction: capstone.CsInsn, operand: object,
                   ) -> tuple[bool, Value]:
        """Whether a memory operand goes through GS, and where it lies."""
        memory = operand.mem  # type: ignore[attr-defined]
        name = instruction.reg_name
        value = number(0)
        if memory.base == x86.X86_REG_RIP:
            value = number(instruction.address + instruction.size)
        elif memory.base:
            value = self.registers[whole(name(memory.base))[0]].value
        if memory.index:
            index = self.registers[whole(name(memory.index))[0]].value
            if index.kind and value.kind:
                raise self.undecided("an address of two unknowns")
            if not index.kind:
                value = value.plus(index.offset * memory.scale)
            elif memory.scale == 1:
                value = index.plus(value.offset)
            else:
                raise self.undecided("an address with a factor")
        if memory.segment == x86.X86_REG_FS:
            raise self.undecided("an access through FS")
        return memory.segment == x86.X86_REG_GS, value.plus(memory.disp)

    def check_address(self, address: Value) -> None:
        if address.kind == "entry" and address.name == "rsp":
            text = (f"{self.code.at(self.rip)} uses the user's stack: whatever the "
                    "user put into RSP, the kernel must not touch")
            if not self.swaps and self.called is None:
                text += ("; it stands before the stub's first swapgs (a "
                         "function without __attribute__((naked)) begins so)")
            elif self.called is None:
                text += "; RSP is not the kernel's yet"
            else:
                text += "; RSP is the user's again already"
            self.find("user stack", text)
        elif address.kind == "entry":
            self.find("user memory", f"{self.code.at(self.rip)} goes to an address "
                      f"that the user chose: {address}")

    def check_gs(self, offset: int) -> None:
        if not self.kernel_gs:
            text = (f"{self.code.at(self.rip)} reads through GS while GS_BASE is "
                    "still the user's")
            later = self.next_swapgs()
            if later is not None:
                text += f": {self.code.at(later)} comes later"
            else:
                text += ": swapgs is missing before it"
            self.find("gs", text.replace("reads", "goes") if offset else text)
            self.kernel_gs = True  # go on as if it were right

    def next_swapgs(self) -> Optional[int]:
        """The next swapgs before a call, if the code runs straight to it."""
        address = self.rip
        for _ in range(100):
            try:
                instruction = self.code.decode(address)
            except Undecodable:
                return None
            if instruction.mnemonic == "swapgs":
                return address
            if instruction.mnemonic in ("call", "jmp", "ret", "sysret", "iretq"):
                return None
            address += instruction.size
        return None

    def load(self, gs: bool, address: Value, size: int = 8) -> Cell:
        if gs:
            if address.kind:
                raise self.undecided("an address of two unknowns")
            offset = address.offset
            self.check_gs(offset)
            if offset not in self.per_cpu:
                self.per_cpu[offset] = Cell(other(f"what stood in gs:{offset}"))
            cell = self.per_cpu[offset]
        else:
            self.check_address(address)
            key = (address.kind, address.name, address.offset)
            if key not in self.memory:
                text = (f"the word at {address}" if address.kind != "stack" else
                        f"the word {-address.offset} bytes below the top of the "
                        "kernel stack, which nobody wrote")
                if not address.kind:
                    text = f"what {self.code.symbols.variable_at(address.offset)} held"
                self.memory[key] = Cell(other(text))
            cell = self.memory[key]
        return cell if size == 8 else Cell(part(cell.value, 8 * size), cell.writer)

    def store(self, gs: bool, address: Value, cell: Cell, size: int = 8) -> None:
        value = cell.value
        if size != 8:
            value = other(f"a word of which {self.code.at(self.rip)} wrote a part")
        if gs:
            if address.kind:
                raise self.undecided("an address of two unknowns")
            self.check_gs(address.offset)
            if address.offset == KERNEL_RSP and value != STACK:
                text = (f"{self.code.at(self.rip)} overwrites kernel_rsp "
                        f"(gs:{KERNEL_RSP}) with {value}")
                if value == entry("rsp"):
                    text += f": the user's RSP belongs to gs:{USER_RSP}"
                self.find("per cpu", text)
            elif address.offset not in (KERNEL_RSP, USER_RSP):
                self.find("per cpu", f"{self.code.at(self.rip)} writes to "
                          f"gs:{address.offset}, which is not the stub's")
            self.per_cpu[address.offset] = Cell(value, self.rip)
        else:
            self.check_address(address)
            if address.offset % 8 and address.kind in ("stack", "entry"):
                raise self.undecided("a store across words")
            self.memory[address.kind, address.name, address.offset] = Cell(
                value, self.rip)

    def push(self, cell: Cell) -> None:
        self.set("rsp", self.rsp.plus(-8))
        self.store(False, self.rsp, cell)

    def pop(self) -> Cell:
        cell = self.load(False, self.rsp)
        self.set("rsp", self.rsp.plus(8))
        return cell

    # -- operands

    def read(self, i: capstone.CsInsn, operand: object) -> Cell:
        kind = operand.type  # type: ignore[attr-defined]
        size: int = operand.size  # type: ignore[attr-defined]
        if kind == x86.X86_OP_REG:
            return self.read_register(i.reg_name(operand.reg))  # type: ignore
        if kind == x86.X86_OP_IMM:
            return Cell(number(operand.imm))  # type: ignore[attr-defined]
        return self.load(*self.address_of(i, operand), size)

    def write(self, i: capstone.CsInsn, operand: object, value: Value,
              source: Optional[int] = None) -> None:
        if operand.type == x86.X86_OP_REG:  # type: ignore[attr-defined]
            self.write_register(i.reg_name(operand.reg), value, source)  # type: ignore
        else:
            self.store(*self.address_of(i, operand), Cell(value),
                       operand.size)  # type: ignore[attr-defined]

    # -- interrupts

    def may_be_interrupted(self) -> None:
        """What must hold where an interrupt can come: now."""
        if self.shadow:
            self.shadow = False
            return
        if not self.interrupts:
            return
        on = self.why_on()
        here = f"before {self.code.at(self.rip)}"
        if self.rsp.kind != "stack":
            if "user stack" in self.findings:
                return  # RSP never was the kernel's, which is said
            self.find("if", f"{on}; {here} an interrupt would find RSP "
                      f"holding {self.rsp} in ring 0", self.interrupts_by)
        elif not self.kernel_gs:
            self.find("if", f"{on}; {here} an interrupt would come in "
                      "ring 0 with the user's GS", self.interrupts_by)
        elif self.called is None and not self.in_stack(entry("rsp")):
            self.find("if", f"{on}; {here} the user's RSP is only in gs:{USER_RSP}: "
                      "an interrupt lets another process make a call, which "
                      "overwrites it", self.interrupts_by)
        self.others_make_calls()

    def why_on(self) -> str:
        if self.interrupts_by == self.called and self.called is not None:
            return ("the handler may return with interrupts on, and no cli stands "
                    f"behind {self.code.at(self.called)}")
        return f"{self.code.at(self.interrupts_by)} turns interrupts on"

    def in_stack(self, value: Value) -> bool:
        return any(cell.value == value and key[0] == "stack"
                   for key, cell in self.memory.items())

    def others_make_calls(self) -> None:
        """Another process may have gone through the stub: what is not this
        process's own is unknown now, except kernel_rsp."""
        for offset in self.per_cpu:
            if offset != KERNEL_RSP:
                self.per_cpu[offset] = Cell(
                    other(f"what another process's call left in gs:{offset}"),
                    self.per_cpu[offset].writer)
        for key in self.memory:
            if not key[0]:
                name = self.code.symbols.variable_at(key[2])
                self.memory[key] = Cell(
                    other(f"what another process's call left in {name}"),
                    self.memory[key].writer)

    # -- the steps

    def follow(self) -> None:
        """Runs to the return, or raises Undecided."""
        exit_label = (self.code.symbols.address("syscall_exit")
                      if "syscall_exit" in self.code.symbols else None)
        while self.end is None:
            if self.steps >= STEPS:
                raise Undecided(f"no end after {STEPS} instructions")
            if self.rip == exit_label and self.stack_at_exit is None:
                self.stack_at_exit = self.rsp
            instruction = self.code.decode(self.rip)
            self.may_be_interrupted()
            self.steps += 1
            self.ran.add(self.rip)
            self.step(instruction)

    def step(self, i: capstone.CsInsn) -> None:
        operation = getattr(self, "do_" + i.mnemonic.replace(" ", "_"), None)
        if operation is None:
            raise self.undecided("an instruction or branch that is not followed")
        after = operation(i)
        self.rip = i.address + i.size if after is None else after

    def do_nop(self, i: capstone.CsInsn) -> None:
        pass

    do_endbr64 = do_lfence = do_mfence = do_sfence = do_pause = do_nop
    do_cmp = do_test = do_nop  # flags only; whoever branches is not followed

    def do_swapgs(self, i: capstone.CsInsn) -> None:
        self.swaps.append(self.rip)
        self.kernel_gs = not self.kernel_gs

    def do_cli(self, i: capstone.CsInsn) -> None:
        if self.first_pop is not None and self.cli_after is None:
            self.cli_after = self.rip
        self.interrupts = False

    def do_sti(self, i: capstone.CsInsn) -> None:
        self.shadow = not self.interrupts
        self.interrupts, self.interrupts_by = True, self.rip
        if self.called is None and self.first_sti is None:
            self.first_sti, self.saved_before = self.rip, set(self.ran)

    def do_cld(self, i: capstone.CsInsn) -> None:
        self.direction = False

    def do_std(self, i: capstone.CsInsn) -> None:
        self.direction = True

    def do_stac(self, i: capstone.CsInsn) -> None:
        self.user_memory = True

    def do_clac(self, i: capstone.CsInsn) -> None:
        self.user_memory = False

    def do_push(self, i: capstone.CsInsn) -> None:
        self.push(self.read(i, i.operands[0]))

    def do_pop(self, i: capstone.CsInsn) -> None:
        if self.called is not None:
            if self.first_pop_any is None:
                self.first_pop_any, self.pop_base = self.rip, self.rsp
            if self.interrupts and self.first_pop is None:
                self.first_pop = self.rip
        cell = self.pop()
        self.write(i, i.operands[0], cell.value, cell.writer)

    def do_pushfq(self, i: capstone.CsInsn) -> None:
        self.push(Cell(other("the kernel's RFLAGS")))

    def do_popfq(self, i: capstone.CsInsn) -> None:
        value = self.pop().value
        if not value.kind:
            self.interrupts = bool(value.offset & RFLAGS_IF)
            self.direction = bool(value.offset & RFLAGS_DF)
        else:
            # The user's flags, or who knows whose: they may have any bit set.
            self.interrupts = self.direction = True
        if self.interrupts:
            self.interrupts_by = self.rip

    def do_mov(self, i: capstone.CsInsn) -> None:
        target, source = i.operands
        for operand in i.operands:
            if operand.type == x86.X86_OP_REG:
                name = i.reg_name(operand.reg)
                try:
                    whole(name)
                except KeyError:
                    raise self.undecided(f"the register {name}") from None
        cell = self.read(i, source)
        loaded = source.type == x86.X86_OP_MEM
        self.write(i, target, cell.value, cell.writer if loaded else None)

    do_movabs = do_mov

    def do_movzx(self, i: capstone.CsInsn) -> None:
        self.write(i, i.operands[0], self.read(i, i.operands[1]).value)

    def do_lea(self, i: capstone.CsInsn) -> None:
        self.write(i, i.operands[0], self.address_of(i, i.operands[1])[1])

    def do_xchg(self, i: capstone.CsInsn) -> None:
        a, b = i.operands
        left, right = self.read(i, a), self.read(i, b)
        if b.type == x86.X86_OP_MEM:
            a, b, left, right = b, a, right, left
        self.write(i, a, right.value, right.writer)
        self.write(i, b, left.value, left.writer)

    def do_add(self, i: capstone.CsInsn) -> None:
        self.arithmetic(i, 1)

    def do_sub(self, i: capstone.CsInsn) -> None:
        self.arithmetic(i, -1)

    def arithmetic(self, i: capstone.CsInsn, sign: int) -> None:
        target = i.operands[0]
        a, b = (self.read(i, o).value for o in i.operands)
        if sign < 0 and a == b:
            value = number(0)
        elif not b.kind:
            n = b.offset - (1 << 64 if b.offset >> 63 else 0)
            value = a.plus(sign * n)
        elif not a.kind and sign > 0:
            value = b.plus(a.offset)
        else:
            value = other(f"what {self.code.at(self.rip)} computed")
        self.write(i, target, value)

    def do_inc(self, i: capstone.CsInsn) -> None:
        self.write(i, i.operands[0], self.read(i, i.operands[0]).value.plus(1))

    def do_dec(self, i: capstone.CsInsn) -> None:
        self.write(i, i.operands[0], self.read(i, i.operands[0]).value.plus(-1))

    def do_xor(self, i: capstone.CsInsn) -> None:
        self.logic(i, lambda a, b: a ^ b)

    def do_or(self, i: capstone.CsInsn) -> None:
        self.logic(i, lambda a, b: a | b)

    def do_and(self, i: capstone.CsInsn) -> None:
        a, b = (self.read(i, o).value for o in i.operands)
        if a.kind == "stack" and not b.kind and b.offset in (MASK - 15, MASK - 7):
            # kernel_rsp is a multiple of 16, so the distance alone is rounded.
            step = MASK + 1 - b.offset
            self.write(i, i.operands[0], a.plus(-(a.offset % step)))
        else:
            self.logic(i, lambda a, b: a & b)

    def logic(self, i: capstone.CsInsn,
              operation: Callable[[int, int], int]) -> None:
        a, b = (self.read(i, o).value for o in i.operands)
        if i.mnemonic == "xor" and a == b:
            value = number(0)
        elif not a.kind and not b.kind:
            value = number(operation(a.offset, b.offset))
        else:
            value = other(f"what {self.code.at(self.rip)} computed")
        self.write(i, i.operands[0], value)

    def do_leave(self, i: capstone.CsInsn) -> None:
        self.set("rsp", self.registers["rbp"].value)
        cell = self.pop()
        self.set("rbp", cell.value, cell.writer)

    def do_jmp(self, i: capstone.CsInsn) -> int:
        value = self.read(i, i.operands[0]).value
        if value.kind:
            raise self.undecided("a jump to where only the run tells")
        return value.offset

    def do_ret(self, i: capstone.CsInsn) -> int:
        value = self.pop().value
        if value.kind:
            raise self.undecided("a return to where only the run tells")
        return value.offset

    def do_call(self, i: capstone.CsInsn) -> None:
        value = self.read(i, i.operands[0]).value
        if value.kind:
            raise self.undecided("a call to where only the run tells")
        name = self.code.symbols.name_at(value.offset)
        if "+" in name or name in ("syscall_entry", "syscall_exit"):
            raise self.undecided("a call into the middle of a function")
        if name == "syscall_handler":
            self.check_call()
            self.note_words()
            self.called = self.rip
        # A callee may write to its arguments on the stack and below.
        kind, symbol = self.rsp.kind, self.rsp.name
        for key in list(self.memory):
            if key[:2] == (kind, symbol) and key[2] < self.rsp.offset:
                del self.memory[key]
        if name == "syscall_handler":
            slot = (kind, symbol, self.rsp.offset)
            self.memory[slot] = Cell(other(
                "what the handler left in argument 6's slot (which is its own to "
                "overwrite)"), self.memory.get(slot, Cell(STACK)).writer)
        for register in CALLER_SAVED:
            self.set(register, other(f"what {name} left in {register.upper()}"))
        self.set("rax", RESULT if name == "syscall_handler" else
                 other(f"the result of {name}"))
        self.others_make_calls()
        self.interrupts, self.interrupts_by = True, self.rip

    def check_call(self) -> None:
        """What C expects where the handler is called."""
        if not self.kernel_gs:
            self.find("gs", f"{self.code.at(self.rip)} calls C while GS_BASE is "
                      "the user's: swapgs is missing before it")
            self.kernel_gs = True
        if self.direction:
            self.find("direction", f"{self.code.at(self.rip)} calls C with DF set")
        if self.user_memory:
            self.find("AC", f"{self.code.at(self.rip)} calls C with AC set, which "
                      "lifts SMAP")
        if self.rsp.kind != "stack":
            self.find("user stack", f"{self.code.at(self.rip)} calls C while RSP "
                      f"holds {self.rsp}, not the process's kernel stack")
        elif self.rsp.offset % 16:
            self.find("alignment", f"{self.code.at(self.rip)} calls C with RSP mod "
                      f"16 = {self.rsp.offset % 16}: {-self.rsp.offset // 8} words "
                      "are on the stack, and the C ABI wants an even number")
        for register, source, what in ARGUMENTS:
            cell = self.registers[register]
            if cell.value != entry(source):
                by = f", by {self.code.at(cell.writer)}" if cell.writer else ""
                self.find("argument " + register, f"{what} must be in "
                          f"{register.upper()} at {self.code.at(self.rip)}; there is "
                          f"{cell.value}{by}", cell.writer or self.rip)
        cell = self.memory.get((self.rsp.kind, self.rsp.name, self.rsp.offset),
                               Cell(other("nothing that the stub pushed")))
        if cell.value != entry("r9"):
            self.find("argument 6", "argument 6 (R9) must be the lowest word of the "
                      f"stack at {self.code.at(self.rip)}; there is {cell.value}",
                      cell.writer or self.rip)

    def note_words(self) -> None:
        """Where on the stack the user's registers stand at the call."""
        for register in GENERAL:
            places = sorted(key[2] for key, cell in self.memory.items()
                            if key[:2] == (self.rsp.kind, self.rsp.name)
                            and cell.value == entry(register)
                            and key[2] >= self.rsp.offset)
            if register == "r9" and len(places) > 1 and places[0] == self.rsp.offset:
                del places[0]  # argument 6's copy
            if not places:
                for key, cell in self.memory.items():
                    if key[0] == "stack" and cell.value.kind == "entry" and (
                            cell.value.name == register):
                        self.nearly[register] = cell
                continue
            usual = FRAME[register] - 128
            self.words[register] = usual if usual in places else places[-1]
            self.writers[register] = self.memory[
                self.rsp.kind, self.rsp.name, self.words[register]].writer
        late = [w for w in self.writers.values() if w not in self.saved_before]
        if self.first_sti is not None and late:
            self.find("if", f"{self.code.at(self.first_sti)} turns interrupts on "
                      f"before the frame is whole: {self.code.at(late[0])} comes "
                      "behind it", self.first_sti)

    def do_ud2(self, i: capstone.CsInsn) -> int:
        if self.steps == 1:
            text = (f"the stub's first instruction is {self.code.at(self.rip)}: it "
                    "has no code yet")
        else:
            text = f"the stub runs into {self.code.at(self.rip)}: it never returns"
        self.find("end", text)
        self.end = i
        return self.rip

    def do_hlt(self, i: capstone.CsInsn) -> int:
        self.find("end", f"the stub stops at {self.code.at(self.rip)}")
        self.end = i
        return self.rip

    def do_sysret(self, i: capstone.CsInsn) -> int:
        if not is_sysretq(i):
            self.find("end", f"{self.code.at(self.rip)} has no REX.W: it returns "
                      "to 32-bit code (CS 0x23); sysretq is meant")
        self.end = i
        return self.rip

    def do_iretq(self, i: capstone.CsInsn) -> int:
        self.end = i
        return self.rip

    def do_iretd(self, i: capstone.CsInsn) -> int:
        self.find("end", f"{self.code.at(self.rip)} pops five words of 32 bits; "
                  "iretq is meant")
        self.end = i
        return self.rip

    do_iret = do_iretd


def part(value: Value, bits: int) -> Value:
    if not value.kind:
        return number(value.offset & (1 << bits) - 1)
    if value.name.startswith(f"the low {bits} bits"):
        return value
    return other(f"the low {bits} bits of {value}")


# ---- the comparison --------------------------------------------------------


def check_end(run: Run, expected: dict[str, Value], after: str) -> None:
    """Compares the state before the return with what the user must find.

    expected  register -> value; "rcx" is the RIP, "r11" the RFLAGS.
    """
    code, end = run.code, run.end
    assert end is not None
    if end.mnemonic not in ("sysret", "iretq"):
        return
    if run.called is None and not after:
        run.find("end", f"{code.at(run.rip)} is reached without a call of "
                 "syscall_handler")
        return
    held = dict(run.registers)
    if end.mnemonic == "iretq":
        base = run.rsp
        names = (("RIP", "rcx"), ("CS", ""), ("RFLAGS", "r11"), ("RSP", "rsp"),
                 ("SS", ""))
        wanted = (expected["rcx"], number(USER_CS), expected["r11"],
                  expected["rsp"], number(USER_SS))
        words = [run.load(False, base.plus(8 * n)) for n in range(5)]
        for nth, (name, register) in enumerate(names):
            value, cell = wanted[nth], words[nth]
            if cell.value != value:
                run.find("iret " + name, f"iretq's word {nth}, {name}, is "
                         f"{cell.value}, from {code.at(cell.writer)}; "
                         f"it must be {value}", cell.writer)
        held["rsp"] = Cell(expected["rsp"])
        for register in ("rcx", "r11"):  # free, if nothing of the kernel's shows
            if held[register].value.kind in ("entry", "word", ""):
                held[register] = Cell(expected[register])
    if run.kernel_gs:
        text = f"{code.at(run.rip)} is reached with the kernel's GS: "
        behind = run.code.decode(end.address + end.size)
        if behind.mnemonic == "swapgs":
            text += f"{code.at(behind.address)} stands behind it and never runs"
        else:
            text += "no swapgs stands before it"
        run.find("gs back", text)
    if (end.mnemonic == "sysret" and run.first_pop is not None
            and "if" not in run.findings):
        text = f"{run.why_on()}; {code.at(run.first_pop)} begins to restore"
        if run.cli_after is not None:
            text = (f"{code.at(run.cli_after)} comes too late: "
                    f"{code.at(run.first_pop)} has begun to restore with "
                    "interrupts on")
        run.find("if", text, run.first_pop)
    compare_registers(run, held, expected, after)


def listed(registers: Sequence[str]) -> str:
    """`RDX, RSI and RDI`."""
    names = [r.upper() for r in registers]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


ROLE = {"rcx": "RCX, the RIP to return to,", "r11": "R11, the RFLAGS to return with,",
        "rax": "RAX, the result,"}


def compare_registers(run: Run, held: dict[str, Cell],
                      expected: dict[str, Value], after: str) -> None:
    code = run.code
    wrong = [r for r in GENERAL if held[r].value != expected[r]]
    if len(wrong) >= 3 and run.pop_base is not None and run.words:
        base = Value("stack", "kernel_rsp", min(run.words.values()))
        distance = run.pop_base.offset - base.offset
        if run.pop_base.kind == "stack" and distance:
            run.find("shift", f"at {code.at(run.first_pop_any)} RSP is "
                     f"{abs(distance)} bytes {'above' if distance > 0 else 'below'} "
                     "the frame, so every pop takes another register's word",
                     run.first_pop_any)
            return
    done: set[str] = set()
    for register in wrong:
        cell = held[register]
        if register in done:
            continue
        name = register.upper()
        if register == "rax" or run.end and run.end.mnemonic == "sysret":
            name = ROLE.get(register, name)
        twin = next((r for r in wrong if r != register
                     and held[r].value == expected[register]
                     and cell.value == expected[r]), None)
        if twin is not None and cell.writer and held[twin].writer:
            done.add(twin)
            run.find("register " + register,
                     f"{after}{register.upper()} and {twin.upper()} come back "
                     f"exchanged: {register.upper()} holds {cell.value}, by "
                     f"{code.at(cell.writer)}, and {twin.upper()} holds "
                     f"{held[twin].value}, by {code.at(held[twin].writer)}",
                     cell.writer)
            continue
        if cell.writer in (None, run.called):
            # One thing is missing for all of them.
            alike = [r for r in wrong if r not in done
                     and held[r].writer == cell.writer and r not in ROLE]
            if register in alike and len(alike) > 1:
                done.update(alike)
                behind = f" behind {code.at(run.called)}" if cell.writer else ""
                run.find("register " + register,
                         f"{after}on return {listed(alike)} hold what the kernel "
                         f"had in them: nothing{behind} restores them", cell.writer)
                continue
        text = f"{after}on return {name} holds {cell.value}"
        if cell.writer is None:
            text += ": nothing restores it"
        elif cell.writer == run.called:
            text += f": nothing behind {code.at(run.called)} restores it"
        elif cell.source is not None:
            text += (f": {code.at(cell.writer)} takes the word that "
                     f"{code.at(cell.source)} wrote")
        else:
            text += f": {code.at(cell.writer)} wrote it"
        run.find("register " + register, text, cell.writer)


# ---- the whole -------------------------------------------------------------


def prove(kernel: Path) -> Proof:
    """What is known of the stub of a built kernel."""
    symbols = Symbols(kernel)
    code = Code(symbols)
    if "syscall_entry" not in symbols:
        return Proof(decided=False, sentence="not decided: the kernel has no "
                     "syscall_entry")
    main = Run(code, symbols.address("syscall_entry"))
    for register in GENERAL:
        main.registers[register] = Cell(entry(register))
    main.per_cpu[KERNEL_RSP] = Cell(STACK)
    main.per_cpu[USER_RSP] = Cell(
        other(f"what an earlier call left in gs:{USER_RSP}"))
    proof = Proof()
    try:
        main.follow()
        check_end(main, {**{r: entry(r) for r in GENERAL}, "rax": RESULT}, "")
        findings = in_order(main)
        tail = follow_tail(main, symbols)
        if tail is not None:
            findings += [f for kind, f in tail.findings.items()
                         if kind not in main.findings and "shift" not in main.findings]
        if main.called is not None:
            findings += check_frame(main, symbols)
    except (Undecided, Undecodable) as reason:
        return Proof(decided=False, sentence=f"not decided: {reason}; the tests decide",
                     findings=list(main.findings.values()), steps=main.steps)
    assert main.end is not None
    proof.returns = {"sysret": "sysretq"}.get(main.end.mnemonic, main.end.mnemonic)
    proof.steps = main.steps
    if main.words:
        base = min(main.words.values())
        proof.frame = {offset - base: register for register, offset in sorted(
            main.words.items(), key=lambda item: item[1])}
        proof.below = -(max(main.words.values()) + 8)
    proof.findings = findings
    proof.ok = not findings
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


def follow_tail(main: Run, symbols: Symbols) -> Optional[Run]:
    """Follows the stub from syscall_exit with any frame, as a forked child goes;
    None where the first run found no frame or passed no such place."""
    if main.stack_at_exit is None or main.stack_at_exit.kind != "stack":
        return None
    if len(main.words) < len(GENERAL):
        return None  # the frame is not whole, which is said elsewhere
    tail = Run(main.code, symbols.address("syscall_exit"))
    tail.kernel_gs = True
    tail.called = main.called
    tail.interrupts, tail.interrupts_by = True, main.called
    tail.shadow = True  # the first instruction may be the cli
    for register in GENERAL:
        tail.registers[register] = Cell(other(
            f"what the kernel had in {register.upper()}"))
    base = min(main.words.values())
    tail.registers["rsp"] = Cell(STACK.plus(base))
    tail.words, tail.writers = main.words, main.writers
    for register, offset in main.words.items():
        tail.memory["stack", "kernel_rsp", offset] = Cell(
            word(register), main.writers[register])
    tail.per_cpu[KERNEL_RSP] = Cell(STACK)
    tail.follow()
    check_end(tail, {r: word(r) for r in GENERAL},
              "a process that starts at syscall_exit with RSP at a frame (a forked "
              "child): ")
    return tail


@dataclasses.dataclass(frozen=True)
class Struct:
    """struct syscall_frame as C has it: bytes, field -> offset and size."""

    size: int
    offsets: dict[str, int]
    sizes: dict[str, int]


def struct_of(symbols: Symbols) -> Optional[Struct]:
    """struct syscall_frame as the file of get_syscall_frame has it; None where it
    is not defined."""
    dwarf = symbols.elf.get_dwarf_info()
    ranges = dwarf.get_aranges()
    if "get_syscall_frame" not in symbols or ranges is None:
        return None
    unit = ranges.cu_offset_at_addr(symbols.address("get_syscall_frame"))
    if unit is None:
        return None
    for die in dwarf.get_CU_at(unit).get_top_DIE().iter_children():
        if (die.tag == "DW_TAG_structure_type" and "DW_AT_byte_size" in die.attributes
                and "DW_AT_name" in die.attributes
                and die.attributes["DW_AT_name"].value == b"syscall_frame"):
            break
    else:
        return None
    offsets: dict[str, int] = {}
    sizes: dict[str, int] = {}
    add_members(die, 0, offsets, sizes)
    return Struct(die.attributes["DW_AT_byte_size"].value, offsets, sizes)


def add_members(die: DIE, base: int, offsets: dict[str, int],
                sizes: dict[str, int]) -> None:
    """The fields of a struct or union at `base`, with those of unions and structs
    in it that have no name."""
    for member in die.iter_children():
        if member.tag != "DW_TAG_member":
            continue
        location = member.attributes.get("DW_AT_data_member_location")
        offset = base + (location.value if location else 0)
        kind = member.get_DIE_from_attribute("DW_AT_type")
        while "DW_AT_byte_size" not in kind.attributes and (
                "DW_AT_type" in kind.attributes):
            kind = kind.get_DIE_from_attribute("DW_AT_type")
        if "DW_AT_name" not in member.attributes:
            add_members(kind, offset, offsets, sizes)
            continue
        name = member.attributes["DW_AT_name"].value.decode()
        offsets[name] = offset
        if "DW_AT_byte_size" in kind.attributes:
            sizes[name] = kind.attributes["DW_AT_byte_size"].value


def missing_words(run: Run) -> list[str]:
    """The registers that are nowhere on the stack while the handler runs."""
    return [r for r in FRAME if run.called is not None and r not in run.words]


def in_order(run: Run) -> list[Finding]:
    """The findings of the first run, the likely cause first: a register that is
    not pushed at all before what became of it."""
    missing = missing_words(run)
    if not missing:
        return list(run.findings.values())
    near = [(register, run.nearly[register]) for register in missing
            if register in run.nearly]
    if near:
        register, cell = near[0]
        text = (f"the frame has {cell.value} where {entry(register)} belongs: "
                f"{run.code.at(cell.writer)}")
    elif missing == ["rsp"]:
        text = ("the user's RSP is not in the frame: in gs:8 the next process "
                "that makes a call overwrites it")
    else:
        text = ("the frame has no word for "
                + listed(missing)
                + ": a forked child and get_syscall_frame need all sixteen")
    finding = Finding(text, run.code.place(near[0][1].writer if near else run.called))
    found = list(run.findings.items())
    for place, (kind, _) in enumerate(found):
        register = kind.removeprefix("register ")
        if register in missing and run.registers[register].source is None:
            break
    else:
        place = len(found)
    return [*(f for _, f in found[:place]), finding, *(f for _, f in found[place:])]


def check_frame(run: Run, symbols: Symbols) -> list[Finding]:
    """Compares the words on the stack with the struct that C has for them."""
    code = run.code
    found: list[Finding] = []
    if missing_words(run):
        return found
    base = min(run.words.values())
    stub = {r: offset - base for r, offset in run.words.items()}
    struct = struct_of(symbols)
    if stub == FRAME or struct and all(struct.offsets.get(r) == stub[r] for r in stub):
        return list(struct_findings(stub, struct)) if struct else found
    for register, offset in FRAME.items():
        if stub[register] != offset:
            here = next((r for r in stub if stub[r] == offset), "nothing")
            others = sum(stub[r] != FRAME[r] for r in FRAME) - 1
            text = (f"the frame's word at {offset}, where {register.upper()} belongs "
                    f"(FRAME_{register.upper()}), holds {here.upper()}: "
                    f"{code.at(run.writers.get(here))} put it there")
            if others:
                text += f"; {others} more stand elsewhere"
            found.append(Finding(text, code.place(run.writers.get(here))))
            break
    return found


def struct_findings(stub: dict[str, int], struct: Struct) -> Iterator[Finding]:
    """What is wrong with the struct, where the stub is as it must be."""
    where = "kernel/frame.h"
    for register in FRAME:
        if register not in struct.offsets:
            yield Finding(f"struct syscall_frame has no field {register}", where,
                          "frame")
            return
        offset = struct.offsets[register]
        if offset != stub[register]:
            here = next((r for r in stub if stub[r] == offset), "nothing")
            yield Finding(
                f"struct syscall_frame has {register} at {offset}, where the stub "
                f"puts {here.upper()}; {register.upper()} is at {stub[register]}",
                where, "frame")
            return
        if struct.sizes.get(register, 8) != 8:
            yield Finding(f"struct syscall_frame gives {register} "
                          f"{struct.sizes[register]} bytes of its eight", where,
                          "frame")
            return
    if struct.size != 128:
        yield Finding(f"struct syscall_frame has {struct.size} bytes; the stub's "
                      "sixteen words are 128", where, "frame")


def report(proof: Proof) -> str:
    lines = [("proved" if proof.ok else "wrong" if proof.decided else "not decided")
             + f" ({proof.steps} instructions)", proof.sentence]
    lines += [f"  {f.where or '?'}: {f.cause}" for f in proof.findings]
    if proof.frame:
        lines.append("frame: " + "  ".join(
            f"{offset}:{name}" for offset, name in proof.frame.items()))
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    if "--table" in arguments:
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
        from known_wrong import run as known_wrong  # noqa: PLC0415: it uses this module
        return known_wrong.main(["--proof"])
    kernel = Path(arguments[0]) if arguments else (
        Path(__file__).resolve().parents[2] / "build/kernel.elf")
    proof = prove(kernel)
    print(report(proof))
    return 0 if proof.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
