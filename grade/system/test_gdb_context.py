"""What the debugger shows of the whole machine: context, regs, finish-syscall,
break-kernel."""

from __future__ import annotations

import re

import pytest

from gdb_answers import no_traceback, value_of
from replay.session import debug


def facts(answer: str) -> list[str]:
    """The first line of a context."""
    return re.search(r"^-- (.*)$", answer, re.M)[1].split(" | ")


def test_context_says_ring_process_stack_and_gs() -> None:
    session = debug("/bin/hello", [
        "context", "break-user hello", "continue", "context", "delete", "next-syscall",
        "context", "step-entry 3", "context", "tbreak sys_getpid", "continue", "context"])
    assert facts(session[0]) == ["ring 0", "no process yet", "the kernel's first stack",
                                 "GS: not set"]
    assert facts(session[3]) == ["ring 3", "hello[1]", "the user's stack",
                                 "GS: the user's"]
    assert facts(session[6]) == ["ring 0", "hello[1]", "the user's stack",
                                 "GS: the user's"]
    assert facts(session[8]) == ["ring 0", "hello[1]", "kernel stack, 0 words",
                                 "GS: per_cpu"]
    *others, stack, gs = facts(session[11])
    assert others == ["ring 0", "hello[1] in getpid"] and gs == "GS: per_cpu"
    assert re.fullmatch(r"kernel stack, \d+ words", stack)
    no_traceback(session)


def test_context_shows_what_changed_and_what_comes_next() -> None:
    session = debug("/bin/hello", ["next-syscall", "context", "step-entry", "context",
                                   "print/x $gs_base"])
    changed = re.search(r"^   changed  (.*)$", session[3], re.M)[1]
    assert f"gs_base={value_of(session[4]):#x}" in changed.split()
    assert "rax=" not in changed
    assert re.search(r"^=> 0xffffffff8\w+  mov +%rsp,%gs:0x8$", session[3], re.M)
    assert re.search(r"^=> \d+ +asm\(\"movq %rsp, %gs:", session[3], re.M)
    assert max(map(len, session[3].splitlines())) <= 80
    assert len(session[3].splitlines()) <= 8


def test_context_stays_silent_where_no_person_looks() -> None:
    session = debug("/bin/hello", ["next-syscall", "stepi", "context maybe"])
    assert "-- ring" not in session[0] + session[1]
    assert session[2] == "context: on or off?\n"


def test_regs_names_addresses_and_flags_and_marks_changes() -> None:
    session = debug("/bin/hello", [
        "next-syscall", "regs", "output/x $rcx", "output/x $r11", "context", "stepi",
        "stepi", "stepi", "regs", "finish-syscall", "regs"])
    for name, value in (("rcx", value_of(session[2])), ("r11", value_of(session[3]))):
        assert re.search(rf"\b{name} +{value:#018x}", session[1]), session
    assert re.search(r" rcx +0x\w+  getpid\+", session[1])
    assert "syscall_entry, kernel/syscall_entry.c:" in session[1]
    assert re.search(r"^ rflags 0x2  no flag is set$", session[1], re.M)
    assert re.search(r"^.rflags 0x\w+  .*IF$", session[10], re.M)
    assert "ring 0; the user's stack" in session[1]
    assert re.search(r"KERNEL_GS_BASE 0xffffffff8\w+, per_cpu", session[1])
    assert "*" not in session[1]
    assert re.search(r"^\*rsp ", session[8], re.M)
    assert re.search(r"^\*GS_BASE 0xffffffff8\w+, per_cpu", session[8], re.M)
    assert max(map(len, session[1].splitlines())) <= 110


def test_regs_shows_no_flag_that_only_an_emulator_sets() -> None:
    """RF, after an interrupt between two instructions, since QEMU 9.1."""
    session = debug("/bin/hello", ["next-syscall", "set $eflags = 0x10246", "regs"])
    assert re.search(r"^ rflags 0x246  PF ZF IF$", session[2], re.M), session


@pytest.mark.parametrize("where", [
    pytest.param([], id="before-the-stub"),
    pytest.param(["step-entry 9"], id="in-the-stub"),
    pytest.param(["tbreak sys_getpid", "continue"], id="in-C"),
    pytest.param(["tbreak syscall_exit", "continue", "step-entry 4"], id="on-the-way-out"),
])
def test_finish_syscall_says_what_the_call_returns(where: list[str]) -> None:
    session = debug("/bin/hello", ["next-syscall", "output/x $rcx", *where,
                                   "finish-syscall", "output/x $rip", "output $cs & 3",
                                   "output $rax"], to_end=True)
    rcx, (told, rip, ring, rax) = session[1], session.answers[-4:]
    assert told.startswith("hello[1]: getpid returns 1\n=> "), session
    assert (rip, ring, rax) == (rcx, "3", "1")
    assert session.result and session.result.status == 0, session.result


def test_finish_syscall_names_errors_and_waits_for_its_own_process() -> None:
    session = debug("/bin/sh -c 'cat nothing'", [
        "next-syscall wait4", "finish-syscall", "output per_cpu.current->name"])
    assert re.match(r"sh\[\d+\]: wait4 returns \d+\n", session[1]), session
    assert session[2].startswith('"sh')
    session = debug("/bin/cat nothing", ["next-syscall open", "finish-syscall"])
    assert session[1].startswith("cat[1]: open returns -ENOENT\n"), session


def test_finish_syscall_says_that_a_call_does_not_return() -> None:
    session = debug("/bin/sh -c hello", [
        "next-syscall execve", "finish-syscall", "finish-syscall", "next-syscall exit",
        "finish-syscall"])
    assert "sh[2]: execve does not return: hello[2] begins." in session[1]
    assert "not inside a call" in session[2], session
    assert "hello[2]: exit does not return: it ends." in session[4]


def test_next_syscall_shows_what_is_written() -> None:
    session = debug("/bin/hello", ["next-syscall write"])
    assert re.search(r'buffer=0x\w+ "hello: greetings from ring 3, pr', session[0])


def test_break_kernel_leaves_the_programs_alone() -> None:
    session = debug("/bin/forktree 1", [
        "break-user forktree", "continue", "delete", "break-kernel fork", "info breakpoints",
        "continue", "print $cs & 3", "break-kernel", "break-kernel no_such_thing"])
    assert session[4].count("kernel/fork.c") == 1 and "user/" not in session[4]
    assert "fork () at kernel/fork.c" in session[5] and session[6].endswith("= 0\n")
    assert session[7].startswith("break-kernel: where?")
    assert session[8].startswith("break-kernel: ") and "no_such_thing" in session[8]
