"""Which hand-ins of a lab look alike: `make alike IN=submissions LAB=5 OUT=results`.

IN is what `make batch` takes. The lab's files are compared with each other and with the
solution, without the lines that the release gave. OUT/alike.html ranks the pairs and
shows the first side by side; the first are printed, too. It is for a person to look at:
no mark comes from it, and nothing else is written.

Ends with 0, also where pairs stand out; with 2 where nothing could be compared.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "grade"))
# pylint: disable=wrong-import-position
import batch  # noqa: E402
import cut  # noqa: E402
from course import alike, pairs_page  # noqa: E402
from course.overview import put  # noqa: E402
import labs  # noqa: E402
from intake import bundle, read  # noqa: E402
from intake.error import GraderError, SubmissionError  # noqa: E402
from intake.scratch import scratch  # noqa: E402
from report.text import plain  # noqa: E402

TREE = Path(__file__).resolve().parents[1]
PRINTED = 10


def main() -> int:
    options = _options()
    try:
        texts, left_out = written(options.submissions, options.lab)
        found = alike.pairs(texts)
        put(options.out, "alike.html",
            pairs_page.page(options.lab, found, texts, left_out))
    except (alike.CannotCompare, GraderError, OSError) as error:
        print(f"alike: {plain(str(error))}", file=sys.stderr)
        return 2
    for name, why in left_out.items():
        print(f"not compared: {plain(name)}: {plain(why)}")
    print("code words")
    for pair in found[:PRINTED]:
        print(f"{pair.code:3.0f}% {pair.words:4.0f}%  "
              f"{plain(pair.first)} - {plain(pair.second)}"
              + ("  stands out" if pair.stands_out else ""))
    print(f"{len(found)} pairs, {sum(pair.stands_out for pair in found)} stand out. "
          f"To look at: {plain(str(options.out / 'alike.html'))}")
    return 0


def written(directory: Path, lab: int) -> tuple[dict[str, str], dict[str, str]]:
    """What each wrote of a lab, the solution too; and who is not compared, and why."""
    given = {name: (TREE / name).read_text() for name in labs.LABS[lab].files}
    holes = {name: cut.cut(name, text, range(lab, max(labs.LABS) + 1))
             for name, text in given.items()}
    texts = {alike.SOLUTION: _own(given, holes)}
    left_out = {}
    for path in batch.find(directory):
        name = batch.name_of(path)
        try:
            texts[name] = _own(_files(path, lab), holes)
        except (SubmissionError, GraderError) as error:
            left_out[name] = str(error)
            continue
        if not texts[name].strip():
            left_out[name] = "nothing was written."
        elif len(texts[name]) > alike.MOST:
            left_out[name] = (f"more than {alike.MOST // 1000} KB were written; a lab "
                              "needs a few.")
        if name in left_out:
            del texts[name]
    return texts, left_out


def _files(path: Path, lab: int) -> dict[str, str]:
    """The lab's files of one submission; at least one is there."""
    with scratch() as place:
        directory = bundle.opened(path, place)
        names = [name for name in labs.LABS[lab].files
                 if os.path.lexists(directory / name)]
        if not names:
            raise SubmissionError(f"no file of lab {lab}.")
        return {name: read.read(directory, name).decode(errors="replace")
                for name in names}


def _own(files: dict[str, str], holes: dict[str, str]) -> str:
    return "\n".join(alike.written(text, holes[name]) for name, text in files.items())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("submissions", nargs="?", metavar="IN",
                        default=os.environ.get("IN"))
    parser.add_argument("--out", metavar="DIR", default=os.environ.get("OUT"))
    parser.add_argument("--lab", type=int, choices=list(labs.LABS))
    options = parser.parse_args()
    if not options.submissions or not options.out or not options.lab:
        print("alike: say where the submissions are, of which lab, and where the page "
              "goes: make alike IN=submissions LAB=3 OUT=results", file=sys.stderr)
        sys.exit(2)
    options.submissions, options.out = Path(options.submissions), Path(options.out)
    return options


if __name__ == "__main__":
    sys.exit(main())
