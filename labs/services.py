"""Packs what a service needs to grade a lab: `make gradescope LAB=3`.

The service gets the lab's release, as `make release LAB=3` makes it, and the scripts
that labs/services/ has for it. What is packed comes from the commit that is checked
out, and is looked through for the lines that tell a solution of this lab or a later one:
nothing is written if there is one.
"""

from __future__ import annotations

import argparse
import io
import os
import stat
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).resolve().parent))
# pylint: disable=wrong-import-position
import cut  # noqa: E402
import release  # noqa: E402
import tree  # noqa: E402
from labs import LABS  # noqa: E402
from repository import Repository, source_of  # noqa: E402
from tree import Files, TreeError  # noqa: E402

SERVICES = "labs/services/"


def grader(whole: Files, lab: int) -> Files:
    """What every service gets: the lab's release, and its number."""
    return {"lab": (tree.PLAIN, b"%d\n" % lab),
            **{f"threshold/{name}": file
               for name, file in released_tree(whole, lab).items()}}


def gradescope(whole: Files, lab: int) -> dict[str, bytes]:
    """The zip of an autograder."""
    return {f"gradescope-lab{lab}.zip": zipped(
        {**scripts(whole, "gradescope"), **grader(whole, lab)})}


def prairielearn(whole: Files, lab: int) -> dict[str, bytes]:
    """A directory for a course's serverFilesCourse."""
    files = {**scripts(whole, "prairielearn"), **grader(whole, lab)}
    return {f"prairielearn-lab{lab}.zip": zipped(
        {f"threshold-lab{lab}/{name}": file for name, file in files.items()})}


def autolab(whole: Files, lab: int) -> dict[str, bytes]:
    """The two files that an assessment's autograder is made of."""
    return {"autograde.tar": tarred(grader(whole, lab)),
            **{name: data for name, (_, data) in scripts(whole, "autolab").items()}}


def released_tree(whole: Files, lab: int) -> Files:
    """The release of a lab. Raises TreeError where a solution would be in it."""
    files = tree.student_tree(whole, lab)
    if leaks := release.scan_files(files, release.telling_lines(whole, lab)):
        raise TreeError("Lines of a solution that is not released yet would be packed. "
                        "Nothing was:\n" + "\n".join(map(str, leaks[:20])))
    return files


def scripts(whole: Files, service: str) -> Files:
    """What labs/services/ has for a service, by its name in the archive."""
    top = f"{SERVICES}{service}/"
    return {name.removeprefix(top): file for name, file in whole.items()
            if name.startswith(top)}


def zipped(files: Files) -> bytes:
    """A zip of files with their modes. The same files make the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (mode, data) in sorted(files.items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, whose modes follow
            entry.external_attr = (stat.S_IFREG | mode & 0o777) << 16
            archive.writestr(entry, data)
    return made.getvalue()


def tarred(files: Files) -> bytes:
    """The same as a tar archive."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (mode, data) in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = mode & 0o777, len(data)
            archive.addfile(entry, io.BytesIO(data))
    return made.getvalue()


PACKED: dict[str, Callable[[Files, int], dict[str, bytes]]] = {
    "autolab": autolab, "gradescope": gradescope, "prairielearn": prairielearn}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("service", choices=sorted(PACKED))
    parser.add_argument("--lab", type=int, choices=list(LABS))
    parser.add_argument("--out", metavar="DIR",
                        default=os.environ.get("OUT") or str(tree.TREE / "build"))
    options = parser.parse_args()
    if options.lab is None:
        print(f"make {options.service}: say which lab: make {options.service} LAB=3",
              file=sys.stderr)
        return 2
    out = Path(options.out)
    try:
        commit, _ = source_of(Repository(tree.TREE))
        out.mkdir(parents=True, exist_ok=True)
        for name, data in PACKED[options.service](tree.solved(commit), options.lab
                                                  ).items():
            (out / name).write_bytes(data)
            print(f"{out / name}: {len(data) // 1000} KB, the release of lab "
                  f"{options.lab}, of {commit[:10]}")
    except (TreeError, cut.Malformed, OSError) as error:
        print(f"make {options.service}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
