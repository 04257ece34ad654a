"""What calls and the boot cost.

Calls are counted in instructions of the guest: under icount the time stamp
counter goes up by one for each instruction, so that the same image gives the
same numbers on any host, loaded or not (/bin/bench does the counting). The
boot is timed, which depends on the host, so it is the median of many.

The columns of others were counted once, with the same QEMU and the same options:
Linux 6.1 of Debian 12, whose init was this tree's /bin/bench, its mitigations off or
on alike; and xv6-public.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Optional

from .kernel import Kernel
from .qemu import KERNEL, Machine
from .result import MachineError

ICOUNT = "shift=0,sleep=off"


@dataclass(frozen=True)
class Row:
    """A row of the table: what it counts, the most that it should be, and the same
    elsewhere. Guest instructions, or milliseconds; None: nobody has counted it."""

    what: str
    aim: Optional[int] = None
    linux: Optional[int] = None
    xv6: Optional[int] = None


ROWS = {
    "getpid_instructions": Row("getpid, as the program sees it", 105, 306, 1397),
    "stub_instructions": Row("the entry stub alone, in and out"),
    "fork_small_instructions":
        Row("fork + exit + wait, small", 22_000, 81_100, 1_973_000),
    "fork_1mb_instructions":
        Row("fork + exit + wait, 1 MB touched", 38_000, 192_650, 5_786_000),
    "switch_instructions": Row("one byte to another process", None, 4_984),
    "exec_instructions": Row("fork + exec + exit + wait", 45_000, 192_200),
    "boot_ms_median": Row("boot to the first output, qboot, ms"),
    "boot_prompt_ms_median": Row("boot to the prompt, qboot, ms", 61, None, 305),
    "boot_seabios_ms_median": Row("boot to the first output, SeaBIOS, ms"),
}


def count_instructions() -> dict[str, int]:
    """The counts that /bin/bench prints, by their keys."""
    with Machine("/bin/bench", icount=ICOUNT) as machine:
        result = machine.wait()
    if result.status != 0:
        raise MachineError(result.report)
    counts = {}
    for line in result.console.splitlines():
        key, _, number = line.partition(" ")
        if key in ROWS:
            counts[key] = int(number)
    return counts


def count_stub() -> int:
    """The instructions of syscall_entry that one call runs, by stepping."""
    kernel = Kernel(KERNEL)
    stub = kernel.range("syscall_entry")
    with Machine("/bin/hello", stopped=True) as machine:
        gdb = machine.gdb()
        gdb.run_to(stub.start)
        count = 0
        while not gdb.in_ring_3():
            if gdb.register("rip") in stub:
                count += 1
                gdb.step()
            else:  # in syscall_handler: go to where it returns
                gdb.run_to(gdb.read_u64(gdb.register("rsp")))
        return count


def time_boot(firmware: str) -> tuple[float, float]:
    """Milliseconds from starting QEMU to the first byte that a program writes,
    and to the shell's prompt. The kernel itself writes nothing before."""
    start = time.perf_counter()
    with Machine(firmware=firmware) as machine:
        machine.expect(r"(?s).")
        first = time.perf_counter()
        machine.expect(r"^\$ ")
        prompt = time.perf_counter()
    return (first - start) * 1000, (prompt - start) * 1000


def measure(boots: int) -> dict[str, float]:
    """All numbers, in the order of the table."""
    numbers: dict[str, float] = dict(count_instructions())
    numbers["stub_instructions"] = count_stub()
    first, prompt = zip(*(time_boot("qboot") for _ in range(boots)))
    numbers["boot_ms_median"] = round(statistics.median(first), 1)
    numbers["boot_prompt_ms_median"] = round(statistics.median(prompt), 1)
    first, _ = zip(*(time_boot("seabios") for _ in range(boots)))
    numbers["boot_seabios_ms_median"] = round(statistics.median(first), 1)
    return {key: numbers[key] for key in ROWS}
