"""What became of a machine that stopped or hung, in plain words."""

from __future__ import annotations

import dataclasses
import re
import signal
from typing import Optional

from labs import FILES
from machine.kernel import Kernel
from machine.result import STATUS_FAULT, STATUS_PANIC, Result, Why
from machine.state import State, state_of
from . import probes, spin, triple_fault
from .patience import LabMachine
from .places import in_text, line_of, name_of
from .verdict import Ground, Verdict, verdict

# Where the kernel is linked, and below what its image is loaded.
KERNEL_BASE = 0xFFFFFFFF80000000
BOOT_END = 16 << 20
# Of a panic: the characters of its own words that are told, the addresses of its
# backtrace that are looked at, and the callers that are named.
WORDS, ADDRESSES, CALLERS = 400, 64, 4
# What a shell ends with that does not find or may not start a program.
NOT_STARTED = (126, 127)
# Signals that QEMU does not send to itself.
FROM_OUTSIDE = {signal.SIGKILL, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT,
                signal.SIGTERM, signal.SIGBUS, signal.SIGUSR1, signal.SIGUSR2}
TERMINATED = "terminating on signal"


def examine(machine: LabMachine, kernel: Kernel) -> Verdict:
    """Looks at a machine that did not do what was waited for; ends it."""
    if machine.is_running and not machine.answers:
        machine.wait()  # the debugger is told a moment before QEMU has left
    was_running = machine.is_running
    loop = spin.place_of(machine) if was_running else None
    state = machine.state
    if state is None and was_running:
        state = state_of(machine, stop=True)
    if state is not None and loop is not None and not state.halted:
        state = dataclasses.replace(state, rip=loop)
    result = machine.end()
    if result.why is Why.FLOOD:
        where, gdb = _place(kernel, state)
        return verdict(Ground.FLOOD, "The machine floods the console: it "
                       f"{result.stopped}.", where=where, gdb=gdb)
    if was_running or result.why:
        return _hang(state, kernel, machine)
    if result.status == STATUS_PANIC:
        return _panic(result, kernel)
    if result.status == STATUS_FAULT:
        return _killed(result)
    if outside := disturbance(machine):
        return outside
    if result.code < 0:
        return verdict(Ground.ENDED, "What the kernel did made QEMU itself end, by "
                       f"signal {-result.code}: {result.stderr.strip()[-200:]}")
    if result.status is None and result.code == 0:
        return triple_fault.reset(machine, kernel)
    return _left(result)


def disturbance(machine: LabMachine) -> Optional[Verdict]:
    """What somebody else has done to a machine: no verdict on the kernel. What ends
    QEMU by an assertion of its own is the kernel's doing."""
    if machine.is_running:
        return None
    try:
        result = machine.wait()
    except OSError:  # it was closed before
        return None
    said = result.stderr.strip()
    if result.code in NOT_STARTED:
        return verdict(Ground.GRADER, "QEMU does not start: "
                       + (said.splitlines() or [f"status {result.code}"])[0][:200])
    if not result.why and -result.code in FROM_OUTSIDE:
        return verdict(Ground.GRADER, f"QEMU was killed by signal {-result.code}, "
                       "and not by the grader.")
    if TERMINATED in said:  # a signal to which QEMU ends with 0
        return verdict(Ground.GRADER, "QEMU was ended from outside: "
                       + said.splitlines()[-1][:200])
    return None


def _left(result: Result) -> Verdict:
    """QEMU ended by itself, without a reset."""
    if result.status is None and not result.stderr:
        return verdict(Ground.ENDED, "The kernel left QEMU through the exit port with "
                       f"the value {result.code >> 1}, before it printed anything.")
    if result.status is None:
        return verdict(Ground.ENDED, result.outcome[:1].upper() + result.outcome[1:]
                       + f": {result.stderr.strip()}")
    return verdict(Ground.ENDED, "The machine ended before it did what the test waits "
                   f"for: {result.outcome}.")


# ---- hangs ------------------------------------------------------------------

def _hang(state: Optional[State], kernel: Kernel, machine: LabMachine) -> Verdict:
    if state is None:
        return verdict(Ground.HUNG,
                       "The machine hung, and QEMU no longer says where.")
    if state.cpl == 0 and state.rip < BOOT_END:
        # The first instructions run at physical addresses.
        state = dataclasses.replace(state, rip=state.rip + KERNEL_BASE)
    where, gdb = _place(kernel, state)
    name = name_of(kernel, state.rip)
    if state.cpl == 3:
        program = _program_at(machine, state.rip)
        cause = ("the program runs on in ring 3 at "
                 f"{program or f'0x{state.rip:x}'} and never ends.")
        gdb = "break syscall_handler"
    elif state.is_dead:
        cause = (f"the CPU is halted with IF clear in {name}, so that no interrupt can "
                 "wake it.")
    elif state.halted:
        cause = ("the CPU is halted and waits for interrupts in "
                 f"{name}; no process can run.")
        gdb = "ps"
    else:
        flag = "set" if state.interrupts else "clear"
        cause = f"it is spinning in ring 0 in {name}, IF {flag}."
    return verdict(Ground.HUNG, f"The machine hung: {cause}", where=where, gdb=gdb)


def _place(kernel: Kernel, state: Optional[State]
           ) -> tuple[Optional[str], Optional[str]]:
    """Where a machine is, for `look at`, and a command that goes there."""
    if state is None or not in_text(kernel, state.rip):
        return None, None
    name = kernel.name_at(state.rip).partition("+")[0]
    return line_of(kernel, state.rip), f"break {name}"


def _program_at(machine: LabMachine, address: int) -> Optional[str]:
    """A place in the first program, `main (user/x.c:12)`."""
    name = (str(machine.started_as.get("init")).split() or [""])[0]
    try:
        symbols = probes.symbols(name.rpartition("/")[2])
    except (probes.ProbeError, ValueError, OSError):
        return None
    if not symbols.functions or address < symbols.functions[0][0]:
        return None
    return symbols.name_at(address)


# ---- panics -----------------------------------------------------------------

def _panic(result: Result, kernel: Kernel) -> Verdict:
    """The kernel's own words, and the newest place of its backtrace that is not
    panic's."""
    match = re.search(r"^panic: (.*)$", result.console, re.MULTILINE)
    if not match:
        return verdict(Ground.PANIC, "The kernel left QEMU with the value of a panic, "
                       "and did not say why.")
    rest = result.console[match.end():]
    # What a fault of the kernel's is explained by, before its registers.
    story = rest.partition("\nrax ")[0] if "\nrax " in rest else ""
    words = "; ".join(line.strip() for line in (match[1] + story).splitlines()
                      if line.strip())
    cause = f"The kernel panicked: {words[:WORDS]}"
    is_fault = bool(re.search(r" in ring \d at ", match[1]))
    called = [at for at in _backtrace(rest, is_fault) if in_text(kernel, at)]
    if called:
        cause += ". It was in " + ", called from ".join(
            _function(kernel, at) for at in called[:CALLERS])
    return verdict(Ground.PANIC, cause + ".", where=_to_look_at(kernel, called),
                   gdb="catch-faults")


def _to_look_at(kernel: Kernel, called: list[int]) -> Optional[str]:
    """Of a panic's backtrace the newest place in a file that a lab is written in, if
    there is one: what it called was given what made it panic. The stub is not asked,
    under which every call runs. Else the newest place."""
    places = [(line, kernel.name_at(at)) for at in called
              if (line := line_of(kernel, at))]
    of_labs = [line for line, name in places if line.partition(":")[0] in FILES
               and not name.startswith("syscall_entry")]
    return next(iter(of_labs + [line for line, _ in places]), None)


def _backtrace(text: str, is_fault: bool) -> list[int]:
    """The addresses of a panic's backtrace, each in the instruction that was under
    way. A caller's is the one after its call; a fault's own is exact."""
    found = [int(address, 16) for address in re.findall(
        r"^  ([0-9a-f]{16})  \S+", text, re.MULTILINE)[:ADDRESSES]]
    return [address - (index > 0 or not is_fault)
            for index, address in enumerate(found)]


def _function(kernel: Kernel, address: int) -> str:
    line = line_of(kernel, address)
    return (kernel.name_at(address).partition("+")[0]
            + (f" ({line})" if line else ""))


def _killed(result: Result) -> Verdict:
    """A program that the kernel ended for a fault."""
    faults = re.findall(r"^(\S+)\[\d+\]: (.*)$", result.console, re.MULTILINE)
    if not faults:
        return verdict(Ground.KILLED, "The program was killed by a fault, and the "
                       "kernel does not say by which.", gdb="catch-faults")
    name, reason = faults[-1]
    return verdict(Ground.KILLED, f"The kernel killed the program {name}: {reason}.",
                   gdb="catch-faults")
