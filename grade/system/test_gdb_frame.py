"""The frame of a call and the kernel stack as the debugger shows them: sysframe,
kstack, backtrace."""

from __future__ import annotations

import re

import pytest

from gdb_answers import FIELDS, TO_A_CALL_WITH_PATTERNS, frame_of, hexadecimal, value_of
from machine.qemu import TREE
from replay.session import debug


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


@pytest.mark.of_gcc("other functions are inlined, and other words on the stack")
def test_sysframe_of_a_process_that_sleeps() -> None:
    session = debug("/bin/sleep 9,/bin/hello", [
        "next-syscall nanosleep", "next-syscall getpid", "sysframe 1", "sysframe 7",
        "kstack 1", "info symbol $rcx"], icount="shift=0,sleep=off")
    assert "sleep[1]: the frame at" in session[2]
    assert "number: nanosleep" in session[2] and len(frame_of(session[2])) == 16
    assert re.search(r"RIP: sleep_ms\+\w+, user/lib/\S+:\d+$", session[2], re.M)
    assert session[3] == "There is no process 7; `ps` lists them.\n"
    assert "return to sys_nanosleep" in session[4]
    assert "for switch_to: r15" in session[4]
    assert re.search(r"RIP: sleep_ms\+", session[4]), session
    assert "build/user/hello" in session[5]  # the program that runs, again


@pytest.mark.of_gcc("other functions are inlined, and other words on the stack")
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


def test_kstack_shows_a_stack_that_has_been_overwritten() -> None:
    """Zeros where the return address was, and a saved RBP that leads to itself."""
    top = "per_cpu.kernel_rsp"
    session = debug("/bin/hello", [
        "tbreak sys_getpid", "continue", f"set *(long *)({top} - 19 * 8) = 0",
        "set *(long *)$rbp = $rbp", "kstack"])
    lines = session[-1].splitlines()
    assert re.search(r"0x0{16}  return address, to where no call is$", session[-1], re.M)
    assert "Exception" not in session[-1] and "<- RSP" in lines[-1]


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
    names = [name for _, name in frames]
    assert names[0] == "sys_write" and names[-2:] == ["syscall_handler",
                                            "syscall_entry"]
    assert re.findall(r"^#(\d+)", session[4], re.M) == ["0"]
