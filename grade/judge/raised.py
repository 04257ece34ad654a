"""What a test raised, as a verdict.

The kernel under test is right or wrong, but never the grader's business to stumble
over: what it makes the debugger or the ELF reader say is a verdict on it. A tool
that is missing, a full disk and the grader's own mistakes are errors, and no mark.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Optional

import pytest
from elftools.common.exceptions import DWARFError, ELFError

from machine.gdb_remote import GdbError, GdbTimeout, MachineGone
from machine.result import MachineError
from . import postmortem
from .contract import CONTRACT
from .lab import Lab
from .verdict import Ground, Verdict, verdict

# What becomes of numbers, names and sizes that no right kernel has.
OF_THE_KERNEL = (GdbError, LookupError, ValueError, ArithmeticError, AssertionError,
                 StopIteration, struct.error, ELFError, DWARFError)


def verdict_of(call: pytest.CallInfo[None], report: pytest.TestReport,
               lab: Optional[Lab]) -> Optional[Verdict]:
    """What a test raised, as a verdict; None if it passed."""
    if report.passed:
        return None
    for machine in lab.machines if lab else ():
        if outside := postmortem.disturbance(machine):
            return outside
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, Verdict):
        return error
    if report.skipped:
        return verdict(Ground.GRADER, f"the test was skipped: {error}")
    if call.excinfo is None or error is None:
        return verdict(Ground.GRADER, "the test failed without saying why")
    return explained(lab, error, _origin(call.excinfo))


def explained(lab: Optional[Lab], error: BaseException, origin: str = "") -> Verdict:
    """The verdict on what the debugger, or reading what it said, has raised."""
    if isinstance(error, (MachineGone, GdbTimeout, MachineError)) and lab \
            and lab.machines:
        try:
            return lab.verdict_of(lab.machines[-1])
        except Exception as second:  # pylint: disable=broad-except
            error = second  # what became of it may itself be hard to tell
    return _stumbled(lab, error, origin)


def _stumbled(lab: Optional[Lab], error: BaseException, origin: str) -> Verdict:
    if lab and isinstance(error, KeyError) and error.args[0] in CONTRACT \
            and error.args[0] not in lab.kernel:
        name = error.args[0]
        return verdict(Ground.WRONG, f"The kernel has no function {name}: it was "
                       "renamed, removed or made static", where=CONTRACT[name])
    what = f"{type(error).__name__}: {error}" + (f" ({origin})" if origin else "")
    if lab and lab.machines and isinstance(error, OF_THE_KERNEL):
        return verdict(Ground.ENDED, "The machine showed what no right kernel shows, "
                       f"and the test could not go on: {what}")
    return verdict(Ground.GRADER, f"{what}; this is the grader's own fault, not the "
                   "submission's")


def _origin(info: pytest.ExceptionInfo[BaseException]) -> str:
    """The grader's line that raised."""
    entry = info.traceback[-1]
    return f"{Path(str(entry.path)).name}:{entry.lineno + 1}"
