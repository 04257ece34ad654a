"""A result as Classroom 50's result.json."""

from __future__ import annotations

import os
from typing import Mapping, Optional

from .result import OUTPUT_LIMIT, Record, require_verdict
from .terminal import story
from .text import as_json, plain


def classroom50(grade: Record, environment: Optional[Mapping[str, str]] = None
                ) -> str:
    """result.json, with what the service puts into the environment."""
    require_verdict(grade)
    about = os.environ if environment is None else environment
    total = grade["total"]
    return as_json({
        "schema": "classroom50/result/v1",
        "classroom": about.get("CLASSROOM", ""),
        "assignment": about.get("ASSIGNMENT", ""),
        "assignment_type": about.get("ASSIGNMENT_TYPE", "individual"),
        "owner": about.get("OWNER") or about.get("USERNAME", ""),
        "submission": about.get("SUBMISSION_TAG", ""),
        "commit": about.get("COMMIT_URL") or grade["commit"] or "",
        "release": about.get("RELEASE_URL", ""),
        "review": about.get("REVIEW_URL", ""),
        "datetime": grade["started"],
        "score": int(total["earned"]),
        "max-score": int(total["points"]),
        "tests": [{
            "test-name": plain(test["title"]),
            "passed": test["outcome"] == "pass",
            "score": int(test["earned"]),
            "max-score": int(test["points"]),
            "outcome": test["outcome"],
            "output": "" if test["outcome"] == "pass"
                      else story(test, grade)[:OUTPUT_LIMIT],
        } for test in grade["tests"]],
    })
