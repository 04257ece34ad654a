"""A recorded run is the same in both directions, as GDB shows it. The walk in
docs/rewind.md, back to the instruction that broke a register, is run with the other
transcripts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Iterator

import pexpect
import pytest

from machine import deadlines, environment
from machine.qemu import TREE
from machine.recording import Recording, recording
from machine.symbols import Symbols
from replay.moment import STOPPED
from replay.session import rewind
from replay.timeline import BEGIN, Timeline

# One process has all these tests, so that what they look at is recorded once.
pytestmark = pytest.mark.xdist_group("rewind")

STEPS = 6
# GDB's words at either end of a recording: until 15, and since.
NO_MORE = "No more reverse-execution history|Reached end of recorded history"
USER_CS = 0x33
# A call of /bin/regs with a pattern in every register.
TO_A_CALL = ["break-user regs registers_call", "continue", "delete", "next-syscall"]


def registers_of(answer: str) -> dict[str, str]:
    """`info registers`, by name; RIP without the function's name."""
    rows = re.findall(r"^(\w+) +(0x[0-9a-f]+)", answer, re.MULTILINE)
    return dict(rows)


def there_and_back(steps: int) -> None:
    """Steps into a call and out again, in GDB; every register at each step of the
    way back is what it was on the way there."""
    session = rewind("/bin/regs 7", [
        *TO_A_CALL, "info registers",
        *["stepi", "info registers"] * steps,
        *["reverse-stepi", "info registers"] * steps])
    states = [registers_of(session[len(TO_A_CALL) + 2 * i])
              for i in range(2 * steps + 1)]
    there, back = states[:steps + 1], states[steps:][::-1]
    assert len({state["rip"] for state in there}) == steps + 1, session
    assert all(len(state) > 30 for state in states), session
    assert there == back, session


def test_backwards_has_the_registers_of_forwards() -> None:
    there_and_back(STEPS)


@pytest.mark.long
def test_backwards_thirty_times_ten_of_them_on_a_busy_machine() -> None:
    """No hang and no difference; a hang would end in GDB's deadline."""
    for run in range(30):
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
                for _ in range((os.cpu_count() or 1) if run >= 20 else 0)]
        try:
            there_and_back(4 * STEPS)
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()


@pytest.fixture(scope="module")
def walk() -> dict[str, str]:
    """One walk with GDB's own commands: each command, numbered where it is typed
    again, with its answer."""
    commands = [
        *TO_A_CALL, "tbreak sys_getpid", "continue 1", "reverse-finish", "next",
        "reverse-next", "reverse-step", "msr",
        "break syscall_entry", "reverse-continue 1",
        "delete 3", "moment 0", "reverse-stepi", "continue 2", "reverse-stepi 1",
        "set var $rax = 5", "set var per_cpu.user_rsp = 5", "console",
        "print get_syscall_frame()", "last-write get_syscall_frame()->rbx",
        "last-write", "last-write $al", "last-write 5", "moment soon",
        "moment 99999999"]
    session = rewind("/bin/regs 7", commands)
    return dict(zip(commands, session.answers))


@pytest.mark.of_gcc("other functions are inlined, and other words on the stack")
def test_reverse_finish_goes_to_the_call(walk: dict[str, str]) -> None:
    assert "Temporary breakpoint 2, sys_getpid" in walk["continue 1"]
    assert re.search(r"^dispatch \(.*^\d+\s+return sys_getpid\(\);",
                     walk["reverse-finish"], re.DOTALL | re.M), walk["reverse-finish"]


def test_reverse_next_goes_over_a_call(walk: dict[str, str]) -> None:
    assert "if (boot_info.strace" in walk["next"]  # the line after the call
    assert "result = dispatch(nr" in walk["reverse-next"]


def test_reverse_step_goes_to_the_line_before(walk: dict[str, str]) -> None:
    assert "switch (nr)" in walk["reverse-step"]


def test_reverse_continue_goes_to_the_breakpoint_before(walk: dict[str, str]) -> None:
    assert re.search(r"Breakpoint 3, syscall_entry \(\) at kernel/syscall_entry.c",
                     walk["reverse-continue 1"])


def test_the_recording_has_a_beginning_and_an_end(walk: dict[str, str]) -> None:
    assert "moment 0: 0xfff0" in walk["moment 0"]
    assert re.search(NO_MORE, walk["reverse-stepi"])
    assert re.search(NO_MORE, walk["continue 2"])
    # The write to the port that ends QEMU. From QEMU 9.1 on, the recording lacks what
    # ran after its last event, which is the last character's way out.
    assert re.search("outl|outb", walk["continue 2"])
    assert re.search("machine_exit|outl|outb|console_putc", walk["reverse-stepi 1"])


def test_msrs_are_read_without_changing_the_recording(walk: dict[str, str]) -> None:
    assert re.search(r"STAR +0x0023000800000000", walk["msr"])


def test_what_has_happened_is_not_changed(walk: dict[str, str]) -> None:
    assert "cannot be changed" in walk["set var $rax = 5"]
    assert "Cannot access memory" in walk["set var per_cpu.user_rsp = 5"] or (
        "cannot be changed" in walk["set var per_cpu.user_rsp = 5"])


def test_a_function_is_not_called(walk: dict[str, str]) -> None:
    """It would write, if only its return address."""
    for command in ("print get_syscall_frame()", "last-write get_syscall_frame()->rbx"):
        assert "Cannot call functions in the program" in walk[command]


def test_the_console_is_as_it_was(walk: dict[str, str]) -> None:
    assert "regs: exit status 0" in walk["console"]


@pytest.mark.parametrize("command, sentence", [
    ("last-write", "last-write: of what?"),
    ("last-write $al", "neither a whole register"),
    ("last-write 5", "neither a whole register"),
    ("moment soon", "moment: which?"),
    ("moment 99999999", "The recording ends before moment 99999999.")])
def test_a_command_says_what_is_wrong(walk: dict[str, str], command: str,
                                      sentence: str) -> None:
    assert sentence in walk[command] and "Traceback" not in walk[command]


# ---- the recording itself ----------------------------------------------------

@pytest.mark.of_gcc("other functions are inlined, and other words on the stack")
def test_gdb_goes_over_a_watched_word_that_the_cpu_pushes_to() -> None:
    """QEMU alone would take the exception again and again."""
    session = rewind("/bin/hello", [
        "tbreak proc_enter_user", "continue", "watch *(long *)(per_cpu.kernel_rsp - 8)",
        "continue", "continue", "print/x $cs", "stepi", "reverse-continue",
        "print/x $cs"])
    assert "New value = 43" in session[4] and "trap_stubs ()" in session[4], session
    assert "0x8" in session[5] and "0x33" in session[8], session


def test_the_tables_and_the_page_tables_can_be_looked_at(kernel: Symbols) -> None:
    """They come from QEMU's monitor, through the server."""
    session = rewind("/bin/hello", ["next-syscall", "gdt", "tss", "idt pf",
                                    "pagewalk $rip", "monitor no_such_command"])
    assert "7 entries" in session[1] and "TSS, DPL 0" in session[1]
    assert "top of hello[1]'s kernel stack" in session[2]
    assert "vector 0xe #PF" in session[3] and "only ring 0 may" in session[4]
    assert "unknown command" in session[5]


@pytest.fixture(scope="module")
def recorded() -> Iterator[Recording]:
    with recording("/bin/hello") as made:
        yield made


def registers_at(made: Recording, *counts: int) -> list[dict[str, int]]:
    with Timeline(made) as timeline:
        seen = []
        for count in counts:
            timeline.goto(count)
            assert timeline.count() == count
            seen.append(timeline.gdb.registers())
        return seen


def test_a_moment_is_the_same_in_every_replay_and_recording(
        recorded: Recording) -> None:
    first, other, again = registers_at(recorded, 90_000, 5, 90_000)
    assert first == again != other
    with recording("/bin/hello") as another:
        assert registers_at(another, 90_000) == [first]


def test_a_moment_before_an_exception_is_the_same_in_every_replay(
        recorded: Recording, kernel: Symbols) -> None:
    """No instruction is counted while the CPU takes it, so two moments have one
    number: the one before it is meant, and a step goes to the other."""
    count = first_page_fault(recorded, kernel)
    for rip, cs in [(r["rip"], r["cs"]) for r in registers_at(recorded, *[count] * 10)]:
        assert rip < 1 << 47 and cs == USER_CS
    with Timeline(recorded) as timeline:
        timeline.goto(count)
        before = timeline.gdb.registers()
        timeline.step()
        assert timeline.count() == count and not timeline.gdb.in_ring_3()
        timeline.step()
        timeline.step_back()
        assert timeline.count() == count
        timeline.goto(count)
        timeline.step()
        timeline.step_back()
        assert timeline.gdb.registers() == before


def first_page_fault(made: Recording, kernel: Symbols) -> int:
    """The moment before the first page fault of ring 3."""
    with Timeline(made) as timeline:
        timeline.insert(f"1,{kernel.address('trap_handler'):x},1")
        while True:
            timeline.cont(lambda: False)
            frame = timeline.gdb.register("rdi")
            cs = frame + kernel.offset_of("trap_frame", "cs")
            if timeline.gdb.read_u64(cs) == USER_CS:
                break
        count = timeline.count()
        while not timeline.gdb.in_ring_3():
            count -= 1
            timeline.goto(count)
        return count


def test_a_watchpoint_backwards_stops_before_the_write(recorded: Recording,
                                                       kernel: Symbols) -> None:
    slot = kernel.address("per_cpu") + kernel.offset_of("per_cpu_data", "user_rsp")
    handler = f"1,{kernel.address('syscall_handler'):x},1"
    with Timeline(recorded) as timeline:
        timeline.insert(handler)
        assert timeline.cont(lambda: False).startswith("T05")
        timeline.remove(handler)
        timeline.insert(f"2,{slot:x},8")
        assert "watch" in timeline.back_to_breakpoint()
        assert timeline.gdb.register("rip") in kernel.range("syscall_entry")
        before = timeline.gdb.read_u64(slot)
        timeline.step()
        assert timeline.gdb.read_u64(slot) != before


def test_before_the_first_instruction_is_nothing(recorded: Recording) -> None:
    with Timeline(recorded) as timeline:
        assert timeline.step_back() == BEGIN
        assert timeline.step() == STOPPED and timeline.count() == 1
        assert timeline.back_to_breakpoint() == BEGIN and timeline.count() == 0


def test_make_rewind_records_then_opens_gdb() -> None:
    done = subprocess.run(
        ["make", "-s", "rewind", "PROG=hello"], cwd=TREE, text=True,
        input="next-syscall\nreverse-stepi\nhelp rewind\nquit\n", capture_output=True,
        env=environment.without_make(), timeout=deadlines.host())
    assert done.returncode == 0, done
    text = done.stdout
    assert "hello: exit status 0" in text and "hello[1] calls getpid" in text, done
    assert 'asm volatile("syscall"' in text and "last-write" in text, done


def test_a_program_that_is_not_there_is_told_before_anything_is_recorded() -> None:
    done = subprocess.run(
        ["make", "-s", "rewind", "PROG=nosuch 1"], cwd=TREE, text=True, input="quit\n",
        capture_output=True, env=environment.without_make(), timeout=deadlines.host())
    assert done.returncode != 0 and "recording" not in done.stdout
    assert "rewind: there is no program /bin/nosuch" in done.stderr, done


def test_what_was_typed_is_in_the_recording() -> None:
    """At a terminal: keys go to the program, Ctrl-A X ends the recording, and GDB
    finds the keys in it."""
    terminal = pexpect.spawn(
        "make -s rewind PROG=sh", cwd=TREE, env=environment.without_make(),
        encoding="utf-8", timeout=deadlines.run())
    try:
        terminal.expect(r"\$ ")
        terminal.send("echo typed\r")
        terminal.expect(r"\ntyped\r")
        terminal.send("\x01x")
        terminal.expect("rewind: it was left while it ran")
        for line, answer in (("next-syscall fork", r"sh\[1\] calls fork"),
                             ("console", "echo typed"), ("quit", pexpect.EOF)):
            terminal.expect(r"\(gdb\) ")
            terminal.send(line + "\r")
            terminal.expect(answer)
    finally:
        terminal.close(force=True)
