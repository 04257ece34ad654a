"""Challenge of lab 4: strace from the frame.

What it takes from you: labs 3 and 4, and a new file, kernel/strace.c, with the
function that kernel/hooks.h declares:

    void strace(long result);

syscall_handler calls it at the end of each call, if strace=1 is given:

    make run PROG=/bin/hello APPEND=strace=1

Each time it prints one line: the process id, the number, the six arguments, the
result, the RIP and the RSP that the program goes on with; ids, numbers and
results in decimal, all else in hexadecimal:

    strace: 1 39(1, 7fffffffeee8, 7fffffffeef8, 0, 0, 0) = 1 rip 401167 rsp 7fffffffeea8

The programs here have random numbers in all their registers. What these were is
read from the machine at each SYSCALL.
"""

from __future__ import annotations

from typing import Dict, List

from judge import probes
from judge.challenge import Challenge
from judge.patience import LabMachine
from judge.verdict import wrong

ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
EVENTS = 2000  # stops of the machine in one run, at most


def start(challenge: Challenge, *steps: str, **options: object) -> LabMachine:
    """Boots with a process for each list of steps, of random registers."""
    if "strace" not in challenge.kernel:
        wrong("There is no strace() in this kernel yet: to write kernel/strace.c is the "
              "challenge", where="kernel/hooks.h")
    programs = ",".join(f"/bin/probe_frame {challenge.random.getrandbits(60)} {step}"
                        for step in steps)
    return challenge.machine(programs, initrd=probes.base_archive(), **options)


def lines_of(machine: LabMachine) -> List[str]:
    return [line for line in machine.console.splitlines() if line.startswith("strace")]


def watched(challenge: Challenge, machine: LabMachine) -> List[str]:
    """The lines as they should be, made from the registers at each SYSCALL and
    the result that strace() is given."""
    gdb, kernel = machine.gdb(), challenge.kernel
    entry, told = kernel.address("syscall_entry"), kernel.address("strace")
    last = kernel.address("proc_exit")
    for place in (entry, told, last):
        gdb.insert_breakpoint(place)
    begun: Dict[int, str] = {}  # by address space: who sleeps does so for one call
    lines: List[str] = []
    for _ in range(EVENTS):
        gdb.cont()
        r = gdb.registers()
        current = gdb.read_u64(kernel.address("per_cpu")
                               + kernel.offset_of("per_cpu_data", "current"))
        pid = gdb.read_u64(current + kernel.offset_of("proc", "pid")) & 0xFFFFFFFF
        if r["rip"] == entry:
            arguments = ", ".join(f"{r[name]:x}" for name in ARGUMENTS)
            begun[r["cr3"]] = (f"strace: {pid} {signed(r['rax'])}({arguments}) = %d "
                               f"rip {r['rcx']:x} rsp {r['rsp']:x}")
        elif r["rip"] == told:
            lines.append(begun[r["cr3"]] % signed(r["rdi"]))
        elif pid == 1:
            break
        gdb.step()  # off the breakpoint
    for place in (entry, told, last):
        gdb.remove_breakpoint(place)
    gdb.resume()
    machine.wait()
    return lines


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def compare(machine: LabMachine, expected: List[str]) -> None:
    """Fails at the first line that is not as it should be."""
    found = lines_of(machine)
    for number, line in enumerate(expected):
        came = found[number] if number < len(found) else "no line"
        if came != line:
            wrong(f"The trace's line {number + 1} differs: {blame(line, came)}",
                  expected=line, found=came, where="kernel/strace.c",
                  gdb="break strace")
    if len(found) > len(expected):
        wrong("There is a line more than calls that came back",
              expected=f"{len(expected)} lines", found=found[len(expected)],
              where="kernel/strace.c")


def blame(line: str, came: str) -> str:
    """The first part of a line that is wrong, in words."""
    if came == "no line":
        return "a call has none"
    wanted, found = line.split(), came.split()
    if len(wanted) != len(found):
        return "it has not the form that is asked for"
    names = ["the word in front", "the process id", "number and argument 1",
             *(f"argument {n}" for n in range(2, 7)), "the equals sign", "the result",
             "the word rip", "RIP", "the word rsp", "RSP"]
    return next(name for name, a, b in zip(names, wanted, found) if a != b) + " is wrong"


def test_one_call_is_told_as_it_was(challenge: Challenge) -> None:
    machine = start(challenge, "getpid", append="strace=1", gdb=True, stopped=True)
    compare(machine, watched(challenge, machine))


def test_a_call_that_fails_has_its_error(challenge: Challenge) -> None:
    machine = start(challenge, "98-others", append="strace=1", gdb=True, stopped=True)
    expected = watched(challenge, machine)
    assert any(" = -38 " in line for line in expected)
    compare(machine, expected)


def test_who_sleeps_in_a_call_is_told_with_its_own_registers(
    challenge: Challenge
) -> None:
    """Process 1 gives way many times, so that process 2 has run before the end, as
    short as the ticks may be on a busy machine."""
    machine = start(challenge, "getpid sleep getppid sleep 98-others getpid",
                    "getpid sleep 98-others spin", append="strace=1",
                    gdb=True, stopped=True)
    expected = watched(challenge, machine)
    assert len({line.split()[1] for line in expected}) == 2, "only one process ran"
    compare(machine, expected)


def test_without_the_option_nothing_is_told(challenge: Challenge) -> None:
    machine = start(challenge, "getpid sleep getppid")
    machine.wait()
    if lines_of(machine):
        wrong("There are lines of the trace though strace=1 was not given",
              expected="none", found=lines_of(machine)[0], where="kernel/strace.c")
