"""tables: the GDT and the TSS, which kernel/gdt.c (lab 1) makes, as the CPU has
them. Source: AMD APM vol. 2 sections 4.8 and 12.2.5.
"""

from __future__ import annotations

import gdb

from .command import command, say
from .headers import number
from .idt import gates
from .cpu import vector_name
from .machine import hidden, need_kernel, register, word
from .proc import stack_owner
from .symbols import address_of, structure, symbol_at, variable


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
def show_tss(argument: str) -> None:
    """Show the task state segment that TR points to.

    RSP0 is the stack for interrupts from ring 3; IST1 to IST7 are stacks for
    the gates that name one (see idt)."""
    need_kernel()
    selector, base, limit = hidden("TR")[:3]
    if selector == 0:
        raise gdb.GdbError("TR is 0: no TSS has been loaded (lab 1).")
    say(f"TR: selector {selector:#x}, base {base:#x} {symbol_at(base)}, "
        f"limit {limit:#x}")
    tss = structure("tss", base)
    rsp0, kernel_rsp = int(tss["rsp0"]), int(variable("per_cpu")["kernel_rsp"])
    text = "not set yet" if rsp0 == 0 else stack_owner(rsp0)
    if rsp0 != kernel_rsp:
        text += f", but kernel_rsp is {kernel_rsp:#x}"
    say(f"  rsp0        {rsp0:#018x}  {text}")
    table = gates() if hidden("IDT")[0] >= number("USER_END") else {}
    for index in range(1, 8):
        stack = int(tss["ist"][index - 1])
        users = " ".join(vector_name(v) for v, g in table.items() if g.ist == index)
        if stack or users:
            say(f"  ist{index}        {stack:#018x}  {users}")
    iomap = int(tss["iomap_base"])
    say(f"  iomap_base  {iomap:<18}  " + (
        "no port for ring 3" if iomap >= limit else "a map of ring 3's ports"))
