"""The harness itself: every way a machine can end is told apart, and nothing
is left over. The kernels here are a few bytes long."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from machine import deadlines, names
from machine.gdb_remote import (
    Gdb, GdbError, GdbTimeout, MachineGone, Stop, StoppedElsewhere)
from machine.qemu import KERNEL, TREE, Machine, MachineError, _text, run
from machine.symbols import Symbols
from machine.x86 import RF

# 32-bit code, as PVH starts a kernel.
PRINT_X = bytes.fromhex("66baf803 b078 ee")  # mov dx,0x3f8; mov al,'x'; out
EXIT_3 = bytes.fromhex("66baf400 b803000000 ef")  # mov dx,0xf4; mov eax,3; out
FOR_EVER = bytes.fromhex("ebfe")  # jmp .
PRINT_FOR_EVER = bytes.fromhex("66baf803 b078 ee ebfd")  # … 1: out; jmp 1b
TRIPLE_FAULT = bytes.fromhex("0f011d00000000 cc")  # lidt [0]; int3

BASE = 0x100000


def tiny_kernel(directory: Path, code: bytes) -> Path:
    """An ELF file with the PVH note and this code at its entry."""
    note = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", BASE + 0x1000)
    segments = [(1, 5, 0x1000, BASE + 0x1000, len(code)),
                (4, 4, 0x2000, BASE + 0x2000, len(note))]
    headers = b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, offset, address, address, size,
                    size, 4)
        for kind, flags, offset, address, size in segments)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1,
                         BASE + 0x1000, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    path = directory / "kernel.elf"
    path.write_bytes((header + headers).ljust(0x1000, b"\0")
                     + code.ljust(0x1000, b"\0") + note)
    return path


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def test_a_status_comes_back(tmp_path: Path) -> None:
    result = run(kernel=tiny_kernel(tmp_path, PRINT_X + EXIT_3))
    assert (result.status, result.console) == (3, "x")


def test_a_triple_fault_is_no_status(tmp_path: Path) -> None:
    result = run(kernel=tiny_kernel(tmp_path, PRINT_X + TRIPLE_FAULT))
    assert result.status is None
    assert "reset" in result.outcome


def test_a_triple_fault_before_anything_is_printed_is_a_reset(tmp_path: Path) -> None:
    outcome = run(kernel=tiny_kernel(tmp_path, TRIPLE_FAULT)).outcome
    assert "the machine reset itself" in outcome and "make grade" in outcome


def test_a_machine_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with Machine(kernel=tiny_kernel(tmp_path, PRINT_X + FOR_EVER),
                 deadline=1) as machine:
        result = machine.wait()
        assert not is_alive(machine.pid)
    assert result.status is None
    assert "deadline" in result.outcome


def test_a_machine_that_prints_for_ever_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("machine.qemu.OUTPUT_LIMIT", 10_000)
    result = run(kernel=tiny_kernel(tmp_path, PRINT_FOR_EVER))
    assert result.status is None
    assert "printed more" in result.outcome


def test_qemu_that_does_not_start_is_no_status() -> None:
    result = run(cpu="no-such-model")
    assert result.status is None
    assert "did not start" in result.outcome
    assert "no-such-model" in result.stderr


def test_a_failed_test_leaves_no_qemu(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with Machine(kernel=tiny_kernel(tmp_path, FOR_EVER)) as machine:
            pid = machine.pid
            assert is_alive(pid)
            1 / 0
    assert not is_alive(pid)


def test_a_console_only_grows_wherever_it_is_read() -> None:
    """`make rewind` shows what is new since the last look. A look between \\r and
    \\n, or within a letter, must not count as seen what then reads differently."""
    output = "Zoë\r\ntyped\r\n$ ".encode()
    looks = [_text(output[:end]) for end in range(len(output) + 1)]
    for before, after in zip(looks, looks[1:]):
        assert after.startswith(before)
    assert looks[-1] == "Zoë\ntyped\n$ "


def test_waiting_for_text_that_never_comes_says_what_came(tmp_path: Path) -> None:
    with Machine(kernel=tiny_kernel(tmp_path, PRINT_X + EXIT_3)) as machine:
        with pytest.raises(MachineError, match="(?s)ended before 'never'.*x"):
            machine.expect("never")


def test_the_debugger_sees_every_register_and_steps(tmp_path: Path) -> None:
    with Machine(kernel=tiny_kernel(tmp_path, PRINT_X + EXIT_3),
                 stopped=True) as machine:
        gdb = machine.gdb()
        gdb.run_to(BASE + 0x1000)
        gdb.step()
        assert gdb.register("rip") == BASE + 0x1004
        assert gdb.registers()["rdx"] & 0xFFFF == 0x3F8
        gdb.set_register("rdx", 0x3F9)
        assert gdb.register("rdx") == 0x3F9
        assert gdb.read(BASE + 0x1000, len(PRINT_X)) == PRINT_X


def test_the_resume_flag_is_the_emulators_own_business(tmp_path: Path) -> None:
    with Machine(kernel=tiny_kernel(tmp_path, FOR_EVER), stopped=True) as machine:
        gdb = machine.gdb()
        flags = gdb.register("eflags")
        gdb.set_register("eflags", flags | RF)
        assert (gdb.register("eflags"), gdb.registers()["eflags"]) == (flags, flags)


def test_an_xmm_register_is_whole_the_right_way_round(tmp_path: Path) -> None:
    value = 0x0011223344556677_8899AABBCCDDEEFF
    with Machine(kernel=tiny_kernel(tmp_path, FOR_EVER), stopped=True) as machine:
        gdb = machine.gdb()
        gdb.set_register("xmm0", value)
        assert gdb.xmm(gdb.register("xmm0")) == value
        assert gdb.xmm(gdb.registers()["xmm0"]) == value


def test_the_debugger_tells_that_qemu_ended(tmp_path: Path) -> None:
    with Machine(kernel=tiny_kernel(tmp_path, EXIT_3), stopped=True) as machine:
        with pytest.raises(MachineGone):
            machine.gdb().cont()


def test_the_debugger_does_not_wait_for_ever(tmp_path: Path) -> None:
    with Machine(kernel=tiny_kernel(tmp_path, FOR_EVER), stopped=True) as machine:
        gdb = machine.gdb()
        with pytest.raises(GdbTimeout):
            gdb.cont(deadline=0.5)
        gdb.interrupt()
        assert gdb.register("rip") == BASE + 0x1000


# 1: inc %rax; 2: inc %rbx; jmp 1b: in 32-bit code, inc %eax; inc %ebx; jmp.
TWO_PLACES = bytes.fromhex("40 43 ebfc")
FIRST, SECOND, JUMP = BASE + 0x1000, BASE + 0x1001, BASE + 0x1002


@pytest.fixture
def circling(tmp_path: Path) -> Iterator[Gdb]:
    """A machine that is about to go round in a circle, counting in RAX and RBX."""
    with Machine(kernel=tiny_kernel(tmp_path, TWO_PLACES), stopped=True) as machine:
        gdb = machine.gdb()
        gdb.run_to(FIRST)
        yield gdb


def test_a_run_ends_at_the_first_place_whose_condition_holds(circling: Gdb) -> None:
    start = circling.register("rax")
    assert circling.run_to({FIRST: lambda: False, SECOND: lambda: (
        circling.register("rax") == start + 5)}) == SECOND
    assert circling.register("rax") == start + 5


def test_a_place_counts_when_the_machine_comes_there_again(circling: Gdb) -> None:
    start = circling.register("rax")
    assert circling.run_to(FIRST) == FIRST
    assert circling.register("rax") == start + 1
    assert circling.run_to({FIRST: None, SECOND: None}) == SECOND


def test_a_condition_may_step_the_machine_itself(circling: Gdb) -> None:
    asked: list[int] = []

    def step_on() -> bool:
        circling.step()
        asked.append(circling.register("rip"))
        return len(asked) == 2

    assert circling.run_to({FIRST: step_on}) == FIRST
    assert asked == [SECOND, SECOND]


def test_a_run_leaves_no_breakpoint_whatever_ends_it(circling: Gdb) -> None:
    with pytest.raises(ZeroDivisionError):
        circling.run_to({SECOND: lambda: bool(1 / 0)})
    with pytest.raises(GdbTimeout, match="never as waited for"):
        circling.run_to({SECOND: lambda: False}, patience=0.1)
    with pytest.raises(GdbTimeout):
        circling.run_to(BASE, patience=0.5)
    assert circling.run_to({FIRST: None}) == FIRST  # stopped, and it still answers
    assert circling.run_to({JUMP: None}) == JUMP


def test_a_breakpoint_that_is_left_stops_nobody(circling: Gdb) -> None:
    """It stays while the machine stands, for most come by again."""
    circling.run_to(FIRST)
    assert circling.run_to(JUMP) == JUMP  # and not at FIRST, which is on the way
    with pytest.raises(GdbTimeout):
        circling.cont(0.5)
    circling.interrupt()


def test_between_two_runs_registers_are_asked_for_once(
        circling: Gdb, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    write = circling._write
    monkeypatch.setattr(circling, "_write", lambda data: sent.append(
        data.lstrip(b"+").decode()) or write(data))
    circling.run_to(FIRST)
    sent.clear()
    before = circling.register("rax")
    assert circling.registers()["rax"] == before and circling.register("rip") == FIRST
    circling.read(FIRST, 1)
    assert [packet[:2] for packet in sent] == ["$m"]  # the run has asked for them
    circling.set_register("rax", before + 7)
    assert circling.register("rax") == before + 7
    circling.monitor("info registers")
    circling.register("rax")
    assert [packet[:2] for packet in sent[1:]] == ["$P", "$g", "$q", "$g"]


def test_registers_that_are_written_together_are_sent_together(
        circling: Gdb, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    write = circling._write
    monkeypatch.setattr(circling, "_write", lambda data: sent.append(data) or write(data))
    wanted = {"rax": 1, "rbx": 1 << 31, "rsi": 77}
    circling.set_registers(wanted)
    assert [data.count(b"$P") for data in sent] == [3]
    assert {name: circling.register(name) for name in wanted} == wanted


def test_a_refusal_among_answers_leaves_the_next_ones_in_their_places(
        circling: Gdb, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of three is refused; who asks afterwards gets his own answer."""
    answers = iter(["OK", "E22", "OK", "his own"])
    monkeypatch.setattr(circling, "_receive", lambda until: next(answers))
    monkeypatch.setattr(circling, "_write", lambda data: None)
    with pytest.raises(GdbError, match="E22"):
        circling.set_registers({"rax": 5, "rbx": 6, "rdx": 7})
    assert circling.ask("m0,1") == "his own"


def test_a_stop_elsewhere_is_said_and_not_passed_by(circling: Gdb) -> None:
    circling.insert_breakpoint(JUMP)
    with pytest.raises(StoppedElsewhere) as caught:
        circling.run_to(FIRST)
    assert caught.value.rip == JUMP


def test_a_run_tells_of_each_write_on_the_way(kernel: Symbols) -> None:
    slot = kernel.address("per_cpu") + 8  # the stub's scratch
    with Machine("/bin/hello", stopped=True) as machine:
        gdb = machine.gdb()
        gdb.run_to(kernel.address("syscall_entry"))
        gdb.insert_watchpoint(slot)
        seen: list[Stop] = []
        gdb.run_to(kernel.address("syscall_handler"), watch=seen.append)
    assert [stop.watch for stop in seen] == [slot]


def test_a_watchpoint_stops_after_the_write(kernel: Symbols) -> None:
    slot = kernel.address("per_cpu") + 8  # the stub's scratch
    with Machine("/bin/hello", stopped=True) as machine:
        gdb = machine.gdb()
        gdb.run_to(kernel.address("syscall_entry"))
        gdb.insert_watchpoint(slot)
        assert gdb.cont().watch == slot


def test_memory_that_is_not_mapped_is_an_error(kernel: Symbols) -> None:
    with Machine("/bin/hello", stopped=True) as machine:
        gdb = machine.gdb()
        gdb.run_to(kernel.address("syscall_entry"))
        with pytest.raises(GdbError):
            gdb.read(0, 8)
        assert not gdb.is_mapped(0)


def test_symbols_know_functions_lines_and_structures(kernel: Symbols) -> None:
    entry = kernel.address("syscall_entry")
    assert kernel.name_at(entry + 1) == "syscall_entry+0x1"
    assert entry in kernel.range("syscall_entry")
    where = kernel.line_at(entry)
    assert where and where.startswith("kernel/syscall_entry.c:")
    assert kernel.offset_of("per_cpu_data", "user_rsp") == 8


def test_each_of_two_functions_of_one_name_is_known_by_its_address() -> None:
    """`look` is static in poll.c and in select.c."""
    kernel = Symbols(KERNEL)
    places = [at for at, name in kernel.functions if name == "look"]
    assert len(places) == 2
    for at in places:
        assert kernel.name_at(at + 1) == "look+0x1" and kernel.function_at(at + 1) == "look"


def test_the_symbol_table_is_read_as_pyelftools_reads_it() -> None:
    kernel = Symbols(KERNEL)
    theirs = [symbol for symbol in kernel.elf.get_section_by_name(".symtab").iter_symbols()
              if symbol.name]
    assert len(theirs) > 500
    assert list(kernel.sized()) == [
        (symbol.name, symbol["st_value"], symbol["st_size"]) for symbol in theirs
        if symbol["st_size"] and symbol["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT")]
    for symbol in {symbol.name: symbol for symbol in theirs}.values():
        assert kernel.address(symbol.name) == symbol["st_value"]
        assert kernel.is_global(symbol.name) == (
            symbol["st_info"]["bind"] != "STB_LOCAL"), symbol.name


def test_layouts_that_were_kept_are_those_of_the_kernel(tmp_path: Path) -> None:
    """As a submission's kernel has them beside it, in the tree in which it is graded."""
    kept = tmp_path / "layouts.json"
    names.keep_layouts(KERNEL, kept)
    kernel, told = Symbols(KERNEL), names.Names(KERNEL, KERNEL, kept)
    assert len(kernel.structures()) > 30 and "trap_frame" in kernel.structures()
    for name, layout in kernel.structures().items():
        assert told.structure(name) == layout
    for name, numbers in kernel.enumerations().items():
        assert told.enumeration(name) == numbers
    with pytest.raises(KeyError):
        told.structure("of_nobody")


def test_the_two_links_of_the_kernel_agree(kernel: Symbols) -> None:
    first = Symbols(KERNEL.with_name("kernel-first.elf"))
    code = range(kernel.address("kernel_start"), kernel.address("text_end"))
    assert {a: n for a, n in kernel.functions if a in code} == {
        a: n for a, n in first.functions if a in code}


def test_deadlines_follow_one_scale_also_in_the_processes_started_here(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(deadlines.VARIABLE, "1")
    before = deadlines.probe(), deadlines.host()
    deadlines.scale_by(3)
    assert (deadlines.probe(), deadlines.host()) == (3 * before[0], 3 * before[1])
    child = subprocess.run(
        [sys.executable, "-c", "from machine import deadlines; "
         "print(deadlines.probe())"], cwd=TREE / "grade", capture_output=True,
        text=True, check=True, timeout=deadlines.host())
    assert float(child.stdout) == deadlines.probe()
