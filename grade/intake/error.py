"""What is wrong with a submission, in a sentence for the student."""

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
