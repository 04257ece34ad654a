"""The figures of labs/2-msr.md."""

from __future__ import annotations

from typing import Sequence

from draw import Figure


def at_their_rows(f: Figure, left: float, names: Sequence[str]) -> None:
    """Registers beside the arrows that lead to them: CS and SS share the third."""
    for top, name in zip((121, 169, 208, 227), names):
        f.text(left, top, name, mono=True, size=13)


def trip() -> Figure:
    """What SYSCALL takes from which register."""
    f = Figure("msr-syscall", 760, 390, "What SYSCALL and SYSRET read", """
        SYSCALL, if EFER.SCE is 1: RIP goes to RCX and RFLAGS to R11; RIP comes from
        LSTAR, CS and SS from STAR bits 47 to 32, and the flags that SFMASK names are
        cleared. RSP, GS and the other registers stay as they are. SYSRET goes back:
        RIP from RCX, RFLAGS from R11, CS and SS from STAR bits 63 to 48. It reads
        neither LSTAR nor SFMASK. SWAPGS exchanges GS_BASE and KERNEL_GS_BASE.""")
    f.box(20, 50, 170, 300, fill="user")
    f.text(105, 76, "ring 3", anchor="middle", bold=True)
    at_their_rows(f, 36, ["RIP", "RFLAGS", "CS   0x33", "SS   0x2b"])
    f.lines(36, 270, ["RSP, GS,", "all others:", "nobody touches", "them"], size=13)
    f.box(570, 50, 170, 300, fill="kernel")
    f.text(655, 76, "ring 0", anchor="middle", bold=True)
    at_their_rows(f, 586, ["RIP", "RFLAGS", "CS   0x08", "SS   0x10"])
    f.lines(586, 270, ["RSP, GS, all but", "RCX and R11:", "still the user's"], size=13)
    f.text(380, 36, "SYSCALL", anchor="middle", bold=True)
    f.box(290, 60, 180, 32, "EFER.SCE = 1, or #UD", size=13, fill="new")
    rows = [(104, "LSTAR", "RIP is kept in RCX"),
            (152, "SFMASK", "RFLAGS are kept in R11"),
            (200, "STAR 47:32", "CS, and SS = that + 8")]
    for top, name, what in rows:
        f.box(300, top, 160, 26, name, mono=True, size=13, fill="new")
        f.line((190, top + 13), (300, top + 13))
        f.arrow((460, top + 13), (570, top + 13))
        f.text(380, top + 42, what, anchor="middle", size=12, quiet=True)
    f.text(380, 276, "SYSRET", anchor="middle", bold=True)
    f.box(300, 290, 160, 26, "STAR 63:48", mono=True, size=13, fill="new")
    f.line((570, 303), (460, 303))
    f.arrow((300, 303), (190, 303))
    f.text(380, 336, "RIP from RCX, RFLAGS from R11,", anchor="middle", size=12,
           quiet=True)
    f.text(380, 353, "SS = base + 8, CS = base + 16", anchor="middle", size=12,
           quiet=True)
    f.text(380, 379, "Green: what you write in this lab, and KERNEL_GS_BASE.", anchor="middle", size=12,
           quiet=True)
    return f


def star() -> Figure:
    """STAR's fields and the table they point into."""
    f = Figure("msr-star", 760, 360, "STAR's fields", """
        STAR bits 63 to 48 are the base for SYSRET: SS is 8 and CS is 16 bytes past
        it. Bits 47 to 32 are the kernel's code selector for SYSCALL: CS is that
        selector, SS is 8 past it. Bits 31 to 0 are for 32-bit code. So the table
        has kernel data right after kernel code, and user data before user code.""")
    f.bits(40, 50, 680, [(63, 48, "SYSRET base", "user"),
                         (47, 32, "SYSCALL base", "kernel"),
                         (31, 0, "0 (32-bit SYSCALL)", "grey")], scale=[3, 3, 4],
           height=44)
    f.text(104, 150, "entries of your table:", size=12, quiet=True)
    for left, names, fill in ((40, ["TSS", "user data", "user code"], "user"),
                              (420, ["kernel code", "kernel data"], "kernel")):
        for number, name in enumerate(names):
            f.box(left + 105 * number, 200, 105, 44, name, size=13,
                  fill="grey" if name == "TSS" else fill)
    f.line((142, 94), (142, 124), (92, 124), (92, 166))
    f.arrow((92, 166), (92, 198))
    f.arrow((92, 176), (197, 176), (197, 198))
    f.arrow((92, 176), (302, 176), (302, 198))
    f.text(92, 266, "base", anchor="middle", size=12, mono=True)
    f.text(197, 266, "base + 8", anchor="middle", size=12, mono=True)
    f.text(302, 266, "base + 16", anchor="middle", size=12, mono=True)
    f.text(92, 288, "(loads nothing)", anchor="middle", size=12, quiet=True)
    f.text(197, 288, "SS", anchor="middle", bold=True)
    f.text(302, 288, "CS", anchor="middle", bold=True)
    f.line((346, 94), (346, 124), (472, 124), (472, 166))
    f.arrow((472, 166), (472, 198))
    f.arrow((472, 176), (577, 176), (577, 198))
    f.text(472, 266, "base", anchor="middle", size=12, mono=True)
    f.text(577, 266, "base + 8", anchor="middle", size=12, mono=True)
    f.text(472, 288, "CS", anchor="middle", bold=True)
    f.text(577, 288, "SS", anchor="middle", bold=True)
    f.lines(40, 322, ["Both bases are selectors, with an RPL in the two lowest bits. "
                      "Neither SYSCALL nor SYSRET", "looks into the table: it trusts that "
                      "these entries are what they should be."], size=12, step=18,
            quiet=True)
    return f


def sfmask() -> Figure:
    """RFLAGS, and what a user may have set."""
    f = Figure("msr-rflags", 760, 260, "RFLAGS, and the flags a kernel must not inherit",
               """
        RFLAGS from bit 21 down: ID 21, VIP 20, VIF 19, AC 18, VM 17, RF 16, bit 15,
        NT 14, IOPL 13 and 12, OF 11, DF 10, IF 9, TF 8, SF 7, ZF 6, AF 4, PF 2, CF 0.
        AC, NT, IOPL, DF, IF and TF are the ones that SYSCALL has to clear. A bit that
        is 1 in SFMASK is cleared in RFLAGS.""")
    flags = [(21, 21, "ID", "plain"), (20, 19, "VIP VIF", "plain"), (18, 18, "AC", "bad"),
             (17, 16, "VM RF", "plain"), (15, 15, "0", "grey"), (14, 14, "NT", "bad"),
             (13, 12, "IOPL", "bad"), (11, 11, "OF", "plain"), (10, 10, "DF", "bad"),
             (9, 9, "IF", "bad"), (8, 8, "TF", "bad"),
             (7, 0, "SF ZF AF PF CF", "plain")]
    f.bits(20, 50, 720, flags, size=12, height=40,
           scale=[1, 1.8, 1, 1.6, 1, 1, 1.5, 1, 1, 1, 1, 3.6])
    f.lines(20, 122, ["TF: a #DB at the kernel's first instruction",
                      "IF: an interrupt while RSP is the user's",
                      "DF: C copies memory backwards"], size=13, step=24)
    f.lines(400, 122, ["IOPL: the user's right to use ports",
                       "NT: the kernel's next IRETQ is a #GP",
                       "AC: SMAP is lifted in the kernel"], size=13, step=24)
    f.lines(20, 212, [
        "Red: SYSCALL has to clear it. The others are the result of some arithmetic, or "
        "do no harm; clearing", "more of them is allowed, for R11 has kept them all."],
            size=12, step=20, quiet=True)
    return f


def gs() -> Figure:
    """Where GS leads."""
    f = Figure("msr-gs", 760, 300, "SWAPGS exchanges two registers", """
        In ring 3 GS_BASE is the user's, 0 at first, and KERNEL_GS_BASE is the address
        of this CPU's block. SWAPGS exchanges them: in ring 0 GS_BASE is the address
        of the block, and KERNEL_GS_BASE keeps the user's. The block's first word is
        kernel_rsp.""")
    for left, ring, first, second, fill in (
            (20, "ring 3", "the user's", "the block", "user"),
            (500, "ring 0", "the block", "the user's", "kernel")):
        f.text(left + 120, 36, ring, anchor="middle", bold=True)
        for top, name, value in ((52, "GS_BASE", first), (92, "KERNEL_GS_BASE", second)):
            f.box(left, top, 136, 34, name, mono=True, size=12)
            f.box(left + 136, top, 104, 34, value, size=12,
                  fill="kernel" if value == "the block" else "user")
    f.arrow((276, 78), (484, 78))
    f.arrow((484, 100), (276, 100))
    f.text(380, 66, "SWAPGS", anchor="middle", mono=True, bold=True)
    f.text(380, 122, "SWAPGS", anchor="middle", mono=True, bold=True)
    f.text(20, 190, "The block: struct per_cpu_data", size=13)
    f.stack(300, 170, 200, [("kernel_rsp", "the stub loads RSP from here", "kernel"),
                            ("user_rsp", "the stub's scratch", "kernel"),
                            ("current, …", "the rest", "kernel")], left=["+0", "+8", "+16"])
    f.lines(20, 262, [
        "No other register is free when the stub begins: GS is how a kernel finds its "
        "memory without one.", "main() executes the first SWAPGS itself, right after "
        "init_syscall."], size=12, quiet=True)
    return f


FIGURES = {figure.name: figure for figure in (trip(), star(), sfmask(), gs())}
