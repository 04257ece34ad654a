"""The figures of docs/chapters."""

from __future__ import annotations

from draw import Figure


def boot_stages() -> Figure:
    """From the loader's jump to main."""
    f = Figure("boot-stages", 760, 250, "Four stages from the loader to main", """
        Four boxes from left to right. First, pvh_start: 32-bit code at its physical
        address, paging off. Second: page tables are made at 0, DIRECT_MAP and
        KERNEL_BASE; PAE, CR3 and EFER.LME are set. Third: CR0.PG is set and a far jump
        loads a 64-bit code segment; the code still runs at its low address. Fourth,
        higher_half: the kernel's own addresses, a stack, and the call of main.""")
    stages = [
        ("pvh_start", ["32 bits", "physical address", "no paging, no stack"], "grey"),
        ("tables", ["at 0, DIRECT_MAP,", "KERNEL_BASE;", "PAE, CR3, LME"], "plain"),
        ("long_mode", ["PG, then a far jump:", "64 bits,", "the low address"], "new"),
        ("higher_half", ["64 bits,", "KERNEL_BASE;", "a stack, then main"], "kernel"),
    ]
    for number, (name, lines, fill) in enumerate(stages):
        x = 16 + number * 188
        f.text(x + 82, 40, name, anchor="middle", bold=True)
        f.box(x, 56, 164, 96, lines, fill=fill, size=13)
        if number:
            f.arrow((x - 24, 104), (x - 2, 104))
    f.lines(16, 186, [
        "The tables map the same memory three times, so that each next instruction is there:",
        "where the code runs now, where C finds physical memory, and where it is linked."],
        size=13)
    return f


def trap_frame() -> Figure:
    """What lies on the kernel stack after an interrupt of ring 3."""
    f = Figure("trap-frame", 760, 330, "The frame of an exception or interrupt", """
        A kernel stack from its top down. The CPU pushes SS, RSP, RFLAGS, CS and RIP, and
        for some vectors an error code. The stub pushes zero instead of an error code
        where there is none, and the vector. trap_common pushes fifteen registers. RSP
        then points to struct trap_frame, 176 bytes below the top.""")
    words = [("SS", "user"), ("RSP", "user"), ("RFLAGS", "user"), ("CS", "user"),
             ("RIP", "user"), ("error code, or 0", "plain"), ("vector", "new"),
             ("RAX, RBX … R15", "kernel")]
    for number, (word, fill) in enumerate(words):
        f.box(280, 30 + 34 * number, 200, 34, word, fill=fill, size=13)
    f.text(268, 34, "top, RSP0", anchor="end", size=12, quiet=True)
    for first, last, text in ((0, 4, "the CPU pushes"), (5, 5, "CPU or stub"),
                              (6, 6, "the vector's stub"), (7, 7, "push_registers")):
        top, bottom = 34 + 34 * first, 60 + 34 * last
        f.line((490, top), (498, top), (498, bottom), (490, bottom))
        f.text(508, (top + bottom) / 2 + 5, text, size=13)
    f.arrow((200, 302), (278, 302))
    f.text(190, 306, "RSP: trap_frame", anchor="end", size=12)
    f.text(268, 238, "−48", anchor="end", size=12, quiet=True)
    f.text(268, 204, "−40", anchor="end", size=12, quiet=True)
    return f


def page_walk() -> Figure:
    """The walk through four tables."""
    f = Figure("page-walk", 760, 330, "The walk from an address to a page", """
        The 48 bits of an address: bits 47 to 39 are an index into the PML4, 38 to 30 into
        the PDPT, 29 to 21 into the page directory, 20 to 12 into the page table, and 11 to
        0 are the byte in the page. CR3 holds the physical address of the PML4. In each
        table the entry that the index chooses holds the physical address of the next
        table; the last entry holds that of the page.""")
    fields = [(47, 39, "PML4", "user"), (38, 30, "PDPT", "new"), (29, 21, "PD", "kernel"),
              (20, 12, "PT", "plain"), (11, 0, "byte", "grey")]
    f.bits(20, 40, 720, fields, scale=[1, 1, 1, 1, 1.2])
    tables = [("PML4", "user"), ("PDPT", "new"), ("PD", "kernel"), ("PT", "plain"),
              ("the page", "grey")]
    for number, (name, fill) in enumerate(tables):
        x = 34 + number * 145
        f.box(x, 130, 104, 120, fill="plain")
        f.box(x, 178, 104, 26, "4096 bytes" if number == 4 else "entry", fill=fill, size=12)
        f.text(x + 52, 272, name, anchor="middle", bold=True, size=13)
        if number < 4:
            f.arrow((x + 104, 191), (x + 143, 132))
        f.arrow((x + 52, 84), (x + 52, 176), dashed=True)
    f.arrow((10, 110), (32, 130))
    f.text(6, 104, "CR3", size=12, bold=True)
    f.lines(20, 298, ["Each index is nine bits: 512 entries of eight bytes fill a page.",
                      "A right counts only if all four entries grant it."], size=12)
    return f


def process_states() -> Figure:
    """The life of a process."""
    f = Figure("process-states", 760, 300, "The states of a process", """
        proc_alloc makes a process NEW. proc_ready puts it into the queue: RUNNABLE.
        schedule lets the first of the queue run. A process that runs goes back into the
        queue by yield, to the sleepers by sleep, and by proc_exit it becomes a ZOMBIE.
        wakeup takes a sleeper back into the queue. proc_stop, by a signal, makes one that
        runs STOPPED until SIGCONT. The parent's wait4 ends a zombie.""")
    f.box(20, 60, 110, 50, "NEW", fill="grey", bold=True)
    f.box(230, 60, 150, 50, ["RUNNABLE", "in the queue"], fill="new", size=13)
    f.box(520, 60, 150, 50, ["RUNNABLE", "runs"], fill="user", size=13)
    f.box(375, 200, 150, 50, ["SLEEPING", "for a channel"], fill="kernel", size=13)
    f.box(610, 200, 120, 50, ["ZOMBIE"], fill="bad", bold=True)
    f.box(160, 200, 150, 50, ["STOPPED", "until SIGCONT"], fill="grey", size=13)
    f.arrow((240, 198), (270, 112))
    f.text(238, 160, "SIGCONT", anchor="end")
    f.line((590, 110), (560, 280), (235, 280), (235, 252), arrow=True)
    f.text(330, 274, "proc_stop", anchor="middle")
    f.arrow((130, 85), (228, 85), text="proc_ready", mono=False)
    f.arrow((380, 75), (518, 75), text="schedule")
    f.line((520, 100), (382, 100), arrow=True)
    f.text(450, 118, "yield", anchor="middle")
    f.arrow((575, 110), (500, 198))
    f.text(508, 160, "sleep", anchor="end")
    f.arrow((400, 198), (330, 112))
    f.text(352, 170, "wakeup", anchor="end")
    f.arrow((640, 110), (668, 198))
    f.text(664, 150, "proc_exit")
    f.text(748, 276, "the parent's wait4 frees it", anchor="end", size=12, quiet=True)
    f.text(75, 134, "proc_alloc", anchor="middle", size=12, quiet=True)
    return f


def first_stack() -> Figure:
    """What a program finds at RSP."""
    f = Figure("first-stack", 760, 360, "A program's first stack", """
        From the top of the stack down: the strings of the arguments and of the
        environment; sixteen random bytes; the auxiliary vector, pairs of a key and a value
        that end with a zero; a zero; the pointers to the environment's strings; a zero;
        the pointers to the arguments; argc, to which RSP points.""")
    words = [("strings", "plain", 30), ("16 random bytes", "grey", 30),
             ("auxiliary vector", "new", 40), ("0", "plain", 26), ("envp[0] …", "kernel", 34),
             ("0", "plain", 26), ("argv[0] …", "user", 34), ("argc", "user", 30)]
    y = 34.0
    for word, fill, height in words:
        f.box(290, y, 190, height, word, fill=fill, size=13)
        if word == "argc":
            f.arrow((220, y + 15), (288, y + 15))
            f.text(212, y + 20, "RSP", anchor="end", bold=True)
        if word.startswith(("argv", "envp")):
            f.line((480, y + height / 2), (540, y + height / 2), (540, 49), (482, 49),
                   arrow=True, dashed=True)
        if word == "auxiliary vector":
            f.text(556, y + 18, "AT_PHDR, AT_PAGESZ,", size=12)
            f.text(556, y + 34, "AT_ENTRY, AT_RANDOM …", size=12)
        y += height
    f.text(278, 40, "USER_END", anchor="end", size=12, quiet=True)
    f.text(20, y + 34, "RSP is a multiple of 16. Below it the stack is empty, and may grow by "
           "8 MB, page by page.", size=13)
    return f


def signal_frame() -> Figure:
    """What a delivery changes: words of the frame, and the user's stack."""
    f = Figure("signal-frame", 760, 380, "A signal is delivered", """
        Left, the frame of the call on the kernel stack: of its sixteen words six are
        written. RSP is now below what was put on the user's stack, RAX is 0, RCX, the RIP
        to go on at, is the handler, RDI is the signal's number, RSI and RDX are the
        addresses of the siginfo and the context. Right, the user's stack from high to low
        addresses: what the program had, the red zone of 128 bytes, 512 bytes of FPU state,
        siginfo, the context with all registers and the mask, and the return address, the
        restorer, to which RSP points.""")
    f.text(30, 40, "the frame, on the kernel stack", size=13, bold=True)
    words = [("RSP", "the new one", "new"), ("RAX", "0", "new"), ("RCX", "the handler", "new"),
             ("R11 … R15", "", "plain"), ("RDI", "the number", "new"),
             ("RSI", "→ siginfo", "new"), ("RDX", "→ context", "new"),
             ("R10, R8, R9", "", "plain")]
    for number, (name, value, fill) in enumerate(words):
        y = 58 + 34 * number
        f.box(30, y, 110, 34, name, fill=fill, size=13)
        f.text(152, y + 22, value, size=13)
    f.text(530, 40, "the user's stack", anchor="middle", size=13, bold=True)
    stack = [("what the program had", "user", 36), ("red zone, 128 bytes", "grey", 34),
             ("FPU state, 512 bytes", "kernel", 40), ("siginfo, 128 bytes", "kernel", 40),
             ("context: registers, the mask", "new", 60),
             ("return address: the restorer", "user", 36)]
    y = 58.0
    for number, (name, fill, height) in enumerate(stack):
        f.box(400, y, 260, height, name, fill=fill, size=13)
        if number == 1:
            f.text(388, y + 6, "RSP was here", anchor="end", size=12, quiet=True)
        y += height
    f.arrow((330, y), (398, y))
    f.text(322, y + 5, "RSP", anchor="end", bold=True)
    f.text(20, 356, "The stub pops the frame as ever. That begins the handler, whose return pops "
           "the restorer.", size=13)
    return f


def files() -> Figure:
    """What stands between a descriptor and a name."""
    f = Figure("files", 760, 376, "Descriptors, open files, inodes, names", """
        Four columns. Descriptors: process 7 and its child, process 8, have three each.
        Open files: descriptor 3 of both processes points to one open file with offset 10;
        descriptor 4 of process 7 to another with offset 0, that of process 8 to one with
        offset 4; descriptor 5 of the one to a pipe's end to read from, that of the other
        to the end to write to. Inodes: the first two open files point to the same inode,
        to which two names point; the third to an inode without a name. Both ends of the
        pipe point to a struct pipe.""")
    for x, title in ((65, "descriptors"), (295, "open files"), (530, "inodes"), (702, "names")):
        f.text(x, 28, title, anchor="middle", bold=True, size=13)
    for y, who in ((76, "process 7"), (216, "its child")):
        f.text(20, y - 10, who, size=12, quiet=True)
        for number in range(3):
            f.box(20, y + 30 * number, 90, 30, str(3 + number), fill="user", size=13)
    for y, text in ((70, "offset 10"), (120, "offset 0"), (170, "offset 4"),
                    (236, "to read"), (286, "to write")):
        f.box(220, y, 150, 34, text, fill="new", size=13)
    f.box(470, 84, 120, 52, "a file", fill="kernel", size=13)
    f.box(470, 165, 120, 44, "a file", fill="kernel", size=13)
    f.box(470, 250, 120, 60, ["struct pipe:", "a ring"], fill="grey", size=13)
    f.box(660, 76, 84, 30, "/tmp/a", size=13)
    f.box(660, 114, 84, 30, "/tmp/b", size=13)
    f.text(604, 192, "no name is left", size=12, quiet=True)
    for start, end in (((110, 91), (218, 82)), ((110, 121), (218, 137)), ((110, 151), (218, 250)),
                       ((110, 231), (218, 98)), ((110, 261), (218, 187)),
                       ((110, 291), (218, 303)), ((370, 87), (468, 102)),
                       ((370, 137), (468, 122)), ((370, 187), (468, 187)),
                       ((370, 253), (468, 270)), ((370, 303), (468, 292)),
                       ((658, 91), (592, 102)), ((658, 129), (592, 120))):
        f.arrow(start, end)
    f.lines(20, 346, ["fork shares an open file, and its offset; open makes a new one.",
                      "A file goes when its last name and its last user are gone."], size=12)
    return f


def control_c() -> Figure:
    """From a key to the end of a program."""
    f = Figure("control-c", 760, 330, "The way of Control-C", """
        Above, in the interrupt: the UART has byte 3 in its FIFO and raises IRQ 4; through
        vector 36 trap_handler calls tty_interrupt; receive and sends_signal know the key
        of SIGINT; foreground_signal sends to each process of the group in front;
        signal_send sets a bit, and wakes who sleeps. Below, in each receiver's own turn: a
        sleeping call gives up with -ERESTART, or the next interrupt comes; on the way to
        ring 3 the signal is delivered; with a handler that runs, without one proc_exit.""")
    f.text(16, 36, "in the interrupt, whoever runs", size=13, bold=True)
    above = [(["UART:", "byte 3"], "grey"), (["IRQ 4,", "vector 36", "trap_handler"], "plain"),
             (["tty_interrupt", "receive", "sends_signal"], "kernel"),
             (["foreground_signal", "to all in front"], "kernel"),
             (["signal_send:", "a bit; wakes", "a sleeper"], "new")]
    for number, (lines, fill) in enumerate(above):
        x = 16 + 148 * number
        f.box(x, 50, 134, 74, lines, fill=fill, size=12)
        if number:
            f.arrow((x - 14, 87), (x - 1, 87))
    f.text(16, 176, "in each receiver's own turn", size=13, bold=True)
    below = [(["it slept: the call", "gives -ERESTART"], "plain"),
             (["on the way to ring 3:", "deliver"], "new"),
             (["no handler:", "proc_exit, by SIGINT"], "bad")]
    for number, (lines, fill) in enumerate(below):
        x = 16 + 256 * number
        f.box(x, 190, 200, 50, lines, fill=fill, size=12)
        if number:
            f.arrow((x - 56, 215), (x - 1, 215))
    f.box(16, 252, 200, 44, ["it ran: the interrupt", "that just was"], size=12)
    f.box(528, 252, 200, 44, ["a handler:", "it runs"], fill="user", size=12)
    f.line((216, 274), (244, 274), (244, 224), (271, 224), arrow=True)
    f.line((472, 224), (500, 224), (500, 274), (527, 274), arrow=True)
    f.line((675, 124), (675, 150), (8, 150), (8, 215), (15, 215), arrow=True, dashed=True)
    f.text(16, 320, "Nobody is ended in the interrupt. It leaves a bit, which is met on the way "
           "to ring 3.", size=12)
    return f


def call_registers() -> Figure:
    """The contract of a call in C: registers, and the stack at f's first instruction."""
    f = Figure("call-registers", 760, 356, "Registers and stack at a call of C", """
        Left, the sixteen registers by their part in a call of the function f. Six carry
        arguments, in this order: RDI, RSI, RDX, RCX, R8, R9. RAX carries the result. RBX,
        RBP, R12 to R15 and RSP are the caller's: f gives them back as they were. R10, R11
        and all of the first two rows f may overwrite. Right, the stack from high addresses
        down: the caller's own words; the seventh argument, to which RSP points before the
        call, a multiple of 16; the return address, which CALL pushes and to which RSP
        points at f's first instruction; what f pushes; and, in ring 3 only, a red zone of
        128 bytes below RSP.""")
    rows = [("arguments, the first six", ["RDI", "RSI", "RDX", "RCX", "R8", "R9"], "user"),
            ("the result", ["RAX"], "new"),
            ("the caller's: f gives them back", ["RBX", "RBP", "R12", "R13", "R14", "R15",
                                                 "RSP"], "kernel"),
            ("nobody's", ["R10", "R11"], "grey")]
    for number, (what, names, fill) in enumerate(rows):
        y = 30 + 72 * number
        f.text(20, y + 8, what, size=13, bold=True)
        for place, name in enumerate(names):
            f.box(20 + 58 * place, y + 16, 58, 32, name, fill=fill, size=13)
    f.text(88, 126, "f may overwrite it, and the six above", size=12, quiet=True)
    f.text(146, 270, "f may overwrite them", size=12, quiet=True)
    words = [("the caller's words", "kernel", 36), ("argument 7", "user", 32),
             ("return address", "new", 32), ("what f pushes", "plain", 44),
             ("red zone, 128 bytes", "grey", 44)]
    y = 40.0
    for name, fill, height in words:
        f.box(584, y, 160, height, name, fill=fill, size=13, dashed=name.startswith("red"))
        y += height
    f.text(664, 28, "the stack, down", anchor="middle", size=13, bold=True)
    for y, lines in ((92, ["RSP before", "the call"]), (124, ["RSP at f's", "first line"])):
        f.arrow((548, y), (582, y))
        f.lines(544, y - 5, lines, anchor="end", size=12, step=15)
    f.lines(584, 250, ["in ring 3 only: there", "no interrupt pushes"], size=12, quiet=True)
    f.lines(20, 322, ["Before the call RSP is a multiple of 16. So at f's first line it is 8 less "
                      "than one,",
                      "and a function that calls another has to push an odd number of words."],
            size=12)
    return f


def linux_entry() -> Figure:
    """The way in and out, beside Linux's."""
    f = Figure("linux-entry", 760, 420, "The entry of a system call, here and in Linux", """
        Two columns of steps, from SYSCALL down to SYSRET. Both: SWAPGS; the user's RSP goes
        into a slot of this CPU. Only Linux: CR3 becomes that of the kernel's tables. Both:
        RSP becomes the kernel stack's top. Here sixteen words are pushed; in Linux
        twenty-one, then all registers are cleared. Both call C: syscall_handler here,
        do_syscall_64 there. Linux asks whether SYSRET is safe, and else leaves by IRETQ.
        Here the words are popped; Linux pops, goes over to a small stack that both sets of
        tables map, and CR3 becomes that of the user's tables. Both: the user's RSP, SWAPGS,
        SYSRET.""")
    steps = [("SWAPGS", "SWAPGS", "plain"),
             ("the user's RSP into a slot", "the user's RSP into a slot", "plain"),
             ("", "CR3: the kernel's tables", "new"),
             ("RSP: the kernel stack", "RSP: the kernel stack", "plain"),
             ("push 16 words", "push 21 words, clear registers", "kernel"),
             ("call syscall_handler", "call do_syscall_64", "kernel"),
             ("", "is SYSRET safe? else IRETQ", "new"),
             ("pop", "pop", "kernel"),
             ("", "a small stack; CR3: the user's tables", "new"),
             ("RSP: the user's", "RSP: the user's", "plain"),
             ("SWAPGS, SYSRET", "SWAPGS, SYSRET", "plain")]
    f.text(130, 28, "Threshold", anchor="middle", bold=True)
    f.text(445, 28, "Linux, with KPTI", anchor="middle", bold=True)
    for number, (here, there, fill) in enumerate(steps):
        y = 40 + 31 * number
        if here:
            f.box(20, y, 220, 31, here, fill=fill, size=13)
        f.box(290, y, 310, 31, there, fill=fill, size=13)
    for first, last, text in ((2, 2, "Meltdown"), (4, 4, "one frame for all"),
                              (6, 6, "CVE-2012-0217"), (8, 8, "Meltdown")):
        y = 40 + 31 * (first + last) / 2 + 20
        f.text(612, y, text, size=12, quiet=True)
    f.text(20, 404, "Only between its two writes to CR3 is all of Linux's kernel mapped.", size=12)
    return f


def two_tables() -> Figure:
    """What each of Linux's two top tables maps."""
    f = Figure("two-tables", 760, 300, "Two top tables for one process", """
        Two PML4s of one process, side by side in memory, 4096 bytes each. The first, for
        ring 0: its user half maps the program, its kernel half all of the kernel. The
        second, for ring 3: its user half maps the same program, its kernel half only the
        entry code, the entry stacks, the GDT, the TSS and the IDT; the rest is not there.
        Bit 12 of CR3 says which of the two is in force.""")
    for x, title, below, fill in (
            (60, "while ring 0 runs", ["all of the kernel:", "code, data, all memory"], "kernel"),
            (440, "while ring 3 runs", ["entry code and stacks,", "GDT, TSS, IDT"], "new")):
        f.text(x + 130, 30, title, anchor="middle", bold=True, size=13)
        f.box(x, 44, 260, 64, ["user half:", "the program"], fill="user", size=13)
        height = 96 if fill == "kernel" else 44
        f.box(x, 108, 260, height, below, fill=fill, size=13)
        if fill == "new":
            f.box(x, 152, 260, 52, "nothing: no entries", fill="plain", size=13,
                  dashed=True)
    f.line((320, 76), (440, 76), dashed=True)
    f.text(380, 68, "the same", anchor="middle", size=12)
    f.arrow((250, 250), (190, 208))
    f.arrow((510, 250), (570, 208))
    f.box(250, 238, 260, 30, "CR3, bit 12", size=13)
    f.text(206, 240, "0", bold=True)
    f.text(546, 240, "1", bold=True)
    f.text(60, 288, "What is not translated cannot be speculated on.", size=12)
    return f


def debugger() -> Figure:
    """Who knows what while a kernel is debugged."""
    f = Figure("debugger", 760, 330, "Who knows what: GDB, its files, QEMU", """
        Three columns. Left, what GDB reads from files: build/kernel.elf, which has names,
        types and lines; the source; kernel/gdb/, the commands that know this kernel. In the
        middle GDB, in your terminal: it shows, and it asks. Right, QEMU: a CPU with its
        registers, memory, devices. Between GDB and QEMU a socket, build/gdb.sock: GDB sends
        continue, one step, registers and memory, and QEMU answers or says where it stopped.
        QEMU's serial port goes to a terminal of its own, where the kernel and programs write
        and where you type.""")
    f.text(110, 30, "files", anchor="middle", bold=True, size=13)
    files = [(["build/kernel.elf:", "names, types, lines"], "grey"),
             (["the source:", "kernel/*.c"], "grey"),
             (["kernel/gdb/*.py:", "step-entry, gdt, …"], "new")]
    for number, (lines, fill) in enumerate(files):
        f.box(20, 44 + 66 * number, 180, 52, lines, fill=fill, size=13)
        f.arrow((200, 70 + 66 * number), (266, 136 + 8 * (number - 1)))
    f.text(358, 60, "your terminal", anchor="middle", bold=True, size=13)
    f.box(268, 74, 180, 124, ["GDB", "knows names,", "asks for the rest"], fill="user", size=13)
    f.text(650, 30, "QEMU", anchor="middle", bold=True, size=13)
    for number, (lines, fill) in enumerate(((["CPU: registers,", "ring, CR3, GS"], "kernel"),
                                            (["memory: bytes,", "no names"], "kernel"),
                                            (["serial port"], "plain"))):
        f.box(560, 44 + 66 * number, 180, 52, lines, fill=fill, size=13)
    f.arrow((448, 112), (558, 112), text="asks")
    f.arrow((558, 152), (450, 152))
    f.text(503, 146, "stopped", anchor="middle")
    f.text(504, 178, "build/gdb.sock", anchor="middle", size=11, quiet=True)
    f.line((650, 228), (650, 258), (450, 258), arrow=True)
    f.box(268, 236, 180, 44, ["console: what is", "written and typed"], size=12)
    f.text(20, 312, "GDB joins the two: a name from the left, the bytes that it stands for from "
           "the right.", size=12)
    return f


def search_loop() -> Figure:
    """How a fault is found, with the commands for it."""
    f = Figure("search-loop", 760, 240, "How a fault is found", """
        Four boxes in a circle. Say what you expect. Go there: break-kernel, next-syscall,
        step-entry. Look: context, regs, sysframe, kstack. If it is as you said, say the
        next thing. If it is not: who wrote it? watch, last-write, backtrace; that leads to
        an earlier place, and the circle begins again there.""")
    for x, title, lines, fill in (
            (20, "1", ["Say what", "you expect"], "user"),
            (210, "2", ["Go there:", "break-kernel", "next-syscall"], "plain"),
            (400, "3", ["Look: context,", "regs, sysframe,", "kstack"], "plain"),
            (590, "4", ["Who wrote it?", "watch, last-write,", "backtrace"], "bad")):
        f.box(x, 60, 150, 70, lines, fill=fill, size=13)
        f.text(x + 4, 54, title, bold=True, size=13)
    f.arrow((170, 95), (208, 95))
    f.arrow((360, 95), (398, 95))
    f.arrow((550, 95), (588, 95))
    f.text(586, 50, "it is not so", anchor="end", size=12)
    f.line((475, 130), (475, 160), (95, 160), (95, 132), arrow=True)
    f.text(285, 154, "it is so: the next thing", anchor="middle", size=12)
    f.line((665, 130), (665, 194), (60, 194), (60, 132), arrow=True)
    f.text(380, 188, "an earlier place: begin again there", anchor="middle", size=12)
    f.text(20, 226, "Who skips box 1 looks at everything and sees nothing.", size=12)
    return f


def manual_page() -> Figure:
    """An instruction's page, and the questions with which it is read."""
    f = Figure("manual-page", 760, 400, "An instruction's page, read with questions", """
        Left, a page about SYSRET in five parts, from the top down. Opcode: 48 0F 07, valid
        in 64-bit mode. Description: a few paragraphs of prose. Operation: RIP becomes RCX,
        RFLAGS becomes R11 less RF and VM, CS and SS come from STAR, the ring is 3. Flags
        affected: all, from R11. Exceptions: #UD if EFER.SCE is 0, #GP if the ring is not 0;
        Intel's also if RCX is not canonical. Right, beside each part, the question to put
        to it: do I have this form, in my mode; what is it for; what exactly does it read
        and write; what may I still believe of the flags; what does it do to who gives it
        nonsense, and in which ring.""")
    parts = [("Opcode", ["48 0F 07: valid in 64-bit mode"], "grey", 44,
              ["Is this my form,", "in my mode?"]),
             ("Description", ["to ring 3, after a system call …"], "plain", 44,
              ["What is it for? And what", "does it leave to me?"]),
             ("Operation", ["RIP = RCX; RFLAGS = R11 less RF, VM",
                            "CS, SS from STAR 63…48; ring = 3"], "new", 84,
              ["What does it read and write?", "RSP does not stand there: so",
               "it is not changed. GS neither."]),
             ("Flags", ["all of them, from R11"], "plain", 44,
              ["What may I believe", "of the flags now?"]),
             ("Exceptions", ["#UD: EFER.SCE is 0; #GP: not in ring 0",
                             "Intel: #GP also if RCX is not canonical"], "bad", 84,
              ["What about nonsense?", "In which ring, on which stack", "is it found?"])]
    f.text(250, 26, "SYSRET", anchor="middle", bold=True)
    f.text(560, 26, "ask", anchor="middle", bold=True)
    y = 36.0
    for name, lines, fill, height, questions in parts:
        f.box(110, y, 330, height, lines, fill=fill, size=12)
        f.text(100, y + height / 2 + 5, name, anchor="end", size=13, bold=True)
        f.lines(476, y + height / 2 + 4 - 8.5 * (len(questions) - 1), questions, size=13,
                step=17)
        f.arrow((470, y + height / 2), (442, y + height / 2))
        y += height + 6
    f.text(20, 386, "What stands in no part is not done. To see that something is missing is half "
           "of reading a manual.", size=12)
    return f


FIGURES = {figure.name: figure for figure in (
    boot_stages(), trap_frame(), page_walk(), process_states(), first_stack(), signal_frame(),
    files(), control_c(), call_registers(), linux_entry(), two_tables(), debugger(),
    search_loop(), manual_page())}
