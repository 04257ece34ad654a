"""Challenge of lab 1: say whose kernel stack has overflowed.

What it takes from you: lab 1, and a change of kernel/explain.c. With overflow=N on
the command line process N calls itself in the kernel until its stack is used up,
and with your TSS that ends in a double fault on the stack of IST1:

    make run PROG=/bin/hello APPEND=overflow=1

The panic then tells you registers. Make it print one line more:

    kernel stack overflow: hello[1], at 0xffffffff80103bfb

The name and the pid are those of the process whose stack it is, the address is
where the last step was taken. A double fault of another cause has no such line.
"""

from __future__ import annotations

import re

import pytest

from judge import probes
from judge.challenge import Challenge
from judge.patience import LabMachine
from judge.verdict import wrong

SPINS = "probe_ring3"  # needs no call, so labs 2 to 5 may be empty
KSTACK_BASE, KSTACK_STRIDE, PAGE = 0xFFFFC00000000000, 3 * 4096, 4096
LINE = re.compile(r"^kernel stack overflow: (\w+)\[(\d+)\].*?0x([0-9a-f]+)", re.MULTILINE)


def guard_of(pid: int) -> int:
    """The guard page below the stack of one of the first processes."""
    return KSTACK_BASE + (pid - 1) * KSTACK_STRIDE


def start(challenge: Challenge, programs: int, **options: object) -> LabMachine:
    """Boots with this many processes that only spin."""
    return challenge.machine(",".join([f"/bin/{SPINS}"] * programs),
                             initrd=probes.base_archive(), **options)


def panic_of(challenge: Challenge, machine: LabMachine) -> str:
    """What the kernel says about its double fault."""
    machine.wait()
    console = machine.console
    if "panic: #DF" not in console:
        wrong("No panic says #DF: without a good stack in IST1 the double fault "
              "becomes a triple fault, and the machine is gone (lab 1)",
              expected="panic: #DF …", found=console.strip().splitlines()[-1:] or "nothing",
              where=challenge.place("gdt_init"), gdb="tss")
    return console


def must_name(challenge: Challenge, console: str, pid: int, function: str) -> None:
    match = LINE.search(console)
    where = challenge.place("explain_kernel_fault") or "kernel/explain.c"
    if not match:
        wrong("The panic does not say that a kernel stack has overflowed: no line is "
              "like \"kernel stack overflow: name[1], at 0x…\"",
              expected=f"kernel stack overflow: {SPINS}[{pid}], at 0x…",
              found="only the registers", where=where)
    owner = f"{match[1]}[{match[2]}]"
    if owner != f"{SPINS}[{pid}]":
        wrong("The line names another process than the one whose stack it is: the "
              "address tells which guard page was hit, and so the slot",
              expected=f"{SPINS}[{pid}]", found=owner, where=where)
    address = int(match[3], 16)
    if address not in challenge.kernel.range(function):
        wrong(f"The address is not where the last step was taken, in {function}()",
              expected=f"{challenge.kernel.address(function):#x} or a little more",
              found=address, where=where)


@pytest.mark.parametrize("pid", [1, 2, 3])
def test_the_panic_says_whose_stack_and_where(challenge: Challenge, pid: int) -> None:
    machine = start(challenge, 3, append=f"hz=1000 overflow={pid}")
    must_name(challenge, panic_of(challenge, machine), pid, "dig")


def double_fault(challenge: Challenge, rsp: int) -> str:
    """Lets the kernel run with an RSP that leads nowhere, when process 1 is about
    to enter ring 3."""
    machine = start(challenge, 2, gdb=True, stopped=True)
    gdb = machine.gdb()
    gdb.run_to(challenge.kernel.address("gdt_check_user"))
    gdb.set_register("rsp", rsp)
    gdb.resume()
    return panic_of(challenge, machine)


def test_the_owner_of_the_stack_is_named_and_not_who_runs(challenge: Challenge) -> None:
    """As after a change of stacks that went wrong."""
    console = double_fault(challenge, guard_of(2) + PAGE)
    must_name(challenge, console, 2, "gdt_check_user")


@pytest.mark.parametrize("rsp", [
    pytest.param(0x1000, id="null"),
    pytest.param(0xFFFFD00000000000, id="unmapped"),
    pytest.param(guard_of(1) - PAGE, id="below-all-stacks"),
])
def test_another_double_fault_is_no_overflow(challenge: Challenge, rsp: int) -> None:
    console = double_fault(challenge, rsp)
    match = LINE.search(console)
    if match:
        wrong(f"RSP was {rsp:#x}, where no stack's guard page is, and the panic says "
              "that a stack has overflowed", expected="no such line", found=match[0],
              where=challenge.place("explain_kernel_fault"))
