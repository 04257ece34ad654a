"""Why there is no verdict on a kernel: the submission's doing, or the machine's.

The two never mix. A SubmissionError is a verdict: no points, and a sentence for the
student. A GraderError is none: no number anywhere, and the grading is repeated.
"""

from __future__ import annotations

import dataclasses
from typing import Optional


@dataclasses.dataclass
class SubmissionError(Exception):
    """Why there is no kernel to grade."""

    message: str
    file: Optional[str] = None
    line: Optional[int] = None

    def __str__(self) -> str:
        return self.message


class GraderError(Exception):
    """What the machine lacked, or what failed on it, in a sentence."""
