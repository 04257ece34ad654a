"""Lab 2: the model-specific registers, and a user's SYSCALL up to LSTAR.

No test here runs an instruction of the entry stub. Most look at one boot, in
which init_syscall is stepped and SYSCALL is followed: judge/msr_boot.py.
"""

from __future__ import annotations

import pytest

from judge import msr_boot, segments
from judge.lab import Lab
from judge.msr_boot import PROBE, MsrBoot, SyscallTried
from judge.verdict import foundation, hint, points, wrong
from judge.watcher import DEAD, EXCEPTION, Shared, Watcher
from machine.kernel import in_kernel_half
from machine.x86 import (
    AC, DB, DF, EFER, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE, FIRST_IRQ, FLAGS, GS_BASE,
    IF, KERNEL_CS, KERNEL_DS, KERNEL_GS_BASE, LSTAR, MASK, NT, PAGE_FAULT, RING3_CS,
    RING3_SS, SFMASK, STAR, TF, UD, WRMSR, msr_name)

# The tests that share the boot run in one process, the first one first.
shared = pytest.mark.xdist_group("msr")

boot = Shared(msr_boot.watch, "init_syscall to be reached and to return")


def settled(lab: Lab) -> MsrBoot:
    """The watched boot, if init_syscall returned."""
    seen = boot(lab)
    must_return(lab, seen)
    return seen


def must_return(lab: Lab, seen: MsrBoot) -> None:
    """init_syscall has to return; where it did not, others may say how it ended."""
    ended = f". {seen.init.verdict.cause}" if seen.init.verdict else ""
    lab.needs(f"init_syscall to return (lab 2){ended}", met=seen.init.is_there)


def unwritten(seen: MsrBoot, msr: int) -> None:
    """Fails if wrmsr was given its arguments in the wrong order for a register."""
    write = seen.exchanged(msr)
    if write is not None and seen.last_write(msr) is None:
        wrong(f"{msr_name(msr)} was not written: a WRMSR wrote {write.value:#x}, which "
              f"is its number, to the register {write.msr:#x}: the arguments of wrmsr "
              "have changed places; the register comes first, then the value. QEMU "
              "lets a WRMSR to no register pass, silicon raises #GP",
              expected=f"WRMSR to {msr:#x}", found=f"WRMSR to {write.msr:#x}",
              where=seen.where(msr), gdb="msr")


def swapped(value: int) -> int:
    """The value with its 32-bit halves exchanged."""
    return (value >> 32 | value << 32) & MASK


def tried(lab: Lab, flag: str) -> SyscallTried:
    """The SYSCALL with a flag set, which has to have been made in ring 3."""
    seen = settled(lab)
    lab.needs("the SYSCALL instruction to be on: EFER.SCE (lab 2)",
              met=bool(seen.msr[EFER] & EFER_SCE))
    lab.needs("LSTAR to hold syscall_entry (lab 2)",
              met=seen.msr[LSTAR] == lab.kernel.address("syscall_entry"))
    lab.needs("ring 3 to be reached (lab 1)",
              met=seen.ring_3 is not None and seen.ring_3.is_there)
    lab.needs("a SYSCALL with other flags to arrive (lab 2)", met=flag in seen.calls)
    return seen.calls[flag]


# ---- the registers ----------------------------------------------------------

@shared
@foundation
@points(4)
@hint("""lab 2's task: five registers, in any order, each by WRMSR. A fault here ends
    in a triple fault, because the IDT is not there yet; a page fault right after
    the write of EFER means that a bit it held is gone.""")
def test_init_syscall_writes_its_registers_and_returns(lab: Lab) -> None:
    seen = boot(lab)
    if seen.init.verdict is not None:
        raise seen.init.verdict
    if not seen.writes:
        wrong("init_syscall returns without a WRMSR: SYSCALL stays off",
              expected="EFER, STAR, LSTAR, SFMASK and KERNEL_GS_BASE", found="none",
              where=lab.place("init_syscall"), gdb="msr")
    if seen.init.is_there:
        return
    last = seen.writes[-1]
    name = msr_name(last.msr) or f"{last.msr:#x}"
    what = segments.exception_text(seen.init.vector, seen.init.error)
    cause = (f"init_syscall ended in a triple fault: {what}, right after the WRMSR of "
             f"{last.value:#x} to {name}")
    if seen.init.code[:2] == WRMSR and not msr_name(last.msr):
        cause = (f"init_syscall ended in a triple fault: WRMSR to {last.msr:#x}, which is "
                 "no register of this CPU")
    else:
        lost = lost_bits(seen)
        if lost:
            cause += f": EFER lost {lost}"
    wrong(cause, where=seen.where(last.msr), gdb="break init_syscall")


def lost_bits(seen: MsrBoot) -> str:
    """The bits of EFER that the kernel needs and that are not set."""
    return " and ".join(name for name, bit in
                        (("LME", EFER_LME), ("LMA", EFER_LMA),
                         ("NXE", EFER_NXE))
                        if not seen.msr.get(EFER, 0) & bit)


@shared
@points(4)
@hint("""while EFER.SCE is 0, SYSCALL is no instruction at all: ring 3 gets #UD, and
    the kernel says so.""")
def test_efer_turns_syscall_on(lab: Lab) -> None:
    seen = boot(lab)
    efer = seen.msr.get(EFER, 0)
    if efer & EFER_SCE:
        return
    unwritten(seen, EFER)
    if efer & EFER_LME == 0 and seen.last_write(EFER):
        lab.needs("EFER to keep its other bits (lab 2)")
    if not seen.last_write(EFER):
        must_return(lab, seen)
    cause = "EFER.SCE (bit 0) is 0: a user's SYSCALL raises #UD"
    if swapped(efer) & EFER_SCE:
        cause += "; WRMSR takes bits 31:0 from EAX and bits 63:32 from EDX"
    wrong(cause, expected="SCE = 1", found=f"EFER = {efer:#x}", where=seen.where(EFER),
          gdb="msr")


@shared
@points(4)
@hint("""EFER was in use before: boot.S turned long mode and no-execute pages on in
    it. Read, modify, write.""")
def test_efer_keeps_long_mode_and_no_execute_pages(lab: Lab) -> None:
    seen = boot(lab)
    efer = seen.msr.get(EFER, 0)
    if seen.last_write(EFER) is None:
        must_return(lab, seen)
        lab.needs("EFER to be written (lab 2)")
    lost, write = lost_bits(seen), seen.last_write(EFER)
    assert write is not None
    if not lost and write.value & ~EFER_DEFINED:
        wrong(f"{write.value:#x} was written to EFER: of its bits "
              f"{write.value & ~EFER_DEFINED:#x} are reserved. QEMU leaves them out, "
              "silicon raises #GP", expected="SCE, LME, LMA and NXE",
              found=f"{write.value:#x}", where=seen.where(EFER), gdb="msr")
    if not lost:
        return
    cause = (f"EFER lost {lost}: WRMSR replaces the whole register, and "
             f"{write.value:#x} was written")
    if swapped(write.value) & EFER_SCE:
        cause += (". The halves are exchanged: bits 31:0 come from EAX, bits 63:32 "
                  "from EDX")
    wrong(cause, expected="SCE, LME, LMA and NXE", found=f"EFER = {efer:#x}",
          where=seen.where(EFER), gdb="msr")


@shared
@points(4)
@hint("""SYSCALL loads CS from STAR[47:32] and SS from that + 8, without a look at
    the table.""")
def test_star_gives_syscall_the_kernels_selectors(lab: Lab) -> None:
    seen = settled(lab)
    unwritten(seen, STAR)
    star = seen.msr[STAR]
    found = star >> 32 & 0xFFFF
    if star & 0xFFFFFFFF and star >> 32 == 0:
        wrong(f"STAR is {star:#x}: bits 63:32 are zero, the selectors stand in the low "
              "half; WRMSR takes bits 63:32 from EDX", found=star,
              where=seen.where(STAR), gdb="msr")
    if found == KERNEL_CS:
        if star & 0xFFFFFFFF:
            wrong(f"STAR[31:0] is {star & 0xFFFFFFFF:#x}: those bits are for 32-bit "
                  "SYSCALL, and long mode leaves them zero", expected=0,
                  found=star & 0xFFFFFFFF, where=seen.where(STAR), gdb="msr")
        return
    if star == 0:
        cause = "STAR is 0: SYSCALL would load CS 0 and SS 0x8"
    elif found & ~3 == KERNEL_CS:
        cause = (f"STAR[47:32] is {found:#x}, with RPL {found & 3}: the kernel's code "
                 "runs at RPL 0; the CPU clears the bits in CS, and SS is computed "
                 "from what stands here")
    elif found & ~3 in (0x20, 0x28) and star >> 48 & ~3 in (0x08, 0x10):
        cause = (f"STAR[47:32] is {found:#x} and STAR[63:48] is {star >> 48:#x}: the two "
                 "fields have changed places")
    else:
        cause = (f"STAR[47:32] is {found:#x}: SYSCALL loads CS {found & ~3:#x} and SS "
                 f"{(found & ~3) + 8:#x}")
    wrong(cause, expected="the kernel's code selector", found=found,
          where=seen.where(STAR), gdb="msr")


@shared
@points(6)
@hint("""SYSRET loads SS from STAR[63:48] + 8 and CS from STAR[63:48] + 16. Intel's
    CPUs OR 3 into both, AMD's only into CS.""")
def test_star_gives_sysret_the_users_selectors(lab: Lab) -> None:
    seen = settled(lab)
    star = seen.msr[STAR]
    found, low = star >> 48, star >> 32 & 0xFFFF
    base = segments.USER_DS - 8
    if found == base | 3:
        return
    unwritten(seen, STAR)
    lab.needs("STAR[47:32] to be the kernel's selector (lab 2)",
              met=not (found & ~3 in (0x08, 0x10) and low & ~3 in (0x20, 0x28)))
    if star >> 32 == 0 and star:
        lab.needs("STAR's selectors to stand in its upper half (lab 2)")
    loads = f"SYSRET loads CS {(found + 16) | 3:#x} and SS {(found + 8) | 3:#x}"
    if found == base:
        cause = (f"STAR[63:48] is {found:#x}, with RPL 0: AMD's CPUs OR 3 only into CS, "
                 f"so SS would be {found + 8:#x}; QEMU ORs it into both and hides it")
    elif found & ~3 == base:
        cause = f"STAR[63:48] is {found:#x}: its RPL is not ring 3's"
    elif star == 0:
        cause = f"STAR is 0: {loads}"
    else:
        cause = (f"STAR[63:48] is {found:#x}: {loads}. It is a base: not a selector that "
                 "is loaded, but 8 less than SS and 16 less than CS")
    wrong(cause, expected="8 less than user data, with RPL 3", found=found,
          where=seen.where(STAR), gdb="msr")


@shared
@points(2)
@hint("the same two fields, seen by the CPU: STAR[63:48] + 16 and + 8.")
def test_sysret_lands_on_the_users_segments(lab: Lab) -> None:
    seen = settled(lab)
    lab.needs("the SYSCALL and SYSRET instructions to be on: EFER.SCE (lab 2)",
              met=seen.sysret is not None)
    assert seen.sysret is not None
    expected = RING3_CS, RING3_SS
    if seen.sysret != expected:
        wrong(f"A SYSRET, executed by the machine with this STAR, loaded CS "
              f"{seen.sysret[0]:#x} and SS {seen.sysret[1]:#x}: STAR[63:48] is "
              f"{seen.msr[STAR] >> 48:#x}, and the next interrupt's IRETQ would refuse "
              "them", expected=f"CS {expected[0]:#x}, SS {expected[1]:#x}",
              found=f"CS {seen.sysret[0]:#x}, SS {seen.sysret[1]:#x}",
              where=seen.where(STAR), gdb="msr")


@shared
@points(6)
@hint("SYSCALL jumps to the address in LSTAR, all 64 bits of it, and to nothing else.")
def test_lstar_holds_syscall_entry(lab: Lab) -> None:
    seen = settled(lab)
    found, entry = seen.msr[LSTAR], lab.kernel.address("syscall_entry")
    if found == entry:
        return
    unwritten(seen, LSTAR)
    write = seen.last_write(LSTAR)
    if write is None:
        cause = "LSTAR was never written: SYSCALL would jump to address 0 in ring 0"
    elif found == entry & 0xFFFFFFFF:
        cause = ("LSTAR lost its upper half: bits 63:32 of the address come from EDX, "
                 "and the kernel lies in the highest 2 GB")
    elif found == swapped(entry):
        cause = ("LSTAR's halves are exchanged: WRMSR takes bits 31:0 from EAX and bits "
                 "63:32 from EDX")
    elif found == entry >> 32:
        cause = (f"LSTAR is {found:#x}, the upper half of syscall_entry's address alone: "
                 "it takes all 64 bits")
    elif entry < found < entry + 16:
        cause = f"LSTAR points {found - entry} bytes after syscall_entry"
    elif lab.kernel.address("kernel_start") <= found < lab.kernel.address("text_end"):
        name = lab.kernel.name_at(found)
        cause = (f"LSTAR points to {name}, not to syscall_entry: it would run on the "
                 "user's stack, and no code but the stub can return by SYSRET")
    else:
        cause = f"LSTAR is {found:#x}, which is not syscall_entry"
    wrong(cause, expected=entry, found=found, where=seen.where(LSTAR), gdb="msr")


# SCE, LME, LMA, NXE, SVME, LMSLE, FFXSR, TCE, MCOMMIT, INTWB, UAIE and AIBRSE.
# Source: AMD APM vol. 2 section 3.1.7.
EFER_DEFINED = 0x36FD01

MUST_CLEAR = {
    "TF": (TF, "a single step would raise #DB at the stub's first instruction, in "
                   "ring 0 with the user's RSP and GS"),
    "IF": (IF, "an interrupt would push its frame at the user's RSP, in ring 0"),
    "DF": (DF, "C code would copy backwards (QEMU clears DF itself and hides it)"),
    "IOPL": (3 << 12, "the kernel would run with the user's I/O privilege"),
    "NT": (NT, "the kernel's next IRETQ would raise #GP"),
    "AC": (AC, "SMAP would be lifted in the kernel"),
}


@shared
@points(6)
@hint("""SYSCALL clears the flags whose bits are SET in SFMASK. Ask of each flag
    whether a user may have set it, and whether the kernel may begin with it.""")
def test_sfmask_names_every_flag_that_the_user_may_have_set(lab: Lab) -> None:
    seen = settled(lab)
    unwritten(seen, SFMASK)
    mask = seen.msr[SFMASK]
    missing = {name: why for name, (bits, why) in MUST_CLEAR.items()
               if mask & bits != bits}
    if not missing:
        if mask >> 32:
            wrong(f"SFMASK is {mask:#x}: its bits 63:32 are reserved, as RFLAGS' are; a "
                  "mask of flags is a number of 32 bits", expected="bits 63:32 = 0",
                  found=mask, where=seen.where(SFMASK), gdb="msr")
        return
    first = next(iter(missing))
    names = ", ".join(missing)
    if seen.last_write(SFMASK) is None or mask == 0:
        cause = (f"SFMASK is 0: SYSCALL clears no flag, and the kernel starts with the "
                 f"user's IF: {MUST_CLEAR['IF'][1]}")
        others = [w.msr for w in seen.writes if w.msr not in (
            EFER, STAR, LSTAR, SFMASK, GS_BASE, KERNEL_GS_BASE)]
        if others:
            cause += (f". {others[0]:#x} was written, which is "
                      f"{msr_name(others[0]) or 'another register'}")
    elif mask & 0xFFFFFFFF == 0 and mask >> 32 & 0x47700 == 0x47700:
        cause = ("SFMASK's halves are exchanged: bits 31:0, which are the flags, come from "
                 "EAX")
    elif list(missing) == ["IF"] and mask >> 10 & 0xFFF == 0xFFF or \
            mask & 0xFFFFFFFF in (0xFFFFFFFF & ~0x200, 0xFFFFFFFF & ~0x47700):
        cause = (f"SFMASK is {mask:#x}, inverted: a set bit is a flag to clear, so this "
                 f"one leaves {names} on: {missing[first]}")
    else:
        cause = f"SFMASK lacks {names}: {missing[first]}"
    wrong(cause, expected="TF, IF, DF, IOPL, NT and AC, or more", found=mask,
          where=seen.where(SFMASK), gdb="msr")


@shared
@points(4)
@hint("""the kernel finds its block only through KERNEL_GS_BASE: the first SWAPGS
    exchanges it with GS_BASE.""")
def test_kernel_gs_base_is_this_cpus_block(lab: Lab) -> None:
    seen = settled(lab)
    found, block = seen.msr[KERNEL_GS_BASE], lab.kernel.per_cpu()
    if found == block:
        return
    if seen.msr[GS_BASE] == block and seen.last_write(GS_BASE):
        cause = ("GS_BASE (0xc0000101) was written instead of KERNEL_GS_BASE "
                 "(0xc0000102): the first SWAPGS takes the block away")
        where = seen.where(GS_BASE)
    elif seen.msr[GS_BASE] == block:
        cause = ("The block is in GS_BASE, not in KERNEL_GS_BASE, when init_syscall "
                 "returns: a SWAPGS has already exchanged them, and main() does that")
        where = seen.where(KERNEL_GS_BASE)
    else:
        where = seen.where(KERNEL_GS_BASE)
        unwritten(seen, KERNEL_GS_BASE)
        if seen.last_write(KERNEL_GS_BASE) is None:
            cause = ("KERNEL_GS_BASE was never written: after SWAPGS the stub would read "
                     "its stack pointer at address 0")
        elif found == 0:
            cause = ("0 was written to KERNEL_GS_BASE: the value of a word of the block, "
                     "where its address has to stand")
        elif found == block & 0xFFFFFFFF:
            cause = ("KERNEL_GS_BASE lost its upper half: bits 63:32 of the address come "
                     "from EDX")
        elif found == swapped(block):
            cause = "KERNEL_GS_BASE's halves are exchanged: bits 31:0 come from EAX"
        elif lab.kernel.address("kernel_start") <= found < lab.kernel.address("kernel_end"):
            cause = (f"KERNEL_GS_BASE is {found:#x}, {found - block:+#x} bytes from the "
                     "block: the stub would take another word for its stack pointer")
        else:
            cause = f"KERNEL_GS_BASE is {found:#x}, which is not this CPU's block"
    wrong(cause, expected=block, found=found, where=where, gdb="msr")


@shared
@points(4)
@hint("""main() executes one SWAPGS after init_syscall. From there on the kernel's C
    runs with GS_BASE at the block; a second SWAPGS, or a move to GS, undoes it.""")
def test_the_kernel_runs_with_gs_at_its_block(lab: Lab) -> None:
    seen = settled(lab)
    block = lab.kernel.per_cpu()
    lab.needs("KERNEL_GS_BASE to be this CPU's block (lab 2)",
              met=block in (seen.msr[KERNEL_GS_BASE], seen.kernel_gs))
    if seen.kernel_gs != block:
        found = 0 if seen.kernel_gs is None else seen.kernel_gs
        wrong("GS_BASE is not the block when main() goes on after init_syscall: a move "
              "to GS has cleared it, or there was one SWAPGS too many", expected=block,
              found=found, where=lab.place("main"), gdb="msr")


# ---- ring 3 and SYSCALL -----------------------------------------------------

@shared
@points(4)
@hint("""in ring 3 the two bases stand the other way round: GS_BASE is the user's, and
    KERNEL_GS_BASE waits for SWAPGS.""")
def test_ring_3_has_its_own_gs_and_the_block_waits_in_kernel_gs_base(lab: Lab) -> None:
    seen = settled(lab)
    block = lab.kernel.per_cpu()
    lab.needs("GS_BASE to be the block in the kernel (lab 2)", met=seen.kernel_gs == block)
    lab.needs("ring 3 to be reached (lab 1)",
              met=seen.ring_3 is not None and seen.ring_3.is_there)
    base, kernel_base = seen.gs_in_ring_3
    if base == block or in_kernel_half(base):
        wrong("GS_BASE holds an address of the kernel's while ring 3 runs", expected=0,
              found=base, where=seen.where(KERNEL_GS_BASE), gdb="msr")
    if kernel_base != block:
        wrong("KERNEL_GS_BASE is not the block while ring 3 runs: the stub's SWAPGS "
              "would not find it", expected=block, found=kernel_base,
              where=seen.where(KERNEL_GS_BASE), gdb="msr")


@shared
@points(6)
@hint("""SYSCALL: RIP from LSTAR, the old one in RCX; RFLAGS in R11; CS and SS from
    STAR; RSP and GS as the user left them.""")
def test_a_users_syscall_arrives_at_the_entry_in_ring_0(lab: Lab) -> None:
    call = tried(lab, "IF")
    if not call.registers:
        if call.event.verdict is not None:
            raise call.event.verdict
        if call.event.kind is EXCEPTION and call.event.vector >= FIRST_IRQ:
            wrong("An interrupt came at the stub's first instruction: SFMASK lacks IF, "
                  "and SYSCALL did not clear it",
                  where=boot(lab).where(SFMASK), gdb="msr")
        what = segments.exception_text(call.event.vector, call.event.error)
        wrong(f"A user's SYSCALL ended in {what} at {call.event.rip:#x} before the first "
              "instruction of the stub", where=boot(lab).where(LSTAR), gdb="msr")
    found, probe = call.registers, lab.probe(PROBE)
    expected = {
        "cs": KERNEL_CS, "ss": KERNEL_DS,
        "rcx": probe.address("msr_next"), "rsp": call.before["rsp"],
        "gs_base": call.before["gs_base"]}
    for name, value in expected.items():
        if found[name] != value:
            source = {"cs": ": it comes from STAR[47:32]", "ss": ": it is STAR[47:32] + 8"}
            wrong(f"{name.upper()} is {found[name]:#x} at the stub's first instruction"
                  + source.get(name, ""), expected=value, found=found[name],
                  where=boot(lab).where(STAR), gdb="break syscall_entry")


@shared
@points(2)
@hint("""the stub takes its stack from the first word of the block; set_kernel_stack
    keeps it equal to the TSS's RSP0.""")
def test_the_block_names_the_stack_of_the_process(lab: Lab) -> None:
    call = tried(lab, "IF")
    lab.needs("a user's SYSCALL to arrive (lab 2)", met=bool(call.registers))
    lab.needs("KERNEL_GS_BASE to be this CPU's block (lab 2)",
              met=call.registers["k_gs_base"] == lab.kernel.per_cpu())
    top = call.kernel_rsp
    if top is None or top != call.kernel_stack:
        wrong("kernel_rsp, the word at the block's start, is not the top of the current "
              "process's kernel stack: two processes would share one",
              expected=call.kernel_stack, found=top, where=lab.place("set_kernel_stack"),
              gdb="percpu")
    if top % 16:
        wrong("kernel_rsp is not a multiple of 16", found=top,
              where=lab.place("set_kernel_stack"), gdb="percpu")


def starts_without(lab: Lab, flag: str) -> None:
    """Checks that a flag that the user had set is clear at the first instruction."""
    seen, call = settled(lab), tried(lab, flag)
    where = seen.where(SFMASK)
    if call.registers:
        if call.registers["eflags"] & FLAGS[flag]:
            wrong(f"{flag} is set at the stub's first instruction: the user had set it, "
                  f"and SFMASK does not name it: {MUST_CLEAR[flag][1]}",
                  expected=f"{flag} = 0", found=f"RFLAGS = {call.registers['eflags']:#x}",
                  where=where, gdb="break syscall_entry")
        return
    if flag == "TF" and call.event.kind is EXCEPTION and call.event.vector == DB:
        assert call.trap is not None
        wrong("The user's single step followed it into the kernel: SFMASK lacks TF, and "
              f"#DB came in ring 0 at {lab.kernel.name_at(call.event.rip)} with RSP "
              f"{call.trap.rsp:#x}, the user's", expected="TF = 0", found="#DB",
              where=where, gdb="break syscall_entry")
    if call.event.kind is EXCEPTION and call.event.vector >= FIRST_IRQ:
        wrong("An interrupt came at the stub's first instruction, in ring 0 on the user's "
              "stack: SFMASK lacks IF", expected="IF = 0", found="an interrupt",
              where=where, gdb="break syscall_entry")
    if call.event.verdict is not None:
        raise call.event.verdict
    what = segments.exception_text(call.event.vector, call.event.error)
    wrong(f"A SYSCALL with {flag} set ended in {what} at {call.event.rip:#x} before the "
          "first instruction of the stub", where=where, gdb="break syscall_entry")


@shared
@points(4)
@hint("""IF: until the stub has changed stacks, RSP is the user's, and an interrupt in
    ring 0 changes no stack.""")
def test_interrupts_are_off_when_the_stub_begins(lab: Lab) -> None:
    starts_without(lab, "IF")


@shared
@points(4)
@hint("TF: whoever single-steps over a SYSCALL must not step the kernel.")
def test_a_users_single_step_does_not_follow_it_into_the_kernel(lab: Lab) -> None:
    starts_without(lab, "TF")


@shared
@points(2)
@hint("NT, which any user may set by POPF, makes IRETQ raise #GP.")
def test_nt_stays_with_the_user(lab: Lab) -> None:
    starts_without(lab, "NT")


@shared
@points(2)
@hint("AC, which any user may set by POPF, lifts SMAP in ring 0.")
def test_ac_stays_with_the_user(lab: Lab) -> None:
    starts_without(lab, "AC")


@shared
@points(2)
@hint("""C expects DF clear. QEMU clears it in any case, so this says little without
    the test of SFMASK.""")
def test_df_stays_with_the_user(lab: Lab) -> None:
    starts_without(lab, "DF")


@points(2)
@hint("""without EFER.NXE bit 63 of a page's entry is reserved: every access to such a
    page faults, with bit 3 of the error code set.""")
def test_no_execute_pages_still_work_with_syscall_on(lab: Lab) -> None:
    watcher = Watcher(lab, f"/bin/{PROBE}")
    gdb, probe = watcher.gdb, lab.probe(PROBE)
    event = watcher.advance(probe.address("msr_spin"), traps=False)
    lab.needs("ring 3 to be reached (labs 1 and 2)", met=event.is_there)
    lab.needs("the SYSCALL instruction to be on: EFER.SCE (lab 2)",
              met=bool(gdb.register("efer") & EFER_SCE))
    undefined, page_fault = (
        lab.kernel.trap_entry(UD), lab.kernel.trap_entry(PAGE_FAULT))
    gdb.set_register("rip", probe.address("msr_stack"))
    for _ in range(8):
        event = watcher.advance(undefined, page_fault, traps=False)
        if not event.is_there:
            wrong("A jump to the stack ended in "
                  + ("a triple fault" if event.kind is DEAD else "no fault")
                  + ", not in a page fault of ring 3", gdb="msr")
        error, rip, _ = watcher.pushed(error_code=event.rip == page_fault)
        if event.rip == page_fault and error & 1 == 0:
            gdb.step()  # a page that was not there yet
            continue
        if event.rip == page_fault and error & 0x19 == 0x11:
            return
        if event.rip == page_fault and error & 8:
            wrong("A page fault says that bit 63 of a page's entry is reserved: EFER.NXE "
                  "is 0", expected="a fault of an instruction fetch",
                  found=f"error code {error:#x}", gdb="msr")
        wrong(f"Ring 3 executed code on its stack, at {rip:#x}: no-execute pages are off",
              expected="#PF", found="#UD of the code on the stack", gdb="msr")
    wrong("A jump to the stack raised page faults without end", gdb="msr")
