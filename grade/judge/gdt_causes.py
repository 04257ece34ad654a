"""Why lab 1's machine did not get on: from what its tables hold, the likeliest
culprit first."""

from __future__ import annotations

import dataclasses
from typing import Iterator, Optional

from machine.finding import Finding
from machine.x86 import NAMES_SELECTOR
from . import loads, segments
from .gdt_boot import FILE, GdtBoot, Moment
from .places import line_in
from .segments import flaw
from .verdict import Ground, Verdict, verdict
from .watcher import DEAD, STOPPED, Event

BUSY_TSS = 0xB


def flaws(boot: GdtBoot) -> Iterator[Finding]:
    """What is wrong with the tables."""
    limit = boot.at_init.cpu.gdt[1]
    yield from base_flaws(boot)
    if boot.uses_boot_table:
        return
    if limit < segments.TABLE_SIZE - 1:
        yield flaw(f"GDTR.limit is {limit:#x}" + (counts_entries(limit) or (
            f": entry {(limit + 1) // 8 * 8:#04x} ends past it")))
    if boot.exchanged():
        yield flaw("Entry 0x28 is code and entry 0x30 is data: user data and user "
                   "code have changed places")
        return
    for selector in segments.SEGMENTS:
        yield from boot.segment_flaws(selector)
    yield from tss_flaws(boot)


def counts_entries(limit: int) -> str:
    """What to say of a limit that is a number of entries; else nothing."""
    return (": it counts entries, and has to count bytes"
            if limit == segments.ENTRIES - 1 else "")


def base_flaws(boot: GdtBoot) -> Iterator[Finding]:
    """What is wrong with the place that GDTR names: then the entries there say
    nothing."""
    base = boot.at_init.cpu.gdt[0]
    if boot.uses_boot_table:
        yield flaw("GDTR still holds the boot table: gdt_init has not loaded its own")
    elif boot.on_boot_stack(base) and any(boot.at_init.table):
        yield flaw(f"GDTR.base is {base:#x}, on the boot stack, but segments->gdt, "
                   "which is filled in, is elsewhere: it is the address of a pointer, "
                   "and has to be what the pointer holds",
                   f"{boot.lab.kernel.table:#x}", f"{base:#x}")
    elif boot.on_boot_stack(base):
        yield flaw(f"GDTR.base is {base:#x}, on the boot stack: the table is a local "
                   "variable, and what is called after gdt_init returns overwrites it",
                   "a place in the kernel's data", f"{base:#x}")
    elif not boot.in_image(base):
        yield flaw(f"GDTR.base is {base:#x}, which is not in the kernel: LGDT reads "
                   "the limit from two bytes and the base from the eight bytes right "
                   "after them, without a gap", "a place in the kernel's data",
                   f"{base:#x}")


def tss_flaws(boot: GdtBoot) -> Iterator[Finding]:
    """What is wrong with the way to the TSS."""
    lower = boot.entry_at(segments.TSS)
    tss = boot.lab.kernel.tss
    yield from segments.tss_flaws(lower, tss)
    yield from segments.tss_base_flaws(
        lower, boot.entry_at(segments.TSS + 8).value, tss)
    yield from tr_flaws(boot)


def tr_flaws(boot: GdtBoot) -> Iterator[Finding]:
    """What is wrong with the selector in TR when gdt_init has returned."""
    selector = boot.at_init.cpu.tr[0]
    if not boot.came_to(Moment.INIT) or selector == segments.TSS:
        return
    if selector == 0:
        why = ("no LTR has told the CPU where the TSS is, and the first interrupt of "
               "ring 3 finds no RSP0")
    elif selector & ~7 == 0:
        why = (f"LTR was given entry 0 with RPL {selector & 3}. It takes a selector, "
               "which is a byte offset, not an index; a CPU of silicon raises #GP "
               "where QEMU lets it pass")
    else:
        why = (f"LTR was given entry {selector & ~7:#04x} with RPL {selector & 3}. TR is "
               "no segment of ring 3's: the TSS's selector has RPL 0")
    yield flaw(f"TR is {selector:#x} when gdt_init returns: {why}",
               f"{segments.TSS:#x}", f"{selector:#x}")


def selector_flaws(boot: GdtBoot, selector: int) -> Iterator[Finding]:
    """What is wrong with one entry, for a CPU that refused it."""
    limit = boot.at_init.cpu.gdt[1]
    if selector + 7 > limit:
        yield flaw(f"selector {selector:#x} ends past GDTR.limit, {limit:#x}"
                   + counts_entries(limit))
    if selector >= segments.TABLE_SIZE:
        yield flaw(f"selector {selector:#x} is none of the seven")
        return
    entry = boot.entry_at(selector)
    if selector in (segments.USER_CS, segments.USER_DS) and boot.exchanged():
        yield flaw("user data and user code have changed places")
    elif selector in segments.SEGMENTS:
        yield from boot.segment_flaws(selector)
    elif selector == segments.TSS:
        yield from segments.tss_flaws(entry, boot.lab.kernel.tss)
        if entry.type == BUSY_TSS:
            yield flaw("the TSS descriptor's type is 0xb, busy: LTR takes only an "
                       "available one, and sets the busy bit itself; was it busy "
                       "from the start, or is this a second LTR?")


def why(boot: GdtBoot, event: Event, ring_3: bool) -> str:
    """The likeliest reason of an exception, as half a sentence. With ring_3
    the way to the TSS is looked at first."""
    for found in base_flaws(boot):
        return found.cause
    if event.selector is not None and (refused := loads.explained(
            loads.name(event.code), event.selector)):
        return refused
    if event.vector in NAMES_SELECTOR and event.error & 0xFFFC \
            and not event.error & 2:
        for found in selector_flaws(boot, event.error & 0xFFF8):
            return found.cause
    for found in [*(tss_flaws(boot) if ring_3 else ()), *flaws(boot)]:
        return found.cause
    tables = boot.at_entry or boot.at_init
    if ring_3 and tables.rsp0 != tables.kernel_stack:
        return (f"RSP0 in the TSS that TR names is {_hex(tables.rsp0)}, not the "
                "top of the process's kernel stack")
    return ""


def describe(boot: GdtBoot, event: Event, during: str, ring_3: bool = False
             ) -> Verdict:
    """The verdict for what came instead of what was waited for."""
    if event.verdict is not None:
        return _with_reason(boot, event.verdict, ring_3)
    what = segments.exception_text(event.vector, event.error)
    name = loads.name(event.code)
    line = line_in(boot.lab.kernel_path, FILE, event.rip) \
        or boot.lab.kernel.line_at(event.rip)
    cause = f"{during} ended in {'a triple fault: ' if event.kind is DEAD else ''}{what}"
    cause += f" at {line}" if line else ""
    cause += f", raised by {name}" if name else ""
    reason = why(boot, event, ring_3)
    return verdict(Ground.WRONG if reason else Ground.RESET,
                   f"{cause}. {_sentence(reason)}" if reason else cause,
                   where=line or boot.lab.place("gdt_init"), gdb="break gdt_init")


def how_it_ended(boot: GdtBoot, moment: Moment, during: str) -> str:
    """For a test that needs a moment that did not come: why, as a sentence after
    what the test needs; nothing where it came or was not waited for."""
    event = boot.events.get(moment)
    if event is None or event.is_there:
        return ""
    return f". {describe(boot, event, during).cause}"


def _with_reason(boot: GdtBoot, found: Verdict, ring_3: bool) -> Verdict:
    """The same verdict; with what is wrong with the tables, if anything is."""
    reason = why(boot, Event(STOPPED), ring_3)
    if not reason or found.ground in (Ground.HUNG, Ground.FLOOD, Ground.BLOCKED):
        return found
    return Verdict(dataclasses.replace(
        found.finding, cause=f"{found.cause.rstrip('.')}. {_sentence(reason)}"))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _hex(number: Optional[int]) -> str:
    return "unreadable" if number is None else f"{number:#x}"
