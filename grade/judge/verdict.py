"""What a test says of a submission, and what stands before a test.

    @points(4)
    @hint("SYSRET takes SS from STAR[63:48] + 8.")
    def test_star_names_the_selectors_of_both_directions(lab: Lab) -> None:
        ...
        wrong("STAR[63:48] is 0x28: SYSRET loads CS 0x3b", expected="0x23",
              found="0x28", where=lab.place("init_syscall"), gdb="msr")
"""

from __future__ import annotations

import dataclasses
from typing import Callable, NoReturn, Optional, TypeVar

Test = TypeVar("Test", bound=Callable[..., None])


def points(number: int) -> Callable[[Test], Test]:
    """What a test is worth."""
    def mark(test: Test) -> Test:
        test.grade_points = number  # type: ignore[attr-defined]
        return test
    return mark


def hint(text: str) -> Callable[[Test], Test]:
    """What a failure of this test usually means, without the solution. The place
    of the lab's task is put behind it."""
    def mark(test: Test) -> Test:
        test.grade_hint = " ".join(text.split())  # type: ignore[attr-defined]
        return test
    return mark


@dataclasses.dataclass
class Verdict(Exception):
    """Why a test did not pass, for the student. `cause` is a full sentence or
    two; `where` is `file:line` or a function; `gdb` a command that shows it."""

    cause: str
    outcome: str = "fail"
    expected: Optional[str] = None
    found: Optional[str] = None
    where: Optional[str] = None
    gdb: Optional[str] = None

    def __str__(self) -> str:
        lines = [self.cause]
        if self.expected is not None:
            lines.append(f"expected  {self.expected}")
        if self.found is not None:
            lines.append(f"found     {self.found}")
        if self.where is not None:
            lines.append(f"look at   {self.where}")
        if self.gdb is not None:
            lines.append(f"in GDB    {self.gdb}")
        return "\n".join(lines)


def wrong(cause: str, *, expected: object = None, found: object = None,
          where: Optional[str] = None, gdb: Optional[str] = None) -> NoReturn:
    """Fails the test with this cause. Numbers are shown in hexadecimal."""
    raise Verdict(cause, "fail", _shown(expected), _shown(found), where, gdb)


def _shown(value: object) -> Optional[str]:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:#x}"
    return str(value)
