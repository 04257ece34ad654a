"""Packs what a student hands in: `make handin LAB=3`, or all labs without LAB.

Grades first; what does not build is not packed. The archive holds the lab's
files, the answers, the commit and the grade: `make grade SUBMISSION=` takes it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

GRADE = Path(__file__).resolve().parent
sys.path.insert(0, str(GRADE))
# pylint: disable=wrong-import-position
import labs  # noqa: E402
import report  # noqa: E402
from intake import answers, bundle, read  # noqa: E402
from intake.error import SubmissionError  # noqa: E402
from machine import deadlines  # noqa: E402

TREE = GRADE.parent
RESULT = TREE / "build/grade.json"

WHERE = """\
Hand it in where your teacher says:
  Gradescope       upload this archive as it is
  Moodle, e-mail   attach it
  GitHub, GitLab   nothing to upload: push, and the push is graded
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--lab", type=int, choices=list(labs.LABS),
                        help="one lab only")
    lab: Optional[int] = parser.parse_args().lab
    subprocess.run([sys.executable, str(GRADE / "grade.py"), "--output", str(RESULT),
                    "--submission", str(TREE), *(["--lab", str(lab)] if lab else [])], check=False)
    result = json.loads(RESULT.read_text())
    if result["error"] or result["build"]["ok"] is not True:
        why = result["error"] or result["build"]["message"]
        print(f"\nNothing is packed, for nothing could be graded: {why}")
        return 1
    try:
        files = _files(lab, result)
    except SubmissionError as error:
        print(f"\nNothing is packed: {error}")
        return 1
    archive = TREE / f"build/handin{f'-lab{lab}' if lab else ''}.zip"
    bundle.pack(archive, files)
    print(f"\n{archive.relative_to(TREE)} holds\n" + _contents(files, result) + "\n"
          + _remarks(files, result) + WHERE, end="")
    return 0


def _files(lab: Optional[int], result: dict[str, Any]) -> dict[str, bytes]:
    """All that is packed, by its name in the archive."""
    names = labs.LABS[lab].files if lab else labs.FILES
    return {
        **{name: read.read(TREE, name) for name in names},
        answers.FILE: read.read(TREE, answers.FILE, answers.SIZE_LIMIT),
        bundle.COMMIT: f"{result['commit'] or 'none'}\n".encode(),
        bundle.GRADE: json.dumps(result, indent=1).encode(),
    }


def _contents(files: dict[str, bytes], result: dict[str, Any]) -> str:
    """A line for each file, with what it says."""
    total = result["total"]
    about = {bundle.GRADE: f"{total['earned']} of {total['points']} points",
             bundle.COMMIT: (result["commit"] or "none")[:12]}
    return "".join(f"  {name:24} {about.get(name, '')}".rstrip() + "\n"
                   for name in files)


def _remarks(files: dict[str, bytes], result: dict[str, Any]) -> str:
    """What the student may want to mend before handing in."""
    text = ""
    changed = _changed(list(files))
    if changed:
        text += f"Not in the commit yet: {', '.join(changed)}.\n"
    if result["answers_note"]:
        text += report.answers({**result, "answers": []})
    elif not result["student"]:
        text += f"Nobody can tell whose it is: student is empty in {answers.FILE}.\n"
    return text


def _changed(names: list[str]) -> list[str]:
    """Those files that are not as the commit has them."""
    try:
        done = subprocess.run(
            ["git", "status", "--porcelain", "-z", "--no-renames", "--", *names],
            cwd=TREE, capture_output=True, text=True, check=True,
            timeout=deadlines.host())
    except (OSError, subprocess.SubprocessError):
        return []
    return [line[3:] for line in done.stdout.split("\0") if line]


if __name__ == "__main__":
    sys.exit(main())
