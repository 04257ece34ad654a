"""The figures of labs/5-fork.md."""

from __future__ import annotations

from draw import Figure


def stacks() -> Figure:
    """The parent's kernel stack before the fork, and both stacks after it."""
    f = Figure("fork-stacks", 760, 420, "Two kernel stacks, before fork and after", """
        On the left, before: the parent's kernel stack has its frame at the top, with
        rsp, rax 57, rcx and thirteen more words, and below it the C functions that
        lead to fork. In the middle, after: the same stack is unchanged; syscall_entry
        will store the child's number into rax. On the right the child's own kernel
        stack: a copy of the frame at the top, with 0 in rax, and below it seven words
        that proc_set_start writes, a struct context whose rip is syscall_exit.
        Nothing of fork's own C functions is there.""")
    f.text(110, 30, "before: the parent", anchor="middle", bold=True)
    f.text(370, 30, "after: the parent", anchor="middle", bold=True)
    f.text(630, 30, "after: the child", anchor="middle", bold=True)
    words = [("rsp", "user"), ("rax: 57", "user"), ("rcx, r11 … r8", "user"),
             ("r9", "user")]
    c_words = ["argument 6, alignment", "return into the stub", "syscall_handler", "fork"]
    for x in (20, 280, 540):
        for number, (word, fill) in enumerate(words):
            child_rax = x == 540 and number == 1
            f.box(x, 60 + 34 * number, 180, 34, "rax: 0" if child_rax else word,
                  fill="new" if child_rax else fill, mono=True, size=13,
                  bold=child_rax)
    for x in (20, 280):
        for number, word in enumerate(c_words):
            f.box(x, 196 + 24 * number, 180, 24, word, fill="kernel", size=12)
        f.box(x, 292, 180, 38, "free", fill="grey", size=12)
    f.box(540, 196, 180, 30, "rip: syscall_exit", fill="new", mono=True, size=12)
    f.box(540, 226, 180, 60, ["rbp rbx r12 r13", "r14 r15: all 0"], fill="kernel",
          mono=True, size=12)
    f.box(540, 286, 180, 44, "free", fill="grey", size=12)
    for y in (77, 111, 145, 179):
        f.arrow((462, y), (538, y), dashed=True)
    f.text(500, 56, "copied", anchor="middle", size=12)
    f.text(500, 129, "changed", anchor="middle", size=11, quiet=True)
    f.text(110, 352, "RSP: below fork's words", anchor="middle", size=12, quiet=True)
    f.text(370, 352, "RSP: below fork's words", anchor="middle", size=12, quiet=True)
    f.text(630, 352, "p->rsp: the lowest of these", anchor="middle", size=12,
           quiet=True)
    f.lines(20, 384, [
        "The parent goes back through its C functions, and the stub stores its result "
        "into its rax.", "The child has none to go back through: switch_to's ret leads "
        "it straight to the stub's tail."], size=12)
    return f


def copy_on_write() -> Figure:
    """One page in three moments, with both entries and the count."""
    f = Figure("fork-cow", 760, 400, "A page that two processes use", """
        Three moments of one user page at address va. Before the fork: the parent's
        page table entry leads to page A and has W set; A has one user. After the
        fork: the parent's and the child's entries both lead to page A, both without
        W; A has two users. After the child has written: its entry leads to a new page
        B, a copy, with W set; B has one user; the parent's entry still leads to A,
        still without W; A has one user, and the parent's next write only sets W
        again.""")
    moments = [("1. before fork", [("parent's entry", "W", 0)], [("A", 1)]),
               ("2. after fork", [("parent's entry", "no W", 0),
                                  ("child's entry", "no W", 0)], [("A", 2)]),
               ("3. the child has written", [("parent's entry", "no W", 0),
                                             ("child's entry", "W", 1)],
                [("A", 1), ("B", 1)])]
    for number, (name, entries, pages) in enumerate(moments):
        y = 30 + 118 * number
        f.text(20, y, name, bold=True)
        for row, (whose, right, leads_to) in enumerate(entries):
            top = y + 14 + 40 * row
            f.box(110, top, 140, 32, whose, fill="plain", size=13)
            f.box(250, top, 70, 32, right, fill="new" if right == "W" else "bad",
                  size=13)
            f.arrow((320, top + 16), (448, y + 30 + 40 * leads_to))
        for row, (page, count) in enumerate(pages):
            top = y + 14 + 40 * row
            f.box(450, top, 90, 32, f"page {page}", fill="user", size=13)
            f.text(552, top + 21, "1 user" if count == 1 else f"{count} users", size=13)
    f.text(620, 183, "nothing copied", size=12, quiet=True)
    f.text(620, 301, "as before", size=12, quiet=True)
    f.text(620, 341, "a copy of A", size=12, quiet=True)
    f.text(20, 384, "The parent's own next write finds one user: its entry gets W back, "
           "and nothing is copied.", size=12)
    return f


FIGURES = {figure.name: figure for figure in (stacks(), copy_on_write())}
