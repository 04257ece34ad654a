"""GDB commands that know this kernel: `help threshold` lists them.

What they show is read from the stopped machine: registers and memory through
GDB, GDTR, IDTR and TR from QEMU's monitor, MSRs by RDMSR. Names, lines and
layouts come from the debug information, numbers from the kernel's headers;
only what the CPU's manual fixes is written down here.
Source: AMD APM vol. 2 chapters 3 to 6.

Nothing here needs a lab to be done: what is missing is said in a sentence.
"""

from __future__ import annotations

import functools
import linecache
import os
import re
import struct
import time
from pathlib import Path
from typing import Callable, Iterator, NamedTuple, Optional

import gdb

TREE = Path(__file__).resolve().parents[2]
SOCKET = os.environ.get("GDB_SOCKET", "build/gdb.sock")

MASK = (1 << 64) - 1
USER_TOP = 1 << 47  # addresses below are the user's
KSTACK_SIZE = 8192  # a kernel stack without its guard page, in bytes

MSRS = {"EFER": 0xC0000080, "STAR": 0xC0000081, "LSTAR": 0xC0000082,
        "SFMASK": 0xC0000084, "FS_BASE": 0xC0000100, "GS_BASE": 0xC0000101,
        "KERNEL_GS_BASE": 0xC0000102}
EFER_BITS = {0: "SCE", 8: "LME", 10: "LMA", 11: "NXE"}
RFLAGS_BITS = {0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF",
               10: "DF", 11: "OF", 14: "NT", 16: "RF", 17: "VM", 18: "AC",
               19: "VIF", 20: "VIP", 21: "ID"}
RFLAGS_CONTROL = 0x47700  # what SFMASK is about: not the results of arithmetic
PAGE_BITS = {0: "P", 1: "W", 2: "U", 3: "PWT", 4: "PCD", 5: "A", 6: "D",
             7: "PS", 8: "G", 63: "NX"}
PAGE_LEVELS = (("PML4", 39), ("PDPT", 30), ("PD", 21), ("PT", 12))
VECTORS = ("#DE #DB NMI #BP #OF #BR #UD #NM #DF - #TS #NP #SS #GP #PF - #MF "
           "#AC #MC #XM #VE #CP").split()
GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split()
ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
MEANINGS = {"rsp": "the user's RSP", "rcx": "RIP", "r11": "RFLAGS",
            **{name: f"argument {i}" for i, name in enumerate(ARGUMENTS, 1)}}

COMMANDS: dict[str, str] = {}  # each with its help's first line


def command(name: str, repeat: bool = False,
            choices: Callable[[], list[str]] = list) -> Callable:
    """Makes a function of the argument's text a GDB command; its docstring is
    the help. Every error of GDB's becomes one sentence."""

    def register_it(function: Callable[[str], None]) -> Callable[[str], None]:
        def invoke(self: gdb.Command, argument: str, from_tty: bool) -> None:
            if not repeat:
                self.dont_repeat()
            try:
                function(argument.strip())
            except gdb.error as error:
                raise gdb.GdbError(f"{name}: {str(error).rstrip('.')}.") from None

        def complete(self: gdb.Command, text: str, word: str) -> list[str]:
            return [choice for choice in choices() if choice.startswith(word)]

        COMMANDS[name] = function.__doc__.partition("\n")[0]
        text = re.sub(r"^    ", "", function.__doc__, flags=re.MULTILINE)
        type("Command", (gdb.Command,), {
            "__doc__": text, "invoke": invoke, "complete": complete,
        })(name, gdb.COMMAND_USER)
        return function

    return register_it


def say(text: str) -> None:
    gdb.write(text.rstrip() + "\n")


# ---- the machine -------------------------------------------------------------

def need_kernel() -> None:
    """Refuses without a machine, and while the CPU does not yet see the
    kernel's addresses."""
    if gdb.selected_thread() is None:
        raise gdb.GdbError("No machine is attached. Start one by `make qemu "
                           "GDB=1` in another terminal, then type `connect`.")
    if not register("efer") >> 10 & 1:
        raise gdb.GdbError("The CPU is not in long mode yet. Type `tbreak "
                           "main`, then `continue`.")


def register(name: str) -> int:
    """A register of the machine, whatever frame is selected."""
    value = gdb.newest_frame().read_register(name)
    return int(value.format_string(format="x"), 16)


def cpl() -> int:
    return register("cs") & 3


def read(address: int, size: int) -> bytes:
    """Memory through the page tables in force."""
    return bytes(gdb.selected_inferior().read_memory(address & MASK, size))


def word(address: int) -> int:
    return struct.unpack("<Q", read(address, 8))[0]


def monitor(line: str) -> str:
    """The answer of QEMU's monitor."""
    return gdb.execute(f"monitor {line}", to_string=True)


def hidden(name: str) -> list[int]:
    """What no packet of GDB's tells: GDT and IDT as [base, limit], TR as
    [selector, base, limit, attributes]."""
    line = re.search(rf"^{name} *= *(.*)$", monitor("info registers"), re.MULTILINE)
    return [int(text, 16) for text in re.findall(r"\b[0-9a-f]{4,16}\b", line[1])]


def bits(value: int, names: dict[int, str]) -> str:
    """The names of the bits that are set."""
    return " ".join(name for bit, name in names.items() if value >> bit & 1)


def flags_text(rflags: int) -> str:
    iopl = rflags >> 12 & 3
    return bits(rflags, RFLAGS_BITS) + (f" IOPL={iopl}" if iopl else "")


# Registers by QEMU's own packets, which GDB does not see: it keeps its view of
# the machine, and that is right again when all has been put back.
PACKET_NUMBERS = {"rax": 0, "rcx": 2, "rdx": 3, "rip": 16, "eflags": 17,
                  "cs": 18, "ss": 19}


def packet(text: str) -> str:
    return gdb.selected_inferior().connection.send_packet(text).decode()


def packet_get(name: str) -> int:
    answer = bytes.fromhex(packet(f"p{PACKET_NUMBERS[name]:x}"))
    return int.from_bytes(answer, "little")


def packet_set(name: str, value: int) -> None:
    packet(f"P{PACKET_NUMBERS[name]:x}={value.to_bytes(8, 'little').hex()}")


def read_msrs() -> dict[str, int]:
    """Every MSR of MSRS. The CPU itself runs an RDMSR, two bytes found in the
    kernel's code, in ring 0; then every register is put back."""
    if not hasattr(gdb.selected_inferior().connection, "send_packet"):
        raise gdb.GdbError("MSRs can be read by GDB 12 or newer.")
    if "HLT=1" in monitor("info registers") and not register("eflags") >> 9 & 1:
        raise gdb.GdbError("The CPU is halted with interrupts off, for ever: it "
                           "cannot be made to read an MSR.")
    start, end = address_of("kernel_start"), address_of("text_end")
    code = gdb.selected_inferior().search_memory(start, end - start, b"\x0f\x32")
    kernel = constants("gdt.h")
    saved = {name: packet_get(name) for name in PACKET_NUMBERS}
    if saved["cs"] & 3:
        check_way_back(saved["cs"], saved["ss"])
    values = {}
    try:
        if saved["cs"] & 3:
            packet_set("ss", kernel["KERNEL_DS"])
            packet_set("cs", kernel["KERNEL_CS"])
        # With TF set, a debug exception would follow the instruction.
        packet_set("eflags", saved["eflags"] & ~0x100)
        for name, number in MSRS.items():
            packet_set("rcx", number)
            packet_set("rip", code)
            # QEMU takes no interrupt in a step; where one is due, the step may
            # do nothing but note it.
            while packet_get("rip") == code:
                packet("s")
            values[name] = (packet_get("rdx") << 32
                            | packet_get("rax") & 0xFFFFFFFF)
    finally:
        for name in ("cs", "ss", "eflags", "rip", "rax", "rcx", "rdx"):
            packet_set(name, saved[name])
    return values


def check_way_back(cs: int, ss: int) -> None:
    """Refuses to leave ring 3 where the GDT, from which QEMU loads a selector
    that is written, could not bring the CPU to ring 0 and back."""
    base, limit = hidden("GDT")
    kernel = constants("gdt.h")
    for selector, access in ((kernel["KERNEL_CS"], 0x9B), (cs, 0xFB),
                             (kernel["KERNEL_DS"], 0x93), (ss, 0xF3)):
        at = selector & ~7
        if at + 7 > limit or (word(base + at) >> 40 & 0xFF | 1) != access:
            raise gdb.GdbError(f"The GDT has no right descriptor at {at:#x} "
                               "(lab 1): no MSR can be read from ring 3.")


# ---- names -------------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def constants(header: str) -> dict[str, int]:
    """The plain numbers that a header of the kernel defines."""
    text = (TREE / "kernel" / header).read_text()
    found = re.findall(r"^#define\s+(\w+)\s+(0x[0-9a-f]+|\d+)\s*(?:/\*.*)?$",
                       text, re.MULTILINE)
    return {name: int(number, 0) for name, number in found}


def call_names() -> dict[int, str]:
    """The calls' names by their numbers."""
    return {number: name[4:] for name, number in constants("syscall.h").items()
            if name.startswith("SYS_")}


def call_name(number: int) -> str:
    return call_names().get(number, "an unknown call")


def address_of(name: str) -> int:
    """The address of a symbol of the kernel; refuses if there is none."""
    try:
        return int(gdb.parse_and_eval(f"(unsigned long)&{name}"))
    except gdb.error:
        raise gdb.GdbError(f"This kernel has no symbol {name}.") from None


def variable(name: str) -> gdb.Value:
    """A global variable of the kernel."""
    symbol = gdb.lookup_global_symbol(name)
    if symbol is None:
        raise gdb.GdbError(f"This kernel has no variable {name}.")
    return symbol.value()


def symbol_at(address: int) -> str:
    """`function+0x12`, or nothing where no symbol is known."""
    answer = gdb.execute(f"info symbol {address:#x}", to_string=True)
    if " in section " not in answer:
        return ""
    name, _, offset = answer.split(" in section ")[0].partition(" + ")
    return f"{name}+{int(offset):#x}" if offset else name


def line_at(address: int) -> str:
    """`kernel/gdt.c:41`, or nothing."""
    place = gdb.find_pc_line(address)
    if not place.symtab or not place.line:
        return ""
    path = Path(place.symtab.filename)
    return f"{path.relative_to(TREE) if TREE in path.parents else path}:{place.line}"


def source_at(address: int) -> str:
    """The number and the text of the source line."""
    place = gdb.find_pc_line(address)
    if not place.symtab:
        return f"{address:#x}, of which no source is known"
    text = linecache.getline(place.symtab.fullname(), place.line)
    return f"{place.line:<6}{text.strip().expandtabs()}"


def code_text(address: int) -> str:
    """Function and line."""
    return ", ".join(filter(None, (symbol_at(address), line_at(address))))


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def result_text(result: int) -> str:
    """A call's result: the number, or the error's name."""
    for name, number in constants("errno.h").items():
        if number == -signed(result) and number:
            return f"-{name}"
    return str(signed(result))


# ---- processes ---------------------------------------------------------------

class Process:
    """A struct proc."""

    def __init__(self, value: gdb.Value) -> None:
        self.value = value
        self.address = int(value.address)
        self.pid = int(value["pid"])
        self.name = value["name"].string(errors="replace")
        self.top = int(value["kstack"]) or address_of("boot_stack_top")
        self.in_syscall = bool(value["in_syscall"])
        self.state = str(value["state"]).replace("PROC_", "").lower()

    def __str__(self) -> str:
        return f"{self.name}[{self.pid}]"

    @staticmethod
    def current() -> Process:
        need_kernel()
        pointer = variable("per_cpu")["current"]
        if not pointer:
            raise gdb.GdbError("There is no process yet: the kernel is still "
                               "starting.")
        return Process(pointer.dereference())

    @staticmethod
    def all() -> list[Process]:
        need_kernel()
        table = variable("proc_table")
        return [Process(table[slot]) for slot in range(table.type.range()[1] + 1)
                if int(table[slot]["state"])]

    @staticmethod
    def by_pid(argument: str) -> tuple[Process, bool]:
        """That process, or the current one where no pid is given; and whether
        it is the current one."""
        current = Process.current()
        for process in Process.all() if argument else [current]:
            if not argument or str(process.pid) == argument:
                return process, process.address == current.address
        raise gdb.GdbError(f"There is no process {argument}; `ps` lists them.")


def stack_owner(top: int) -> str:
    """Whose kernel stack an address is the top of."""
    owners = [f"top of {p}'s kernel stack" for p in Process.all() if p.top == top]
    return owners[0] if owners else "the top of no process's stack"


# ---- tables and registers ----------------------------------------------------

def descriptor_text(entry: int, upper: int) -> str:
    """A descriptor in words; upper is the next entry, a TSS's second half."""
    access, flags = entry >> 40 & 0xFF, entry >> 52 & 0xF
    if entry == 0:
        return "null"
    text = f"DPL {access >> 5 & 3}"
    if access & 0x18 == 0x18:
        size = {0: "16-bit", 2: "64-bit", 4: "32-bit", 6: "both L and D set"}
        text = f"code, {text}, {size[flags & 6]}"
    elif access & 0x10:
        text = f"data, {text}, {'writable' if access & 2 else 'read-only'}"
    elif access & 0xD == 9:
        base = entry >> 16 & 0xFFFFFF | entry >> 56 << 24 | (upper & 0xFFFFFFFF) << 32
        text = f"TSS, {text}, limit {entry & 0xFFFF:#x}, base {base:#x}"
    else:
        text = f"system type {access & 0xF:#x}, {text}"
    return text + ("" if access & 0x80 else ", NOT PRESENT")


@command("gdt")
def gdt(argument: str) -> None:
    """Show the global descriptor table that GDTR points to.

    Each entry with its selector, its eight bytes, what they say, and which
    segment registers hold its selector now."""
    need_kernel()
    base, limit = hidden("GDT")
    text = symbol_at(base)
    if base == address_of("boot_gdt"):
        text = "boot_gdt"
    say(f"GDTR: base {base:#x} {text}, limit {limit:#x}, {(limit + 1) // 8} entries")
    selectors = {name: register(name) for name in "cs ss ds es fs gs".split()}
    selectors["tr"] = hidden("TR")[0]
    entries = [word(base + at) for at in range(0, limit - 6, 8)] + [0]
    upper = False
    for index, entry in enumerate(entries[:-1]):
        text = ("(the TSS's base, bits 63 to 32)" if upper
                else descriptor_text(entry, entries[index + 1]))
        upper = not upper and entry >> 40 & 0x1D == 9
        who = " ".join(name.upper() for name, selector in selectors.items()
                       if index and selector // 8 == index)
        say(f"  {index * 8:#04x}  {entry:#018x}  {text:<24}"
            + (f"  <- {who}" if who else ""))


@command("tss")
def tss(argument: str) -> None:
    """Show the task state segment that TR points to.

    RSP0 is the stack for interrupts from ring 3; IST1 to IST7 are stacks for
    the gates that name one (see idt)."""
    need_kernel()
    selector, base, limit = hidden("TR")[:3]
    if selector == 0:
        raise gdb.GdbError("TR is 0: no TSS has been loaded (lab 1).")
    say(f"TR: selector {selector:#x}, base {base:#x} {symbol_at(base)}, "
        f"limit {limit:#x}")
    rsp0, kernel_rsp = word(base + 4), int(variable("per_cpu")["kernel_rsp"])
    text = "not set yet" if rsp0 == 0 else stack_owner(rsp0)
    if rsp0 != kernel_rsp:
        text += f", but kernel_rsp is {kernel_rsp:#x}"
    say(f"  rsp0        {rsp0:#018x}  {text}")
    table = gates() if hidden("IDT")[0] >= USER_TOP else {}
    for index in range(1, 8):
        stack = word(base + 28 + 8 * index)
        users = " ".join(vector_name(v) for v, g in table.items() if g.ist == index)
        if stack or users:
            say(f"  ist{index}        {stack:#018x}  {users}")
    iomap = struct.unpack("<H", read(base + 102, 2))[0]
    say(f"  iomap_base  {iomap:<18}  " + (
        "no port for ring 3" if iomap >= limit else "a map of ring 3's ports"))


class Gate(NamedTuple):
    target: int
    selector: int
    ist: int
    access: int

    def __str__(self) -> str:
        kind = {0xE: "interrupt gate", 0xF: "trap gate"}.get(self.access & 0xF)
        if not self.access & 0x80 or not kind:
            return "not present"
        return (f"{kind}, CS {self.selector:#x}, DPL {self.access >> 5 & 3}"
                + (f", IST{self.ist}" if self.ist else ""))


def gates() -> dict[int, Gate]:
    """The IDT in force, by vectors."""
    base, limit = hidden("IDT")
    if base < USER_TOP:
        raise gdb.GdbError("The kernel has not loaded an IDT yet.")
    raw = struct.iter_unpack("<HHBBHLL", read(base, (limit + 1) // 16 * 16))
    return {vector: Gate(low | middle << 16 | high << 32, selector, ist & 7, access)
            for vector, (low, selector, ist, access, middle, high, _)
            in enumerate(raw)}


def vector_name(vector: int) -> str:
    if vector < len(VECTORS):
        return VECTORS[vector]
    irq = vector - constants("trap.h").get("VECTOR_IRQ", 0x20)
    return f"IRQ {irq}" if 0 <= irq < 16 else ""


@command("idt")
def idt(argument: str) -> None:
    """Show the interrupt descriptor table that IDTR points to.

    usage: idt [VECTOR]
    VECTOR is a number (14, 0xe) or an exception's name (PF). With it, the one
    gate and the code it leads to; without, all, equal neighbours in one line."""
    need_kernel()
    table = gates()
    if argument:
        show_gate(argument, table)
        return
    base, limit = hidden("IDT")
    say(f"IDTR: base {base:#x} {symbol_at(base)}, limit {limit:#x}: "
        f"{len(table)} gates")
    first = 0
    for vector in table:
        if vector + 1 in table and vector >= len(VECTORS) and (
                str(table[vector + 1]) == str(table[first])) and (
                bool(vector_name(vector + 1)) == bool(vector_name(first))):
            continue
        span, name = f"{first:#04x}", vector_name(first)
        if vector > first:
            span += f"-{vector:#x}"
            name += vector_name(vector).replace("IRQ ", "-")
        say(f"  {span:<10} {name:<9} {str(table[first]):<38} "
            f"-> {symbol_at(table[first].target)}")
        first = vector + 1


def show_gate(argument: str, table: dict[int, Gate]) -> None:
    names = {vector_name(v).strip("#").lower(): v for v in table}
    vector = names.get(argument.strip("#").lower(), -1)
    if vector < 0 and re.fullmatch("0x[0-9a-fA-F]+|[0-9]+", argument):
        vector = int(argument, 0)
    if vector not in table:
        raise gdb.GdbError(f"{argument} is neither a vector of the IDT nor an "
                           "exception's name, as PF.")
    gate = table[vector]
    say(f"vector {vector:#x} {vector_name(vector)}: {gate}")
    say(f"  leads to {gate.target:#x} {symbol_at(gate.target)}")
    for line in disassemble(gate.target, gate.target + 16):
        say(f"    {line['asm']}")
        if line["asm"].startswith("jmp"):
            break


@command("msr")
def msr(argument: str) -> None:
    """Show the model-specific registers that SYSCALL and SYSRET use.

    The CPU itself reads them, by RDMSR in ring 0; every register is put back,
    so nothing changes for what runs, be it in ring 3 or 0."""
    need_kernel()
    for name, value in read_msrs().items():
        head, *rest = msr_text(name, value)
        say(f"{name:<14} {value:#018x}  {head}")
        for line in rest:
            say(" " * 35 + line)


def msr_text(name: str, value: int) -> list[str]:
    """What a value says, in lines."""
    if name == "EFER":
        return [bits(value, EFER_BITS), "SCE is 1: SYSCALL is on" if value & 1 else
                "SCE is 0: SYSCALL raises #UD (lab 2)"]
    if name == "STAR":
        enter, leave = value >> 32 & 0xFFFF, value >> 48
        return [f"SYSCALL: CS {enter:#x}, SS {enter + 8:#x}, from [47:32]",
                f"SYSRET: CS {leave + 16 | 3:#x}, SS {leave + 8 | 3:#x}, "
                f"from [63:48] = {leave:#x}"]
    if name == "LSTAR":
        return [code_text(value) or "not the kernel's code (lab 2)"]
    if name == "SFMASK":
        return [f"SYSCALL clears {flags_text(value) or 'nothing (lab 2)'}"]
    if name == "FS_BASE":
        return ["the user's thread pointer"]
    text = ("per_cpu, this CPU's block" if value == address_of("per_cpu")
            else "the user's" if value else "not set")
    return [text + (", for SWAPGS to bring" if name[0] == "K" and value else "")]


@command("percpu")
def percpu(argument: str) -> None:
    """Show this CPU's block, per_cpu, and which GS leads to it."""
    need_kernel()
    block = variable("per_cpu")
    bases = {"GS_BASE": register("gs_base"), "KERNEL_GS_BASE": register("k_gs_base")}
    leads = [name for name, base in bases.items() if base == int(block.address)]
    say(f"per_cpu at {int(block.address):#x}: " + (
        f"{' and '.join(leads)} points here" if leads
        else "no GS points here yet (lab 2)"))
    for field in block.type.fields():
        value, head = block[field.name], f"  +{field.bitpos // 8:<4}{field.name:<11}"
        if field.type.code == gdb.TYPE_CODE_STRUCT:
            say(f"{head} see gdt and tss")
            continue
        number = int(value.format_string(format="x"), 16)
        text = ""
        if field.name == "user_rsp":
            text = "the stub's scratch: RSP of the last caller"
        elif number and str(value.type) == "struct proc *":
            text = str(Process(value.dereference()))
        elif number:
            text = (stack_owner(number) if field.name == "kernel_rsp"
                    else symbol_at(number))
        say(f"{head} {number:#018x}  {text}")


# ---- the stub and its frame --------------------------------------------------

def disassemble(start: int, end: int) -> list[dict]:
    return gdb.newest_frame().architecture().disassemble(start, end - 1)


def frame_names() -> dict[int, str]:
    """The frame's fields by their offsets: from struct syscall_frame or, while
    lab 4 has not defined it, from the FRAME_ macros."""
    try:
        fields = gdb.lookup_type("struct syscall_frame").fields()
    except gdb.error:
        fields = []
    return {field.bitpos // 8: field.name for field in fields} or {
        offset: name[6:].lower()
        for name, offset in constants("syscall_entry.h").items()
        if name.startswith("FRAME_") and name != "FRAME_SIZE"}


class Slot(NamedTuple):
    """A word that the stub puts on the kernel stack."""

    name: str  # a field of the frame, or what else it is
    operand: str  # what is pushed; nothing where RSP only moves
    line: int


class Stub:
    """syscall_entry as it is in memory: its instructions tell which words it
    puts on the stack, the debug information tells by which lines."""

    def __init__(self) -> None:
        need_kernel()
        self.start = address_of("syscall_entry")
        block = gdb.block_for_pc(self.start)
        self.end = block.end if block else self.start
        self.slots: list[Slot] = []  # from kernel_rsp downwards
        self.back = self.tail = 0  # behind the call; behind the result's store
        names = frame_names()
        for line in disassemble(self.start, self.end):
            after = line["addr"] + line["length"]
            push = re.match(r"push\w*\s+(\S+)", line["asm"])
            room = re.match(r"sub\w*\s+\$(\w+),%rsp", line["asm"])
            slots = []
            if self.back:
                if not self.tail and re.match(r"mov\w*\s+%rax,.*%rsp", line["asm"]):
                    self.tail = after
            elif push:
                offset = 8 * (len(names) - 1 - len(self.slots))
                name = names.get(offset, f"a copy of {push[1].strip('%')}")
                slots = [(name, push[1])]
            elif room:
                slots = [("alignment", "")] * (int(room[1], 0) // 8)
            elif line["asm"].startswith("call"):
                slots, self.back = [("return address", "")], after
            place = gdb.find_pc_line(line["addr"]).line
            self.slots += [Slot(*slot, place) for slot in slots]
        # A stub that is not finished: what is not there would come behind it.
        self.back = self.back or self.end
        self.tail = self.tail or self.back
        if not self.slots:
            raise gdb.GdbError("syscall_entry pushes nothing yet (lab 3).")

    def holds(self, address: int) -> bool:
        return self.start <= address < self.end


class Call(NamedTuple):
    """The call that a process is in."""

    process: Process
    stub: Stub
    count: int  # how many of stub.slots are on the stack
    has_result: bool  # rax is no longer the number

    def words(self) -> Iterator[tuple[int, Slot]]:
        """Each slot with its address, also those not on the stack now."""
        for index, slot in enumerate(self.stub.slots):
            yield self.process.top - 8 * (index + 1), slot

    def meaning(self, slot: Slot, value: int) -> str:
        text = MEANINGS.get(slot.name, "")
        if slot.name == "rax":
            return (f"result: {result_text(value)}" if self.has_result
                    else f"number: {call_name(value)}")
        if slot.name == "rcx":
            return f"{text}: {code_text(value) or 'no symbol'}"
        return f"{text}: {flags_text(value)}" if slot.name == "r11" else text


def find_call(process: Process, is_current: bool) -> Call:
    """The call; refuses, with the reason, where there is none."""
    stub = Stub()
    whole = Call(process, stub, len(stub.slots), False)
    if not is_current:
        if process.in_syscall:
            return whole
        # A child that has not run since its fork is about to run the tail.
        if process.state == "runnable" and (
                word(int(process.value["rsp"]) + 48) == stub.tail):
            return whole._replace(count=len(frame_names()), has_result=True)
        raise gdb.GdbError(f"No frame: {process} is not inside a call.")
    pc, depth = register("rip"), process.top - register("rsp")
    if cpl() == 3:
        raise gdb.GdbError(f"No frame: {process} is in ring 3, not inside a "
                           "call. `next-syscall` goes to the next one.")
    if stub.holds(pc):
        if 0 < depth <= KSTACK_SIZE:
            return whole._replace(count=min(depth // 8, whole.count),
                                  has_result=pc >= stub.tail)
        raise gdb.GdbError(f"No frame: {process} is in the stub, but " + (
            "all words have been popped." if pc >= stub.back
            else "nothing has been pushed yet."))
    block = gdb.block_for_pc(pc)
    while block and not block.function:
        block = block.superblock
    if process.in_syscall or block and block.function.name == "syscall_handler":
        return whole
    raise gdb.GdbError(f"No frame: {process} is in the kernel, but not inside a "
                       "call (an interrupt, a fault, or its beginning).")


@command("sysframe")
def sysframe(argument: str) -> None:
    """Show the live frame of a system call, field by field.

    usage: sysframe [PID]
    Each with its offset, its value, the stub's line that pushed it, and what
    it means; inside the stub, as far as it has come. PID is another process
    that is inside a call."""
    call = find_call(*Process.by_pid(argument))
    names = frame_names()
    base = call.process.top - 8 * len(names)
    say(f"{call.process}: the frame at {base:#x}, by "
        f"{line_at(call.stub.start).partition(':')[0]}")
    for index, (address, slot) in enumerate(call.words()):
        if address < base:
            break
        text = "popped" if call.has_result else "not pushed yet"
        meaning = ""
        if index < call.count:
            value = word(address)
            text, meaning = f"{value:#018x}", call.meaning(slot, value)
            if slot.name != "rsp" and slot.operand != f"%{slot.name}":
                meaning += f"  BUT {slot.operand or 'nothing'} WAS PUSHED"
        say(f"  +{address - base:<4}{slot.name:<4} {text:<18}  line {slot.line}  "
            f"{meaning}")


# ---- processes, pages, stacks ------------------------------------------------

@command("ps")
def ps(argument: str) -> None:
    """List the processes; * marks the one that runs."""
    current = Process.current()
    say("   PID  PPID  STATE     NAME             WHAT IT DOES")
    for process in Process.all():
        runs = process.address == current.address
        parent = process.value["parent"]
        say(f" {'*' if runs else ' '} {process.pid:<4} "
            f"{int(parent['pid']) if parent else '-':<5} "
            f"{'running' if runs else process.state:<9} {process.name:<16} "
            f"{doing(process, runs)}")


def doing(process: Process, runs: bool) -> str:
    """What a process is about."""
    status, number = (int(process.value[n]) for n in ("status", "syscall_nr"))
    if process.state == "zombie":
        how = (f"killed by signal {status & 0x7F}" if status & 0x7F
               else f"ended with status {status >> 8}")
        return f"{how}, not waited for"
    text = "in the kernel" if runs and cpl() == 0 else "in ring 3"
    if process.in_syscall:
        text = f"in {call_name(number)} ({number})"
    if process.state == "sleeping":
        channel = int(process.value["channel"])
        waits = [f"a child of {p}" for p in Process.all() if p.address == channel]
        text += f", waits for {(waits + [symbol_at(channel)])[0] or hex(channel)}"
    return text


@command("pagewalk")
def pagewalk(argument: str) -> None:
    """Walk the page tables to an address, as the CPU does.

    usage: pagewalk ADDRESS
    ADDRESS is any expression: 0x400000, $rsp, main, &per_cpu. The entry on
    each of four levels with its bits (P present, W writable, U ring 3 too, A
    accessed, D dirty, PS large page, NX no execute), then what they allow
    together."""
    need_kernel()
    if not argument:
        raise gdb.GdbError("pagewalk: which address? As in: pagewalk $rsp")
    value = gdb.parse_and_eval(argument)
    if value.type.code in (gdb.TYPE_CODE_FUNC, gdb.TYPE_CODE_STRUCT,
                           gdb.TYPE_CODE_ARRAY):
        value = value.address
    address = int(value) & MASK
    say(f"{address:#018x} {symbol_at(address)}")
    if address >> 47 not in (0, 0x1FFFF):
        raise gdb.GdbError("  not canonical: bits 63 to 47 differ, any access "
                           "is a #GP.")
    table, rights, no_execute = register("cr3") & ~0xFFF, 6, 0
    for name, shift in PAGE_LEVELS:
        at = table + 8 * (address >> shift & 511)
        entry = int(monitor(f"xp /1gx {at:#x}").partition(":")[2], 16)
        say(f"  {name + f'[{address >> shift & 511}]':<10} at {at:#010x}  "
            f"{entry:#018x}  {bits(entry, PAGE_BITS) or 'nothing'}")
        if not entry & 1:
            say(f"  not mapped{promise_text(address, 0)}")
            return
        # W and U hold where every level has them, NX where one has it.
        rights, no_execute = rights & entry, no_execute | entry >> 63
        table = entry & 0x000FFFFFFFFFF000
        if shift > 12 and entry >> 7 & 1:
            break
    page = 1 << shift
    may = ["read"] + ["write"] * (rights >> 1 & 1) + ["execute"] * (1 - no_execute)
    say(f"  physical {table & -page | address & page - 1:#x} in a page of "
        f"{page >> 10} KB; {'ring 3' if rights & 4 else 'only ring 0'} may "
        f"{', '.join(may)}{promise_text(address, rights)}")


def promise_text(address: int, rights: int) -> str:
    """Why the page tables do not, or not yet, say what the process may do at a
    user address: pages come, and copies are made, at the first access."""
    if address >= USER_TOP or not variable("per_cpu")["current"]:
        return ""
    process = Process.current()
    vm = process.value["vm"]
    for area in (vm["areas"][i] for i in range(int(vm["area_count"]))):
        start, end, prot = (int(area[n]) for n in ("start", "end", "prot"))
        if not start <= address < end:
            continue
        text = "".join(c if prot >> i & 1 else "-" for i, c in enumerate("rwx"))
        if rights == 0:
            return f" yet; the area {start:#x}-{end:#x} {text} will bring it"
        if prot & 2 and not rights & 2:
            return f";\n  the area is {text}: the first write makes a copy"
        return ""
    return "" if rights else f": nothing of {process}'s; an access kills it"


def find_stack(process: Process, rsp: int) -> tuple[str, int]:
    """The kernel's stack that RSP is in: its name and its top."""
    if 0 <= process.top - rsp <= KSTACK_SIZE:
        return f"{process}'s kernel stack", process.top
    base = hidden("TR")[1]
    for index in range(1, 8 if base else 1):
        top = word(base + 28 + 8 * index)
        if 0 <= top - rsp <= 4096:
            return f"the stack IST{index}", top
    raise gdb.GdbError(f"RSP is {rsp:#x}, the user's: {process}'s kernel stack, "
                       f"top {process.top:#x}, is empty.")


def is_return_address(value: int) -> bool:
    """Does a call instruction end at this address of the kernel's code?"""
    if not address_of("kernel_start") + 8 <= value < address_of("text_end"):
        return False
    code = read(value - 7, 7)
    return code[-5] == 0xE8 or any(  # call to an address, or ff /2: through one
        code[-n] == 0xFF and code[1 - n] >> 3 & 7 == 2 for n in (2, 3, 4, 6, 7))


def name_words(process: Process, is_current: bool, rsp: int,
               top: int) -> dict[int, str]:
    """What the words from RSP to the top are, by their addresses."""
    names = {}
    trap_frame = gdb.lookup_type("struct trap_frame").fields()
    for address in range(rsp, top, 8):
        value = word(address)
        if is_return_address(value):
            # The call may be the last of its function: look at it, not behind.
            names[address] = f"return to {code_text(value - 1)}"
            if symbol_at(value - 1).partition("+")[0] in ("trap_call", "trap_any_gs"):
                names.update((address + 8 + field.bitpos // 8, f"trap: {field.name}")
                             for field in trap_frame)
    link = register("rbp")
    if not is_current:
        link = word(rsp + 40)
        names.update((rsp + field.bitpos // 8, f"for switch_to: {field.name}")
                     for field in gdb.lookup_type("struct context").fields()[:-1])
    while rsp <= link < top - 8:
        names.setdefault(link, "saved RBP")
        link = word(link)
    try:
        call = find_call(process, is_current)
    except gdb.GdbError:
        return names
    for address, slot in list(call.words())[:call.count]:
        text = f"{slot.name:<4} {call.meaning(slot, word(address))}"
        if slot.name == "return address":
            text = f"return to {code_text(word(address) - 1)}"
        names[address] = text
    return names


@command("kstack")
def kstack(argument: str) -> None:
    """Draw the kernel stack, from its top down to RSP, each word named.

    usage: kstack [PID]
    The frame, the padding and the copy of argument 6 below it, return
    addresses, saved RBPs, what a trap saved; all else is locals and saved
    registers. PID is another process: its stack as it left it."""
    process, is_current = Process.by_pid(argument)
    rsp = register("rsp") if is_current else int(process.value["rsp"])
    name, top = find_stack(process, rsp)
    say(f"{name}: top {top:#x}, {(top - rsp) // 8} words")
    names = name_words(process, is_current, rsp, top)
    run: list[str] = []  # words without a name; a long run is left out
    for address in range(top - 8, rsp - 1, -8):
        value = word(address)
        line = f"  ..{address & 0xFFFF:04x}  {value:#018x}  "
        if address not in names and address != rsp:
            run.append(line + symbol_at(value))
            continue
        for text in run if len(run) <= 12 else [f"  ... {len(run)} words ..."]:
            say(text)
        run = []
        say(line + names.get(address, symbol_at(value)))
    say(f"  ..{rsp & 0xFFFF:04x}  <- RSP, {rsp:#x}")


# ---- running -----------------------------------------------------------------

class Here(gdb.Breakpoint):
    """An unseen breakpoint at an address, while a `with` lasts, that stops
    where a condition holds."""

    def __init__(self, address: int, holds: Callable[[], bool]) -> None:
        super().__init__(f"*{address:#x}", internal=True)
        self.silent = True
        self._holds = holds

    def stop(self) -> bool:
        return self._holds()

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_valid():
            self.delete()


def resume() -> int:
    """Continues to the next stop and gives its RIP."""
    try:
        gdb.execute("continue")
    except gdb.error as error:
        if gdb.selected_thread():
            raise
        raise gdb.GdbError("The machine has ended: see its console.") from error
    return register("rip")


def call_text() -> str:
    """The call that is about to be made, at the stub's first instruction. Its
    parameters' names are those of the kernel's function for it."""
    number = register("rax")
    names = [f"a{i}" for i in range(1, 7)]
    if number in call_names():
        function = word(address_of("calls") + 8 * number)
        block = gdb.block_for_pc(function) if function else None
        names = [s.name for s in block or () if s.is_argument]
    texts = []
    for name, value in zip(names, map(register, ARGUMENTS)):
        text = hex(value) if 4096 < value < USER_TOP else str(signed(value))
        try:
            if "path" in name:
                size = min(64, 4096 - value % 4096)  # its page may be the last
                string = read(value, size).partition(b"\0")[0]
                text += f' "{string.decode(errors="replace")}"'
        except gdb.MemoryError:
            pass
        texts.append(f"{name.replace('user_', '')}={text}")
    return (f"{Process.current()} calls {call_name(number)} ({signed(number)})"
            f"{': ' if texts else ''}{', '.join(texts)}\n"
            f"  from {register('rcx'):#x} {code_text(register('rcx'))}")


@command("next-syscall", repeat=True, choices=lambda: list(call_names().values()))
def next_syscall(argument: str) -> None:
    """Continue to the next SYSCALL and say which it is.

    usage: next-syscall [NUMBER|NAME]
    Stops at the first instruction of syscall_entry: ring 0, but RSP and GS are
    still the user's. With a NUMBER (57) or a NAME (fork), at the next such
    call of any process."""
    need_kernel()
    numbers = {name: number for number, name in call_names().items()}
    wanted = numbers.get(argument, int(argument) if argument.isdigit() else None)
    if argument and wanted is None:
        raise gdb.GdbError(f"next-syscall: the kernel has no call {argument}.")
    entry = address_of("syscall_entry")
    with Here(entry, lambda: wanted in (None, register("rax"))):
        if resume() != entry:
            return
    say(f"{call_text()}\n=> {source_at(entry)}")


class Snapshot:
    """What one line of the stub can change."""

    def __init__(self, stub: Stub) -> None:
        self.top = Process.current().top
        self.registers = {name: register(name) for name in
                          GENERAL + ["eflags", "cs", "ss", "gs_base"]}
        self.rsp = self.registers["rsp"]
        self.words = [word(self.top - 8 * (i + 1)) for i in range(len(stub.slots))]
        self.user_rsp = int(variable("per_cpu")["user_rsp"])
        self.on_kernel_stack = 0 <= self.top - self.rsp <= KSTACK_SIZE


def changes(stub: Stub, old: Snapshot, new: Snapshot) -> Iterator[str]:
    """What differs between two snapshots, in words."""
    was, now = old.registers, new.registers
    if was["cs"] & 3 != now["cs"] & 3:
        yield f"ring {now['cs'] & 3}: CS {now['cs']:#x}, SS {now['ss']:#x}"
    if was["gs_base"] != now["gs_base"]:
        whose = "per_cpu" if now["gs_base"] == address_of("per_cpu") else "the user's"
        yield f"GS is {whose}: GS_BASE {now['gs_base']:#x}"
    if old.user_rsp != new.user_rsp:
        yield f"stored {new.user_rsp:#x} in per_cpu.user_rsp"
    on_stack = old.on_kernel_stack and new.on_kernel_stack
    if on_stack:
        yield from stack_changes(stub, old, new)
    elif old.rsp != new.rsp:
        yield "RSP is " + ("the top of the kernel stack" if new.on_kernel_stack
                           else "the user's") + f": {new.rsp:#x}"
    for name in GENERAL:
        if was[name] != now[name] and name != "rsp":
            yield f"{name:<3} {was[name]:#x} -> {now[name]:#x}"
    before, after = (flags & RFLAGS_CONTROL for flags in (was["eflags"], now["eflags"]))
    if before != after:
        yield f"RFLAGS: {flags_text(before) or 'none'} -> {flags_text(after) or 'none'}"


def stack_changes(stub: Stub, old: Snapshot, new: Snapshot) -> Iterator[str]:
    """The words that were pushed, popped or stored."""
    size = 8 * len(frame_names())
    for index, slot in enumerate(stub.slots):
        address = new.top - 8 * (index + 1)
        was, now = old.words[index], new.words[index]
        where = f"{slot.name}, frame {size - 8 * (index + 1):+}"
        if new.rsp <= address < old.rsp:
            yield (f"pushed {now:#x}: {where}" if slot.operand
                   else f"left 8 bytes free: {where}")
        elif old.rsp <= address < new.rsp:
            yield f"popped {was:#x}: {where}"
        elif was != now and address >= new.rsp:
            yield f"stored {now:#x}: {where}"


def run_to_return(stub: Stub) -> bool:
    """From inside a call to the stub's line behind it, though other processes
    may call meanwhile. False where something else stops the machine."""
    process = Process.current()
    rsp = process.top - 8 * (len(stub.slots) - 1)
    begin, end = address_of("proc_enter_user"), address_of("proc_exit")

    def ours() -> bool:
        return Process.current().address == process.address

    with Here(stub.back, lambda: register("rsp") == rsp), Here(begin, ours), Here(
            end, ours):
        pc = resume()
    if pc in (begin, end):
        what = f"{Process.current()} begins" if pc == begin else "it ends"
        say(f"{process} does not return from this call: {what}.")
    return pc == stub.back


def step_stub(pc: int, line: dict) -> bool:
    """One instruction of the stub; where it leads to is known beforehand, but
    for a jump. False where something else stops the machine."""
    if line["asm"].startswith("j"):
        gdb.execute("stepi")
        return True
    process, leaves = Process.current().address, "ret" in line["asm"]
    target = register("rcx") if leaves else pc + line["length"]
    with Here(target, lambda: not leaves or (
            cpl() == 3 and Process.current().address == process)):
        return resume() == target


@command("step-entry", repeat=True)
def step_entry(argument: str) -> None:
    """Run one line of the entry stub, then say what changed.

    usage: step-entry [COUNT]
    Registers, words pushed and popped, GS, the ring; => is the line that comes
    next. The call of syscall_handler is one line, however many processes run
    meanwhile. Typed inside a call, it goes on to where the stub does."""
    process, stub = Process.current(), Stub()
    if argument and not argument.isdigit():
        raise gdb.GdbError("step-entry: how many lines? As in: step-entry 5")
    for _ in range(int(argument or 1)):
        pc, before = register("rip"), Snapshot(stub)
        line = disassemble(pc, pc + 1)[0]
        if not stub.holds(pc):
            find_call(process, True)  # or a sentence
        inside = not stub.holds(pc) or line["asm"].startswith("call")
        if not (run_to_return(stub) if inside else step_stub(pc, line)):
            return
        for text in changes(stub, before, Snapshot(stub)):
            say(f"      {text}")
        pc = register("rip")
        if not stub.holds(pc):
            say(f"=> {pc:#x} {code_text(pc)}")
            return
        say(f"=> {source_at(pc)}")


# ---- the program that runs ---------------------------------------------------

class Symbols:
    """The symbols of one program, build/user/NAME: the one that runs."""

    loaded: Optional[Path] = None

    @classmethod
    def follow(cls) -> None:
        try:
            process = Process.current()
        except (gdb.error, gdb.GdbError):
            return
        path = TREE / "build/user" / process.name
        if process.pid and path != cls.loaded and path.is_file():
            cls.load(path)
            if cpl() == 3:
                say(f"This is {process}: {code_text(register('rip'))}")

    @classmethod
    def load(cls, path: Path) -> None:
        if cls.loaded:
            gdb.execute(f"remove-symbol-file {cls.loaded}", to_string=True)
        gdb.execute(f"add-symbol-file {path}", to_string=True)
        cls.loaded = path


class Fault(gdb.Breakpoint):
    """An unseen breakpoint where a program is killed or the kernel gives up."""

    def __init__(self, function: str) -> None:
        super().__init__(f"*{address_of(function):#x}", internal=True)
        self.silent = True
        self.function = function

    def explain(self) -> None:
        """Says what has happened, at the function's first instruction."""
        if self.function == "panic":
            say("The kernel panics. `backtrace` shows the way here; `continue` "
                "prints the reason.")
            return
        pointer = gdb.lookup_type("struct trap_frame").pointer()
        frame = gdb.Value(register("rdi")).cast(pointer)
        rip, vector, error = (int(frame[n]) for n in ("rip", "vector", "error"))
        who = Process.current() if self.function == "kill_user" else "The kernel"
        say(f"{who} faults: {vector_name(vector)}({error:#x}) at {rip:#x} "
            f"{code_text(rip)}\n   {source_at(rip)}\n"
            "`continue` prints the reason.")


FAULTS: list[Fault] = []


@command("catch-faults", choices=lambda: ["on", "off"])
def catch_faults(argument: str) -> None:
    """Stop where a fault kills a program, and where the kernel panics.

    usage: catch-faults [on|off]
    Says which fault it was, and at which line of the program."""
    if argument not in ("", "on", "off"):
        raise gdb.GdbError("catch-faults: on or off?")
    while FAULTS:
        FAULTS.pop().delete()
    for name in ("kill_user", "kernel_fault", "panic") if argument != "off" else ():
        try:
            FAULTS.append(Fault(name))
        except gdb.GdbError:
            pass  # a kernel without that function


def on_stop(event: gdb.StopEvent) -> None:
    Symbols.follow()
    for breakpoint in getattr(event, "breakpoints", []):
        if isinstance(breakpoint, Fault):
            breakpoint.explain()


gdb.events.stop.connect(on_stop)


class InProgram(gdb.Breakpoint):
    """A breakpoint at an address of one program."""

    def __init__(self, address: int, program: str) -> None:
        super().__init__(f"*{address:#x}")
        self._address = address
        self._name = program[:15]  # proc.name holds no more

    def stop(self) -> bool:
        try:
            read(self._address, 1)
        except gdb.MemoryError:
            return False  # stopped before the page fault that brings the code
        return Process.current().name == self._name


@command("break-user", choices=lambda: [p.stem for p in (TREE / "user").glob("*.c")])
def break_user(argument: str) -> None:
    """Set a breakpoint in a program, whether or not it runs yet.

    usage: break-user PROGRAM [LOCATION]
    LOCATION is as for break: a function, or FILE:LINE; main if there is none.
    Other programs have other code at that address; there it does not stop."""
    program, _, location = argument.partition(" ")
    path = TREE / "build/user" / program
    if not program or not path.is_file():
        raise gdb.GdbError("break-user: which program? As in: break-user hello")
    Symbols.load(path)
    places = gdb.decode_line(location.strip() or "main")[1] or ()
    user = [place.pc for place in places if place.pc < USER_TOP]
    if not user:
        raise gdb.GdbError(f"break-user: {program} has no {location}.")
    InProgram(user[0], program)


@command("connect")
def connect(argument: str) -> None:
    """Attach to QEMU, and run to main if it has not started yet.

    usage: connect [SOCKET]
    SOCKET is the one that `make qemu GDB=1` serves, build/gdb.sock. Waits a
    few seconds for it to appear."""
    path = Path(argument or SOCKET)
    until = time.monotonic() + 10
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    try:
        gdb.execute(f"target remote {path}", to_string=True)
    except gdb.error:
        raise gdb.GdbError(f"Nobody answers on {path}. Start QEMU by `make qemu "
                           "GDB=1` in another terminal, then type `connect`."
                           ) from None
    if register("rip") == 0xFFF0:
        say("That is the CPU's first instruction after a reset. On to main():")
        with Here(address_of("main"), lambda: True):
            resume()
    gdb.execute("frame")
    say("`help threshold` lists the commands that know this kernel.")


class Threshold(gdb.Command):
    __doc__ = "The commands that know this kernel:\n\n" + "\n".join(
        f"{name:<13} {summary}" for name, summary in sorted(COMMANDS.items())
    ) + "\n\n`help COMMAND` says more on one."

    def invoke(self, argument: str, from_tty: bool) -> None:
        say(self.__doc__)


Threshold("threshold", gdb.COMMAND_USER)
