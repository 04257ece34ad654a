"""The machine at a program's first instruction, read from outside: tables,
model-specific registers, control registers, and what is mapped how."""

from __future__ import annotations

import re
from typing import Iterator

import pytest

from machine.gdb_remote import Gdb
from machine.kernel import Kernel
from machine.page_tables import Mapping, mappings
from machine.qemu import TREE, Machine
from machine.symbols import Symbols
from machine.x86 import (
    EFER, GENERAL, KERNEL_GS_BASE, KERNEL_HALF, LSTAR, PAGE, SFMASK, STAR)


# Type and rights of the seven descriptors; the accessed bits and the TSS's
# busy bit are the CPU's to set.
DESCRIPTORS = {
    0x08: 0x00AF9A000000FFFF,
    0x10: 0x00CF92000000FFFF,
    0x28: 0x00CFF2000000FFFF,
    0x30: 0x00AFFA000000FFFF,
}
ACCESSED = 1 << 40

# All but RSP, which is where the program's arguments are.
CLEARED = [name for name in GENERAL if name != "rsp"]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine stopped before the first instruction of /bin/hello."""
    entry = Symbols(TREE / "build/user/hello").elf["e_entry"]
    with Machine("/bin/hello", gdb=True, stopped=True) as machine:
        machine.gdb().run_to(entry)
        yield machine


@pytest.fixture(scope="module")
def gdb(machine: Machine) -> Gdb:
    return machine.gdb()


@pytest.fixture(scope="module")
def pages(gdb: Gdb) -> list[Mapping]:
    return list(mappings(gdb))


def table(gdb: Gdb, name: str) -> tuple[int, int]:
    """Base and limit of the GDT or IDT, as the CPU holds them."""
    match = re.search(rf"^{name}= +([0-9a-f]+) ([0-9a-f]+)",
                      gdb.monitor("info registers"), re.MULTILINE)
    assert match
    return int(match[1], 16), int(match[2], 16)


def in_image(address: int, kernel: Kernel) -> bool:
    return kernel.address("kernel_start") <= address < kernel.address("kernel_end")


def test_the_gdt_lies_in_the_kernel_with_seven_entries(gdb: Gdb, kernel: Kernel
                                                       ) -> None:
    base, limit = table(gdb, "GDT")
    assert in_image(base, kernel)
    assert limit == 0x37


@pytest.mark.parametrize("selector", DESCRIPTORS, ids=hex)
def test_the_descriptor_is_the_contracts(selector: int, gdb: Gdb) -> None:
    base, _ = table(gdb, "GDT")
    found = gdb.read_u64(base + selector) & ~ACCESSED
    assert f"{found:#018x}" == f"{DESCRIPTORS[selector]:#018x}"


def test_the_selectors_are_those_of_ring_3(gdb: Gdb) -> None:
    assert (gdb.register("cs"), gdb.register("ss")) == (0x33, 0x2B)


def test_the_tss_names_the_current_kernel_stack(gdb: Gdb, kernel: Kernel) -> None:
    match = re.search(r"^TR =(\w+) (\w+) (\w+)", gdb.monitor("info registers"),
                      re.MULTILINE)
    assert match
    selector, base, limit = (int(match[i], 16) for i in (1, 2, 3))
    rsp0 = gdb.read_u64(base + 4)
    kernel_rsp = gdb.read_u64(kernel.per_cpu())
    assert (selector, limit) == (0x18, 0x67)
    assert rsp0 == kernel_rsp and rsp0 % 16 == 0 and rsp0 >= KERNEL_HALF


def test_the_interrupts_that_may_come_anywhere_have_their_own_stacks(
    gdb: Gdb
) -> None:
    base, limit = table(gdb, "IDT")
    assert limit == 256 * 16 - 1
    # NMI, #DB, #MC and #DF can strike where RSP or GS is still the user's.
    stacks = {vector: gdb.read(base + vector * 16 + 4, 1)[0] for vector in range(256)}
    own = {vector: stack for vector, stack in stacks.items() if stack}
    assert own.keys() == {1, 2, 8, 18}
    assert len(set(own.values())) == 4


def test_the_msrs_are_the_contracts(gdb: Gdb, kernel: Kernel) -> None:
    entry = kernel.address("syscall_entry")
    assert hex(gdb.rdmsr(STAR, entry)) == hex(0x0023000800000000)
    assert gdb.rdmsr(LSTAR, entry) == entry
    assert gdb.rdmsr(SFMASK, entry) & 0x47700 == 0x47700
    assert gdb.rdmsr(KERNEL_GS_BASE, entry) == kernel.per_cpu()
    assert gdb.rdmsr(EFER, entry) == 0xD01


def test_ring_3_has_none_of_the_kernels_values(gdb: Gdb) -> None:
    registers = gdb.registers()
    assert {name: registers[name] for name in CLEARED} == dict.fromkeys(CLEARED, 0)
    assert registers["gs_base"] == 0 and registers["fs_base"] == 0
    assert registers["eflags"] == 0x202


def test_reading_the_msrs_left_the_program_as_it_was(gdb: Gdb, kernel: Kernel
                                                     ) -> None:
    before = gdb.registers()
    gdb.rdmsr(STAR, kernel.address("syscall_entry"))
    assert gdb.registers() == before


def test_write_protection_and_the_cpus_guards_are_on(gdb: Gdb) -> None:
    cr0, cr4 = gdb.register("cr0"), gdb.register("cr4")
    assert cr0 & 1 << 16, "CR0.WP: ring 0 must respect read-only pages"
    assert cr0 & 1 << 5, "CR0.NE: x87 errors must be exceptions"
    for bit, name in {9: "OSFXSR", 11: "UMIP", 20: "SMEP", 21: "SMAP"}.items():
        assert cr4 & 1 << bit, f"CR4.{name}"


def test_page_0_is_not_mapped(gdb: Gdb) -> None:
    assert not gdb.is_mapped(0)


def test_the_identity_map_is_gone(pages: list[Mapping]) -> None:
    assert not [str(p) for p in pages if p.va == p.pa]


def test_every_page_below_the_kernels_half_is_the_users(pages: list[Mapping]
                                                        ) -> None:
    assert not [str(p) for p in pages if (p.va < KERNEL_HALF) != p.user]


def test_no_page_can_be_written_and_executed(pages: list[Mapping]) -> None:
    assert not [str(p) for p in pages if p.writable and p.executable]


def test_only_the_kernels_code_is_executable_in_its_half(
    pages: list[Mapping], kernel: Kernel
) -> None:
    code = range(kernel.address("kernel_start"), kernel.address("text_end"))
    assert not [str(p) for p in pages
                if p.va >= KERNEL_HALF and p.executable and p.va not in code]


def test_what_debuggers_stop_at_shares_no_page_with_what_runs_often(kernel: Kernel
                                                                   ) -> None:
    """QEMU runs all code of a page that has a breakpoint in it one instruction at a
    time. On these pages are only they, and what runs once: the start of the kernel."""
    stops = {"panic", "machine_exit", "proc_idle", "explain_user_fault", "kernel_fault"}
    start = {"kernel_start", "pvh_start", "long_mode", "higher_half"}
    pages = {at // PAGE for name in stops
             for at in (kernel.range(name).start, kernel.range(name).stop - 1)}
    assert {name for at, name in kernel.functions if at // PAGE in pages} <= stops | start


def test_a_page_that_must_not_be_there_guards_the_kernel_stack(
    gdb: Gdb, kernel: Kernel, pages: list[Mapping]
) -> None:
    top = gdb.read_u64(kernel.per_cpu())
    mapped = {p.va for p in pages if p.size == 4096}
    bottom = top
    while bottom - 4096 in mapped:
        bottom -= 4096
    assert 4096 <= top - bottom <= 65536
    assert top not in mapped, "the page above belongs to a neighbour"
