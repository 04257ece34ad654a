"""What became of a machine that stopped or hung, in plain words."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, Optional

from .qemu import STATUS_FAULT, STATUS_PANIC, MachineError
from .symbols import Symbols

if TYPE_CHECKING:
    from .grading import LabMachine


@dataclasses.dataclass(frozen=True)
class Finding:
    """How a machine ended; the fields are those of a verdict."""

    outcome: str
    cause: str
    where: Optional[str] = None
    gdb: Optional[str] = None

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def registers_of(machine: LabMachine) -> Optional[str]:
    """QEMU's list of the machine's registers, or None where it gives none."""
    try:
        return machine.monitor("info registers")
    except (MachineError, OSError, ValueError):
        return None


def examine(machine: LabMachine, kernel: Symbols) -> Finding:
    """Looks at a machine that did not do what was waited for."""
    result = machine.end()
    console = result.console
    panic = re.search(r"^panic: (.*)$", console, re.MULTILINE)
    if result.status == STATUS_PANIC or (panic and not result.stopped):
        return Finding("stopped", f"The kernel panicked: {panic[1] if panic else '?'}")
    if result.status == STATUS_FAULT:
        fault = re.findall(r"^\S+\[\d+\]: .*$", console, re.MULTILINE)
        return Finding("fail", "The program was killed: "
                       + (fault[-1] if fault else "the kernel does not say why"))
    if result.stopped:
        return Finding("hung", "The machine hung: " + result.stopped)
    return Finding("stopped", result.outcome)
