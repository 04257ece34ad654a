"""Processes, their memory and their programs: ps, pagewalk, break-user,
catch-faults, and the symbols that follow the program."""

from __future__ import annotations

import re

import pytest

from gdb_answers import SHOWS, no_traceback, table_of
from machine.qemu import Machine, TREE
from replay.session import debug, gdb


def test_ps_shows_what_each_process_does() -> None:
    session = debug("/bin/sleep 9,/bin/sh -c hello", [
        "ps", "next-syscall nanosleep", "next-syscall write", "ps"],
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


@pytest.mark.of_gcc("other functions are inlined, and other words on the stack")
def test_symbols_follow_the_program() -> None:
    session = debug("/bin/sh -c hello", [
        "next-syscall execve", "info symbol $rcx", "info line main",
        "next-syscall getpid", "info symbol $rcx", "info line *$rcx",
        "next-syscall write", "info files"])  # hello's: sh writes nothing
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


@pytest.mark.of_gcc("other functions are inlined, and other words on the stack")
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


def test_a_fault_is_told_once_where_a_resume_comes_back_with_nothing_done() -> None:
    """QEMU loses a step now and then, and GDB, which wants to get off its breakpoint by
    one, comes upon that again. `jump` makes it do so."""
    session = debug("/bin/sh -c 'crash null; crash div'", ["continue", "jump *$pc",
                                                           "catch-faults off"])
    assert "#PF(0x4)" in session[0]
    assert "#PF" not in session[1] and "#DE(0x0)" in session[1]


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
