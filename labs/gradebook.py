"""The marks of a course: `make gradebook COURSE=course.toml OUT=gradebook`.

course.toml says who takes part, where `make batch` has put its results, and the rules;
labs/course/settings.py lists all that may stand in it. Written are index.html with a
page for each student, gradebook.csv, moodle.csv and canvas.csv. Who is missing, what
could not be graded and which marks are others than in the run before, and why, is
printed. A repeated run writes the same.

Ends with 0; with 2 where something given is wrong, or a hand-in has no verdict.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Sequence

TREE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TREE / "grade"))
# pylint: disable=wrong-import-position
from course import settings  # noqa: E402
from course.overview import Overview  # noqa: E402
from report.text import plain  # noqa: E402


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    try:
        course = settings.read(options.course)
        results = course.results or [options.course.parent]
        overview = Overview(results, course)
        if not overview.found:
            raise settings.CourseError(
                "There is no grading in " + ", ".join(map(str, results))
                + ": `make batch` comes first.")
        options.out.mkdir(parents=True, exist_ok=True)
        overview.write_gradebook(options.out)
        overview.write_pages(options.out)
    except settings.CourseError as error:
        print(f"gradebook: {plain(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"gradebook: {plain(str(error))}", file=sys.stderr)
        return 2
    for sentence in overview.changed:
        print(f"changed: {plain(sentence)}")
    for note in overview.notes:
        print(f"look at {plain(note)}")
    print(f"{plain(str(options.out))}/gradebook.csv: {len(overview.rows)} students, "
          f"{len(overview.found)} hand-ins")
    return 0 if all(hand_in.gradable for hand_in in overview.found) else 2


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("course", nargs="?", metavar="COURSE",
                        default=os.environ.get("COURSE"))
    parser.add_argument("--out", metavar="DIR", default=os.environ.get("OUT"))
    options = parser.parse_args(arguments)
    if not options.course or not options.out:
        print("gradebook: say which course, and where the tables go: "
              "make gradebook COURSE=course.toml OUT=gradebook", file=sys.stderr)
        sys.exit(2)
    options.course, options.out = Path(options.course), Path(options.out)
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
