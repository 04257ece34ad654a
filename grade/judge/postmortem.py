"""What became of a machine that stopped or hung, in plain words."""

from __future__ import annotations

import dataclasses
import os
import re
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Optional

from . import probes
from machine import deadlines
from machine.qemu import STATUS_FAULT, STATUS_PANIC, Machine, MachineError, Result, Why
from machine.state import State, state_of
from machine.symbols import Symbols

if TYPE_CHECKING:
    from .patience import LabMachine

EXCEPTIONS = (
    "#DE #DB NMI #BP #OF #BR #UD #NM #DF #9 #TS #NP #SS #GP #PF #15 #MF #AC #MC "
    "#XM #VE #CP").split()
# What is kept of QEMU's log of exceptions: its end, in bytes.
LOG_LIMIT = 1 << 20

USER_END = 1 << 47
# Where the kernel is linked, and below what its image is loaded.
KERNEL_BASE = 0xFFFFFFFF80000000
BOOT_END = 16 << 20


@dataclasses.dataclass(frozen=True)
class Finding:
    """How a machine ended; the fields are those of a verdict."""

    outcome: str
    cause: str
    where: Optional[str] = None
    gdb: Optional[str] = None

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def examine(machine: LabMachine, kernel: Symbols) -> Finding:
    """Looks at a machine that did not do what was waited for; ends it."""
    state = machine.state
    if state is None and machine.is_running:
        state = state_of(machine, stop=True)
    was_running = machine.is_running
    result = machine.end()
    if result.why is Why.FLOOD:
        return Finding("hung", "The machine floods the console: it "
                       f"{result.stopped}.", *_place(kernel, state))
    if was_running or result.why:
        return _hang(state, kernel, machine)
    if result.status == STATUS_PANIC:
        return _panic(result, kernel)
    if result.status == STATUS_FAULT:
        return _killed(result)
    if result.status is None and result.code == 0:
        return _reset(machine, kernel)
    if result.status is None and result.code > 0 and not result.stderr:
        return Finding("stopped", "The kernel left QEMU through the exit port with "
                       f"the value {result.code >> 1}, before it printed anything.")
    if result.status is None:
        return Finding("stopped", result.outcome[:1].upper() + result.outcome[1:]
                       + (f": {result.stderr.strip()}" if result.stderr else "."))
    return Finding("stopped", "The machine ended before it did what the test waits "
                   f"for: {result.outcome}.")


# ---- hangs ------------------------------------------------------------------

def _hang(state: Optional[State], kernel: Symbols, machine: LabMachine) -> Finding:
    if state is None:
        return Finding("hung", "The machine hung, and QEMU no longer says where.")
    if state.cpl == 0 and state.rip < BOOT_END:
        # The first instructions run at physical addresses.
        state = dataclasses.replace(state, rip=state.rip + KERNEL_BASE)
    where, gdb = _place(kernel, state)
    if state.cpl == 3:
        program = _program_at(machine, state.rip)
        return Finding("hung", "The machine hung: the program runs on in ring 3 at "
                       f"{program or f'0x{state.rip:x}'} and never comes to its end.",
                       where, "break syscall_handler")
    name = _name(kernel, state.rip)
    if state.is_dead:
        return Finding("hung", "The machine hung: the CPU is halted with IF clear "
                       f"in {name}, so that no interrupt can wake it.", where, gdb)
    if state.halted:
        return Finding("hung", "The machine hung: the CPU is halted and waits for "
                       f"interrupts in {name}; no process can run.", where, "ps")
    flag = "set" if state.interrupts else "clear"
    return Finding("hung", f"The machine hung: it is spinning in ring 0 in {name}, "
                   f"IF {flag}.", where, gdb)


def _place(kernel: Symbols, state: Optional[State]
           ) -> tuple[Optional[str], Optional[str]]:
    """Where a machine is, for `look at`, and a command that goes there."""
    if state is None or state.rip < USER_END or not _in_text(kernel, state.rip):
        return None, None
    name = kernel.name_at(state.rip).partition("+")[0]
    return _line(kernel, state.rip), f"break {name}"


def _line(kernel: Symbols, address: int) -> Optional[str]:
    """The line of a function's own file, also where what is there came from an
    inline function of a header."""
    line = kernel.line_at(address)
    start = kernel.address(kernel.name_at(address).partition("+")[0])
    while line is not None and ".h:" in line and address > start:
        address -= 1
        line = kernel.line_at(address)
    return line


def _in_text(kernel: Symbols, address: int) -> bool:
    start = kernel.functions[0][0]
    end = (kernel.address("text_end") if "text_end" in kernel
           else kernel.functions[-1][0] + 4096)
    return start <= address < end


def _name(kernel: Symbols, address: int) -> str:
    """A function of the kernel with its line, or what else is there."""
    if not _in_text(kernel, address):
        return f"no code of the kernel's (0x{address:x})"
    line = _line(kernel, address)
    return kernel.name_at(address) + (f" ({line})" if line else "")


def _program_at(machine: LabMachine, address: int) -> Optional[str]:
    """A place in the first program, `main (user/x.c:12)`."""
    name = (str(machine.started_as.get("init")).split() or [""])[0]
    try:
        symbols = Symbols(probes.program(name.rpartition("/")[2]))
    except (probes.ProbeError, ValueError, OSError):
        return None
    if not symbols.functions or address < symbols.functions[0][0]:
        return None
    return symbols.name_at(address)


# ---- panics -----------------------------------------------------------------

def _panic(result: Result, kernel: Symbols) -> Finding:
    """The kernel's own words, and the newest place of its backtrace that is not
    panic's."""
    match = re.search(r"^panic: (.*)$", result.console, re.MULTILINE)
    if not match:
        return Finding("stopped", "The kernel left QEMU with the value of a panic, "
                       "and did not say why.")
    cause = f"The kernel panicked: {match[1].strip()}"
    rest = result.console[match.end():]
    # What a fault of the kernel's is explained by, before its registers.
    story = rest.partition("\nrax ")[0] if "\nrax " in rest else ""
    cause += "".join(f"; {line.strip()}" for line in story.splitlines()
                     if line.strip())
    where = None
    places: list[str] = []
    # A caller stands behind its call; a fault's first place is the fault's own.
    behind = 0 if re.search(r" in ring \d at ", match[1]) else 1
    for found in re.finditer(r"^  ([0-9a-f]{16})  (\S+)", rest, re.MULTILINE):
        address = int(found[1], 16) - behind
        behind = 1
        if not _in_text(kernel, address):
            continue
        line = _line(kernel, address)
        places.append(f"{kernel.name_at(address).partition('+')[0]}"
                      + (f" ({line})" if line else ""))
        if where is None and line is not None:
            where = line
    if places:
        cause += ". It was in " + ", called from ".join(places[:4])
    return Finding("stopped", cause + ".", where, "catch-faults")


def _killed(result: Result) -> Finding:
    """A program that the kernel ended for a fault."""
    faults = re.findall(r"^(\S+)\[\d+\]: (.*)$", result.console, re.MULTILINE)
    if not faults:
        return Finding("fail", "The program was killed by a fault, and the kernel "
                       "does not say by which.", gdb="catch-faults")
    name, reason = faults[-1]
    return Finding("fail", f"The kernel killed the program {name}: {reason}.",
                   gdb="catch-faults")


# ---- triple faults ----------------------------------------------------------

def _reset(machine: LabMachine, kernel: Symbols) -> Finding:
    """QEMU ended with 0: it runs once more, with a log of all exceptions."""
    log = _log_of_second_run(machine)
    if "Triple fault" not in log:
        return Finding("stopped", "The machine reset itself or was switched off "
                       "without a triple fault: the kernel asked for it, by a port "
                       "or by leaving QEMU." if log else
                       "The machine reset itself.")
    before = log[:log.rindex("Triple fault")]
    exceptions = list(_exceptions(before))
    if not exceptions:
        return Finding("stopped", "The machine reset itself: a triple fault.")
    root = exceptions[0]
    cause = f"Triple fault: {root.sentence} at {_name(kernel, root.rip)}"
    later = [e.name for e in exceptions[1:]]
    if later:
        cause += ", then " + ", then ".join(later)
    cause += (" while the CPU looked for a handler" if later else
              ", and no handler could be reached")
    where = _line(kernel, root.rip) if _in_text(kernel, root.rip) else None
    name = kernel.name_at(root.rip).partition("+")[0]
    return Finding("stopped", cause + ".", where, f"break {name}" if where else None)


@dataclasses.dataclass(frozen=True)
class _Exception:
    """One exception, as QEMU's log has it."""

    vector: int
    error: int
    cpl: int
    rip: int
    cr2: int

    @property
    def name(self) -> str:
        name = (EXCEPTIONS[self.vector] if self.vector < len(EXCEPTIONS)
                else f"vector 0x{self.vector:x}")
        return f"{name}(0x{self.error:x})" if self.vector in (10, 11, 12, 13) else name

    @property
    def sentence(self) -> str:
        """`#PF in ring 0, a write to 0x10`."""
        text = f"{self.name} in ring {self.cpl}"
        if self.vector == 14:
            what = ("a fetch from" if self.error & 16 else
                    "a write to" if self.error & 2 else "a read of")
            text += f", {what} 0x{self.cr2:x}"
        elif self.vector in (10, 11, 12, 13) and self.error:
            table = "IDT" if self.error & 2 else "LDT" if self.error & 4 else "GDT"
            text += f", for selector 0x{self.error & 0xFFF8:x} of the {table}"
        return text


def _exceptions(log: str) -> Iterator[_Exception]:
    """The chain of exceptions at a log's end: the root, and what followed."""
    starts = list(re.finditer(
        r"check_exception old: 0x([0-9a-f]+) new 0x([0-9a-f]+)", log))
    roots = [i for i, match in enumerate(starts) if match[1] == "ffffffff"]
    if not roots:
        return
    details = r"v=([0-9a-f]+) e=([0-9a-f]+) .*?cpl=(\d) IP=[0-9a-f]+:([0-9a-f]+)" \
              r".*?(?:CR2=([0-9a-f]+)|$)"
    for match in starts[roots[-1]:]:
        found = re.compile(details, re.MULTILINE).search(log, match.end())
        if found is None:
            # The last one is never delivered: only its number is known.
            yield _Exception(int(match[2], 16), 0, 0, 0, 0)
            continue
        yield _Exception(int(match[2], 16), int(found[2], 16), int(found[3]),
                         int(found[4], 16), int(found[5] or "0", 16))


def _log_of_second_run(machine: LabMachine) -> str:
    """The end of QEMU's log of exceptions, of one more run of the same."""
    options = {key: value for key, value in machine.started_as.items()
               if key not in ("gdb", "stopped", "monitor", "init")}
    options["deadline"] = machine.patience
    kept = bytearray()
    with tempfile.TemporaryDirectory(prefix="threshold-log-") as name:
        fifo = Path(name) / "log"
        os.mkfifo(fifo)
        # Opened for both, so that neither end waits for the other.
        handle = os.open(fifo, os.O_RDWR)
        done = threading.Event()
        reader = threading.Thread(target=_keep_end, args=(handle, kept, done))
        reader.start()
        try:
            options["flags"] = [*options.get("flags", ()), "-d", "int,cpu_reset",
                                "-D", str(fifo)]
            with Machine(machine.started_as.get("init"), **options) as again:
                again.wait()
        except (MachineError, OSError):
            pass
        finally:
            done.set()
            os.write(handle, b"\n")
            reader.join(deadlines.answer())
            os.close(handle)
    return kept.decode(errors="replace")


def _keep_end(handle: int, kept: bytearray, done: threading.Event) -> None:
    """Reads until `done`, and keeps the last LOG_LIMIT bytes."""
    while not done.is_set():
        kept += os.read(handle, 65536)
        if len(kept) > 2 * LOG_LIMIT:
            del kept[:-LOG_LIMIT]
