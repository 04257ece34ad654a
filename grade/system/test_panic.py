"""A mistake of the kernel stops it with the reason, the registers and the way
it came, and QEMU ends with a status of its own. The mistakes are made from
outside, by the debugger."""

from __future__ import annotations

import re

import pytest

from machine.qemu import STATUS_PANIC, Machine, Result
from machine.symbols import Symbols

SWAPGS_SIZE = 3  # bytes


def break_in_a_call(kernel: Symbols, **registers: int) -> Result:
    """Stops in the first write of a program, changes registers, and lets the
    machine run to its end."""
    with Machine("/bin/hello", gdb=True, stopped=True) as machine:
        gdb = machine.gdb()
        gdb.run_to(kernel.address("sys_write"))
        callers_frame = gdb.register("rbp")
        gdb.step_until(lambda now: now["rbp"] != callers_frame)
        for name, value in registers.items():
            gdb.set_register(name, value)
        gdb.resume()
        return machine.wait()


@pytest.fixture(scope="module")
def lost(kernel: Symbols) -> Result:
    """The end of a kernel that jumped to an address where nothing is."""
    return break_in_a_call(kernel, rip=0xDEAD000)


def test_it_ends_with_the_status_of_a_panic(lost: Result) -> None:
    assert lost.status == STATUS_PANIC, lost.report


def test_the_first_line_says_what_and_where(lost: Result) -> None:
    assert re.search(r"^panic: .*#PF.* in ring 0 at 0xdead000", lost.console,
                     re.MULTILINE), lost.report


def test_the_registers_are_printed(lost: Result) -> None:
    console = lost.console.lower()
    for name in ("rax", "r15", "rsp", "rflags", "cr2", "cr3"):
        assert name in console, lost.report
    assert re.search(r"cr2[ =]+(0x)?0*dead000", console), lost.report


def test_the_backtrace_has_the_names_of_functions(lost: Result) -> None:
    trace = lost.console.partition("backtrace")[2]
    assert re.search(r"syscall_handler\S*\n.*syscall_entry", trace), lost.report


def test_the_names_are_those_at_the_addresses(lost: Result, kernel: Symbols) -> None:
    trace = lost.console.partition("backtrace")[2]
    lines = re.findall(r"^\s+(?:0x)?(ffffffff8\w+)\s+(\S+)", trace, re.MULTILINE)
    assert lines, lost.report
    for address, name in lines:
        assert kernel.name_at(int(address, 16)) == name, lost.report


def test_an_address_that_is_not_canonical_is_told(kernel: Symbols) -> None:
    result = break_in_a_call(kernel, rip=0x8000_0000_0000_0000)
    assert result.status == STATUS_PANIC, result.report
    assert "#GP" in result.console, result.report


def test_a_broken_kernel_stack_is_told_on_a_stack_of_its_own(kernel: Symbols
                                                             ) -> None:
    result = break_in_a_call(kernel, rsp=0x1000)
    assert result.status == STATUS_PANIC, result.report
    assert "#DF" in result.console, result.report


def gs_of(result: Result) -> tuple[int, int]:
    """GS_BASE and KERNEL_GS_BASE, as they were when the kernel stopped."""
    found = re.search(r"^gs base (?:0x)?(\w+).*  kernel gs base (?:0x)?(\w+)",
                      result.console, re.MULTILINE)
    assert found, result.report
    return int(found[1], 16), int(found[2], 16)


def test_gs_is_the_one_of_the_fault(lost: Result, kernel: Symbols) -> None:
    assert gs_of(lost) == (kernel.address("per_cpu"), 0), lost.report


def test_gs_is_the_one_of_the_fault_though_it_has_been_changed(kernel: Symbols) -> None:
    """As when the stub forgets its SWAPGS: the store to %gs: fails, and the way to
    the panic changes GS over."""
    with Machine("/bin/hello", gdb=True, stopped=True) as machine:
        gdb = machine.gdb()
        gdb.run_to(kernel.address("syscall_entry"))
        user = gdb.register("gs_base")
        gdb.set_register("rip", gdb.register("rip") + SWAPGS_SIZE)
        gdb.resume()
        result = machine.wait()
    assert gs_of(result) == (user, kernel.address("per_cpu")), result.report
    assert "(not the kernel's)" in result.console, result.report
