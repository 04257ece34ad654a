"""Lab 2's boot, watched through init_syscall to a user's SYSCALLs.

init_syscall is stepped, so that every WRMSR is seen with its value and its
line, even where the machine does not live to tell. A SYSCALL is followed to the
address in LSTAR and not one instruction further.
"""

from __future__ import annotations

import dataclasses
from typing import Optional

from machine.gdb_remote import SIGTRAP, GdbTimeout, MachineGone
from machine.kernel import TrapFrame
from machine.x86 import (
    EFER, EFER_SCE, FLAGS, FLAGS_BASE, GS_BASE, KERNEL_GS_BASE, LSTAR, MASK, SFMASK,
    STAR, SYSRETQ, WRMSR)
from .lab import Lab
from .places import line_in
from .watcher import DEAD, EXCEPTION, REACHED, STOPPED, Event, Watcher

PROBE = "probe_msr"
FILE = "kernel/msr.c"
# Set by the user, one at a SYSCALL, in this order.
TRIED = ("IF", "NT", "AC", "DF", "TF")

# Instructions of init_syscall that are stepped, before it is left alone.
STEPS = 3000


@dataclasses.dataclass(frozen=True)
class Write:
    """One WRMSR: the register, its value, and where it stands."""

    msr: int
    value: int
    rip: int


@dataclasses.dataclass
class SyscallTried:
    """What came of one SYSCALL. Without `registers`, not what it should.

    trap          of an exception, what it came upon.
    kernel_rsp    the first word of the block that KERNEL_GS_BASE names.
    kernel_stack  the top of the current process's.
    """

    event: Event
    before: dict[str, int]
    registers: dict[str, int] = dataclasses.field(default_factory=dict)
    trap: Optional[TrapFrame] = None
    kernel_rsp: Optional[int] = None
    kernel_stack: int = 0


@dataclasses.dataclass
class MsrBoot:
    """What was seen. What was not reached is None."""

    lab: Lab
    init: Event
    writes: list[Write]
    msr: dict[int, int]  # when init_syscall returned, or died
    sysret: Optional[tuple[int, int]] = None  # CS and SS after a SYSRET
    kernel_gs: Optional[int] = None  # GS_BASE in the kernel's C, later
    ring_3: Optional[Event] = None
    gs_in_ring_3: tuple[int, int] = (0, 0)  # GS_BASE, KERNEL_GS_BASE
    calls: dict[str, SyscallTried] = dataclasses.field(default_factory=dict)

    def last_write(self, msr: int) -> Optional[Write]:
        return next((w for w in reversed(self.writes) if w.msr == msr), None)

    def exchanged(self, msr: int) -> Optional[Write]:
        """A write of this register's number to the register whose number is the
        value: wrmsr with its arguments exchanged."""
        return next((w for w in self.writes if w.value & 0xFFFFFFFF == msr
                     and w.msr != msr), None)

    def where(self, msr: int) -> Optional[str]:
        """The line of msr.c that wrote a register, or was to; else init_syscall's
        first."""
        write = self.last_write(msr) or self.exchanged(msr)
        line = line_in(self.lab.kernel_path, FILE, write.rip) if write else None
        return line or self.lab.place("init_syscall")


def watch(lab: Lab) -> MsrBoot:
    """Boots once and writes everything down."""
    watcher = Watcher(lab, f"/bin/{PROBE}")
    gdb, kernel, probe = watcher.gdb, lab.kernel, lab.probe(PROBE)
    event = watcher.advance(kernel.address("init_syscall"), traps=False)
    if not event.is_there:
        if event.verdict is not None:
            raise event.verdict
        lab.needs("gdt_init to return (lab 1)")
    init, writes = _step_through(lab, watcher)
    boot = MsrBoot(lab, init, writes, {})
    if not init.is_there:
        boot.msr = {write.msr: write.value for write in writes}
        if init.kind is DEAD:
            boot.msr[EFER] = gdb.register("efer")
        return boot
    boot.msr = {msr: lab.rdmsr(gdb, msr)
                   for msr in (EFER, STAR, LSTAR, SFMASK, GS_BASE, KERNEL_GS_BASE)}
    if boot.msr[EFER] & EFER_SCE:
        boot.sysret = _sysret(lab, watcher)

    if watcher.advance(kernel.address("idt_init"), traps=False).is_there:
        boot.kernel_gs = gdb.register("gs_base")
    boot.ring_3 = watcher.advance(probe.address("msr_spin"))
    if not boot.ring_3.is_there:
        return boot
    boot.gs_in_ring_3 = gdb.register("gs_base"), gdb.register("k_gs_base")
    for name in TRIED:
        tried = _call(lab, watcher, boot.msr[LSTAR], FLAGS[name])
        boot.calls[name] = tried
        if not tried.registers:
            break
        gdb.set_register("ss", tried.before["ss"])
        gdb.set_register("cs", tried.before["cs"])
        for register in ("rsp", "rcx", "r11", "eflags"):
            gdb.set_register(register, tried.before[register])
        gdb.set_register("rip", probe.address("msr_spin"))
    return boot


def _step_through(lab: Lab, watcher: Watcher) -> tuple[Event, list[Write]]:
    """Steps init_syscall until it returns."""
    gdb = watcher.gdb
    top = gdb.register("rsp")
    back = gdb.read_u64(top)
    writes: list[Write] = []
    try:
        for _ in range(STEPS):
            registers = gdb.registers()
            rip = registers["rip"]
            if rip == back and registers["rsp"] > top:
                return Event(REACHED, rip), writes
            if gdb.read(rip, 2) == WRMSR:
                value = registers["rdx"] << 32 & MASK \
                    | registers["rax"] & 0xFFFFFFFF
                writes.append(Write(registers["rcx"] & 0xFFFFFFFF, value, rip))
            if gdb.step().signal != SIGTRAP:
                return watcher.dead(), writes
            if gdb.registers() == registers:
                break  # a jump to itself, where there is no more to see
    except (MachineGone, GdbTimeout):
        return Event(STOPPED, verdict=lab.verdict_of(watcher.machine)), writes
    return watcher.advance(back, traps=False), writes


def _sysret(lab: Lab, watcher: Watcher) -> tuple[int, int]:
    """CS and SS after a SYSRET, which the machine executes for one step."""
    gdb = watcher.gdb
    place = lab.kernel.address("machine_exit")
    saved = gdb.registers()
    code = gdb.read(place, len(SYSRETQ))
    try:
        gdb.write(place, SYSRETQ)
        gdb.set_register("rcx", lab.probe(PROBE).elf["e_entry"])
        gdb.set_register("r11", 0x2)
        gdb.set_register("rip", place)
        gdb.step()
        return gdb.register("cs"), gdb.register("ss")
    finally:
        gdb.write(place, code)
        gdb.set_register("ss", saved["ss"])
        gdb.set_register("cs", saved["cs"])
        for name in ("eflags", "rcx", "r11", "rip"):
            gdb.set_register(name, saved[name])


def _call(lab: Lab, watcher: Watcher, lstar: int, flag: int) -> SyscallTried:
    """Follows one SYSCALL, with a flag set, to its first instruction."""
    gdb, probe = watcher.gdb, lab.probe(PROBE)
    gdb.set_register("rax", FLAGS_BASE | flag)
    gdb.set_register("rip", probe.address("msr_call"))
    before = gdb.registers()
    event = watcher.advance(lstar)
    tried = SyscallTried(event, before)
    if event.is_there:
        tried.registers = gdb.registers()
        word = gdb.peek(tried.registers["k_gs_base"], 8)
        tried.kernel_rsp = int.from_bytes(word, "little") if word else None
        tried.kernel_stack = watcher.tables().kernel_stack
    elif event.kind is EXCEPTION:
        tried.trap = watcher.trap()
    return tried
