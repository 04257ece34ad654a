"""Why lab 1's machine did not get on: from what its tables hold, the likeliest
culprit first."""

from __future__ import annotations

import dataclasses
from typing import Iterator, Optional

from machine.finding import Finding
from machine.x86 import NAMES_SELECTOR
from . import segments
from .gdt_boot import FILE, GdtBoot, Moment
from .places import line_in
from .segments import flaw
from .verdict import Ground, Verdict, verdict
from .watcher import DEAD, STOPPED, Event

BUSY_TSS = 0xB


def flaws(boot: GdtBoot) -> Iterator[Finding]:
    """What is wrong with the tables."""
    base, limit = boot.at_init.cpu.gdt
    if boot.uses_boot_table:
        yield flaw("GDTR still holds the boot table: gdt_init has not loaded its own")
        return
    if not boot.in_image(base):
        yield flaw(f"GDTR.base is {base:#x}, which is not in the kernel")
    if on_boot_stack(boot, base):
        yield flaw("The table lies on the boot stack, and has been overwritten")
    if limit < segments.TABLE_SIZE - 1:
        yield flaw(f"GDTR.limit is {limit:#x}: entry {(limit + 1) // 8 * 8:#04x} "
                   "ends past it")
    if boot.exchanged():
        yield flaw("Entry 0x28 is code and entry 0x30 is data: user data and user "
                   "code have changed places")
        return
    for selector, (code, ring) in segments.SEGMENTS.items():
        yield from segments.segment_flaws(boot.entry_at(selector), code, ring)
    yield from tss_flaws(boot)


def on_boot_stack(boot: GdtBoot, address: int) -> bool:
    """Whether an address is on the stack on which gdt_init runs."""
    kernel = boot.lab.kernel
    top = kernel.address("boot_stack_top")
    return top - kernel.stack_bytes <= address < top


def tss_flaws(boot: GdtBoot) -> Iterator[Finding]:
    """What is wrong with the way to the TSS."""
    lower = boot.entry_at(segments.TSS)
    yield from segments.tss_flaws(lower)
    yield from segments.tss_base_flaws(
        lower, boot.entry_at(segments.TSS + 8).value, boot.lab.kernel.tss)
    selector = boot.at_init.cpu.tr[0]
    if boot.came_to(Moment.INIT) and selector != segments.TSS:
        yield flaw(f"TR is {selector:#x}: no LTR has told the CPU where the TSS is")


def selector_flaws(boot: GdtBoot, selector: int) -> Iterator[Finding]:
    """What is wrong with one entry, for a CPU that refused it."""
    limit = boot.at_init.cpu.gdt[1]
    if selector + 7 > limit:
        yield flaw(f"selector {selector:#x} ends past GDTR.limit, {limit:#x}")
    if selector >= segments.TABLE_SIZE:
        yield flaw(f"selector {selector:#x} is none of the seven")
        return
    entry = boot.entry_at(selector)
    if selector in (segments.USER_CS, segments.USER_DS) and boot.exchanged():
        yield flaw("user data and user code have changed places")
    elif selector in segments.SEGMENTS:
        yield from segments.segment_flaws(entry, *segments.SEGMENTS[selector])
    elif selector == segments.TSS:
        yield from segments.tss_flaws(entry)
        if entry.type == BUSY_TSS:
            yield flaw("the TSS descriptor's type is 0xb, busy: LTR takes only an "
                       "available one, and sets the busy bit itself; was it busy "
                       "from the start, or is this a second LTR?")


def why(boot: GdtBoot, event: Event, ring_3: bool) -> str:
    """The likeliest reason of an exception, as half a sentence. With ring_3
    the way to the TSS is looked at first."""
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
    name = _instruction(event.code)
    line = line_in(boot.lab.kernel_path, FILE, event.rip) \
        or boot.lab.kernel.line_at(event.rip)
    cause = f"{during} ended in {'a triple fault: ' if event.kind is DEAD else ''}{what}"
    cause += f" at {line}" if line else ""
    cause += f", raised by {name}" if name else ""
    reason = why(boot, event, ring_3)
    return verdict(Ground.WRONG if reason else Ground.RESET,
                   f"{cause}. {_sentence(reason)}" if reason else cause,
                   where=line or boot.lab.place("gdt_init"), gdb="break gdt_init")


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


def _instruction(code: bytes) -> str:
    """The instructions that load segments, by their bytes."""
    if code[:1] == b"\x48":
        code = code[1:]
    if code[:1] == b"\x8e":
        register = ["ES", "CS", "SS", "DS", "FS", "GS", "?", "?"][code[1] >> 3 & 7]
        return f"the move to {register}"
    if code[:2] == b"\x0f\x00" and code[2] >> 3 & 7 == 3:
        return "LTR"
    if code[:2] == b"\x0f\x01":
        return "LGDT"
    return {b"\xcf": "IRETQ", b"\xcb": "the far return that loads CS"}.get(
        code[:1], "")
