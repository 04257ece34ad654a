"""Lab 1: the segments, read from the machine, and ring 3 entered and left.

No test here needs a system call. Most look at one boot, which is watched from
gdt_init to the first interrupts of ring 3: judge/gdt_boot.py.
"""

from __future__ import annotations

from typing import Iterable, Optional

import pytest

from judge import gdt_boot, gdt_causes, segments
from judge.gdt_boot import PROBE, GdtBoot, Moment
from judge.lab import Lab
from judge.verdict import foundation, hint, points, wrong
from judge.watcher import DEAD, EXCEPTION, Event, Shared, Watcher
from machine.finding import Finding
from machine.kernel import in_kernel_half
from machine.x86 import (
    GP, KERNEL_CS, KERNEL_DS, RING3_CS, RING3_SS, TSS, UD, USER_CS, USER_DS)

# The tests that share the boot run in one process, the first one first.
shared = pytest.mark.xdist_group("gdt")

boot = Shared(gdt_boot.watch, "gdt_init to return (lab 1)")


def own_table(lab: Lab) -> GdtBoot:
    """The watched boot, if gdt_init has loaded a table of its own."""
    seen = boot(lab)
    ended = gdt_causes.how_it_ended(seen, Moment.INIT, "gdt_init")
    lab.needs("the table that gdt_init fills in to be loaded by LGDT (lab 1)" + ended,
              met=not seen.uses_boot_table)
    return seen


def filled(lab: Lab) -> GdtBoot:
    """The watched boot, if gdt_init has filled in the segments, loaded or not."""
    seen = boot(lab)
    lab.needs("gdt_init to fill in the four segments (lab 1)",
              met=not seen.uses_boot_table
              or all(seen.entry_at(selector).value for selector in segments.SEGMENTS))
    return seen


def returned(lab: Lab) -> GdtBoot:
    """The watched boot, if gdt_init has loaded its table and returned."""
    seen = own_table(lab)
    ended = gdt_causes.how_it_ended(seen, Moment.INIT, "gdt_init")
    lab.needs("gdt_init to return (lab 1)" + ended, met=seen.came_to(Moment.INIT))
    return seen


def in_ring_3(lab: Lab) -> GdtBoot:
    """The watched boot, if it reached ring 3."""
    seen = returned(lab)
    ended = gdt_causes.how_it_ended(seen, Moment.ENTRY, "The way to ring 3")
    lab.needs("ring 3 to be entered by IRETQ (lab 1)" + ended,
              met=seen.came_to(Moment.ENTRY))
    return seen


def tell(flaws: Iterable[Finding], where: Optional[str], gdb: str) -> None:
    """Fails with the first flaw, if there is one."""
    for flaw in flaws:
        wrong(flaw.cause, expected=flaw.expected, found=flaw.found, where=where,
              gdb=gdb)


def holds(seen: GdtBoot, selector: int) -> None:
    """Fails with the first field of a descriptor that is wrong."""
    tell(seen.segment_flaws(selector), seen.where_entry(selector), seen.gdb_table)


# ---- the table --------------------------------------------------------------

@shared
@foundation
@points(6)
@hint("""lab 1's task: fill in segments->gdt and segments->tss, then LGDT, all six
    segment registers, LTR. A triple fault in gdt_init means that the CPU refused
    a selector: the IDT comes later, so nobody can report it.""")
def test_the_cpu_runs_on_the_table_of_gdt_init(lab: Lab) -> None:
    seen = boot(lab)
    if not seen.came_to(Moment.INIT):
        raise gdt_causes.describe(seen, seen.events[Moment.INIT], "gdt_init")
    if seen.uses_boot_table:
        wrong("GDTR still holds the boot table: gdt_init returned without "
              "LGDT", expected="the address of segments->gdt",
              found=f"{seen.at_init.cpu.gdt[0]:#x}, boot.S's",
              where=lab.place("gdt_init"), gdb="gdt")


@shared
@points(4)
@hint("""the CPU keeps only the table's address, and reads the entries again at
    every IRETQ and interrupt: they have to stay where they are. A strange address
    means that the two words LGDT reads do not lie as it wants them.""")
def test_the_table_lies_where_it_stays(lab: Lab) -> None:
    seen = own_table(lab)
    tell(gdt_causes.base_flaws(seen), seen.lgdt, "gdt")
    if seen.at_init.loaded is None:
        wrong("GDTR.base names memory that is not mapped",
              found=seen.at_init.cpu.gdt[0], where=seen.lgdt, gdb="gdt")
    later = seen.at_entry.loaded if seen.at_entry else None
    if later is not None and _essential(later) != _essential(seen.at_init.loaded):
        wrong("The table changed between gdt_init's end and ring 3: its memory is "
              "used for something else", where=lab.place("gdt_init"), gdb="gdt")


def _essential(table: bytes) -> list[int]:
    """The entries without the bits that the CPU sets."""
    busy, accessed = 1 << 41, 1 << 40
    values = [int.from_bytes(table[i:i + 8], "little") for i in range(0, len(table), 8)]
    return [value & ~busy if i == TSS // 8 else
            value if i == TSS // 8 + 1 else value & ~accessed
            for i, value in enumerate(values)]


@shared
@points(4)
@hint("""GDTR's limit is the offset of the table's last byte, not a number of
    entries and not a size.""")
def test_the_limit_is_that_of_seven_entries(lab: Lab) -> None:
    seen = own_table(lab)
    limit, expected = seen.at_init.cpu.gdt[1], segments.ENTRIES * 8 - 1
    if limit == expected:
        return
    if gdt_causes.counts_entries(limit):
        cause = f"GDTR.limit is {limit:#x}{gdt_causes.counts_entries(limit)}"
    elif limit == expected + 1:
        cause = (f"GDTR.limit is {limit:#x}, the size of the table: it has to be the "
                 "offset of the last byte")
    elif limit < expected:
        cause = (f"GDTR.limit is {limit:#x}: entry {(limit + 1) // 8 * 8:#04x} ends "
                 "past it, so loading its selector is a #GP")
    else:
        cause = (f"GDTR.limit is {limit:#x}: bytes after the table pass for "
                 "descriptors")
    wrong(cause, expected="the offset of the last byte of seven entries",
          found=limit, where=seen.lgdt, gdb="gdt")


@shared
@points(2)
@hint("""selector 0 means no segment; the CPU never reads its entry, but the
    contract says that it is zero.""")
def test_the_first_entry_is_empty(lab: Lab) -> None:
    seen = filled(lab)
    value = seen.entry_at(0).value
    if value:
        wrong(f"Entry 0x00 is {value:#x}: the first entry is the null descriptor",
              expected=0, found=value, where=seen.where_entry(0), gdb=seen.gdb_table)


@shared
@points(4)
@hint("""every bit of this descriptor is explained in AMD APM vol. 2 section 4.8.1:
    the CPU runs the kernel with it from the next interrupt on.""")
def test_kernel_code_is_64_bit_code_of_ring_0(lab: Lab) -> None:
    holds(boot(lab), KERNEL_CS)


@shared
@points(4)
@hint("SS of ring 0 is loaded with it: AMD APM vol. 2 section 4.8.2.")
def test_kernel_data_is_writable_data_of_ring_0(lab: Lab) -> None:
    holds(boot(lab), KERNEL_DS)


@shared
@points(4)
@hint("""SYSRET computes both selectors from one number: SS is that + 8, CS that
    + 16. So the order of the two is not free.""")
def test_user_data_stands_before_user_code(lab: Lab) -> None:
    seen = boot(lab)
    data, code = seen.entry_at(USER_DS), seen.entry_at(USER_CS)
    if data.value == code.value == 0:
        if seen.strayed_to(USER_DS) is not None:
            holds(seen, USER_DS)
        wrong("Entries 0x28 and 0x30 are zero: ring 3 has no segments",
              where=lab.place("gdt_init"), gdb=seen.gdb_table)
    if data.is_code:
        wrong("Entry 0x28 is code" + (" and entry 0x30 is data: the two have changed "
              "places" if code.is_data else ", where user data has to stand")
              + ". SYSRET takes SS from its base + 8 and CS from its base + 16",
              expected="data at 0x28, code at 0x30",
              found=f"types {data.type:#x} and {code.type:#x}",
              where=seen.where_entry(USER_DS), gdb=seen.gdb_table)
    if code.is_data:
        wrong("Entry 0x30 is data, where user code has to stand",
              expected="data at 0x28, code at 0x30",
              found=f"types {data.type:#x} and {code.type:#x}",
              where=seen.where_entry(USER_CS), gdb=seen.gdb_table)


@shared
@points(4)
@hint("SS of ring 3 is loaded with it: by IRETQ, which looks at every bit.")
def test_user_data_is_writable_data_of_ring_3(lab: Lab) -> None:
    seen = boot(lab)
    lab.needs("user data to stand before user code (lab 1)", met=not seen.exchanged())
    holds(seen, USER_DS)


@shared
@points(4)
@hint("CS of ring 3 is loaded with it: by IRETQ, which looks at every bit.")
def test_user_code_is_64_bit_code_of_ring_3(lab: Lab) -> None:
    seen = boot(lab)
    lab.needs("user data to stand before user code (lab 1)", met=not seen.exchanged())
    holds(seen, USER_CS)


@shared
@points(2)
@hint("""L says 64-bit, D says 32-bit; what both together mean is not defined.
    QEMU's emulated CPU does not mind, so only the bits tell.""")
def test_no_descriptor_is_64_bit_and_32_bit_at_once(lab: Lab) -> None:
    seen = filled(lab)
    for selector in (KERNEL_CS, KERNEL_DS, USER_DS, USER_CS):
        tell(segments.both_sizes_flaws(seen.entry_at(selector)),
             seen.where_entry(selector), seen.gdb_table)


# ---- the task state segment -------------------------------------------------

def filled_in(lab: Lab, seen: GdtBoot) -> None:
    """Leaves it to others to say that another TSS than this was filled in."""
    lower, upper = seen.entry_at(TSS), seen.entry_at(TSS + 8)
    base = lower.base | upper.value << 32
    lab.needs("the TSS descriptor to name segments->tss (lab 1)",
              met=any(seen.at_init.tss) or not seen.in_image(base))


# Which gate uses which stack of the IST.
IST_OF = {1: "#DF", 2: "NMI", 3: "#DB", 4: "#MC"}


@shared
@points(6)
@hint("""a gate's IST field counts from 1, the array tss.ist from 0; a stack grows
    downwards, so the CPU wants the address after its end.""")
def test_four_interrupts_have_stacks_of_their_own(lab: Lab) -> None:
    seen = boot(lab)
    filled_in(lab, seen)
    stacks = seen.tss.ist
    where = seen.where(lab.kernel.tss + segments.IST1)
    if not any(seen.at_init.tss):
        wrong("segments->tss is all zero: nobody has filled it in. (Another TSS would not "
              "do: segments->tss is where set_kernel_stack writes RSP0)",
              expected="the tops of four stacks", found=0, where=where,
              gdb=seen.gdb_tss)
    tops: dict[int, int] = {}
    for number, vector in IST_OF.items():
        top = stacks[number - 1]
        if top and top & 0xFFFFFFFF == 0:
            wrong(f"IST{number} of the TSS ({vector}) is {top:#x}: the fields after the "
                  "first lie four bytes too far; the structure is not packed, and the "
                  "compiler has aligned them", expected="tss.ist at offset 36",
                  found="offset 40", where=where, gdb=seen.gdb_tss)
        if top == 0:
            later = (" IST5, which no gate uses, has a stack: the array counts from 0, "
                     "a gate's IST field from 1." if stacks[4] else "")
            wrong(f"IST{number} of the TSS (tss.ist[{number - 1}], the stack for "
                  f"{vector}) is 0: the CPU would push at the top of the address "
                  f"space.{later}", expected="the top of a stack", found=top,
                  where=where, gdb=seen.gdb_tss)
        if top % 16:
            wrong(f"IST{number} of the TSS ({vector}) is {top:#x}, not a multiple of 16",
                  found=top, where=where, gdb=seen.gdb_tss)
        table_end = lab.kernel.tss + segments.TSS_SIZE
        if lab.kernel.table < top <= table_end + 512:
            wrong(f"IST{number} of the TSS ({vector}) is {top:#x}, the lowest address of "
                  "its stack: it grows downwards from there, over the TSS and the GDT",
                  expected="the stack's end", found=top, where=where, gdb=seen.gdb_tss)
        if not in_kernel_half(top) or not seen.mapped.get(top):
            wrong(f"IST{number} of the TSS ({vector}) is {top:#x}: below it is no memory "
                  "of the kernel's", found=top, where=where, gdb=seen.gdb_tss)
        for other, at in tops.items():
            if abs(at - top) < 1024:
                wrong(f"IST{other} ({IST_OF[other]}) and IST{number} ({vector}) share "
                      "a stack: the second would overwrite the first's frame",
                      found=f"{at:#x} and {top:#x}", where=where, gdb=seen.gdb_tss)
        tops[number] = top


@shared
@points(2)
@hint("""iomap_base is an offset into the TSS; at or past the limit there is no
    map, and ring 3 has no port.""")
def test_the_tss_opens_no_port(lab: Lab) -> None:
    seen = boot(lab)
    filled_in(lab, seen)
    found = seen.tss.io_map_base
    if found < segments.TSS_SIZE:
        wrong(f"iomap_base is {found:#x}, inside the TSS: the CPU takes the TSS's own "
              "bytes for the map, and every zero bit opens a port to ring 3",
              expected="the TSS's size or more", found=found,
              where=seen.where(lab.kernel.tss + segments.IO_MAP_BASE), gdb=seen.gdb_tss)


@shared
@points(4)
@hint("""a system descriptor: S is 0, and the type says what it is. LTR refuses
    one that is not present, not a TSS, or already busy.""")
def test_entry_18_describes_an_available_tss(lab: Lab) -> None:
    seen = boot(lab)
    tell(segments.tss_flaws(seen.entry_at(TSS), lab.kernel.tss),
         seen.where_entry(TSS), seen.gdb_table)
    # Where TR names it the CPU has set the bit.
    if seen.entry_at(TSS).type == 0xB and seen.at_init.cpu.tr[0] & ~7 != TSS:
        wrong("The TSS descriptor's type is 0xb, busy, before any LTR: LTR takes only "
              "an available one, and sets the busy bit (41) itself",
              expected="an available 64-bit TSS", found="type 0xb, busy",
              where=seen.where_entry(TSS), gdb=seen.gdb_table)


@shared
@points(6)
@hint("""in long mode the TSS's address has 64 bits, so its descriptor takes two
    entries; the address lies in three pieces.""")
def test_the_tss_descriptor_holds_the_whole_address(lab: Lab) -> None:
    seen = boot(lab)
    lower, upper = seen.entry_at(TSS), seen.entry_at(TSS + 8)
    is_upper = upper.value and lower.base == lab.kernel.tss & 0xFFFFFFFF
    tell(segments.tss_base_flaws(lower, upper.value, lab.kernel.tss),
         seen.where_entry(TSS + 8 if is_upper else TSS), seen.gdb_table)


# ---- the segment registers --------------------------------------------------

@shared
@points(4)
@hint("""CS keeps the old descriptor until something loads it: a far return or a
    far jump. An interrupt pushes the old selector, and its IRETQ looks it up in
    the new table.""")
def test_cs_is_loaded_from_the_new_table(lab: Lab) -> None:
    seen = own_table(lab)
    cs = seen.at_init.cpu.selectors["cs"]
    if cs == KERNEL_CS:
        return
    returned(lab)
    wrong(f"CS is still {cs:#x} when gdt_init returns, the boot table's: after LGDT "
          "nobody has loaded it again", expected=KERNEL_CS, found=cs,
          where=lab.place("gdt_init"), gdb="info registers cs")


@shared
@points(4)
@hint("""each segment register keeps a hidden copy of the old descriptor until it is
    loaded again.""")
def test_the_data_segments_are_loaded_from_the_new_table(lab: Lab) -> None:
    seen = own_table(lab)
    selectors = seen.at_init.cpu.selectors
    # Null in DS, ES, FS and GS does no harm in 64-bit mode.
    stale = {name.upper(): value for name, value in selectors.items()
             if name != "cs" and value != KERNEL_DS and (value or name == "ss")}
    if not stale:
        return
    returned(lab)
    names = ", ".join(stale)
    wrong(f"{names} still {'holds' if len(stale) == 1 else 'hold'} a selector of "
          "another table when gdt_init returns", expected=KERNEL_DS,
          found=", ".join(f"{n} {v:#x}" for n, v in stale.items()),
          where=lab.place("gdt_init"), gdb="info registers ss ds es fs gs")


@shared
@points(4)
@hint("""LTR loads a hidden copy of the descriptor, once: it has to be filled in
    before. Without a TSS the CPU has no stack for an interrupt of ring 3.""")
def test_the_task_register_names_the_tss(lab: Lab) -> None:
    seen = own_table(lab)
    _, base, limit = seen.at_init.cpu.tr
    tell(gdt_causes.tr_flaws(seen), lab.place("gdt_init"), "tss")
    returned(lab)
    described = seen.entry_at(TSS).base | \
        (seen.entry_at(TSS + 8).value & 0xFFFFFFFF) << 32
    if (base, limit) != (described, seen.entry_at(TSS).limit):
        wrong(f"The CPU's hidden copy of the TSS descriptor has base {base:#x} and "
              f"limit {limit:#x}, entry 0x18 now has others: LTR came before the "
              "descriptor was complete", expected=f"{described:#x}",
              found=f"{base:#x}", where=lab.place("gdt_init"), gdb="tss")


# ---- ring 3 -----------------------------------------------------------------

@shared
@points(6)
@hint("""IRETQ pops RIP, CS, RFLAGS, RSP and SS, and looks at the descriptors of both
    selectors. #GP(selector) names the one it refused.""")
def test_iretq_enters_ring_3(lab: Lab) -> None:
    seen = returned(lab)
    if not seen.came_to(Moment.ENTRY):
        raise gdt_causes.describe(seen, seen.events[Moment.ENTRY], "The way to ring 3")
    found = seen.in_ring_3["cs"], seen.in_ring_3["ss"]
    if found != (RING3_CS, RING3_SS):
        wrong("Ring 3 runs on other selectors than its own",
              expected=f"CS {RING3_CS:#x}, SS {RING3_SS:#x}",
              found=f"CS {found[0]:#x}, SS {found[1]:#x}", gdb="info registers cs ss")


@shared
@points(4)
@hint("""the CPU reads RSP0 from the TSS that TR names; set_kernel_stack writes it
    into segments->tss at every change of process.""")
def test_rsp0_is_the_top_of_the_processs_stack(lab: Lab) -> None:
    seen = own_table(lab)
    state = seen.at_entry
    lab.needs("the kernel to be on its way to ring 3 (lab 1)", met=state is not None)
    assert state is not None
    lab.needs("TR to name a TSS (lab 1)", met=state.cpu.tr[0] == TSS)
    if state.rsp0 == state.kernel_stack == state.kernel_rsp:
        return
    if state.cpu.tr[1] != lab.kernel.tss:
        cause = (f"TR names a TSS at {state.cpu.tr[1]:#x}, but set_kernel_stack "
                 f"writes RSP0 into segments->tss at {lab.kernel.tss:#x}: the CPU "
                 "never sees it")
    elif state.rsp0 == 0:
        cause = "RSP0 is 0 while ring 3 runs: an interrupt would push below address 0"
    else:
        cause = ("RSP0 is not the top of the current process's kernel stack while "
                 "ring 3 runs: an interrupt would push elsewhere")
    wrong(cause, expected=state.kernel_stack, found=state.rsp0,
          where=lab.place("set_kernel_stack"), gdb="tss")


def came_from_ring_3(seen: GdtBoot, moment: Moment, what: str, during: str) -> None:
    """Checks that a trap came, what the CPU pushed, and where."""
    if moment not in seen.traps:
        raise gdt_causes.describe(seen, seen.events[moment], during, ring_3=True)
    trap = seen.traps[moment]
    stack = seen.at_entry.kernel_stack if seen.at_entry else 0
    if (trap.cs, trap.ss) != (RING3_CS, RING3_SS):
        wrong(f"The {what} saved other selectors than ring 3's",
              expected=f"CS {RING3_CS:#x}, SS {RING3_SS:#x}",
              found=f"CS {trap.cs:#x}, SS {trap.ss:#x}", gdb="break trap_handler")
    if trap.end != stack:
        wrong(f"The {what} pushed its frame elsewhere than at the top of the process's "
              "kernel stack: the CPU found another RSP0", expected=stack,
              found=trap.end, gdb="break trap_handler")


@shared
@points(4)
@hint("""an interrupt of ring 3 takes its stack from the TSS: TR, the descriptor's
    base and limit, then RSP0. If one of them is wrong nothing can be pushed, and
    the end is a triple fault.""")
def test_the_timer_interrupts_ring_3_and_returns(lab: Lab) -> None:
    seen = in_ring_3(lab)
    came_from_ring_3(seen, Moment.TICK, "timer interrupt",
                     "The first interrupt of ring 3")
    if not seen.came_to(Moment.AFTER_TICK):
        raise gdt_causes.describe(seen, seen.events[Moment.AFTER_TICK],
                                  "The return from the first interrupt", ring_3=True)
    for name, (before, after) in seen.changed.items():
        wrong(f"{name.upper()} changed across a timer interrupt of ring 3: C may change "
              "it, so the stub that calls trap_handler has to restore it",
              expected=before, found=after, where=lab.place("trap_handler"),
              gdb="break trap_handler")


@shared
@points(2)
@hint("as an interrupt does, an exception of ring 3 takes its stack from the TSS.")
def test_an_exception_leaves_ring_3(lab: Lab) -> None:
    seen = in_ring_3(lab)
    lab.needs("the timer to interrupt ring 3 (lab 1)",
              met=seen.came_to(Moment.AFTER_TICK))
    came_from_ring_3(seen, Moment.LEAVE, "exception", "UD2 in ring 3")
    expected = lab.probe(PROBE).address("ring3_leave")
    if seen.traps[Moment.LEAVE].rip != expected:
        wrong("The exception's frame does not name the instruction that raised it",
              expected=expected, found=seen.traps[Moment.LEAVE].rip, gdb="break trap_handler")


@shared
@points(4)
@hint("""when the kernel's own stack is gone, the CPU cannot push the page fault's
    frame: that is a double fault, and only a stack from the IST saves it from being
    a triple one.""")
def test_a_double_fault_is_caught_on_its_own_stack(lab: Lab) -> None:
    seen = in_ring_3(lab)
    lab.needs("an exception to leave ring 3 (lab 1)", met=seen.came_to(Moment.LEAVE))
    event, top = seen.events[Moment.DOUBLE], seen.tss.ist[0]
    trap = seen.traps.get(Moment.DOUBLE)
    if trap is None:
        why = (f"IST1 of the TSS is {top:#x}" if not seen.mapped.get(top)
               else gdt_causes.why(seen, event, ring_3=True))
        wrong("With RSP where no memory is, the kernel's push ended in "
              + ("a triple fault" if event.kind is DEAD else "no report")
              + f", not in a double fault on IST1. {why}",
              where=seen.where(lab.kernel.tss + segments.IST1), gdb="tss")
    if not 0 <= top - trap.end < 16:
        wrong("The double fault's frame does not lie at the top of IST1",
              expected=top, found=trap.end, gdb="tss")


def must_reach(lab: Lab, event: Event, during: str) -> None:
    """Fails with what happened instead."""
    if not event.is_there:
        raise gdt_causes.describe(in_ring_3(lab), event, during, ring_3=True)


@points(6)
@hint("""a thousand interrupts push and pop a thousand frames where RSP0 says, and
    return by IRETQ through both user descriptors.""")
def test_a_thousand_ticks_leave_every_register_of_ring_3_alone(lab: Lab) -> None:
    # Instructions are counted instead of time: 32 ns each, a tick after 3125.
    watcher = Watcher(lab, f"/bin/{PROBE}", append="hz=10000", icount="shift=5,sleep=off")
    gdb, probe = watcher.gdb, lab.probe(PROBE)
    # No stop at each tick: an exception of ring 0 ends the machine with a panic.
    event = watcher.advance(probe.address("ring3_spin"), traps=False)
    must_reach(lab, event, "The way to ring 3")
    ticks = lab.kernel.address("ticks")
    names = [name for name in gdb.layout
             if name in ("rax", "rbx", "rdx", "rsi", "rdi", "rbp", "rsp")
             or name[1:].isdecimal() and name.startswith("r")]
    pattern = {name: lab.random.getrandbits(64) for name in names}
    pattern["rsp"] &= 0x7FFFFFFFFFFF
    gdb.set_registers({**pattern, "rcx": 1200 * 3125,
                       "rip": probe.address("ring3_count")})
    start = gdb.read_u64(ticks)
    event = watcher.advance(probe.address("ring3_counted"), traps=False)
    must_reach(lab, event, "A thousand ticks in ring 3")
    count = gdb.read_u64(ticks) - start
    if count < 1000:
        wrong("Ring 3 ran for the time of 1200 ticks, and the kernel has counted "
              "fewer than 1000", expected="1000 or more", found=f"{count}",
              gdb="break timer_tick")
    after = gdb.registers()
    for name, value in pattern.items():
        if after[name] != value:
            wrong(f"{name.upper()} changed in ring 3 during {count} timer interrupts",
                  expected=value, found=after[name], gdb="break trap_handler")


def own_stack(lab: Lab, watcher: Watcher, error_code: bool) -> None:
    """Checks, at a gate, that the CPU has pushed at the top of the kernel stack of
    the process that runs."""
    end = watcher.gdb.register("rsp") + 8 * (5 + error_code)
    top = watcher.tables().kernel_stack
    if end != top:
        wrong("The exception of a process in ring 3 was pushed on another stack than "
              "its own: RSP0 in the TSS is not changed with the process, and two "
              "processes share one kernel stack", expected=top, found=end,
              where=lab.place("set_kernel_stack"), gdb="tss")


def refused(lab: Lab, words: list[str]) -> None:
    """Runs a process for each instruction, and fails for the first one that did
    not end in #GP."""
    watcher = Watcher(lab, ",".join(
        [f"/bin/{PROBE}", *(f"/bin/{PROBE} {word}" for word in words)]))
    probe = lab.probe(PROBE)
    places = {word: probe.address(f"ring3_{word}") for word in words}
    event = watcher.advance(lab.kernel.address("idt_init"), traps=False)
    must_reach(lab, event, "The way to ring 3")
    undefined, protection = lab.kernel.trap_entry(UD), lab.kernel.trap_entry(GP)
    for _ in words:
        event = watcher.advance(undefined, protection, traps=False)
        must_reach(lab, event, "Ring 3, running what is for ring 0 only,")
        error, rip, cs = watcher.pushed(error_code=event.rip == protection)
        own_stack(lab, watcher, error_code=event.rip == protection)
        if cs & 3 != 3:
            fault = Event(EXCEPTION, rip, GP if event.rip == protection else UD, error)
            must_reach(lab, fault, "The way to ring 3 and back")
        if event.rip == protection and rip in places.values():
            watcher.gdb.step()
            continue
        # After each instruction stands a UD2: it was let pass.
        word = max((place, word) for word, place in places.items() if place <= rip)[1]
        seen = boot(lab)
        reason = ""
        if word in ("in", "out") and seen.tss.io_map_base < segments.TSS_SIZE:
            reason = (f": iomap_base is {seen.tss.io_map_base:#x}, and the CPU takes the "
                      "TSS's own bytes for the map of ports")
        wrong(f"Ring 3 executed {word.upper()}, which is for ring 0 only{reason}",
              expected="#GP", found=f"it went on to {probe.name_at(rip)}", gdb="tss")


@points(2)
@hint("""a port is open to ring 3 if IOPL allows it or if the TSS's I/O map has a zero
    bit for it: look at iomap_base and at the descriptor's limit.""")
def test_ring_3_reaches_no_port(lab: Lab) -> None:
    refused(lab, ["in", "out"])


@points(4)
@hint("""HLT, CLI and LGDT are for CPL 0. CPL is the DPL of the segment that runs: look
    at the user descriptors' DPL.""")
def test_ring_3_executes_nothing_that_is_for_ring_0(lab: Lab) -> None:
    refused(lab, ["hlt", "cli", "lgdt"])
