"""What may happen at any instruction of the entry stub, and must do no harm.

Between SYSCALL and the change of stacks RSP and GS are still the user's, and
again before SYSRET. An NMI and a machine check can come there; so can the
debugger's single step.
"""

from __future__ import annotations

import pytest

from machine.gdb_remote import Gdb
from machine.qemu import Machine
from machine.symbols import Symbols

NMI = 2


@pytest.fixture(scope="module")
def places(kernel: Symbols) -> list[int]:
    """The address of every instruction of the stub, in the order in which a
    call runs them."""
    found = []
    stub = kernel.range("syscall_entry")
    with Machine("/bin/hello", stopped=True) as machine:
        gdb = machine.gdb()
        gdb.run_to(stub.start)
        while not gdb.in_ring_3():
            if gdb.register("rip") in stub:
                found.append(gdb.register("rip"))
                gdb.step()
            else:  # in syscall_handler: go to where it returns
                gdb.run_to(gdb.read_u64(gdb.register("rsp")))
    return found


def is_on_the_nmi_stack(gdb: Gdb, kernel: Symbols) -> bool:
    """Whether RSP lies just below the top of one of the TSS's IST stacks."""
    tss = (kernel.address("per_cpu")
           + kernel.offset_of("per_cpu_data", "segments")
           + kernel.offset_of("segments", "tss"))
    tops = [gdb.read_u64(tss + 36 + 8 * i) for i in range(7)]
    return any(0 < top - gdb.register("rsp") < 512 for top in tops if top)


def test_an_nmi_at_any_instruction_of_the_stub_does_no_harm(
    kernel: Symbols, places: list[int], firmware: str
) -> None:
    vector = kernel.offset_of("trap_frame", "vector")
    rip = kernel.offset_of("trap_frame", "rip")
    with Machine("/bin/regs 5", stopped=True, firmware=firmware) as machine:
        gdb = machine.gdb()
        for place in places:
            gdb.run_to(place)
            gdb.monitor("nmi")
            gdb.run_to(kernel.address("trap_handler"))
            frame = gdb.register("rdi")
            where = kernel.line_at(place)
            assert gdb.read_u64(frame + vector) == NMI, where
            assert gdb.read_u64(frame + rip) == place, where
            assert gdb.register("gs_base") == kernel.address("per_cpu"), where
            assert is_on_the_nmi_stack(gdb, kernel), where
        gdb.resume()
        result = machine.wait()
    assert result.status == 0, result.report


def test_every_call_enters_on_the_current_processs_stack(kernel: Symbols) -> None:
    with Machine("/bin/interleave", stopped=True) as machine:
        gdb = machine.gdb()
        gdb.insert_breakpoint(kernel.address("syscall_handler"))
        for _ in range(100):
            gdb.cont()
            kernel_rsp = gdb.read_u64(kernel.address("per_cpu"))
            registers = gdb.registers()
            # Below the frame of 16 words: padding, argument 6, return address.
            assert registers["rsp"] == kernel_rsp - 128 - 24
            assert registers["rsp"] % 16 == 8
            assert registers["cs"] == 0x08
            # DF, TF, IF, NT and AC are 0.
            assert registers["eflags"] & 0x44700 == 0


def test_a_call_never_returns_to_an_address_that_is_not_canonical(
    kernel: Symbols, places: list[int]
) -> None:
    """Intel's SYSRET would fault there in ring 0, on the user's stack. QEMU's faults in
    ring 3, as AMD's does, so how it ends tells nothing: does it come to the SYSRET?"""
    ends, sysret = kernel.address("proc_exit"), places[-1]
    with Machine("/bin/hello", stopped=True) as machine:
        gdb = machine.gdb()
        gdb.run_to(kernel.address("syscall_entry"))
        gdb.set_register("rcx", 1 << 47)  # as if from the last bytes below
        gdb.run_to({ends: None, sysret: None})
        assert gdb.register("rip") == ends
    assert "would return outside user space" in machine.console
