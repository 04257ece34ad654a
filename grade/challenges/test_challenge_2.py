"""Challenge of lab 2: what QEMU hides and hardware does not.

QEMU's CPU is more patient than those that are sold. It clears DF at SYSCALL
whatever SFMASK says; its SYSRET puts RPL 3 into SS, as Intel's does and AMD's
does not; it stores any address in LSTAR, where a CPU raises #GP for one that is
not canonical; it runs code whose descriptor has both L and D.

What it takes from you: labs 1 and 2, and a new file, kernel/audit.c, with the
function that kernel/hooks.h declares:

    void audit(void);

main() calls it before the first program. It looks at the MSRs and at the table
as they are, and panics with a sentence that begins with "audit: " and names what
is wrong (SFMASK, STAR, LSTAR, or the selector of the entry). The tests change
the machine just before audit() runs. A right machine it lets pass in silence.
"""

from __future__ import annotations

import re
from typing import Callable, Optional

import pytest

from judge import probes, segments
from judge.challenge import Challenge
from judge.patience import LabMachine
from judge.verdict import wrong
from machine.gdb_remote import Gdb
from machine.x86 import LSTAR, SFMASK, STAR, WRMSR

SPINS = "probe_ring3"  # needs no call, so labs 3 to 5 may be empty
DF, D, ACCESSED = 1 << 10, 1 << 54, 1 << 40
WIDE = 0x3F7FD5  # every flag but bit 1, which is always set, and RF


class Stopped:
    """A machine that is about to run audit()."""

    def __init__(self, challenge: Challenge) -> None:
        if "audit" not in challenge.kernel:
            wrong("There is no audit() in this kernel yet: to write kernel/audit.c is "
                  "the challenge", where="kernel/hooks.h")
        self.challenge, self.kernel = challenge, challenge.kernel
        self.machine: LabMachine = challenge.machine(
            f"/bin/{SPINS}", initrd=probes.base_archive(), gdb=True, stopped=True)
        self.gdb: Gdb = self.machine.gdb()
        self.gdb.run_to(self.kernel.address("audit"))
        self.back = self.gdb.read_u64(self.gdb.register("rsp"))

    def rdmsr(self, msr: int) -> int:
        return self.challenge.rdmsr(self.gdb, msr)

    def wrmsr(self, msr: int, value: int) -> None:
        """As rdmsr does it: the CPU runs the instruction for one step."""
        place = self.kernel.address("machine_exit")
        names = ("rip", "rax", "rcx", "rdx")
        saved = {name: self.gdb.register(name) for name in names}
        code = self.gdb.read(place, len(WRMSR))
        self.gdb.write(place, WRMSR)
        new = (place, value & 0xFFFFFFFF, msr, value >> 32)
        for name, number in zip(names, new):
            self.gdb.set_register(name, number)
        self.gdb.step()
        self.gdb.write(place, code)
        for name, number in saved.items():
            self.gdb.set_register(name, number)

    def entry_at(self, selector: int) -> int:
        """Where a descriptor lies."""
        match = re.search(r"^GDT= *([0-9a-f]+)", self.machine.monitor("info registers"),
                          re.MULTILINE)
        assert match
        return int(match[1], 16) + selector

    def change_entry(self, selector: int, bits: int) -> None:
        """Sets bits of a descriptor."""
        value = self.gdb.read_u64(self.entry_at(selector)) | bits
        self.gdb.write(self.entry_at(selector), value.to_bytes(8, "little"))

    def goes_on(self) -> Optional[str]:
        """Lets audit() run: None if it returns, else what the panic says."""
        ends = self.back, self.kernel.address("panic")
        for end in ends:
            self.gdb.insert_breakpoint(end)
        self.gdb.cont()
        if self.gdb.register("rip") == self.back:
            return None
        for end in ends:
            self.gdb.remove_breakpoint(end)
        self.gdb.resume()
        self.machine.wait()
        match = re.search(r"^panic: (.*)$", self.machine.console, re.MULTILINE)
        return match[1] if match else self.machine.console


def must_find(stopped: Stopped, name: str, found: str, why: str) -> None:
    """audit() has to stop the machine by a sentence with this name in it."""
    said = stopped.goes_on()
    where = stopped.challenge.place("audit")
    if said is None:
        wrong(f"audit() let this pass: {why}", expected=f"panic: audit: … {name} …",
              found=found, where=where, gdb="msr")
    if not said.startswith("audit: ") or not re.search(name, said):
        wrong(f"audit() stopped the machine, but does not say for what: {why}",
              expected=f"panic: audit: … {name} …", found=said, where=where)


def must_pass(stopped: Stopped, what: str) -> None:
    said = stopped.goes_on()
    if said is not None:
        wrong(f"audit() stopped a machine that is right: {what}", expected="silence",
              found=said, where=stopped.challenge.place("audit"))


def test_sfmask_without_df_is_found(challenge: Challenge) -> None:
    stopped = Stopped(challenge)
    mask = (stopped.rdmsr(SFMASK) | challenge.random.getrandbits(8)) & ~DF
    stopped.wrmsr(SFMASK, mask)
    must_find(stopped, "SFMASK", f"{mask:#x}", "without DF (bit 10) the kernel's C "
              "begins with the user's direction flag")


@pytest.mark.parametrize("rpl", [0, 1, 2])
def test_a_sysret_base_without_rpl_3_is_found(challenge: Challenge, rpl: int) -> None:
    stopped = Stopped(challenge)
    star = stopped.rdmsr(STAR) & ~(3 << 48) | rpl << 48
    stopped.wrmsr(STAR, star)
    must_find(stopped, "STAR", f"{star:#x}", f"the base in STAR[63:48] has RPL {rpl}, and "
              "AMD's SYSRET would load an SS with that RPL in ring 3")


def test_an_lstar_that_is_not_canonical_is_found(challenge: Challenge) -> None:
    stopped = Stopped(challenge)
    lstar = stopped.rdmsr(LSTAR) ^ 1 << challenge.random.randrange(47, 64)
    stopped.wrmsr(LSTAR, lstar)
    must_find(stopped, "LSTAR", f"{lstar:#x}", "bits 63 to 47 of LSTAR are not all equal, "
              "and WRMSR raises #GP on every other CPU")


@pytest.mark.parametrize("selector", [segments.KERNEL_CS, segments.USER_CS])
def test_code_that_is_both_64_and_32_bit_is_found(challenge: Challenge, selector: int
                                                  ) -> None:
    stopped = Stopped(challenge)
    stopped.change_entry(selector, D)
    must_find(stopped, f"0x{selector:x}|0x{selector | 3:x}",
              f"entry {selector:#x} with L = 1 and D = 1",
              "loading CS with such a descriptor is a #GP on every other CPU")


ALLOWED: dict[str, Callable[[Stopped], None]] = {
    "as labs 1 and 2 have made it": lambda stopped: None,
    "SFMASK may clear more flags": lambda stopped: stopped.wrmsr(SFMASK, WIDE),
    "the accessed bits are the CPU's": lambda stopped: [
        stopped.change_entry(selector, ACCESSED) for selector in
        (segments.KERNEL_CS, segments.KERNEL_DS, segments.USER_DS, segments.USER_CS)
    ] and None,
}


@pytest.mark.parametrize("what", ALLOWED)
def test_a_right_machine_passes(challenge: Challenge, what: str) -> None:
    stopped = Stopped(challenge)
    ALLOWED[what](stopped)
    must_pass(stopped, what)
