"""The figures of labs/4-frame.md."""

from __future__ import annotations

from draw import Figure


def overlay() -> Figure:
    """The struct laid over the words that the stub has pushed."""
    f = Figure("frame-overlay", 760, 400, "A struct over the saved words", """
        On the left the top of a process's kernel stack, as the stub has pushed it:
        rsp first, at the top, then rax, rcx, r11 and twelve more, r9 last and
        lowest. On the right struct syscall_frame, whose first member lies at offset
        0, the lowest address. kstack_top, the top, is the frame's end; its beginning is
        128 bytes below. get_syscall_frame returns the address of the beginning.""")
    f.text(130, 30, "kernel stack", bold=True)
    f.text(470, 30, "struct syscall_frame", bold=True, mono=True)
    words = ["rsp", "rax", "rcx", "r11", "…", "r10", "r8", "r9"]
    for number, word in enumerate(words):
        y = 60 + 32 * number
        f.box(130, y, 150, 32, word, fill="user", mono=True, size=13)
        f.line((280, y + 16), (470, y + 16), dashed=True)
        f.box(470, y, 150, 32, word, fill="new", mono=True, size=13)
    f.box(130, 316, 150, 32, "C's own words", fill="grey", size=12)
    for number, offset in ((0, "+120"), (1, "+112"), (2, "+104"), (3, "+96"), (5, "+16"),
                           (6, "+8"), (7, "+0")):
        f.text(630, 81 + 32 * number, offset, mono=True, size=12, quiet=True)
    f.arrow((96, 60), (128, 60))
    f.lines(12, 50, ["p->kstack_top"], size=13, mono=True)
    f.text(12, 90, "pushed first", size=12, quiet=True)
    f.text(12, 305, "pushed last", size=12, quiet=True)
    f.arrow((690, 316), (622, 316))
    f.lines(640, 336, ["get_syscall_", "frame()"], size=12, mono=True, step=16)
    f.text(380, 385, "A stack grows down, a struct grows up: the last push is the first "
           "member.", anchor="middle", size=13)
    return f


def two() -> Figure:
    """Two processes inside calls, one slot, two frames."""
    f = Figure("frame-two", 760, 330, "Two processes inside calls", """
        Process A sleeps inside a call; its kernel stack holds its frame at the top
        and below it the C functions it sleeps in. Process B has made a call since;
        its kernel stack holds another frame. The per-CPU block has one slot
        user_rsp, which now holds B's RSP, and one current, which points to B.
        Whoever looks for A's words in what all share finds B's.""")
    for x, name, state in ((20, "A", "sleeps in nanosleep"), (300, "B", "runs, in getpid")):
        f.text(x, 30, f"process {name}: {state}", bold=True, size=13)
        f.box(x, 50, 190, 60, [f"{name}'s frame", f"rsp: {name}'s own"], fill="user",
              size=13)
        f.box(x, 110, 190, 60, ["syscall_handler …", "and where it sleeps" if name == "A"
                                else "and what it calls"], fill="kernel", size=12)
        f.box(x, 170, 190, 50, "free", fill="grey", size=12)
        f.text(x + 95, 242, f"{name}'s kernel stack", anchor="middle", size=12,
               quiet=True)
    f.text(560, 30, "per_cpu, for all", bold=True, size=13)
    f.box(560, 50, 180, 36, "kernel_rsp: B's", size=12)
    f.box(560, 86, 180, 36, "user_rsp: B's", fill="bad", size=12)
    f.box(560, 122, 180, 36, "current: B", size=12)
    f.arrow((560, 68), (540, 68), (540, 50), (492, 50))
    f.lines(20, 276, [
        "When A wakes up, current and kernel_rsp are set to A's again, by the scheduler.",
        "The slot is not: it keeps the RSP of whoever made the last call. A's is in A's "
        "frame,", "where nobody else writes."], size=12)
    return f


def state() -> Figure:
    """When a process has a frame."""
    f = Figure("frame-state", 760, 250, "When there is a frame", """
        A process begins in ring 3 without a frame. A SYSCALL takes it into a call,
        where it has one, also while it sleeps and others run. The call's end leads
        back to ring 3 without a frame. An interrupt of ring 3 is no call: no frame.
        exec leaves the call without returning to it and begins another program: no
        frame. exit leaves it for ever: no frame.""")
    f.box(40, 90, 150, 60, ["ring 3", "NULL"], fill="grey", size=13)
    f.box(300, 90, 170, 60, ["inside a call", "the frame"], fill="new", size=13)
    f.box(300, 190, 170, 44, ["sleeps: the frame"], fill="new", size=13)
    f.box(570, 90, 160, 60, ["ended", "NULL"], fill="grey", size=13)
    f.box(40, 190, 150, 44, ["interrupt: NULL"], fill="grey", size=13)
    f.arrow((190, 108), (298, 108))
    f.text(244, 102, "SYSCALL", anchor="middle", size=12)
    f.arrow((300, 134), (192, 134))
    f.text(244, 150, "SYSRET", anchor="middle", size=12)
    f.arrow((470, 120), (568, 120))
    f.text(519, 114, "exit", anchor="middle", size=12)
    f.arrow((340, 90), (340, 50), (115, 50), (115, 88))
    f.text(228, 44, "exec: another program, from its start", anchor="middle", size=12)
    f.line((385, 150), (385, 190))
    f.line((115, 150), (115, 190))
    return f


FIGURES = {figure.name: figure for figure in (overlay(), two(), state())}
