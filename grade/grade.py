"""Grades a submission: `make grade`, `make grade LAB=3 TEST=registers`.

The labs' files are taken from the submission, built into this tree's kernel,
and tested by grade/test_N_*.py. Whatever happens, build/grade.json says so
afterwards; report/ turns it into the forms that others read:

    grade.py --format junit            from the last build/grade.json

One's own tree is graded as it is. Somebody else's work (--submission) is graded lab
by lab, each in the tree of that lab's release, in a sandbox.

Ends with 0 if every test passed, 1 if not, 2 if there is no verdict: the grader or
the machine failed, or there was nothing to grade.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

GRADE = Path(__file__).resolve().parent
sys.path.insert(0, str(GRADE))
# pylint: disable=wrong-import-position
import labs  # noqa: E402
import report  # noqa: E402
from judge import whole  # noqa: E402

Record = dict[str, Any]


def main() -> int:
    options = _options()
    if options.format:
        return _show(options.output, options.format)
    signal.signal(signal.SIGTERM, _terminated)
    grade = whole.blank(options.submission, options.lab, options.test, options.seed)
    try:
        whole.keep(options.output, grade)
        with whole.timed(grade):
            _grade(options, grade)
        whole.keep(options.output, grade)
    except OSError as error:
        grade.update(tests=[], error=f"The result cannot be written: {error.strerror}.")
    sys.stdout.write(report.ending(grade, sys.stdout.isatty()))
    return report.exit_status(grade)


def _grade(options: argparse.Namespace, grade: Record) -> None:
    def tell(test: Record) -> None:
        sys.stdout.write(report.line(test, sys.stdout.isatty()))
        sys.stdout.flush()

    whole.measure(grade)
    if options.kernel:
        whole.grade_own(grade, options.jobs, tell, options.kernel, options.submission)
    elif _is_own(options.submission):
        whole.grade_own(grade, options.jobs, tell)
    else:
        whole.grade_others(grade, options.submission, options.jobs, tell)


def _is_own(path: Path) -> bool:
    return path.is_dir() and path.resolve() == GRADE.parent


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--submission", type=Path, metavar="PATH",
                        default=os.environ.get("SUBMISSION") or GRADE.parent,
                        help="somebody else's: a directory with the labs' files, or an "
                        "archive (SUBMISSION in the environment)")
    parser.add_argument("--lab", type=int, choices=list(labs.LABS),
                        help="one lab only")
    parser.add_argument("--test", default="", metavar="WORD",
                        help="only tests with this word in their names")
    parser.add_argument("--seed", type=lambda text: int(text, 0), metavar="N",
                        help="repeat a run that showed this seed")
    parser.add_argument("--kernel", type=Path, metavar="ELF",
                        help="grade this kernel; build none")
    parser.add_argument("--output", type=Path, metavar="FILE",
                        default=GRADE.parent / "build/grade.json")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1),
                        metavar="N", help="tests side by side")
    parser.add_argument("--format", choices=sorted(report.FORMATS),
                        help="print the last result in this form; grade nothing")
    return parser.parse_args()


def _show(output: Path, form: str) -> int:
    """Prints the last result in a form of others."""
    if not output.is_file():
        sys.exit(f"There is no {output.name}: nothing has been graded.")
    grade = json.loads(output.read_text())
    try:
        sys.stdout.write(report.FORMATS[form](grade))
    except report.NoVerdict as reason:
        print(reason, file=sys.stderr)
        return 2
    return 0


def _terminated(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
