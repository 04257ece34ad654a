"""Grades a whole course: `make batch IN=submissions LAB=3 OUT=results`.

Each directory and each .zip in IN is a submission, named as it is named there.
Each gets OUT/NAME.json, and all together OUT/grades.csv, one line each. Several
are graded side by side, with one seed for all, so that all meet the same numbers.

What has a result is not graded again, unless the grader itself had failed or the
submission is newer: interrupt it, repeat it, add late ones. Results that others
have written into OUT (a cluster's job array, each by grade.py --output) count.

Ends with 0 when every submission has a result, 2 if the grader failed for one.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import csv
import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional, Sequence

TREE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TREE / "grade"))
# pylint: disable=wrong-import-position
import labs  # noqa: E402
import report  # noqa: E402

Record = dict[str, Any]


def main() -> int:
    options = _options()
    submissions = find(options.submissions)
    if not submissions:
        sys.exit(f"batch: there is no directory and no .zip in {options.submissions}.")
    options.out.mkdir(parents=True, exist_ok=True)
    todo = [path for path in submissions
            if not is_graded(path, options.out, options.lab)]
    print(f"{len(submissions)} submissions, {len(todo)} to grade, seed {options.seed}",
          flush=True)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for path, grade in zip(todo, pool.map(
                lambda path: grade_one(path, options.out, options.lab, options.seed),
                todo)):
            print(line(path, grade), flush=True)
    grades = [result_of(path, options.out) for path in submissions]
    table = options.out / "grades.csv"
    table.write_text(merged([grade for grade in grades if grade]))
    failed = [path.name for path, grade in zip(submissions, grades)
              if grade is None or report.exit_status(grade) == 2]
    print(f"{table}: {len(grades) - len(failed)} of {len(grades)} graded")
    for name in failed:
        print(f"the grader failed for {name}; run the same command again")
    return 2 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("submissions", type=Path, metavar="IN")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--lab", type=int, choices=list(labs.LABS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1,
                        help="submissions side by side")
    parser.add_argument("--seed", type=lambda text: int(text, 0),
                        default=random.SystemRandom().getrandbits(32))
    return parser.parse_args()


def find(directory: Path) -> list[Path]:
    """The submissions in a directory. Two with the same name (ann/, ann.zip) would
    share a result: that is refused."""
    found = sorted(path for path in directory.iterdir()
                   if path.is_dir() or path.suffix == ".zip")
    names = [name_of(path) for path in found]
    for name in sorted(set(names)):
        if names.count(name) > 1:
            sys.exit(f"batch: {directory} has two submissions named {name}.")
    return found


def name_of(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def result_path(path: Path, out: Path) -> Path:
    return out / f"{name_of(path)}.json"


def result_of(path: Path, out: Path) -> Optional[Record]:
    """A submission's result, if it has one that can be read."""
    try:
        return dict(json.loads(result_path(path, out).read_text()))
    except (OSError, ValueError):
        return None


def is_graded(path: Path, out: Path, lab: Optional[int]) -> bool:
    grade = result_of(path, out)
    return (grade is not None and grade["lab"] == lab
            and report.exit_status(grade) != 2
            and result_path(path, out).stat().st_mtime >= newest(path))


def newest(path: Path) -> float:
    """When a submission was last changed."""
    files = [path, *(path / name for name in labs.FILES)]
    return max(file.stat().st_mtime for file in files if file.exists())


def grade_one(path: Path, out: Path, lab: Optional[int], seed: int
              ) -> Optional[Record]:
    """Grades in a process of its own, one test after another: here it is the
    submissions that are side by side."""
    subprocess.run(
        [sys.executable, str(TREE / "grade/grade.py"), "--submission", str(path),
         "--output", str(result_path(path, out)), "--seed", str(seed), "--jobs", "1",
         *(["--lab", str(lab)] if lab else [])],
        stdout=subprocess.DEVNULL, check=False)
    return result_of(path, out)


def line(path: Path, grade: Optional[Record]) -> str:
    """What is said of one submission."""
    if grade is None or report.exit_status(grade) == 2:
        return f"  {name_of(path):24} the grader failed"
    total = grade["total"]
    built = "" if grade["build"]["ok"] else "  does not build"
    return f"  {name_of(path):24} {total['earned']:3} of {total['points']}{built}"


def merged(grades: Sequence[Record]) -> str:
    """One table of many gradebooks: a column for whatever any of them has."""
    rows = [next(csv.DictReader(io.StringIO(report.gradebook(grade))))
            for grade in grades]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    output = io.StringIO()
    writer = csv.DictWriter(output, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return output.getvalue()


if __name__ == "__main__":
    sys.exit(main())
