"""One boot, watched through init_syscall to a user's SYSCALLs.

init_syscall is stepped, so that every WRMSR is seen with its value and its
line, even where the machine does not live to tell. A SYSCALL is followed to the
address in LSTAR and not one instruction further.
"""

from __future__ import annotations

import dataclasses
from typing import Optional

from machine.gdb_remote import SIGTRAP, GdbTimeout, MachineGone
from .lab import Lab
from .ring3 import DEAD, EXCEPTION, REACHED, STOPPED, Event, Watcher, end_of, line_in

PROBE = "probe_msr"

EFER, STAR, LSTAR, SFMASK = 0xC0000080, 0xC0000081, 0xC0000082, 0xC0000084
FS_BASE, GS_BASE, KERNEL_GS_BASE = 0xC0000100, 0xC0000101, 0xC0000102
NAMES = {
    EFER: "EFER", STAR: "STAR", LSTAR: "LSTAR", SFMASK: "SFMASK",
    FS_BASE: "FS_BASE", GS_BASE: "GS_BASE", KERNEL_GS_BASE: "KERNEL_GS_BASE",
    0xC0000083: "CSTAR",
}
SCE, LME, LMA, NXE = 1 << 0, 1 << 8, 1 << 10, 1 << 11

FLAGS = {"IF": 1 << 9, "NT": 1 << 14, "AC": 1 << 18, "DF": 1 << 10, "TF": 1 << 8}

WRMSR = b"\x0f\x30"
SYSRETQ = b"\x48\x0f\x07"
# Instructions of init_syscall that are stepped, before it is left alone.
STEPS = 3000


@dataclasses.dataclass(frozen=True)
class Write:
    """One WRMSR: the register, its value, and where it stands."""

    msr: int
    value: int
    rip: int


@dataclasses.dataclass
class Arrival:
    """What came of one SYSCALL. Without `registers`, not what it should."""

    event: Event
    before: dict[str, int]
    registers: dict[str, int] = dataclasses.field(default_factory=dict)
    trap: Optional[dict[str, int]] = None  # of an exception: its saved rsp, cs
    kernel_rsp: Optional[int] = None  # the first word of the block
    rsp0: int = 0


@dataclasses.dataclass
class Journey:
    """What was seen. What was not reached is None."""

    lab: Lab
    init: Event
    writes: list[Write]
    msr: dict[int, int]  # when init_syscall returned, or died
    sysret: Optional[tuple[int, int]] = None  # CS and SS behind a SYSRET
    kernel_gs: Optional[int] = None  # GS_BASE in the kernel's C, later
    ring_3: Optional[Event] = None
    gs_in_ring_3: tuple[int, int] = (0, 0)  # GS_BASE, KERNEL_GS_BASE
    calls: dict[str, Arrival] = dataclasses.field(default_factory=dict)

    def last_write(self, msr: int) -> Optional[Write]:
        return next((w for w in reversed(self.writes) if w.msr == msr), None)

    def where(self, msr: int) -> Optional[str]:
        """The line of msr.c that wrote a register; else init_syscall's first."""
        write = self.last_write(msr)
        line = line_in(self.lab, "kernel/msr.c", write.rip) if write else None
        return line or self.lab.place("init_syscall")


def watch(lab: Lab) -> Journey:
    """Boots once and writes everything down."""
    watcher = Watcher(lab, f"/bin/{PROBE}")
    gdb, kernel, probe = watcher.gdb, lab.kernel, lab.probe(PROBE)
    event = watcher.advance(kernel.address("init_syscall"), traps=False)
    if event.kind != REACHED:
        lab.needs("gdt_init to come to its end (lab 1)")
    init, writes = _step_through(lab, watcher)
    journey = Journey(lab, init, writes, {})
    if init.kind != REACHED:
        journey.msr = {write.msr: write.value for write in writes}
        if init.kind == DEAD:
            journey.msr[EFER] = gdb.register("efer")
        return journey
    journey.msr = {msr: lab.rdmsr(gdb, msr)
                   for msr in (EFER, STAR, LSTAR, SFMASK, GS_BASE, KERNEL_GS_BASE)}
    if journey.msr[EFER] & SCE:
        journey.sysret = _sysret(lab, watcher)

    if watcher.advance(kernel.address("idt_init"), traps=False).kind == REACHED:
        journey.kernel_gs = gdb.register("gs_base")
    journey.ring_3 = watcher.advance(probe.address("msr_spin"))
    if journey.ring_3.kind != REACHED:
        return journey
    journey.gs_in_ring_3 = gdb.register("gs_base"), gdb.register("k_gs_base")
    for name, flag in FLAGS.items():
        arrival = _call(lab, watcher, journey.msr[LSTAR], flag)
        journey.calls[name] = arrival
        if not arrival.registers:
            break
        gdb.set_register("ss", arrival.before["ss"])
        gdb.set_register("cs", arrival.before["cs"])
        for register in ("rsp", "rcx", "r11", "eflags"):
            gdb.set_register(register, arrival.before[register])
        gdb.set_register("rip", probe.address("msr_spin"))
    return journey


def _step_through(lab: Lab, watcher: Watcher) -> tuple[Event, list[Write]]:
    """Steps init_syscall to its end."""
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
                value = registers["rdx"] << 32 & (1 << 64) - 1 \
                    | registers["rax"] & 0xFFFFFFFF
                writes.append(Write(registers["rcx"] & 0xFFFFFFFF, value, rip))
            if gdb.step().signal != SIGTRAP:
                return watcher.dead(), writes
    except (MachineGone, GdbTimeout) as error:
        return Event(STOPPED, verdict=end_of(lab, watcher.machine, error)), writes
    return watcher.advance(back, traps=False), writes


def _sysret(lab: Lab, watcher: Watcher) -> tuple[int, int]:
    """CS and SS behind a SYSRET, which the machine executes for one step."""
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


def _call(lab: Lab, watcher: Watcher, lstar: int, flag: int) -> Arrival:
    """Follows one SYSCALL, with a flag set, to its first instruction."""
    gdb, probe = watcher.gdb, lab.probe(PROBE)
    gdb.set_register("rax", 0x202 | flag)
    gdb.set_register("rip", probe.address("msr_call"))
    before = gdb.registers()
    event = watcher.advance(lstar)
    arrival = Arrival(event, before)
    if event.kind == REACHED:
        arrival.registers = gdb.registers()
        word = watcher.memory(arrival.registers["k_gs_base"], 8)
        arrival.kernel_rsp = int.from_bytes(word, "little") if word else None
        arrival.rsp0 = watcher.state().kernel_stack
    elif event.kind == EXCEPTION:
        trap = watcher.trap()
        arrival.trap = {"rsp": trap.rsp, "cs": trap.cs}
    return arrival
