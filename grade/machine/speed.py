"""What calls and the boot cost.

Calls are counted in instructions of the guest: under icount the time stamp
counter goes up by one for each instruction, so that the same image gives the
same numbers on any host, loaded or not (/bin/bench does the counting). The
boot is timed, which depends on the host, so it is the median of many.
"""

from __future__ import annotations

import statistics
import time
from typing import Optional

from .kernel import Kernel
from .qemu import KERNEL, Machine
from .result import MachineError

ICOUNT = "shift=0,sleep=off"

# key: (what it is, the aim, the same in xv6-public)
ROWS: dict[str, tuple[str, Optional[int], Optional[int]]] = {
    "getpid_instructions": ("getpid, as the program sees it", 100, 1397),
    "stub_instructions": ("the entry stub alone, in and out", None, None),
    "fork_small_instructions": ("fork + exit + wait, small", 25_000, 1_973_000),
    "fork_1mb_instructions": ("fork + exit + wait, 1 MB touched", 40_000, 5_786_000),
    "switch_instructions": ("one byte to another process", None, None),
    "exec_instructions": ("fork + exec + exit + wait", None, None),
    "boot_ms_median": ("boot to the first output, qboot, ms", None, None),
    "boot_prompt_ms_median": ("boot to the prompt, qboot, ms", 61, 305),
    "boot_seabios_ms_median": ("boot to the first output, SeaBIOS, ms", None, None),
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
