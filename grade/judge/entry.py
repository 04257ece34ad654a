"""Lab 3's instruments.

A `Caller` makes system calls from outside: the program in the machine only
holds a SYSCALL, and the host loads every register before it and reads every
register behind it. A `Walk` follows one such call instruction by instruction,
and can say of any register at the end which instruction put there what it
holds. Both use nothing of the stub but its name and the way in and out.
"""

from __future__ import annotations

import dataclasses
import random
import re
from typing import TYPE_CHECKING, Any, Dict, List, NoReturn, Optional, Tuple

import capstone
from capstone import x86_const

from machine import deadlines
from machine.gdb_remote import Gdb, GdbError, GdbTimeout, MachineGone
from .patience import hangs
from .verdict import wrong
from machine.symbols import Symbols

if TYPE_CHECKING:
    from .lab import Lab

Registers = Dict[str, int]

# In the order in which a report names them.
GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9",
           "r10", "r11", "r12", "r13", "r14", "r15")
ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
C_ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")

# What a C function may change, but for its result, and R11: see clobber().
CLOBBERED = ("rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10")

PAGE = 4096
KSTACK_BYTES = 2 * PAGE
KERNEL_HALF = 1 << 63

IF, DF, TF, NT, AC = 1 << 9, 1 << 10, 1 << 8, 1 << 14, 1 << 18
FLAGS_BASE = 0x202
# CF, PF, AF, ZF, SF, DF, OF and ID: a program may have them as it likes, and
# by themselves they do nothing.
FLAGS_FREE = 0x200CD5

USER_CS, USER_SS = 0x33, 0x2B

VECTOR_NAMES = ("#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF",
                "#9", "#TS", "#NP", "#SS", "#GP", "#PF")
HAS_ERROR_CODE = {8, 10, 11, 12, 13, 14, 17, 21, 29, 30}

# The longest way from SYSCALL back to ring 3, in instructions of the stub.
STEPS = 400


@dataclasses.dataclass(frozen=True)
class Call:
    """One call: every register before SYSCALL and behind it."""

    name: str
    before: Registers
    after: Registers

    @property
    def result(self) -> int:
        """RAX as the signed number it is."""
        return signed(self.after["rax"])


class Caller:
    """A machine that stands before a SYSCALL in ring 3, and the host's hand in
    its registers."""

    def __init__(self, lab: Lab, init: str = "/bin/probe_call", *,
                 explain: bool = True, **options: Any) -> None:
        self.lab = lab
        self.kernel: Symbols = lab.kernel
        self.probe: Symbols = lab.probe("probe_call")
        self.random: random.Random = random.Random(lab.seed)
        self._explain = explain
        self.before = self.probe.address("probe_before")
        self.after = self.probe.address("probe_after")
        self.stack = self.probe.address("probe_stack") + PAGE + PAGE // 2
        self.buffer = self.probe.address("probe_buffer")
        self.per_cpu = self.kernel.address("per_cpu")
        self.machine = lab.machine(init, gdb=True, stopped=True, **options)
        self.gdb: Gdb = self.machine.gdb()
        try:
            self._run(self.before)
        except (MachineGone, GdbTimeout):
            raise lab.verdict_of(self.machine) from None

    def patterns(self) -> Registers:
        """A value of its own for every general register."""
        return {name: self.random.getrandbits(64) for name in GENERAL}

    def load(self, registers: Registers) -> None:
        """Puts values into registers (names as the debugger has them)."""
        for name, value in registers.items():
            self.gdb.set_register(name, value)

    def prepare(self, number: int, *arguments: int, **fixed: int) -> Registers:
        """Loads a call: patterns everywhere, then the number, the arguments and
        what is fixed by name. Gives all registers."""
        values = self.patterns()
        values["rsp"] = self.stack - 16 * self.random.randrange(64)
        values["eflags"] = FLAGS_BASE | (self.random.getrandbits(64) & FLAGS_FREE)
        values["rax"] = number & (1 << 64) - 1
        for name, argument in zip(ARGUMENTS, arguments):
            values[name] = argument & (1 << 64) - 1
        values["rip"] = self.before
        values.update(fixed)
        self.load(values)
        return self.gdb.registers()

    def enter(self) -> None:
        """Executes SYSCALL: the first instruction of the stub is next."""
        self.step()
        if self.gdb.register("rip") != self.kernel.address("syscall_entry"):
            self.lab.needs("lab 2: the SYSCALL instruction reaches syscall_entry")

    def call(self, number: int, *arguments: int, name: str = "",
             **fixed: int) -> Call:
        """One call from SYSCALL to the instruction behind it."""
        before = self.prepare(number, *arguments, **fixed)
        self.enter()
        self.run_to(self.after)
        return Call(name or f"call {signed(number)}", before, self.gdb.registers())

    def clobber(self, flags: int) -> None:
        """Does what any C function may do: changes every register that C does
        not keep. R11 gets flags that are harmless and not these."""
        self.load({name: self.random.getrandbits(64) for name in CLOBBERED})
        self.load({"r11": (flags ^ FLAGS_FREE) & FLAGS_FREE | FLAGS_BASE})

    def clobbered_call(self, number: int, name: str, **fixed: int) -> Call:
        """A call whose handler uses every register that it may."""
        before = self.prepare(number, **fixed)
        self.run_to(self.kernel.address("syscall_handler"))
        self.run_to(self.gdb.read_u64(self.gdb.register("rsp")))
        self.clobber(before["eflags"])
        self.run_to(self.after)
        return Call(name, before, self.gdb.registers())

    def run_to(self, *places: int, deadline: Optional[float] = None) -> int:
        """Lets the machine run until one of these instructions is next; gives
        which. A machine that does not come there ends the test."""
        try:
            return self._run(*places, deadline=deadline)
        except GdbTimeout:
            hangs[self.lab.kernel_path] += 1
            self.lost()
        except MachineGone:
            self.lost()

    def step(self) -> None:
        """Executes one instruction."""
        try:
            self.gdb.step()
        except (MachineGone, GdbTimeout):
            self.lost()

    def lost(self, sentence: str = "") -> NoReturn:
        """Ends the test of a machine that ended or hung: with the mistake in
        the stub, where one is found, else with how the machine ended."""
        finding = culprit(self.lab) if self._explain else None
        if finding:
            blame(self.lab, sentence, finding)
        raise self.lab.verdict_of(self.machine)

    @property
    def kernel_rsp(self) -> int:
        """The top of the current process's kernel stack."""
        return self.gdb.read_u64(self.per_cpu)

    def store(self, name: str, value: int) -> None:
        """Writes a variable of the program."""
        self.gdb.write(self.probe.address(name), value.to_bytes(8, "little"))

    def write(self, address: int, data: bytes) -> None:
        """Writes memory, in pieces that the debugger's stub takes."""
        for at in range(0, len(data), 1024):
            self.gdb.write(address + at, data[at:at + 1024])

    def fetch(self, name: str) -> int:
        """Reads a variable of the program."""
        return self.gdb.read_u64(self.probe.address(name))

    def _run(self, *places: int, deadline: Optional[float] = None) -> int:
        if self.gdb.register("rip") in places:
            self.step()
            if self.gdb.register("rip") in places:
                return self.gdb.register("rip")
        for place in places:
            self.gdb.insert_breakpoint(place)
        self.gdb.cont(deadline or deadlines.probe() / 2)
        for place in places:
            self.gdb.remove_breakpoint(place)
        return self.gdb.register("rip")


# ---- one call, instruction by instruction ------------------------------------

@dataclasses.dataclass
class Step:
    """One instruction of the stub; a call of a C function is one, too."""

    rip: int
    text: str
    where: str
    before: Registers
    after: Registers
    writes: List[int]
    reads: List[int]
    sets: List[str]
    gs: bool = False

    def __str__(self) -> str:
        return f"`{self.text}` ({self.where})"

    @property
    def mnemonic(self) -> str:
        return self.text.split()[0]


@dataclasses.dataclass(frozen=True)
class Fault:
    """An exception that an instruction of the stub raised."""

    vector: int
    error: int
    rip: int
    cr2: int

    @property
    def name(self) -> str:
        name = (VECTOR_NAMES[self.vector] if self.vector < len(VECTOR_NAMES)
                else f"exception {self.vector}")
        if self.vector in HAS_ERROR_CODE and self.vector != 8:
            name += f"({self.error:#x})"
        return name


@dataclasses.dataclass(frozen=True)
class Finding:
    """A mistake in the stub: a sentence, and file and line."""

    sentence: str
    where: str
    kind: str = ""


class Walk:
    """One call of getpid, followed from SYSCALL to ring 3.

    entry    every register before SYSCALL.
    steps    the instructions of the stub, in the order in which they ran.
    handler  every register at syscall_handler's first instruction, or None.
    saved    the kernel stack there, by address, from RSP up to kernel_rsp.
    back     every register at the first instruction in ring 3, or None.
    fault    what an instruction raised, or None.
    ended    how the machine was lost, or None.
    """

    NUMBER = 39

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.kernel = caller.kernel
        self.gdb = caller.gdb
        self.per_cpu = caller.per_cpu
        self.next_rip = caller.after
        self.steps: List[Step] = []
        self.handler: Optional[Registers] = None
        self.saved: Dict[int, int] = {}
        self.back: Optional[Registers] = None
        self.fault: Optional[Fault] = None
        self.ended: Optional[str] = None
        self._words: Dict[int, int] = {}  # address: the step that wrote there
        self._intel = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self._intel.detail = True  # operands: which memory, read or written
        self._att = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self._att.syntax = capstone.CS_OPT_SYNTAX_ATT
        table = self.gdb.read(self.kernel.address("trap_entries"), 256 * 8)
        self._vectors = {
            int.from_bytes(table[8 * i:8 * i + 8], "little"): i for i in range(256)}

        # Aligned and in the middle of a page, DF set: what a push or a string
        # instruction at the wrong place would do shows.
        self.entry = caller.prepare(self.NUMBER, eflags=FLAGS_BASE | DF | 0x81)
        self.kernel_rsp = caller.kernel_rsp
        caller.enter()
        try:
            self._follow()
        except MachineGone:
            self.ended = "the machine was reset (a triple fault) or ended itself"
        except GdbTimeout:
            self.ended = "the machine hung"
        # Now, while the machine can still be asked.
        self.needs: Optional[str] = None
        self.findings = self._judge()

    # ---- following ----

    def _follow(self) -> None:
        handler = self.kernel.address("syscall_handler")
        for _ in range(STEPS):
            before = self.gdb.registers()
            rip = before["rip"]
            if rip in self._vectors:
                self._take_fault(self._vectors[rip], before)
                return
            step = self._decode(before)
            self.steps.append(step)
            if step.mnemonic.startswith("call"):
                self._over_call(step, handler)
            else:
                self.gdb.step()
                step.after = self.gdb.registers()
            for address in step.writes:
                self._words[address] = len(self.steps) - 1
            if step.after["cs"] & 3 == 3:
                self.back = step.after
                return
        self.ended = f"after {STEPS} instructions the stub was not back in ring 3"

    def _over_call(self, step: Step, handler: int) -> None:
        self.gdb.step()
        inside = self.gdb.registers()
        if inside["rip"] in self._vectors:
            step.after = inside
            return
        if inside["rip"] == handler and self.handler is None:
            self.handler = inside
            for address in range(inside["rsp"], self.kernel_rsp, 8):
                if address > inside["rsp"] + 64 * 8:
                    break
                self.saved[address] = self.gdb.read_u64(address)
        self.caller._run(self.gdb.read_u64(inside["rsp"]))
        self.caller.clobber(self.entry["eflags"])
        step.after = self.gdb.registers()
        step.sets = [name for name in GENERAL
                     if name != "rsp" and step.after[name] != step.before[name]]

    def _take_fault(self, vector: int, registers: Registers) -> None:
        at = registers["rsp"]
        error = 0
        if vector in HAS_ERROR_CODE:
            error, at = self.gdb.read_u64(at), at + 8
        self.fault = Fault(vector, error, self.gdb.read_u64(at), registers["cr2"])

    def _decode(self, before: Registers) -> Step:
        rip = before["rip"]
        code = self.gdb.read(rip, 15)
        instruction = next(self._intel.disasm(code, rip, 1), None)
        where = self.kernel.line_at(rip) or self.kernel.name_at(rip)
        if instruction is None:
            return Step(rip, f".byte {code[0]:#x}", where, before, before, [], [], [])
        text = next(self._att.disasm(code, rip, 1))
        step = Step(rip, _text(text, self.kernel), where, before, before, [], [], [])
        for operand in instruction.operands:
            if operand.type != x86_const.X86_OP_MEM:
                continue
            address = self._address(instruction, operand.mem, before)
            step.gs |= operand.mem.segment == x86_const.X86_REG_GS
            if instruction.id == x86_const.X86_INS_LEA:
                continue
            if operand.access & capstone.CS_AC_WRITE:
                step.writes.append(address)
            if operand.access & capstone.CS_AC_READ:
                step.reads.append(address)
        if instruction.mnemonic.startswith("push"):
            step.writes.append(before["rsp"] - 8)
        if instruction.mnemonic.startswith("pop"):
            step.reads.append(before["rsp"])
        step.sets = sorted({
            full for r in instruction.regs_access()[1]
            if (full := _whole(instruction.reg_name(r)))})
        if instruction.id == x86_const.X86_INS_POP and "rsp" not in step.text:
            step.sets = [name for name in step.sets if name != "rsp"]
        return step

    @staticmethod
    def _address(instruction: Any, memory: Any, before: Registers) -> int:
        def value(register: int) -> int:
            name = instruction.reg_name(register) if register else None
            if name == "rip":
                return int(instruction.address + instruction.size)
            return before.get(_whole(name) or "", 0) if name else 0
        address = value(memory.base) + value(memory.index) * memory.scale + memory.disp
        if memory.segment == x86_const.X86_REG_GS:
            address += before["gs_base"]
        return int(address) & (1 << 64) - 1

    # ---- asking ----

    @property
    def came_back(self) -> bool:
        return self.back is not None and self.back["rip"] == self.next_rip

    def in_kernel_stack(self, address: int) -> bool:
        return self.kernel_rsp - KSTACK_BYTES <= address <= self.kernel_rsp

    @property
    def call_index(self) -> int:
        """The step that called syscall_handler; the number of steps if none."""
        for index, step in enumerate(self.steps):
            if step.mnemonic.startswith("call") and "syscall_handler" in step.text:
                return index
            if step.mnemonic.startswith("call") and self.handler is not None \
                    and step.before["rsp"] - 8 == self.handler["rsp"]:
                return index
        return len(self.steps)

    def user_value(self, value: int, but: str = "") -> Optional[str]:
        """What of the user's a value is: "R8's pattern"."""
        for name in GENERAL:
            if name == but or name in ("rcx", "r11"):
                continue
            if value == self.entry[name]:
                return ("the call's number" if name == "rax" else
                        "the user's RSP" if name == "rsp" else
                        f"{name.upper()}'s pattern")
        if value == self.next_rip:
            return "the user's RIP"
        if value == self.entry["eflags"]:
            return "the user's RFLAGS"
        return None

    def mover(self, register: str) -> str:
        """Which instruction gave a register what it holds at the call."""
        for step in reversed(self.steps[:self.call_index]):
            if register in step.sets:
                return f"{step} put it there"
        return "no instruction has moved anything there"

    def source_of(self, register: str) -> Optional[Tuple[str, str]]:
        """Which instruction gave a register what it holds at the end: a
        sentence, and where. None where nothing in the stub did."""
        for index in range(len(self.steps) - 1, -1, -1):
            step = self.steps[index]
            if register not in step.sets:
                continue
            if step.mnemonic.startswith("call"):
                return (f"C code under {step} leaves something of its own there "
                        f"and nothing behind it puts the user's {register.upper()} "
                        "back", step.where)
            if step.reads and not step.gs:
                writer = self._writer(step.reads[0], index)
                if writer is None:
                    return (f"{step} takes a word that the stub never stored",
                            step.where)
                return f"{step} takes the word that {writer} stored", step.where
            return (f"{step} changes it and nothing behind it puts the user's "
                    "back", step.where)
        return None

    def _writer(self, address: int, before: int) -> Optional[Step]:
        for index in range(before - 1, -1, -1):
            if address in self.steps[index].writes:
                return self.steps[index]
        return None

    def shift(self) -> Optional[int]:
        """By how many bytes every pop misses the word of its register: the
        stack pointer was not where the last push of the frame left it."""
        own: Dict[str, int] = {}
        for step in self.steps[:self.call_index]:
            if step.mnemonic.startswith("push") and step.text.count("%") == 1:
                own.setdefault(step.text.split("%")[1].rstrip(), step.writes[-1])
        misses = [own[step.text.split("%")[1].rstrip()] - step.reads[-1]
                  for step in self.steps[self.call_index + 1:]
                  if step.mnemonic.startswith("pop") and step.text.count("%") == 1
                  and step.text.split("%")[1].rstrip() in own]
        if len(misses) >= 4 and len(set(misses)) == 1 and misses[0]:
            return misses[0]
        return None

    # ---- judging ----

    def on_the_way_in(self) -> Optional[Finding]:
        """The first mistake before syscall_handler."""
        user_rsp = self.entry["rsp"]
        saved_rsp = False  # the user's RSP has been stored somewhere
        framed_rsp = False  # and stands in the kernel's stack
        for index, step in enumerate(self.steps[:self.call_index + 1]):
            if index == 0 and step.mnemonic == "ud2":
                return Finding("syscall_entry is still empty: its first instruction "
                               "is ud2", step.where)
            finding = (self._user_stack_used(index, step)
                       or self._wrong_gs(index, step)
                       or self._wrong_slot(step))
            if finding:
                return finding
            moved = (not self.in_kernel_stack(step.before["rsp"])
                     and self.in_kernel_stack(step.after["rsp"]))
            kept = any(step.after[name] == user_rsp for name in GENERAL)
            if moved and not saved_rsp and not kept:
                return Finding(
                    f"{step} loads the kernel's RSP before anything has saved the "
                    "user's: that is lost now", step.where)
            if step.after["eflags"] & IF and not framed_rsp:
                return Finding(
                    f"{step} lets interrupts in (IF is 1) before the user's RSP "
                    "stands in the kernel's stack", step.where, "if-in")
            for address in step.writes:
                value = self._stored(step, address)
                saved_rsp |= value == user_rsp
                framed_rsp |= value == user_rsp and self.in_kernel_stack(address)
        return None

    def on_the_way_out(self) -> Optional[Finding]:
        """The first mistake behind syscall_handler."""
        for step in self.steps[self.call_index + 1:]:
            if step.after["cs"] & 3:
                break
            if step.after["eflags"] & IF and (
                    not self.in_kernel_stack(step.after["rsp"])
                    or step.after["gs_base"] != self.per_cpu):
                what = ("RSP" if not self.in_kernel_stack(step.after["rsp"])
                        else "GS")
                if self._shadowed(step):
                    continue
                return Finding(
                    f"behind {step} {what} is the user's while the CPU is still in "
                    "ring 0 and IF is 1: an interrupt here runs on the user's "
                    f"{what}. {self._who_set_if()}", step.where, "if-out")
        return self._wrong_return() or self._registers_lost()

    def _judge(self) -> List[Finding]:
        found = [self.on_the_way_in()]
        if not found[0] and self.fault and self.steps:
            found.append(self._faulted())
        if not found[0] and self.handler and not self.fault:
            found.append(self.on_the_way_out())
        elif not found[0] and not self.fault and self.back is not None:
            found.append(Finding("the stub comes back to ring 3 without calling "
                                 "syscall_handler", self.steps[-1].where))
        return [f for f in found if f]

    def _stored(self, step: Step, address: int) -> Optional[int]:
        """What a step wrote, as far as its registers tell."""
        named = re.findall(r"%(\w+)", step.text)
        if step.mnemonic.startswith("push") and step.gs:
            # A push of a per-CPU slot: of what was last written there.
            writer = self._writer(step.reads[0], self.steps.index(step))
            return self._stored(writer, step.reads[0]) if writer else None
        for name in named:
            if _whole(name) in step.before:
                return step.before[_whole(name) or ""]
        return None

    def _user_stack_used(self, index: int, step: Step) -> Optional[Finding]:
        pushes = step.mnemonic.startswith(("push", "call"))
        if not pushes or self.in_kernel_stack(step.before["rsp"]):
            return None
        if abs(step.before["rsp"] - self.entry["rsp"]) > PAGE:
            return None
        if index == 0 or (step.mnemonic.startswith("push")
                          and not self.steps[0].mnemonic.startswith("swapgs")):
            return Finding(
                f"{step} writes to the user's stack as the first thing that "
                "happens: the compiler put its prologue in front, because the "
                "function is not naked", step.where)
        return Finding(
            f"{step} pushes while RSP is still the user's: nothing has changed "
            "over to the kernel's stack", step.where)

    def _wrong_gs(self, index: int, step: Step) -> Optional[Finding]:
        if not step.gs or step.before["gs_base"] == self.per_cpu:
            return None
        swaps = sum(s.mnemonic == "swapgs" for s in self.steps[:index])
        if swaps == 1 and self.entry["k_gs_base"] != self.per_cpu:
            self.needs = "lab 2: KERNEL_GS_BASE is this CPU's block"
        why = ("no swapgs has run before it" if swaps == 0
               else f"swapgs has run {swaps} times before it")
        return Finding(f"{step} goes through GS while GS is the user's "
                       f"(base {step.before['gs_base']:#x}): {why}", step.where)

    def _wrong_slot(self, step: Step) -> Optional[Finding]:
        if self.per_cpu in step.writes:
            return Finding(
                f"{step} writes over kernel_rsp, where the kernel's stack is "
                "found: the offsets of kernel_rsp (0) and user_rsp (8) are "
                "exchanged", step.where)
        if step.mnemonic.startswith("mov") and "rsp" in step.sets \
                and self.per_cpu + 8 in step.reads:
            return Finding(
                f"{step} takes the kernel's RSP from user_rsp (gs:8): it stands in "
                "kernel_rsp (gs:0)", step.where)
        return None

    def _shadowed(self, step: Step) -> bool:
        """Whether the instruction behind this one is shielded: STI holds
        interrupts off for one instruction."""
        return step.mnemonic == "sti"

    def _who_set_if(self) -> str:
        for step in reversed(self.steps):
            if not step.before["eflags"] & IF and step.after["eflags"] & IF \
                    and not step.after["cs"] & 3:
                if step.mnemonic.startswith("call"):
                    return f"{step} came back with IF set; cli is missing behind it"
                return f"{step} has set IF; cli is missing behind it"
        return "cli is missing"

    def _faulted(self) -> Finding:
        assert self.fault
        step = self.steps[-1]
        if step.mnemonic.startswith("iret"):
            return self._iret_faulted(step)
        sentence = f"{step} raises {self.fault.name}"
        if self.fault.vector in (8, 14):
            sentence += f" (CR2 {self.fault.cr2:#x}; RSP {step.before['rsp']:#x})"
        return Finding(sentence, step.where)

    def _iret_faulted(self, step: Step) -> Finding:
        assert self.fault
        try:
            words = [self.gdb.read_u64(step.before["rsp"] + 8 * i) for i in range(5)]
        except GdbError:
            words = []
        return Finding(f"{step} raises {self.fault.name}: "
                       + _iret_words(words, self), step.where)

    def _wrong_return(self) -> Optional[Finding]:
        if self.back is None:
            return None
        last = self.steps[-1]
        if self.back["gs_base"] == self.per_cpu:
            return Finding(
                f"no swapgs runs between syscall_handler and {last}: ring 3 goes on "
                "with the kernel's GS" + self._swapgs_behind(last), last.where)
        if last.mnemonic in ("sysretl", "sysret") or self.back["cs"] == 0x23:
            return Finding(
                f"{last} without REX.W returns to 32-bit code, CS "
                f"{self.back['cs']:#x}: it has to be sysretq", last.where)
        if last.mnemonic.startswith("iret") and (
                self.back["cs"] != USER_CS or self.back["ss"] != USER_SS):
            return Finding(
                f"{last} loads CS {self.back['cs']:#x} and SS {self.back['ss']:#x}; "
                f"ring 3's are {USER_CS:#x} and {USER_SS:#x}", last.where)
        if self.back["rip"] != self.next_rip:
            return self._wrong_rip(last)
        return None

    def _swapgs_behind(self, last: Step) -> str:
        try:
            behind = self.gdb.read(last.rip + 3, 3)
        except GdbError:
            return ""
        if behind == b"\x0f\x01\xf8":
            return " (the swapgs behind it is never reached)"
        return ""

    def _wrong_rip(self, last: Step) -> Finding:
        assert self.back
        rip = self.back["rip"]
        name = self.user_value(rip) or f"{rip:#x}"
        sentence = f"{last} goes on at {name} ({rip:#x}), not behind the SYSCALL"
        where = last.where
        if rip & ~0xFF == self.entry["eflags"] & ~0xFF and rip < 1 << 22:
            sentence = (f"{last} goes on at {rip:#x}, which is the user's RFLAGS: "
                        "RCX and R11 are exchanged")
        if last.mnemonic.startswith("sysret"):
            shift = self.shift()
            source = self.source_of("rcx")
            if shift:
                return self.shifted(shift)
            if source:
                sentence += f"; RCX: {source[0]}"
                where = source[1]
        return Finding(sentence, where)

    def shifted(self, shift: int) -> Finding:
        first = next(step for step in self.steps[self.call_index + 1:]
                     if step.mnemonic.startswith("pop"))
        way = "below" if shift > 0 else "above"
        return Finding(
            f"at {first} RSP is {abs(shift)} bytes {way} where the last push of the "
            "frame left it, so every pop takes another register's word: the words "
            "pushed for the call must be taken off again, no more and no less",
            first.where)

    def _registers_lost(self) -> Optional[Finding]:
        if self.back is None:
            return None
        lost = [name for name in GENERAL
                if name not in ("rax", "rcx", "r11")
                and self.back[name] != self.entry[name]]
        shift = self.shift()
        if shift:
            return self.shifted(shift)
        for name in lost:
            return self.why(name)
        return None

    def why(self, name: str) -> Finding:
        """Why a register did not come back."""
        assert self.back
        value = self.back[name]
        holds = self.user_value(value, name) or f"{value:#x}"
        source = self.source_of(name)
        sentence = f"{name.upper()} came back holding {holds}"
        if source:
            return Finding(f"{sentence}: {source[0]}", source[1])
        return Finding(sentence, "")


_walks: Dict[str, Walk] = {}


def walk(lab: Lab) -> Walk:
    """The walk through this kernel's stub, made once in a process."""
    path = str(lab.kernel_path)
    if path not in _walks:
        _walks[path] = Walk(Caller(lab, explain=False))
    needs = _walks[path].needs
    if needs:
        lab.needs(needs)
    return _walks[path]


def culprit(lab: Lab) -> Optional[Finding]:
    """The first mistake in the stub: by proof where it is to be had, else by
    one call followed; None where neither finds any."""
    found = proved(lab)
    if found:
        return found
    findings = walk(lab).findings
    return findings[0] if findings else None


_proofs: Dict[str, List[Finding]] = {}


def proved(lab: Lab, *words: str) -> Optional[Finding]:
    """What the symbolic proof of the stub found wrong: with words, the first
    finding that has one of them. None where nothing is wrong, or the proof is
    not to be had."""
    path = str(lab.kernel_path)
    if path not in _proofs:
        _proofs[path] = _prove(lab)
    pattern = re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)
    for finding in _proofs[path]:
        if not words or pattern.search(finding.sentence):
            return finding
    return None


def _prove(lab: Lab) -> List[Finding]:
    try:
        from proof.prove import prove
        proof = prove(lab.kernel_path)
    except Exception:  # the word is then left to the tests
        return []
    if not proof.decided:
        return []
    return [Finding(f.cause, f.where or "") for f in proof.of("entry")]


def blame(lab: Lab, sentence: str, finding: Optional[Finding] = None, *,
          expected: str = "", found: str = "", gdb: str = "") -> NoReturn:
    """Fails the test: what was seen, and the mistake behind it."""
    sentence = re.sub(r"^(the|a|an|back|ring|after|when|with|no)\b",
                      lambda word: word[1].capitalize(), sentence)
    cause = sentence
    where = lab.place("syscall_entry") or "kernel/syscall_entry.c"
    if finding:
        cause = ": ".join(filter(None, (sentence, finding.sentence)))
        where = finding.where or where
    wrong(cause, expected=expected, found=found, where=where,
          gdb=gdb or "break syscall_entry")
    raise AssertionError("wrong() came back")


def signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _whole(name: Optional[str]) -> Optional[str]:
    """The 64-bit register that a part of it belongs to: rax for al."""
    if not name:
        return None
    match = re.fullmatch(r"(r\d+)[dwb]?", name)
    if match:
        return match[1]
    match = re.fullmatch(r"[re]?(ax|bx|cx|dx|si|di|bp|sp)", name)
    if match:
        return "r" + match[1]
    match = re.fullmatch(r"(a|b|c|d)[lh]", name)
    if match:
        return f"r{match[1]}x"
    match = re.fullmatch(r"(si|di|bp|sp)l", name)
    return "r" + match[1] if match else None


def _text(instruction: Any, kernel: Symbols) -> str:
    text = f"{instruction.mnemonic} {instruction.op_str}".strip()
    if instruction.mnemonic.startswith(("call", "jmp")):
        target = re.fullmatch(r"\S+ (0x[0-9a-f]+)", text)
        if target:
            text = f"{instruction.mnemonic} {kernel.name_at(int(target[1], 16))}"
    return text


def _iret_words(words: List[int], seen: Walk) -> str:
    """What is wrong with the five words that IRETQ takes."""
    if not words:
        return "the words at RSP cannot be read"
    names = ("RIP", "CS", "RFLAGS", "RSP", "SS")
    given = ", ".join(f"{n} {w:#x}" for n, w in zip(names, words))
    right = (seen.next_rip, USER_CS, None, seen.entry["rsp"], USER_SS)
    bad = [n for n, w, r in zip(names, words, right) if r is not None and w != r]
    return (f"it found {given}; wrong: {', '.join(bad) or 'none of them'} "
            f"(in this order, CS {USER_CS:#x} and SS {USER_SS:#x})")
