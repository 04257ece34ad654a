"""pages: a walk of the page tables, and what kernel/vm.c has promised besides.
Source: AMD APM vol. 2 section 5.3.
"""

from __future__ import annotations

import gdb

from .command import command, say
from .cpu import entry_text
from .headers import number
from .machine import MASK, monitor, need_kernel, register
from .proc import Process
from .symbols import symbol_at, variable

LEVELS = (("PML4", 39), ("PDPT", 30), ("PD", 21), ("PT", 12))


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
    table, rights, no_execute = register("cr3") & number("PTE_ADDR"), ~0, 0
    for name, shift in LEVELS:
        at = table + 8 * (address >> shift & 511)
        entry = int(monitor(f"xp /1gx {at:#x}").partition(":")[2], 16)
        say(f"  {name + f'[{address >> shift & 511}]':<10} at {at:#010x}  "
            f"{entry:#018x}  {entry_text(entry) or 'nothing'}")
        if not entry & number("PTE_P"):
            say(f"  not mapped{promise_text(address, 0)}")
            return
        # W and U hold where every level has them, NX where one has it.
        rights, no_execute = rights & entry, no_execute | entry & number("PTE_NX")
        table = entry & number("PTE_ADDR")
        if shift > 12 and entry & number("PTE_PS"):
            break
    page = 1 << shift
    may = ["read"] + ["write"] * bool(rights & number("PTE_W")) + (
        [] if no_execute else ["execute"])
    who = "ring 3" if rights & number("PTE_U") else "only ring 0"
    say(f"  physical {table & -page | address & page - 1:#x} in a page of "
        f"{page >> 10} KB; {who} may "
        f"{', '.join(may)}{promise_text(address, rights)}")


def promise_text(address: int, rights: int) -> str:
    """Why the page tables do not, or not yet, say what the process may do at a
    user address: pages come, and copies are made, at the first access."""
    if address >= number("USER_END") or not variable("per_cpu")["current"]:
        return ""
    process = Process.current()
    vm = process.value["vm"]
    areas = vm["areas"]
    for area in (areas["list"][i] for i in range(int(areas["count"]))):
        start, end, prot = (int(area[n]) for n in ("start", "end", "prot"))
        if not start <= address < end:
            continue
        text = "".join(c if prot >> i & 1 else "-" for i, c in enumerate("rwx"))
        if rights == 0:
            return f" yet; the area {start:#x}-{end:#x} {text} will bring it"
        if prot & number("PROT_WRITE") and not rights & number("PTE_W"):
            return f";\n  the area is {text}: the first write makes a copy"
        return ""
    return "" if rights else f": nothing of {process}'s; an access kills it"
