"""The kernel turns on what the CPU has, and runs where it has less."""

import pytest

from machine.qemu import Machine, run

SMEP, SMAP, UMIP = 1 << 20, 1 << 21, 1 << 11


@pytest.mark.parametrize("cpu", [
    "qemu64",
    "qemu64,+smep",
    "qemu64,+smap,+umip",
    "Nehalem",
    "Skylake-Client",
    "EPYC",
    "max",
])
def test_calls_work_on_every_model(cpu: str) -> None:
    result = run("/bin/regs 1", cpu=cpu)
    assert result.status == 0, result.report


@pytest.mark.parametrize("cpu, bits", [
    ("qemu64", 0),
    ("qemu64,+smep", SMEP),
    ("qemu64,+smap", SMAP),
    ("qemu64,+umip", UMIP),
    ("max", SMEP | SMAP | UMIP),
])
def test_only_what_the_cpu_has_is_turned_on(cpu: str, bits: int) -> None:
    with Machine(cpu=cpu, gdb=True) as machine:
        machine.expect(r"^\$ ")
        assert machine.gdb().register("cr4") & (SMEP | SMAP | UMIP) == bits
