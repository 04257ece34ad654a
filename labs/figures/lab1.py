"""The figures of labs/1-gdt.md."""

from __future__ import annotations

from draw import Figure


def tables() -> Figure:
    """What the CPU holds and what it finds in memory."""
    f = Figure("gdt-tables", 760, 430, "From the CPU's registers to the tables", """
        GDTR holds the address and the limit of the global descriptor table, seven
        entries of eight bytes: null, kernel code at 0x08, kernel data at 0x10, the
        task state segment at 0x18 and 0x20, user data at 0x28, user code at 0x30.
        CS, SS, DS, ES, FS and GS hold selectors of it, TR holds 0x18. The
        descriptor at 0x18 leads to the task state segment, whose RSP0 and IST
        fields lead to stacks.""")
    f.text(20, 30, "In the CPU", bold=True)
    f.text(230, 30, "segments.gdt", bold=True, mono=True)
    f.text(540, 30, "segments.tss", bold=True, mono=True)
    registers = [("GDTR", "base, limit", "plain"), ("CS", "0x08", "kernel"),
                 ("SS DS ES", "0x10", "kernel"), ("FS GS", "0x10", "kernel"),
                 ("TR", "0x18", "plain")]
    tops = [45, 95, 135, 175, 235]
    for (name, value, fill), top in zip(registers, tops):
        f.box(20, top, 70, 30, name, size=12, mono=True)
        f.box(90, top, 86, 30, value, fill=fill, mono=True, size=12)
    entries = [("0", "grey"), ("kernel code", "kernel"), ("kernel data", "kernel"),
               ("TSS, lower half", "new"), ("TSS, base 63:32", "new"),
               ("user data", "user"), ("user code", "user")]
    for number, (text, fill) in enumerate(entries):
        f.box(270, 45 + 44 * number, 150, 44, text, fill=fill, size=13)
        f.text(262, 72 + 44 * number, f"{number * 8:#04x}", anchor="end", mono=True,
               size=12, quiet=True)
    f.text(345, 380, "limit 0x37:", anchor="middle", size=12, quiet=True)
    f.text(345, 396, "56 bytes, less one", anchor="middle", size=12, quiet=True)
    f.arrow((176, 60), (268, 47))
    f.arrow((176, 110), (222, 110))
    f.arrow((176, 150), (222, 154))
    f.arrow((176, 190), (222, 160))
    f.arrow((176, 250), (200, 250), (222, 204))
    fields = [("reserved", "+0", "grey"), ("RSP0", "+4", "kernel"),
              ("RSP1, RSP2", "+12", "grey"), ("IST1  #DF", "+36", "kernel"),
              ("IST2  NMI", "+44", "kernel"), ("IST3  #DB", "+52", "kernel"),
              ("IST4  #MC", "+60", "kernel"), ("IST5 to IST7", "+68", "grey"),
              ("iomap_base", "+102", "kernel")]
    for number, (text, offset, fill) in enumerate(fields):
        f.box(540, 45 + 36 * number, 130, 36, text, fill=fill, size=13)
        f.text(532, 68 + 36 * number, offset, anchor="end", mono=True, size=12,
               quiet=True)
    f.arrow((420, 200), (452, 200), (452, 47), (538, 47), text="")
    f.text(436, 224, "base,", size=12, quiet=True)
    f.text(436, 240, "limit", size=12, quiet=True)
    f.arrow((670, 99), (690, 99))
    f.lines(694, 96, ["kernel", "stack"], size=12, step=16)
    f.arrow((670, 171), (690, 171))
    f.lines(694, 168, ["stack", "of #DF"], size=12, step=16)
    f.text(20, 330, "Ring 3 will have", size=12, quiet=True)
    f.text(20, 350, "SS 0x2b, CS 0x33:", size=12, quiet=True)
    f.text(20, 370, "the last two entries", size=12, quiet=True)
    f.text(20, 390, "with RPL 3.", size=12, quiet=True)
    return f


def descriptor() -> Figure:
    """The bits of a code or data descriptor, and of its access byte."""
    f = Figure("gdt-descriptor", 760, 330, "A code or data descriptor", """
        From the highest bit: base 31 to 24; the flags G, D/B, L and AVL; limit 19
        to 16; the access byte; base 23 to 0; limit 15 to 0. The access byte is P,
        DPL in two bits, S, then four bits of type: executable, conforming or
        expanding down, readable or writable, accessed. In 64-bit mode the CPU
        looks at P, DPL, S, the type, L and D.""")
    f.text(20, 30, "The eight bytes", bold=True)
    f.bits(20, 60, 720, [
        (63, 56, "base\n31:24", "grey"), (55, 55, "G", "grey"), (54, 54, "D", "kernel"),
        (53, 53, "L", "kernel"), (52, 52, "AVL", "grey"), (51, 48, "limit\n19:16", "grey"),
        (47, 40, "access", "kernel"), (39, 16, "base 23:0", "grey"),
        (15, 0, "limit 15:0", "grey")], scale=[8, 4, 4, 4, 4, 8, 9, 14, 12])
    f.lines(20, 188, ["The access", "byte"])
    f.bits(160, 180, 520, [
        (47, 47, "P", "kernel"), (46, 45, "DPL", "kernel"), (44, 44, "S", "kernel"),
        (43, 43, "E", "kernel"), (42, 42, "C", "grey"), (41, 41, "R/W", "kernel"),
        (40, 40, "A", "grey")], scale=[1, 2, 1, 1, 1, 1, 1])
    f.line((364, 100), (160, 163), dashed=True)
    f.line((461, 100), (680, 163), dashed=True)
    f.lines(20, 250, ["P: present", "E: it is code", "D: must be 0 where L is 1"],
            size=12)
    f.lines(210, 250, ["DPL: the ring that may use it", "R/W: code may be read,",
                       "data may be written"], size=12)
    f.lines(460, 250, ["S: 1 for code and data, 0 for the TSS",
                       "C, A: may be 0 (the CPU sets A)", "L: 64-bit code"], size=12)
    f.text(20, 314, "Grey: in 64-bit mode the CPU does not look at it, or it may be 0.",
           size=12, quiet=True)
    return f


def tss_descriptor() -> Figure:
    """How the address of the TSS is cut up."""
    f = Figure("gdt-tss-descriptor", 760, 320, "The descriptor of the TSS", """
        Sixteen bytes in two entries. The address of the task state segment is cut
        into three pieces: bits 23 to 0 go to bits 39 to 16 of the lower entry, bits 31 to 24 to its bits 63 to 56, bits 63 to 32 to the low half of
        the upper entry. The limit is 0x67, the type is 9.""")
    f.text(20, 30, "The address of the TSS", bold=True)
    f.bits(100, 60, 560, [(63, 32, "63:32", "new"), (31, 24, "31:24", "kernel"),
                          (23, 0, "23:0", "user")], scale=[5, 2, 4])
    f.text(20, 150, "0x20", mono=True, quiet=True)
    f.bits(100, 130, 560, [(63, 32, "0", "grey"), (31, 0, "63:32", "new")],
           scale=[1, 1], height=34)
    f.text(20, 230, "0x18", mono=True, quiet=True)
    f.bits(100, 210, 560, [
        (63, 56, "31:24", "kernel"), (55, 48, "0", "grey"), (47, 40, "P DPL S 9", "plain"),
        (39, 16, "23:0", "user"), (15, 0, "limit", "plain")],
           scale=[2, 2, 3, 4, 3], height=34)
    f.lines(100, 275, [
        "P is 1; DPL is 0 by custom, LTR is for ring 0 anyway; S is 0; type 9 is a TSS that",
        "is not in use yet (LTR makes it 11, in use). The limit is the size, less one."],
            size=12)
    return f


def interrupt() -> Figure:
    """An interrupt of ring 3 finds its stack."""
    f = Figure("gdt-interrupt", 760, 300, "How an interrupt of ring 3 finds a stack", """
        An interrupt arrives in ring 3. The CPU takes RSP0 from the task state
        segment that TR names, pushes SS, RSP, RFLAGS, CS and RIP there, and loads CS
        from the gate. IRETQ pops the five words again and looks up the selectors of
        ring 3 in the table. A gate with an IST number takes its stack from the IST,
        whatever RSP was.""")
    f.box(20, 60, 150, 60, ["ring 3 runs", "CS 0x33 SS 0x2b"], fill="user", size=12)
    f.arrow((170, 90), (250, 90), text="interrupt")
    f.box(250, 50, 170, 80, ["gate of the IDT:", "CS 0x08, RIP,", "IST number"], size=12)
    f.arrow((420, 75), (520, 50), text="")
    f.arrow((420, 105), (520, 130), text="")
    f.box(520, 30, 210, 44, "IST 0: RSP0 of the TSS", fill="kernel", size=12)
    f.box(520, 110, 210, 44, "IST 1 to 7: that stack", fill="kernel", size=12)
    f.text(20, 180, "There the CPU pushes, from high to low:", size=13)
    for number, word in enumerate(["SS", "RSP", "RFLAGS", "CS", "RIP", "error code"]):
        f.box(20 + 118 * number, 195, 118, 34, word, mono=True, size=12,
              fill="user" if number < 5 else "grey")
    f.lines(20, 256, [
        "IRETQ pops RIP, CS, RFLAGS, RSP, SS, and reads the descriptors of CS and SS again.",
        "An error code comes with some exceptions only."], size=12, quiet=True)
    return f


FIGURES = {figure.name: figure for figure in (
    tables(), descriptor(), tss_descriptor(), interrupt())}
