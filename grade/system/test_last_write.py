"""`last-write` names the instruction that made a register or a word what it is:
neither a store beside the word, nor one of another time."""

from __future__ import annotations

import re

import pytest

from machine.symbols import Symbols
from replay.session import Session, rewind

pytestmark = pytest.mark.xdist_group("rewind")

# A call of /bin/regs with a pattern in every register.
TO_A_CALL = ["break-user regs registers_call", "continue", "delete", "next-syscall"]


def test_it_stops_before_the_instruction_that_wrote(kernel: Symbols) -> None:
    """The word by the stub's scratch store, the register by its pop."""
    session = rewind("/bin/regs 7", [
        *TO_A_CALL, "tbreak *$rcx", "continue",
        "last-write $r10", "stepi", "print/x $r10",
        "last-write per_cpu.user_rsp", "print/x $rsp", "stepi",
        "print/x per_cpu.user_rsp"])
    register, _, r10, memory, rsp, _, word = session.answers[len(TO_A_CALL) + 2:]
    assert "pop %r10" in register and r10.split()[-1] in register, session
    assert "mov %rsp,%gs:0x8" in memory, session
    assert rsp.split()[-1] == word.split()[-1], session


def test_a_store_beside_the_word_is_no_write_to_it() -> None:
    """set_kernel_stack stores TSS.RSP0, which is not aligned, close to these."""
    session = rewind("/bin/forktree 1", [
        "next-syscall fork", "print/x (long)per_cpu.current",
        "last-write per_cpu.current", "next-syscall wait4", "last-write per_cpu.idle"])
    current, idle = session[2], session[4]
    assert "cpu->current = to" in current, session
    assert f"becomes {session[1].split()[-1]} by" in current, session
    assert "sched_init" in idle and "was 0x0, and becomes" in idle, session


@pytest.fixture(scope="module")
def fault() -> Session:
    """Words of a page fault's frame, and others, asked for at trap_handler."""
    handler = ["tbreak trap_handler if frame->cs == 0x33", "continue"]
    return rewind("/bin/hello", [
        *handler, "set $frame = frame", "print/x $frame->ss", "last-write $frame->ss",
        "stepi", "info symbol $pc", "last-write $frame->ss", "moment 90000",
        "last-write *(char *)$sp", "next-syscall", "last-write *(long *)0x401000",
        "moment 0", *handler, "last-write $frame->vector", "info line"])


def test_what_the_cpu_pushes_is_a_write_of_its_own(fault: Session) -> None:
    assert re.search(r"ss was 0x0, and becomes 0x2b as the CPU takes #PF, before\n"
                     r"  0x\w+ _start", fault[4]), fault
    assert "trap_stubs" in fault[6], fault  # a step takes the exception


def test_a_word_that_has_just_been_pushed(fault: Session) -> None:
    assert "becomes 0x2b as the CPU takes #PF" in fault[7], fault


def test_what_is_pushed_when_the_cpu_sleeps() -> None:
    """Between HLT and the handler no step stops: HLT is shown."""
    session = rewind("/bin/sleep 300", [
        "tbreak interrupt if frame->cs == 8", "continue", "last-write frame->cs"])
    assert re.search(r"becomes 0x8 as the CPU takes IRQ \d+, before\n  .*: hlt",
                     session[2]), session


def test_the_push_of_a_handlers_first_instruction(fault: Session) -> None:
    """It has the same moment as the instruction that was interrupted."""
    assert re.search(r"becomes 0xe by\n  0x\w+ trap_stubs\+\w+, .*: push \$0xe",
                     fault[15]), fault
    assert "trap_entry.S" in fault[16], fault


def test_a_page_that_came_filled_has_no_write_of_this_address(fault: Session) -> None:
    assert "written under another one" in fault[11], fault
    assert "Traceback" not in str(fault)
