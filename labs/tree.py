"""What a student's tree holds.

    files(HEAD, first_empty=3)    labs 1 and 2 are solved, 3 and later are not

    python3 labs/tree.py 3 DIR kernel Makefile      writes these parts of that tree,
                                                    cut from the work tree

It is the solved tree without what labs/teacher-only.txt lists, with the holes of
the labs from `first_empty` on empty, and with labs/student/ laid over it.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Mapping, Optional

TREE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TREE / "labs"), str(TREE / "grade")]
# pylint: disable=wrong-import-position
import cut  # noqa: E402
from machine import deadlines, environment  # noqa: E402
from labs import LABS  # noqa: E402

# A tree's files: their modes, as git writes them, and what is in them.
Files = dict[str, tuple[int, bytes]]

PLAIN, PROGRAM = 0o100644, 0o100755
LIST = "labs/teacher-only.txt"
OVERLAY = "labs/student/"
# Where holes may be, and from which on no lab is left to do.
SOURCES = re.compile(r"(?:kernel|user)/.*\.[chS]")
ALL_SOLVED = max(LABS) + 1


class TreeError(Exception):
    """Why there is no student's tree, in a sentence."""


def git(directory: Path, *arguments: str, given: Optional[bytes] = None) -> bytes:
    """What a git command prints."""
    done = subprocess.run(["git", *arguments], cwd=directory, input=given,
                          capture_output=True, timeout=deadlines.host())
    if done.returncode:
        raise TreeError(f"git {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout


# ---- the solved tree --------------------------------------------------------

def solved(commit: Optional[str] = None, repository: Path = TREE) -> Files:
    """The files of a commit, or of the work tree with what is not committed."""
    return (_of_commit(commit, repository) if commit
            else _of_work_tree(repository))


def _of_commit(commit: str, repository: Path) -> Files:
    listing = git(repository, "ls-tree", "-r", "-z", "--full-tree", commit)
    found: list[tuple[str, int, str]] = []
    for line in filter(None, listing.decode().split("\0")):
        about, name = line.split("\t", 1)
        mode, _, blob = about.split(" ")
        found.append((name, int(mode, 8), blob))
    contents = objects(repository, [blob for _, _, blob in found])
    return {name: (mode, contents[blob][1]) for name, mode, blob in found}


def objects(repository: Path, names: list[str]) -> dict[str, tuple[str, bytes]]:
    """Objects of a repository by their names: type and content."""
    given = "".join(f"{name}\n" for name in names).encode()
    output = git(repository, "cat-file", "--batch", given=given)
    found: dict[str, tuple[str, bytes]] = {}
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        name, kind, size = output[at:end].decode().split(" ")
        found[name] = (kind, output[end + 1:end + 1 + int(size)])
        at = end + 1 + int(size) + 1
    return found


def _of_work_tree(repository: Path) -> Files:
    names = (git(repository, "ls-files", "-z", "--cached", "--others",
                 "--exclude-standard").decode().split("\0")
             if (repository / ".git").exists() else list(_below(repository)))
    paths = {name: repository / name for name in sorted(set(names)) if name}
    return {name: (PROGRAM if path.stat().st_mode & 0o100 else PLAIN,
                   path.read_bytes())
            for name, path in paths.items() if path.is_file()}


def _below(directory: Path) -> Iterator[str]:
    """All files of a tree that is no repository, but for what was made in it."""
    for folder, folders, names in os.walk(directory):
        place = Path(folder).relative_to(directory)
        folders[:] = [name for name in folders if name != "__pycache__"
                      and (place / name) != Path("build")]
        yield from (str(place / name) for name in names)


# ---- the student's tree -----------------------------------------------------

def files(commit: Optional[str], first_empty: int, repository: Path = TREE) -> Files:
    """A student's tree, cut from a commit or from the work tree (None)."""
    return student_tree(solved(commit, repository), first_empty)


def student_tree(whole: Files, first_empty: int) -> Files:
    """A student's tree, cut from the files of the solved one."""
    check_holes(whole)
    empty = [number for number in LABS if number >= first_empty]
    left_out = teacher_only(whole)
    tree: Files = {}
    for name, (mode, data) in whole.items():
        if name in left_out:
            continue
        if SOURCES.fullmatch(name):
            data = cut.cut(name, data.decode(), empty).encode()
        tree[name] = mode, data
    for name, file in whole.items():
        if name.startswith(OVERLAY):
            tree[name.removeprefix(OVERLAY)] = file
    return tree


def patterns(text: str) -> list[str]:
    """The lines of teacher-only.txt that are patterns."""
    return [line for line in text.split("\n") if line and not line.startswith("#")]


def teacher_only(whole: Mapping[str, object]) -> set[str]:
    """The names of a tree that a student does not get."""
    if LIST not in whole:
        raise TreeError(f"There is no {LIST}: this is not the solved tree.")
    text = whole[LIST][1].decode()  # type: ignore[index]
    return {name for name in whole
            if any(matches(name, pattern) for pattern in patterns(text))}


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern takes a file, or a directory that it lies in."""
    return bool(_compiled(pattern).fullmatch(name))


@functools.lru_cache(maxsize=None)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern.rstrip("/")).replace(r"\*", "[^/]*") + "(/.*)?")


def check_holes(whole: Files) -> None:
    """Each lab has a hole in each of its files, and in no other."""
    for name in filter(SOURCES.fullmatch, whole):
        for region in cut.regions(name, whole[name][1].decode()):
            lab = LABS.get(region.lab)
            if lab is None:
                raise cut.Malformed(name, region.line, f"there is no lab {region.lab}")
            if name not in lab.files:
                raise cut.Malformed(name, region.line,
                                    f"this is no file of lab {region.lab}")
    for lab in LABS.values():
        for name in lab.files:
            if name not in whole:
                raise TreeError(f"{name} is missing: it is a file of lab {lab.number}.")
            if not any(region.lab == lab.number for region in
                       cut.regions(name, whole[name][1].decode())):
                raise cut.Malformed(name, 1, f"there is no LAB {lab.number} in it")


# ---- on disk ----------------------------------------------------------------

def write(tree: Files, directory: Path) -> Path:
    """Writes a tree's files into a directory."""
    for name, (mode, data) in tree.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if mode & 0o170000 == 0o120000:
            path.symlink_to(data.decode())
        else:
            path.write_bytes(data)
            path.chmod(mode & 0o777)
    return directory


def build(directory: Path, target: str = "all") -> subprocess.CompletedProcess[str]:
    """Runs make in a tree."""
    return subprocess.run(["make", "-s", target], cwd=directory,
                          env=environment.without_make(), capture_output=True,
                          text=True, timeout=deadlines.host())


def main(arguments: list[str]) -> int:
    if len(arguments) < 3 or not arguments[0].isdecimal():
        print("usage: tree.py LAB DIR PART...", file=sys.stderr)
        return 2
    lab, directory, *parts = arguments
    try:
        write({name: file for name, file in files(None, int(lab)).items()
               if name in parts or name.startswith(tuple(f"{part}/" for part in parts))},
              Path(directory))
    except (TreeError, cut.Malformed) as error:
        print(f"tree: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
