"""The door inside the sandbox: grades one lab of one submission.

A request comes on the standard input; each thing that becomes known is a line of
JSON on the standard output. The tree around it is the lab's trusted tree.
"""

from __future__ import annotations

import base64
import gc
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

GRADE = Path(__file__).resolve().parent
sys.path.insert(0, str(GRADE))
# pylint: disable=wrong-import-position
import labs  # noqa: E402
from intake import answers, objects, trusted  # noqa: E402
from intake.error import GraderError, SubmissionError  # noqa: E402
from judge import session  # noqa: E402
from machine.qemu import TREE  # noqa: E402


def main() -> int:
    # It lives for seconds: to look for what could be freed takes a tenth of its time.
    gc.disable()
    request = json.load(sys.stdin)
    try:
        _grade(request)
    except SubmissionError as error:
        _tell({"build": {"ok": False, "message": error.message, "file": error.file,
                         "line": error.line}})
    except GraderError as error:
        _tell({"error": str(error)})
    except OSError as error:
        _tell({"error": f"The grader failed: {error}"})
    _tell({"end": True})
    return 0


def _grade(request: dict[str, Any]) -> None:
    facts = json.loads((TREE / trusted.FACTS).read_text())
    given = labs.LABS[request["lab"]].files
    if request.get("boot"):
        _boot(request, facts, given)
        return
    if request["answers"] is not None:
        _tell({"answers": _checked_answers(
            base64.b64decode(request["answers"]), request["lab"])})
    with tempfile.TemporaryDirectory(prefix="threshold-link-") as name:
        parts = _parts(request)
        for source, data in parts.items():
            objects.check(source, data, facts, given)
        kernel = objects.link(parts, TREE, facts, given, Path(name), True)
        _tell({"build": {"ok": True, "message": None, "file": None, "line": None}})
        results = session.Results(_tell)
        session.run(kernel, results, lab=request["lab"], test=request["test"],
                   seed=request["seed"], jobs=request["jobs"])


def _boot(request: dict[str, Any], facts: dict[str, Any], given: Any) -> None:
    """Boots what is trusted: how that ends does not depend on the machine."""
    with tempfile.TemporaryDirectory(prefix="threshold-link-") as name:
        kernel = objects.link(_parts(request), TREE, facts, given, Path(name), False)
        _tell({"boot": trusted.boot(kernel)})


def _parts(request: dict[str, Any]) -> dict[str, bytes]:
    return {source: base64.b64decode(data)
            for source, data in request["objects"].items()}


def _checked_answers(data: bytes, lab: int) -> list[Any]:
    """Whose they are, what they are worth, and what is wrong with them."""
    try:
        return list(answers.check(answers.parse(data), lab))
    except Exception as error:  # pylint: disable=broad-except
        return ["", [], str(error)]


def _tell(record: object) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
