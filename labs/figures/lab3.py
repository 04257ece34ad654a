"""The figures of labs/3-entry.md."""

from __future__ import annotations

from draw import Figure


def trip() -> Figure:
    """One call's way through two rings and three files."""
    f = Figure("entry-trip", 760, 400, "One call, there and back", """
        Above, ring 3: a program has its arguments in registers and executes
        SYSCALL. An arrow leads down into ring 0, to syscall_entry, which changes GS
        and stack and pushes sixteen words. From there an arrow leads to
        syscall_handler, a C function on the process's kernel stack, which may
        overwrite registers, sleep and be interrupted. It returns to the stub, which
        pops the words and executes SYSRET, back to the instruction after the
        SYSCALL, with the result in RAX.""")
    f.text(20, 30, "ring 3", bold=True)
    f.text(740, 30, "the program's stack, the program's GS", anchor="end", size=12,
           quiet=True)
    f.box(60, 45, 230, 74, ["mov $1, %eax", "syscall"], fill="user", mono=True, size=13)
    f.box(470, 45, 230, 74, ["the next instruction:", "RAX: the result; RCX, R11:",
                             "spent; all else as it was"], fill="user", size=12)
    f.line((20, 150), (740, 150), dashed=True)
    f.text(20, 176, "ring 0", bold=True)
    f.text(380, 142, "MSRs: LSTAR, STAR, SFMASK", anchor="middle", size=12, quiet=True)
    f.box(60, 190, 230, 74, ["syscall_entry", "GS, stack,", "sixteen pushes"],
          fill="new", size=13)
    f.box(470, 190, 230, 74, ["syscall_exit", "sixteen pops,", "GS"], fill="new", size=13)
    f.text(380, 220, "yours", anchor="middle", bold=True)
    f.text(380, 240, "kernel/syscall_entry.c", anchor="middle", size=11, quiet=True)
    f.arrow((185, 119), (185, 188))
    f.text(194, 142, "SYSCALL", size=12)
    f.arrow((575, 188), (575, 121))
    f.text(584, 142, "SYSRET", size=12)
    f.box(185, 320, 390, 60, ["syscall_handler, in C", "overwrites registers, sleeps, lets "
                              "others run"], fill="kernel", size=13)
    f.arrow((185, 264), (185, 295), (300, 295), (300, 318))
    f.text(194, 288, "call", size=12)
    f.arrow((460, 318), (460, 295), (575, 295), (575, 266))
    f.text(566, 288, "ret", anchor="end", size=12)
    return f


def stack() -> Figure:
    """The kernel stack at the handler's first instruction."""
    f = Figure("entry-stack", 760, 560, "The kernel stack at syscall_handler", """
        The words from kernel_rsp downwards with their offsets in the frame: 120 the
        user's RSP, 112 RAX, the number and later the result, 104 RCX, the user's
        RIP, 96 R11, the user's RFLAGS, 88 RBP, 80 RBX, 72 R12, 64 R13, 56 R14, 48
        R15, 40 RDI, argument 1, 32 RSI, argument 2, 24 RDX, argument 3, 16 R10,
        argument 4, 8 R8, argument 5, 0 R9, argument 6. That is the frame of 128
        bytes. Below it eight bytes for alignment, a copy of R9, which is C's
        seventh argument, and the return address into the stub, to which RSP points
        when syscall_handler begins.""")
    words = [("rsp", "the user's RSP, out of the per-CPU slot"),
             ("rax", "the number; later the result"),
             ("rcx", "the user's RIP, for SYSRET"),
             ("r11", "the user's RFLAGS, for SYSRET"),
             ("rbp", ""), ("rbx", ""), ("r12", ""), ("r13", ""), ("r14", ""), ("r15", ""),
             ("rdi", "argument 1"), ("rsi", "argument 2"), ("rdx", "argument 3"),
             ("r10", "argument 4"), ("r8", "argument 5"), ("r9", "argument 6")]
    offsets = [f"+{offset}" for offset in range(120, -8, -8)]
    top, height = 40, 25
    f.text(222, 26, "kernel_rsp: high addresses", size=12, quiet=True)
    f.line((130, top), (400, top))
    f.stack(220, top, 150, [(name, note, "user") for name, note in words],
            left=offsets, height=height)
    below = top + 16 * height
    f.stack(220, below, 150, [
        ("alignment", "so that RSP is a multiple of 16 at the call", "grey"),
        ("copy of r9", "argument 6, which C may overwrite", "new"),
        ("return address", "back into the stub", "kernel")], height=height)
    f.line((150, top + 2), (140, top + 2), (140, below - 2), (150, below - 2))
    f.lines(64, top + 180, ["the frame,", "128 bytes"], size=13)
    f.arrow((130, below + 3 * height), (218, below + 3 * height))
    f.lines(20, below + 3 * height - 12, ["RSP when the", "handler begins"], size=12)
    f.line((376, top + 4 * height + 3), (384, top + 4 * height + 3),
           (384, top + 10 * height - 3), (376, top + 10 * height - 3))
    f.lines(394, top + 7 * height - 4, ["C keeps these six by itself;",
                                        "a forked child needs them here"], size=13)
    f.text(222, below + 3 * height + 24, "low addresses: C's own stack goes on here",
           size=12, quiet=True)
    return f


def windows() -> Figure:
    """Where in the stub an interrupt would do harm."""
    f = Figure("entry-windows", 760, 250, "The stub's stretches", """
        From left to right, as time goes: from SYSCALL to the first push, of the user's
        RSP, which until then is in a slot that all calls share, IF must be 0, which
        SFMASK sees to; RSP is the user's at first, and so is GS. From there to the first pop RSP is in the kernel stack and GS is the kernel's: an
        interrupt would be harmless. From the pops to SYSRET RSP and then GS become
        the user's while the CPU is in ring 0: IF must be 0 again, which the stub
        sees to. After SYSRET ring 3 may be interrupted.""")
    columns = [(20, 130, "ring 3", "user"), (150, 130, "stack, first push", "bad"),
               (280, 200, "frame, call of C, result", "kernel"),
               (480, 150, "pops, GS", "bad"), (630, 110, "ring 3", "user")]
    for x, wide, text, fill in columns:
        f.box(x, 40, wide, 40, text, fill=fill, size=12)
    f.text(150, 30, "SYSCALL", anchor="middle", size=12)
    f.text(630, 30, "SYSRET", anchor="middle", size=12)
    rows = [("RSP", ["user's", "changes", "kernel's", "changes", "user's"]),
            ("GS", ["user's", "changes", "kernel's", "changes", "user's"]),
            ("IF", ["1", "0", "0 or 1", "0", "1"]),
            ("by", ["", "SFMASK", "a handler", "your stub", "R11"])]
    for number, (name, values) in enumerate(rows):
        y = 106 + 26 * number
        f.text(6, y, name, size=12, bold=True)
        for (x, wide, _, _), value in zip(columns, values):
            f.text(x + wide / 2 + (10 if x == 20 else 0), y, value, anchor="middle",
                   size=12)
    f.lines(20, 218, [
        "Red: ring 0, but an interrupt would push at the user's RSP, look for the kernel "
        "through the", "user's GS, or let another call overwrite the shared slot. There "
        "must be none."], size=12, quiet=True)
    return f


FIGURES = {figure.name: figure for figure in (trip(), stack(), windows())}
