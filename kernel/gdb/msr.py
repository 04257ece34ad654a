"""msr: what kernel/msr.c (lab 2) writes, as the CPU itself reads it."""

from __future__ import annotations

import gdb

from .command import command, say
from .cpu import bits, flags_text
from .headers import number, numbers
from .machine import (PACKET_NUMBERS, hidden, monitor, need_kernel, packet,
                      packet_get, packet_set, register, word)
from .symbols import address_of, code_text


RDMSR = b"\x0f\x32"


def syscall_msrs() -> dict[str, int]:
    """The MSRs that came with SYSCALL and long mode, by their names."""
    return {name: msr for name, msr in numbers("MSR_").items() if msr >= 0xC0000000}


def read_msrs() -> dict[str, int]:
    """The MSRs of SYSCALL, FS and GS. The CPU itself runs an RDMSR, two bytes
    found in the kernel's code, in ring 0; then every register is put back."""
    waits = "HLT=1" in monitor("info registers")
    if waits and not register("eflags") & number("RFLAGS_IF"):
        raise gdb.GdbError("The CPU is halted with interrupts off, for ever: it "
                           "cannot be made to read an MSR.")
    start, end = address_of("kernel_start"), address_of("text_end")
    code = gdb.selected_inferior().search_memory(start, end - start, RDMSR)
    saved = {name: packet_get(name) for name in PACKET_NUMBERS}
    if saved["cs"] & 3:
        check_way_back(saved["cs"], saved["ss"])
    values = {}
    try:
        if saved["cs"] & 3:
            packet_set("ss", number("KERNEL_DS"))
            packet_set("cs", number("KERNEL_CS"))
        # With TF set, a debug exception would follow the instruction.
        packet_set("eflags", saved["eflags"] & ~number("RFLAGS_TF"))
        for name, msr_number in syscall_msrs().items():
            packet_set("rcx", msr_number)
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
    for selector, access in ((number("KERNEL_CS"), 0x9B), (cs, 0xFB),
                             (number("KERNEL_DS"), 0x93), (ss, 0xF3)):
        at = selector & ~7
        if at + 7 > limit or (word(base + at) >> 40 & 0xFF | 1) != access:
            raise gdb.GdbError(f"The GDT has no right descriptor at {at:#x} "
                               "(lab 1): no MSR can be read from ring 3.")


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
        is_on = value & number("EFER_SCE")
        return [bits(value, numbers("EFER_")), "SCE is 1: SYSCALL is on" if is_on
                else "SCE is 0: SYSCALL raises #UD (lab 2)"]
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
