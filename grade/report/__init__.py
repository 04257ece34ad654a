"""The result of a grading in the forms that people and services read.

Each form is a pure function of build/grade.json and has a module; text.py makes
harmless what a submission may have made up.
"""

from __future__ import annotations

from typing import Callable

from .autolab import autolab
from .classroom import classroom50
from .github import annotations, summary
from .gradebook import gradebook
from .gradescope import gradescope
from .junit import junit
from .prairielearn import prairielearn
from .result import (OUTCOMES, OUTPUT_LIMIT, SCHEMA, NoVerdict, Record, exit_status,
                     first_failure)
from .terminal import answers, ending, line, story, terminal
from .text import as_json

__all__ = ["FORMATS", "OUTCOMES", "OUTPUT_LIMIT", "SCHEMA", "NoVerdict", "Record",
           "answers", "ending", "exit_status", "first_failure", "line", "story"]

FORMATS: dict[str, Callable[[Record], str]] = {
    "terminal": terminal,
    "junit": junit,
    "gradescope": gradescope,
    "classroom50": classroom50,
    "prairielearn": prairielearn,
    "autolab": autolab,
    "annotations": annotations,
    "summary": summary,
    "csv": gradebook,
    "json": as_json,
}
