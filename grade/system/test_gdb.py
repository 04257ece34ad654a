"""The debugger's commands, each in a session of the real GDB on the real
kernel. What they print is compared with the machine, not only looked at."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from machine import deadlines
from replay.gdb_session import Session, copy_tree, debug, gdb
from machine.qemu import TREE, Machine
from machine.symbols import Symbols

sys.path.insert(0, str(TREE / "labs"))
# pylint: disable=wrong-import-position
import cut  # noqa: E402

COMMANDS = ["break-user", "catch-faults", "connect", "gdt", "idt", "kstack", "msr",
            "next-syscall", "pagewalk", "percpu", "ps", "step-entry", "sysframe",
            "tss"]
# Each with an argument that it can do something with.
SHOWS = ["gdt", "tss", "idt", "idt pf", "msr", "percpu", "sysframe", "ps",
         "pagewalk 0x401000", "pagewalk $rsp", "kstack"]
FIELDS = "r9 r8 r10 rdx rsi rdi r15 r14 r13 r12 rbx rbp r11 rcx rax rsp".split()
# A call of /bin/regs with a pattern in every register; the first calls of the
# program itself come before it.
TO_A_CALL_WITH_PATTERNS = ["break-user regs registers_call", "continue", "delete",
                           "next-syscall"]


def hexadecimal(text: str) -> int:
    return int(text, 16)


def frame_of(answer: str) -> dict[str, tuple[int, int, int]]:
    """sysframe's table: offset, value and line of each field."""
    rows = re.findall(r"^  \+(\d+) +(\w+) +(0x[0-9a-f]{16})  line (\d+)", answer,
                      re.MULTILINE)
    return {name: (int(offset), int(value, 16), int(line))
            for offset, name, value, line in rows}


def table_of(answer: str) -> dict[str, int]:
    """Lines that begin with a name and a number of sixteen digits."""
    rows = re.findall(r"^ *(?:\+\d+ +)?(\w+) +(0x[0-9a-f]{16})", answer, re.MULTILINE)
    return {name: int(value, 16) for name, value in rows}


def value_of(answer: str) -> int:
    """The number that `print/x` or `output/x` gave."""
    return int(answer.split("= ")[-1].split()[0], 16)


def no_traceback(session: Session) -> None:
    for word in ("Traceback", "Python Exception", "Error occurred in Python"):
        assert word not in str(session), session


# ---- help --------------------------------------------------------------------

def test_help_lists_every_command_in_one_line() -> None:
    session = gdb(["help threshold", *(f"help {name}" for name in COMMANDS)],
                  socket=None, connects=False)
    lines = [line for line in session[0].splitlines() if re.match(r"[a-z-]+  ", line)]
    assert [line.split()[0] for line in lines] == COMMANDS
    for name, line, answer in zip(COMMANDS, lines, session.answers[1:]):
        assert len(line) <= 80
        assert answer.splitlines()[0] == line.split(maxsplit=1)[1], name
        assert max(map(len, answer.splitlines())) <= 80, name


def test_nothing_is_asked_or_refused_on_the_way_to_main() -> None:
    session = debug("/bin/hello", ["show confirm", "show pagination"])
    assert re.search(r"main \(start_info=\d+\) at kernel/main.c:\d+", session.start)
    for word in ("auto-load", "declined", "(y or n)", "warning"):
        assert word not in session.start
    assert "off" in session[0] and "off" in session[1]


# ---- tables and registers ----------------------------------------------------

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


# ---- the frame and the stub --------------------------------------------------

def test_sysframe_holds_the_programs_patterns() -> None:
    before = [f"output/x registers_before.{name}" for name in FIELDS]
    session = debug("/bin/regs 99", [
        *TO_A_CALL_WITH_PATTERNS, "output/x registers_before.rflags",
        "output/x (long)&registers_next", *before, "tbreak sys_getpid", "continue",
        "sysframe", "kstack"], to_end=True)
    skip = len(TO_A_CALL_WITH_PATTERNS)
    rflags, rip = (value_of(a) for a in session.answers[skip:skip + 2])
    patterns = {n: value_of(a) for n, a in zip(FIELDS, session.answers[skip + 2:])}
    assert len(set(patterns.values())) == len(FIELDS)
    expected = {**patterns, "rcx": rip, "r11": rflags}
    frame = frame_of(session[-2])
    assert {name: value for name, (_, value, _) in frame.items()} == expected
    assert [offset for offset, _, _ in frame.values()] == list(range(120, -8, -8))
    source = (TREE / "kernel/syscall_entry.c").read_text().splitlines()
    for name, (_, _, line) in frame.items():
        word = "%gs:" if name == "rsp" else f"%{name}\""
        assert "pushq" in source[line - 1] and word in source[line - 1], name
    assert "number: getpid" in session[-2]
    assert "RIP: registers_call" in session[-2] and "user/lib/probe.S:" in session[-2]
    for name, value in expected.items():
        assert re.search(rf"  {value:#018x}  {name}\b", session[-1]), name
    assert session.result and session.result.status == 0, session.result


def test_sysframe_in_the_stub_shows_what_has_been_pushed() -> None:
    session = debug("/bin/hello", ["next-syscall", "sysframe", "step-entry 3", "sysframe",
                                   "step-entry 4", "sysframe", "tbreak syscall_exit",
                                   "continue", "step-entry 5", "sysframe",
                                   "step-entry 12", "sysframe"])
    nothing = "No frame: hello[1] is in the stub, but nothing has been pushed yet.\n"
    assert session[1] == session[3] == nothing
    assert list(frame_of(session[5])) == ["rsp", "rax", "rcx", "r11"]
    assert session[5].count("not pushed yet") == 12
    assert session[9].count("popped") == 4 and "result: 1" in session[9]
    assert len(frame_of(session[9])) == 12
    assert "all words have been popped" in session[11]


def test_sysframe_says_why_there_is_none() -> None:
    session = debug("/bin/crash null", [
        "sysframe", "break-user crash", "continue", "sysframe", "continue", "sysframe"])
    assert session[0] == ("There is no process yet: the kernel is still starting.\n")
    assert "is in ring 3, not inside a call" in session[3]
    assert "in the kernel, but not inside a call" in session[5]


def test_sysframe_of_a_process_that_sleeps() -> None:
    session = debug("/bin/sleep 9,/bin/hello", [
        "next-syscall nanosleep", "next-syscall getpid", "sysframe 1", "sysframe 7",
        "kstack 1"], icount="shift=0,sleep=off")
    assert "sleep[1]: the frame at" in session[2]
    assert "number: nanosleep" in session[2] and len(frame_of(session[2])) == 16
    assert session[3] == "There is no process 7; `ps` lists them.\n"
    assert "return to sys_nanosleep" in session[4]
    assert "for switch_to: r15" in session[4]


def test_step_entry_goes_through_the_whole_stub() -> None:
    session = debug("/bin/hello", [
        "next-syscall", "output/x $rcx", "output/x $rsp", "step-entry 100",
        "output/x $rip", "output/x $rsp", "output $rax", "output $cs & 3"], to_end=True)
    rcx, rsp = value_of(session[1]), value_of(session[2])
    story = session[3]
    lines = re.findall(r"^=> (\d+) +asm\(\"(.*?)\"", story, re.M)
    source = (TREE / "kernel/syscall_entry.c").read_text().splitlines()
    assert len(lines) > 40
    for number, text in lines:
        assert text in source[int(number) - 1]
    pushed = re.findall(r"pushed (0x\w+): (.*?),", story)
    popped = re.findall(r"popped (0x\w+): (\w+),", story)
    assert [name for _, name in pushed] == [*reversed(FIELDS), "a copy of r9"]
    # The pops of the frame; popping RSP leaves the stack, so it shows as such.
    assert [name for _, name in popped][-15:] == FIELDS[:-1]
    assert story.index("GS is per_cpu") < story.index("GS is the user's")
    assert f"stored {rsp:#x} in per_cpu.user_rsp" in story
    assert "RSP is the top of the kernel stack" in story
    assert f"RSP is the user's: {rsp:#x}" in story
    assert "ring 3: CS 0x33, SS 0x2b" in story
    assert story.splitlines()[-1].startswith(f"=> {rcx:#x} getpid+")
    assert value_of(session[4]) == rcx and value_of(session[5]) == rsp
    assert session[6] == "1" and session[7] == "3"
    assert session.result and session.result.status == 0, session.result


def test_step_entry_inside_a_call_goes_on_to_the_stub() -> None:
    session = debug("/bin/hello", ["tbreak sys_getpid", "continue", "step-entry"])
    assert session[2].splitlines()[-1].endswith("/* a6, alignment */")


def test_step_entry_waits_for_its_own_process() -> None:
    """The call blocks, and others call and return meanwhile."""
    session = debug("/bin/forktest", [
        "next-syscall wait4", "step-entry 100", "output per_cpu.current->pid",
        "sysframe", "catch-faults off"], to_end=True)
    assert session[1].splitlines()[-1].startswith("=> 0x")
    assert re.search(r"rax 0x3d -> 0x[1-9a-f]\b", session[1])
    assert session[2] == "1" and "in ring 3" in session[3]
    assert session.result and session.result.status == 0, session.result


def test_step_entry_says_that_a_call_does_not_return() -> None:
    session = debug("/bin/sh -c hello", [
        "next-syscall execve", "step-entry 100", "next-syscall exit", "step-entry 100"],
        to_end=True)
    assert "sh[2] does not return from this call: hello[2] begins." in session[1]
    assert "hello[2] does not return from this call: it ends." in session[3]
    assert session.result and session.result.status == 0, session.result


def test_next_syscall_names_the_call_and_its_arguments() -> None:
    session = debug("/bin/forktest", [
        "next-syscall", "next-syscall 57", "output $rax", "next-syscall write",
        "output/x $rdi", "next-syscall nonsense"], to_end=True)
    assert re.match(r"forktest\[1\] calls \w+ \(\d+\)", session[0])
    assert re.match(r"forktest\[1\] calls fork \(57\)\n", session[1])
    assert session[2] == "57"
    assert re.match(r"forktest\[\d+\] calls write \(1\): fd=1, buffer=0x\w+, size=\d+\n"
                    r"  from 0x\w+ \w+.*, user/lib/\S+:\d+\n", session[3])
    assert value_of(session[4]) == 1
    assert session[5] == "next-syscall: the kernel has no call nonsense.\n"
    assert session.result and session.result.status == 0, session.result


def test_next_syscall_shows_a_path_and_an_unknown_number() -> None:
    session = debug("/bin/cat /etc/motd", ["next-syscall open"])
    assert '"/etc/motd"' in session[0]
    session = debug("/bin/regs 1", ["next-syscall 9999"])
    assert "calls an unknown call (9999): a1=" in session[0]


def test_next_syscall_says_that_the_machine_has_ended() -> None:
    session = debug("/bin/hello", ["next-syscall 9999", "next-syscall", "ps"])
    assert session[0] == "The machine has ended: see its console.\n"
    assert session[1] == session[2]
    assert session[1].startswith("No machine is attached.")


# ---- processes, pages, stacks ------------------------------------------------

def test_ps_shows_what_each_process_does() -> None:
    session = debug("/bin/sleep 9,/bin/sh -c hello", [
        "ps", "next-syscall nanosleep", "next-syscall getpid", "ps"],
        icount="shift=0,sleep=off", append="hz=20")  # hardly a tick in between
    assert session[0].startswith("There is no process yet")
    header, *rows = session[3].splitlines()
    assert header.split() == "PID PPID STATE NAME WHAT IT DOES".split()
    assert [re.split("  +", row.strip(" *"), maxsplit=4)[:5] for row in rows] == [
        ["1", "0", "sleeping", "sleep", "in nanosleep (35), waits for ticks"],
        ["2", "0", "sleeping", "sh", "in wait4 (61), waits for a child of sh[2]"],
        ["3", "2", "running", "hello", "in the kernel"]]
    assert [row[1] for row in rows] == [" ", " ", "*"]


def test_pagewalk_agrees_with_qemu() -> None:
    session = debug("/bin/hello", [
        "break-user hello", "continue", "pagewalk 0x401000", "monitor gva2gpa 0x401000",
        "pagewalk &per_cpu", "monitor gva2gpa %#x", "pagewalk $rsp", "pagewalk 0",
        "pagewalk 1ul << 47", "pagewalk 0x7fffff900000", "pagewalk syscall_entry",
        "pagewalk", "pagewalk nonsense"])
    physical = re.search(r"physical (0x\w+) in a page of 4 KB", session[2])
    assert physical and f"gpa: {physical[1]}" in session[3]
    assert "ring 3 may read, execute\n" in session[2]
    for level in ("PML4[0]", "PDPT[0]", "PD[2]", "PT[1]"):
        assert level in session[2]
    assert "only ring 0 may read, write\n" in session[4]
    assert "ring 3 may read, write\n" in session[6]
    assert "not mapped: nothing of hello[1]'s; an access kills it" in session[7]
    assert "not canonical" in session[8]
    assert "not mapped yet; the area" in session[9] and "rw- will bring" in session[9]
    assert "only ring 0 may read, execute\n" in session[10]
    assert "which address" in session[11] and "nonsense" in session[12]
    no_traceback(session)


def test_pagewalk_at_boot_sees_large_pages() -> None:
    session = debug("/bin/hello", ["pagewalk main"])
    assert "in a page of 2048 KB; only ring 0 may" in session[0]


def test_pagewalk_tells_copy_on_write() -> None:
    session = debug("/bin/forktest", ["next-syscall fork", "pagewalk $rsp",
                                      "step-entry 100", "pagewalk $rsp"])
    assert "may read, write" in session[1]
    assert "may read;\n  the area is rw-: the first write makes a copy" in session[3]


def test_kstack_names_every_word_of_a_call() -> None:
    session = debug("/bin/hello", ["tbreak sys_getpid", "continue", "kstack",
                                   "output/x per_cpu.kernel_rsp", "output/x $rsp"])
    words = re.findall(r"^  \.\.(\w{4})  (0x\w{16})(?:  (.*))?$", session[2], re.M)
    top, rsp = value_of(session[3]), value_of(session[4])
    assert [hexadecimal(a) for a, _, _ in words] == [
        a & 0xFFFF for a in range(top - 8, rsp - 8, -8)]
    names = [name.split()[0] for _, _, name in words[:16]]
    assert names == list(reversed(FIELDS))
    assert [name for _, _, name in words[16:18]] == ["alignment", "a copy of r9"]
    assert words[18][2].startswith("return to syscall_entry+")
    assert words[19][2] == "saved RBP"
    assert words[-1][2].startswith("return to syscall_handler+")
    assert f"<- RSP, {rsp:#x}" in session[2]


def test_kstack_names_what_a_trap_saved() -> None:
    session = debug("/bin/crash null", ["continue", "kstack"])
    fields = re.findall(r"  0x\w{16}  trap: (\w+)$", session[1], re.M)
    assert fields[:7] == ["ss", "rsp", "rflags", "cs", "rip", "error", "vector"]
    assert len(fields) == 22
    assert "return to trap_call" in session[1]


def test_kstack_in_ring_3_is_empty() -> None:
    session = debug("/bin/hello", ["break-user hello", "continue", "kstack"])
    assert session[2].startswith("RSP is 0x7") and "is empty" in session[2]


def test_a_backtrace_ends_at_the_stub() -> None:
    session = debug("/bin/hello", ["tbreak sys_write", "continue", "backtrace",
                                   "next-syscall", "backtrace"])
    frames = re.findall(r"^#(\d+) .*?(\w+) \(", session[2], re.M)
    assert [name for _, name in frames] == ["sys_write", "syscall_handler",
                                            "syscall_entry"]
    assert re.findall(r"^#(\d+)", session[4], re.M) == ["0"]


# ---- the program that runs ---------------------------------------------------

def test_symbols_follow_the_program() -> None:
    session = debug("/bin/sh -c hello", [
        "next-syscall execve", "info symbol $rcx", "info line main",
        "next-syscall getpid", "info symbol $rcx", "info line *$rcx",
        "next-syscall", "info files"])
    assert "build/user/sh" in session[1] and "execve" in session[1]
    assert "build/user/hello" in session[4] and "getpid" in session[4]
    assert "user/lib/syscall.h" in session[5]
    assert "build/user/sh" not in session[7]


def test_break_user_stops_in_that_program_only() -> None:
    session = debug("/bin/sh -c 'ls; hello'", [
        "break-user hello", "continue", "output per_cpu.current->name", "backtrace 1",
        "break-user nothing", "break-user hello nothing"], to_end=True)
    assert "main () at user/hello.c:" in session[1]
    assert session[2].startswith('"hello')
    assert re.match(r"#0  main \(\) at user/hello.c:", session[3])
    assert "which program" in session[4]
    assert session[5].startswith("break-user: ") and "nothing" in session[5]
    assert session.result and session.result.status == 0, session.result


def test_a_breakpoint_in_the_running_program_works() -> None:
    session = debug("/bin/regs 1", ["next-syscall", "break try_call", "continue",
                                    "info args"])
    assert re.search(r"try_call .* at user/regs.c:\d+", session[2])
    assert 'name = 0x' in session[3] and '"getpid"' in session[3]


def test_a_users_fault_is_shown_with_its_line() -> None:
    session = debug("/bin/sh -c 'crash null; crash div'", ["continue", "continue",
                                                              "catch-faults off"])
    source = (TREE / "user/crash.c").read_text().splitlines()
    for answer, name in zip(session.answers, ("#PF(0x4)", "#DE(0x0)")):
        found = re.search(rf"crash\[\d+\] faults: {re.escape(name)} at 0x\w+ "
                          r"\w+.*, user/crash.c:(\d+)\n +\d+ +(.*)\n", answer)
        assert found, answer
        assert source[int(found[1]) - 1].strip() == found[2]


def test_catch_faults_off_lets_the_fault_happen() -> None:
    session = debug("/bin/sh -c 'crash null; hello'", ["catch-faults off", "continue",
                                                       "catch-faults maybe"], to_end=True)
    assert "faults" not in session[1]
    assert session[2] == "catch-faults: on or off?\n"
    assert session.result and session.result.status == 0, session.result


def test_the_idle_machine_can_be_looked_at() -> None:
    """As after Ctrl-C at the shell's prompt: the CPU is halted."""
    with Machine(gdb=True) as machine:
        machine.expect(r"\$ ")
        session = gdb([*SHOWS, "kstack 2", "stepi"], socket=machine.gdb_socket)
        machine.command("hello")
    no_traceback(session)
    assert table_of(session[SHOWS.index("msr")])["EFER"] == 0xD01
    assert "idle[0] is in the kernel, but not inside a call" in session[SHOWS.index("sysframe")]
    assert "sh" in session[SHOWS.index("ps")] and "in read (0)" in session[SHOWS.index("ps")]
    assert "return to sys_read" in session[len(SHOWS)]


# ---- when something is missing -----------------------------------------------

def test_without_a_machine_each_command_says_so() -> None:
    session = gdb([*SHOWS, "next-syscall", "step-entry"], socket=None, connects=False)
    for answer in session.answers:
        assert answer.startswith("No machine is attached."), session
    no_traceback(session)


def test_connect_says_that_nobody_answers(tmp_path: Path) -> None:
    session = gdb([f"connect {tmp_path}"], socket=None, connects=False)
    assert session[0].startswith(f"Nobody answers on {tmp_path}.")
    no_traceback(session)


def test_at_reset_each_command_says_how_to_go_on() -> None:
    with Machine("/bin/hello", stopped=True) as machine:
        wait_until(machine.gdb_socket.exists, "QEMU serves no debugger")
        session = gdb([f"target remote {machine.gdb_socket}", *SHOWS, "step-entry"],
                      socket=None, connects=False)
    for answer in session.answers[1:]:
        assert answer.startswith("The CPU is not in long mode yet."), session


def empty_labs(tree: Path, first: int) -> None:
    """Takes the solutions of a lab and of those after it out of a tree."""
    for path in sorted((tree / "kernel").glob("*.[chS]")):
        path.write_text(cut.cut(path.name, path.read_text(), range(first, 10)))


@pytest.mark.parametrize("lab, says", [
    (1, "lab 1"), (2, "lab 2"), (3, "lab 3"), (4, "not inside a call|no process"),
    (5, "RIP: "),
])
def test_an_empty_lab_gives_sentences(
    lab: int, says: str, tmp_path: Path, make_environment: dict[str, str]
) -> None:
    tree = copy_tree(tmp_path / "tree")
    empty_labs(tree, lab)
    built = subprocess.run(["make", "build/kernel.elf"], cwd=tree, capture_output=True,
                           env=make_environment, text=True, timeout=deadlines.host())
    assert built.returncode == 0, built.stderr
    commands = ["next-syscall", *SHOWS, "step-entry 20", *SHOWS, "step-entry 30", *SHOWS,
                "backtrace", "continue", *SHOWS]
    session = debug("/bin/sh -c hello", commands, tree=tree)
    no_traceback(session)
    assert re.search(says, str(session)), session


def test_sysframe_shows_a_push_of_the_wrong_register(
    tmp_path: Path, make_environment: dict[str, str]
) -> None:
    tree = copy_tree(tmp_path / "tree")
    stub = tree / "kernel/syscall_entry.c"
    stub.write_text(stub.read_text().replace('"pushq %r12"', '"pushq %r13"'))
    subprocess.run(["make", "build/kernel.elf"], cwd=tree, check=True,
                   env=make_environment, capture_output=True, timeout=deadlines.host())
    session = debug("/bin/hello", ["tbreak sys_getpid", "continue", "sysframe"], tree=tree)
    assert re.search(r"\+72 +r12 .*BUT %r13 WAS PUSHED$", session[2], re.M)
    assert session[2].count("BUT") == 1


def test_sysframe_works_before_the_struct_is_there(
    tmp_path: Path, make_environment: dict[str, str]
) -> None:
    """Lab 4 defines the struct; the frame is there from lab 3 on."""
    tree = copy_tree(tmp_path / "tree")
    empty_labs(tree, 4)
    subprocess.run(["make", "build/kernel.elf"], cwd=tree, check=True,
                   env=make_environment, capture_output=True, timeout=deadlines.host())
    session = debug("/bin/hello", ["tbreak sys_getpid", "continue", "sysframe"], tree=tree)
    assert list(frame_of(session[2])) == list(reversed(FIELDS))


def test_sysframe_and_step_entry_follow_a_stub_that_is_half_written(
    tmp_path: Path, make_environment: dict[str, str]
) -> None:
    """As lab 3's second step leaves it: sixteen pushes, and nothing behind them."""
    tree = copy_tree(tmp_path / "tree")
    empty_labs(tree, 5)
    stub = tree / "kernel/syscall_entry.c"
    pushes, _ = stub.read_text().split("	/* 3. ")
    stub.write_text(pushes + '	asm("ud2");\n}\n')
    subprocess.run(["make", "build/kernel.elf"], cwd=tree, check=True,
                   env=make_environment, capture_output=True, timeout=deadlines.host())
    session = debug("/bin/hello", ["next-syscall", "sysframe", "step-entry 19",
                                   "sysframe"], tree=tree)
    assert "nothing has been pushed yet" in session[1]
    assert list(frame_of(session[3])) == list(reversed(FIELDS))
    assert "number: getpid" in session[3]


# ---- make gdb, and VS Code ---------------------------------------------------

class Tmux:
    """A terminal of 100 x 45 that a test can type into and look at."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self._base = ["tmux", "-S", str(directory / "tmux"), "-f", "/dev/null"]
        self._environment = environment
        self._directory = directory

    def __enter__(self) -> Tmux:
        self("new-session", "-d", "-x", "100", "-y", "45", "-s", "test", "sh")
        return self

    def __exit__(self, *_: object) -> None:
        self("kill-server")

    def __call__(self, *words: str) -> str:
        return subprocess.run([*self._base, *words], env=self._environment, text=True,
                              capture_output=True, timeout=deadlines.answer()).stdout

    def type(self, line: str, pane: str = "test") -> None:
        self("send-keys", "-t", pane, "-l", line)
        self("send-keys", "-t", pane, "Enter")

    def wait_for(self, pattern: str, pane: str = "test") -> str:
        """The screen, once it shows the pattern."""
        until = time.monotonic() + deadlines.answer() * 2
        while True:
            screen = self("capture-pane", "-p", "-t", pane)
            if re.search(pattern, screen, re.M):
                return screen
            assert time.monotonic() < until, f"no {pattern!r} on:\n{screen}"
            time.sleep(0.05)


def qemu_of(tree: Path) -> list[int]:
    """Processes whose directory is the tree: QEMU, GDB and their shells."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "cwd") == str(tree) and b"qemu-system" in (
                    entry / "cmdline").read_bytes().split(b"\0")[0]:
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def wait_until(done: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + deadlines.answer()
    while not done():
        assert time.monotonic() < until, what
        time.sleep(0.05)


@pytest.fixture
def terminal(tmp_path: Path, make_environment: dict[str, str]) -> Iterator[Tmux]:
    tree = copy_tree(tmp_path / "tree")
    with Tmux(tmp_path, {**make_environment, "TERM": "screen"}) as tmux:
        tmux.type(f"PS1='ready> '; cd {shlex.quote(str(tree))}")
        yield tmux
    wait_until(lambda: not qemu_of(tree), "a QEMU is left")


@pytest.mark.skipif(not shutil.which("tmux"), reason="there is no tmux")
class TestMakeGdb:
    """`make gdb` as a person sees it."""

    def test_in_one_terminal(self, terminal: Tmux) -> None:
        terminal.type("unset TMUX; make gdb")
        terminal.wait_for(r"QEMU waits for GDB")
        terminal.wait_for(r"^\(gdb\)$")
        terminal.type("next-syscall")
        screen = terminal.wait_for(r"^=> \d+ +asm\(.swapgs")
        assert re.search(r"^\w+\[1\] calls \w+ \(\d+\)", screen, re.M)
        for command, pattern in (
                ("step-entry 200", r"ring 3: CS 0x33(.|\n)*=> 0x40"),
                ("gdt", r"0x30 .*code, DPL 3, 64-bit +<- CS"),
                ("msr", r"KERNEL_GS_BASE .*for SWAPGS to bring"),
                ("next-syscall write", r"calls write"),
                ("step-entry 20", r"=> \d+ +asm"),
                ("sysframe", r"\+112 rax .*number: write"),
                ("kstack", r"<- RSP"),
                ("pagewalk 0", r"not mapped")):
            terminal.type("echo \\033[2J\\033[H")
            terminal.type(command)
            terminal.wait_for(pattern)
        terminal.type("continue")
        terminal.wait_for(r"^\S*\$$")
        terminal("send-keys", "-t", "test", "C-c")
        terminal.wait_for(r"received signal SIGINT")
        terminal.type("quit")
        terminal.wait_for(r"^ready>$")

    def test_in_a_tmux_that_is_already_there(self, terminal: Tmux) -> None:
        terminal.type("make gdb PROG=hello")
        terminal.wait_for(r"QEMU waits for GDB", "test.0")
        terminal.wait_for(r"^\(gdb\)$", "test.1")
        terminal.type("continue", "test.1")
        terminal.wait_for(r"hello: greetings(.|\n)*Enter closes GDB", "test.0")
        terminal.type("", "test.0")
        terminal.wait_for(r"^ready>$", "test.0")
        assert len(terminal("list-panes", "-t", "test").splitlines()) == 1

    def test_in_two_terminals(self, terminal: Tmux) -> None:
        terminal.type("make qemu GDB=1 PROG=hello")
        terminal("split-window", "-t", "test", "-c", "#{pane_current_path}", "sh")
        wait_until(lambda: bool(terminal("list-panes", "-t", "test").count("\n") == 2),
                   "no second pane")
        terminal.wait_for(r"[#$]$", "test.1")
        terminal.type("while [ ! -S build/gdb.sock ]; do sleep 0.1; done; make gdb",
                      "test.1")
        terminal.wait_for(r"^\(gdb\)$", "test.1")
        terminal.type("next-syscall", "test.1")
        terminal.wait_for(r"hello\[1\] calls getpid", "test.1")
        terminal.type("quit", "test.1")
        terminal.wait_for(r"hello: greetings", "test.0")

    def test_without_tmux(self, terminal: Tmux) -> None:
        terminal.type("mkdir empty; for p in sh stty gdb uname; do "
                      "ln -s $(command -v $p) empty; done; PATH=$PWD/empty sh kernel/host/debug.sh")
        screen = terminal.wait_for("in another")
        assert re.search(r"type `make qemu GDB=1` in\s+one\s+terminal", screen)


def substituted(value: object, tree: Path) -> object:
    """A VS Code setting with its variables filled in."""
    if isinstance(value, str):
        return value.replace("${workspaceFolder}", str(tree))
    return value


def test_vscode_starts_and_attaches_as_its_files_say(
    tmp_path: Path, make_environment: dict[str, str]
) -> None:
    """Does what the C/C++ extension does: runs the task before, waits for its
    pattern, then gives GDB the commands in the extension's order."""
    tree = copy_tree(tmp_path / "tree")
    launch, = json.loads((TREE / ".vscode/launch.json").read_text())["configurations"]
    tasks = {task["label"]: task for task in
             json.loads((TREE / ".vscode/tasks.json").read_text())["tasks"]}
    start, end = tasks[launch["preLaunchTask"]], tasks[launch["postDebugTask"]]
    assert subprocess.run(tasks[start["dependsOn"]]["command"], shell=True, cwd=tree,
                          env=make_environment, capture_output=True,
                          timeout=deadlines.host()).returncode == 0

    background = start["problemMatcher"]["background"]
    task = subprocess.Popen(start["command"], shell=True, cwd=tree, text=True,
                            env={**make_environment, **start["options"]["env"]},
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, start_new_session=True)
    try:
        assert task.stdout
        assert re.search(background["beginsPattern"], task.stdout.readline())
        assert re.search(background["endsPattern"], task.stdout.readline())
        setup = [str(substituted(command["text"], tree))
                 for command in launch["setupCommands"]]
        commands = [
            *(f'-interpreter-exec console "{text}"' for text in setup),
            f"-environment-cd {substituted(launch['cwd'], tree)}",
            f"-file-exec-and-symbols {substituted(launch['program'], tree)}",
            "-break-insert main",
            f"-target-select remote {launch['miDebuggerServerAddress']}",
            "-exec-continue",
        ]
        with subprocess.Popen(
                [launch["miDebuggerPath"], "--interpreter=mi", "-nx"], text=True,
                cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as mi:
            try:
                assert mi.stdin and mi.stdout
                for command in commands:
                    mi.stdin.write(command + "\n")
                    mi.stdin.flush()
                    answer = read_until(mi, r"^\^(done|connected|running|error)")
                    assert "^error" not in answer, answer
                stopped = read_until(mi, r'^\*stopped,reason="breakpoint-hit"')
                assert 'func="main"' in stopped and "kernel/main.c" in stopped
                mi.stdin.write('-interpreter-exec console "gdt"\n')
                mi.stdin.flush()
                assert "boot_gdt" in read_until(mi, r"^\^done")
            finally:
                mi.kill()
        assert subprocess.run(end["command"], shell=True, cwd=tree,
                              timeout=deadlines.host()).returncode == 0
        task.wait(deadlines.answer())
        assert not qemu_of(tree)
    finally:
        for pid in qemu_of(tree):
            os.kill(pid, 9)
        task.kill()
        task.wait()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """What GDB's machine interface says up to the line that matches."""
    text = ""
    assert process.stdout
    for line in process.stdout:
        text += line
        if re.search(pattern, line):
            return text
    raise AssertionError(f"GDB ended before {pattern!r}:\n{text}")
