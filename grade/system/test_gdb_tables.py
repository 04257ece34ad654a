"""The CPU's tables and registers as the debugger shows them: gdt, tss, idt, msr,
percpu. What is printed is compared with the machine, not only looked at."""

from __future__ import annotations

import re

import pytest

from gdb_answers import hexadecimal, table_of, value_of
from machine.symbols import Symbols
from replay.session import debug


def test_gdt_before_and_after_the_kernel_loads_its_own() -> None:
    session = debug("/bin/hello", ["gdt", "next-syscall", "gdt"])
    boot, final = session[0], session[2]
    assert "boot_gdt" in boot and re.search(r"0x20  0x00af9a.* <- CS$", boot, re.M)
    entries = dict(re.findall(r"^  (0x\w+)  (0x\w{16})  ", final, re.M))
    expected = {"0x00": 0, "0x08": 0x00AF9A000000FFFF, "0x10": 0x00CF92000000FFFF,
                "0x28": 0x00CFF2000000FFFF, "0x30": 0x00AFFA000000FFFF}
    accessed = 1 << 40
    for selector, value in expected.items():
        assert hexadecimal(entries[selector]) & ~accessed == value
    assert len(entries) == 7 and "limit 0x37, 7 entries" in final
    assert re.search(r"^  0x08 .*code, DPL 0, 64-bit .*<- CS$", final, re.M)
    assert re.search(r"^  0x18 .*TSS, DPL 0, limit 0x67, base 0x\w+  <- TR$", final, re.M)
    assert re.search(r"^  0x30 .*code, DPL 3, 64-bit$", final, re.M)


def test_gdt_in_ring_3_shows_the_users_selectors() -> None:
    session = debug("/bin/hello", ["break-user hello", "continue", "gdt"])
    assert re.search(r"^  0x28 .*<- .*SS", session[2], re.M)
    assert re.search(r"^  0x30 .*<- CS", session[2], re.M)


def test_tss_agrees_with_memory_and_the_process() -> None:
    session = debug("/bin/hello", [
        "tss", "next-syscall", "tss", "output/x per_cpu.segments.tss.rsp0",
        "output/x per_cpu.kernel_rsp", "output/x per_cpu.segments.tss.ist[0]"])
    assert session[0] == "TR is 0: no TSS has been loaded (lab 1).\n"
    table = table_of(session[2])
    assert table["rsp0"] == value_of(session[3]) == value_of(session[4])
    assert table["ist1"] == value_of(session[5])
    assert "top of hello[1]'s kernel stack" in session[2]
    assert re.search(r"ist1 .* #DF$", session[2], re.M)
    assert "iomap_base  104 " in session[2]


def test_idt_shows_gates_and_what_they_lead_to() -> None:
    session = debug("/bin/hello", ["idt", "next-syscall", "idt", "idt pf", "idt 0x20",
                                   "idt #BP", "idt 999", "idt nonsense"])
    assert session[0] == "The kernel has not loaded an IDT yet.\n"
    assert "256 gates" in session[2]
    assert re.search(r"0x08 +#DF +interrupt gate, CS 0x8, DPL 0, IST1 ", session[2])
    assert "vector 0xe #PF: interrupt gate, CS 0x8, DPL 0\n" in session[3]
    assert re.search(r"push +\$0xe\n +jmp .*<trap_common>", session[3])
    assert "vector 0x20 IRQ 0" in session[4] and "DPL 3" in session[5]
    for answer in session.answers[6:]:
        assert "is neither a vector" in answer


def test_msr_before_the_kernel_has_set_any() -> None:
    session = debug("/bin/hello", ["msr"])
    table = table_of(session[0])
    assert table["STAR"] == table["LSTAR"] == table["KERNEL_GS_BASE"] == 0
    assert "SCE is 0: SYSCALL raises #UD (lab 2)" in session[0]


@pytest.mark.parametrize("where", [
    pytest.param(["next-syscall"], id="at-LSTAR"),
    pytest.param(["tbreak sys_getpid", "continue"], id="ring-0"),
    pytest.param(["break-user regs try_call", "continue", "delete"], id="ring-3"),
])
def test_msr_reads_the_machine_and_leaves_it_as_it_was(
    where: list[str], kernel: Symbols
) -> None:
    everything = "info registers"
    session = debug("/bin/regs 1", [*where, everything, *["msr"] * 20, everything],
                    to_end=True)
    before, *answers, after = session.answers[len(where):]
    ring = value_of(re.search(r"^cs +(0x\w+)", before, re.M)[1]) & 3
    assert ring == (3 if "user" in where[0] else 0)
    assert before == after
    block = kernel.address("per_cpu")
    swapped = where[0].startswith("tbreak")
    for answer in answers:
        table = table_of(answer)
        assert table["EFER"] == 0xD01
        assert table["STAR"] == 0x0023000800000000
        assert table["LSTAR"] == kernel.address("syscall_entry")
        assert table["SFMASK"] & 0x47700 == 0x47700
        assert table["GS_BASE"] == (block if swapped else 0)
        assert table["KERNEL_GS_BASE"] == (0 if swapped else block)
    for text in ("SYSCALL: CS 0x8, SS 0x10", "SYSRET: CS 0x33, SS 0x2b",
                 "syscall_entry, kernel/syscall_entry.c"):
        assert text in answers[0]
    assert session.result and session.result.status == 0, session.result


def test_msr_in_ring_3_with_a_single_step_pending() -> None:
    session = debug("/bin/hello", [
        "break-user hello", "continue", "set $eflags = $eflags | 0x100", "msr",
        "output/x $eflags", "set $eflags = $eflags & ~0x100"], to_end=True)
    assert table_of(session[3])["EFER"] == 0xD01
    assert "TF" in session[4] or value_of(session[4]) & 0x100
    assert session.result and session.result.status == 0, session.result


def test_percpu_says_which_gs_leads_to_it(kernel: Symbols) -> None:
    session = debug("/bin/hello", ["next-syscall", "percpu", "step-entry 3", "percpu"])
    address = f"{kernel.address('per_cpu'):#x}"
    assert f"per_cpu at {address}: KERNEL_GS_BASE points here" in session[1]
    assert f"per_cpu at {address}: GS_BASE points here" in session[3]
    assert re.search(r"\+0 +kernel_rsp +0x\w+  top of hello\[1\]'s kernel", session[3])
    assert re.search(r"current +0x\w+  hello\[1\]", session[3])
