"""What is wrong, as a value.

Whoever looks at a kernel (the proof, a post-mortem, a test) says what it found by
this one type. A program decides by the kind and by what the finding is about; the
sentence is for people, and nothing reads it.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Optional


class Kind(enum.Enum):
    """Of what sort a finding is. It has no members: each instrument has an enum of
    its own, which extends this one."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    kind      what sort of thing.
    cause     a sentence, or two.
    where     the line to look at, "kernel/syscall_entry.c:41", or a function.
    about     the names that it is about: registers, fields, entries of a table.
    expected  and
    found     values, as they are shown.
    gdb       a command that shows it.
    """

    kind: Kind
    cause: str
    where: Optional[str] = None
    about: tuple[str, ...] = ()
    expected: Optional[str] = None
    found: Optional[str] = None
    gdb: Optional[str] = None
