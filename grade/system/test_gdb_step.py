"""To the next call and through the stub: next-syscall, step-entry."""

from __future__ import annotations

import re

from gdb_answers import FIELDS, value_of
from machine.qemu import TREE
from replay.session import debug


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
    assert re.match(r"forktest\[\d+\] calls write \(1\): fd=1, buffer=0x\w+ \".*, size=\d+\n"
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
    assert session[0].endswith("The machine has ended: see its console.\n")
    assert session[1] == session[2]
    assert session[1].startswith("No machine is attached.")
