"""Why a machine reset itself."""

from __future__ import annotations

import tempfile
from pathlib import Path

from machine.kernel import Kernel
from machine.result import MachineError
from .patience import LabMachine
from .places import in_text, line_of, name_of
from .qemu_log import QemuLog, chain
from .verdict import Ground, Verdict, verdict

MARK = "Triple fault"  # in QEMU's log


def reset(machine: LabMachine, kernel: Kernel) -> Verdict:
    """QEMU ended with 0: it runs once more, with a log of all exceptions."""
    log = _log_of_second_run(machine)
    if MARK not in log:
        return verdict(Ground.RESET, "The machine reset itself or was switched off "
                       "without a triple fault: the kernel asked for it, by a port "
                       "or by leaving QEMU." if log else "The machine reset itself.")
    exceptions = list(chain(log[:log.rindex(MARK)]))
    if not exceptions:
        return verdict(Ground.RESET, "The machine reset itself: a triple fault.")
    first, *later = exceptions
    cause = f"Triple fault: {first.sentence} at {name_of(kernel, first.rip)}"
    cause += "".join(f", then {exception.name}" for exception in later)
    cause += (" while the CPU looked for a handler." if later else
              ", and no handler could be reached.")
    if not in_text(kernel, first.rip):
        return verdict(Ground.RESET, cause)
    name = kernel.name_at(first.rip).partition("+")[0]
    return verdict(Ground.RESET, cause, where=line_of(kernel, first.rip),
                   gdb=f"break {name}")


def _log_of_second_run(machine: LabMachine) -> str:
    """The end of QEMU's log of exceptions, of one more run of the same."""
    options = {key: value for key, value in machine.started_as.items()
               if key not in ("gdb", "stopped", "monitor", "init", "flags")}
    options["deadline"] = machine.patience
    with tempfile.TemporaryDirectory(prefix="threshold-log-") as name:
        with QemuLog(Path(name)) as log:
            try:
                with LabMachine(
                        machine.started_as.get("init"), **options,
                        flags=[*machine.started_as.get("flags", ()), *log.flags]
                ) as again:
                    again.wait()
            except (MachineError, OSError):
                pass
            return log.text()
