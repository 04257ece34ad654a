"""Makes what students clone: `make release LAB=2 OUT=../students`.

OUT becomes a repository with a history of its own. The solutions of the labs
before LAB are in it, the holes of LAB and of all later labs are empty. Where OUT
holds an earlier release, the new one is a commit on top of it.

Every run looks through every object of that repository, whatever refers to it,
for the lines that tell a solution that is not released yet. Nothing is published
if one is there.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path
from typing import Iterable, Iterator, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent))
# pylint: disable=wrong-import-position
import cut  # noqa: E402
import tree  # noqa: E402
from labs import LABS  # noqa: E402
from repository import Repository, message, source_of  # noqa: E402
from tree import Files, TreeError  # noqa: E402

BRANCH = "main"
TRAILER = "Release"
# Shorter lines of code and of comments stand anywhere by chance: "return 0;".
# In characters, without blanks.
TELLING_CODE, TELLING_COMMENT = 8, 24
BLANKS = dict.fromkeys(map(ord, " \t\r\v\f"))


# ---- lines that tell --------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Telling:
    """The lines that tell the solutions of some labs, without blanks, each with
    the place in the solved tree that it comes from."""

    lines: dict[str, str]

    def hits(self, data: bytes) -> Iterator[tuple[int, str]]:
        """Line numbers at which one of them stands, and which."""
        bare = data.decode(errors="replace").translate(BLANKS)
        for line in self.lines:
            at = bare.find(line)
            while at >= 0:
                yield bare.count("\n", 0, at) + 1, line
                at = bare.find(line, at + 1)


def telling_lines(whole: Files, first_empty: int) -> Telling:
    """The lines of the solutions from a lab on: code and comments apart, each
    only if it stands nowhere in the rest of the kernel and the programs."""
    known: set[str] = set()
    solutions: dict[str, str] = {}
    for name in filter(tree.SOURCES.fullmatch, whole):
        text = whole[name][1].decode()
        lines = text.split("\n")
        for region in cut.regions(name, text):
            if region.lab < first_empty:
                continue
            for at in range(region.first, region.last + 1):
                for part in _parts(lines[at]):
                    solutions.setdefault(part, f"{name}:{at + 1}")
                lines[at] = ""
        known.update(part for line in lines for part in _parts(line))
    return Telling({part: place for part, place in solutions.items()
                    if part not in known})


def _parts(line: str) -> Iterator[str]:
    """A line's code and its comment, without blanks, if they are long enough."""
    comment = ""
    stripped = line.strip()
    if stripped.startswith("* ") or stripped.startswith("/*") and "*/" not in line:
        code, comment = "", stripped.lstrip("/* ")
    else:
        code, _, comment = stripped.partition("/*")
        comment, _, rest = comment.partition("*/")
        code += rest
    if len(_bare(code)) >= TELLING_CODE:
        yield _bare(code)
    if len(_bare(comment)) >= TELLING_COMMENT:
        yield _bare(comment.replace("*/", ""))


def _bare(text: str) -> str:
    return "".join(text.split())


# ---- the scan ---------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Leak:
    """A telling line in an object, and where in the solved tree it comes from."""

    object: str
    path: str
    line: int
    text: str
    source: str

    def __str__(self) -> str:
        return (f"{self.object} {self.path}:{self.line}: has {self.text!r}, "
                f"of the solution in {self.source}")


@dataclasses.dataclass(frozen=True)
class Scan:
    """What a scan has looked at, and what it found."""

    objects: int
    lines: int
    telling: int
    leaks: list[Leak]


def scan(repository: Repository, telling: Telling) -> Scan:
    """Looks for telling lines in every object that a repository stores, also in
    those that nothing refers to: contents, messages and names of files."""
    listing = repository.git("cat-file", "--batch-all-objects", "--batch-check")
    names = [line.split(" ")[0] for line in listing.split("\n") if line]
    paths = _paths(repository)
    leaks: list[Leak] = []
    lines = 0
    for name, (kind, data) in tree.objects(repository.path, names).items():
        if kind == "tree":  # names of files, between binary ids
            data = data.replace(b"\0", b"\n")
        lines += data.count(b"\n")
        leaks += _leaks(name[:10], paths.get(name) or f"({kind})", data, telling)
    return Scan(len(names), lines, len(telling.lines), leaks)


def _paths(repository: Repository) -> dict[str, str]:
    listing = repository.git("rev-list", "--all", "--objects")
    return dict(line.split(" ", 1) for line in listing.split("\n") if " " in line)


def scan_files(files: Files, telling: Telling) -> list[Leak]:
    """The same of files that are not stored yet."""
    return [leak for name, (_, data) in files.items()
            for leak in _leaks("not stored:", name, data, telling)]


def _leaks(name: str, path: str, data: bytes, telling: Telling) -> Iterator[Leak]:
    for line, text in telling.hits(data):
        yield Leak(name, path, line, text, telling.lines[text])


# ---- releasing --------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Release:
    """What has become of OUT."""

    commit: str
    changed: bool
    scan: Scan
    begins: bool  # a history of its own: OUT held no release


def release(source: Repository, lab: int, out: Path) -> Release:
    """Puts the release of a lab into OUT, on top of what is published there."""
    commit, date = source_of(source)
    published, tip = _published(out, lab)
    whole = tree.solved(commit, source.path)
    files = tree.student_tree(whole, lab)
    telling = telling_lines(whole, lab)
    _refuse(scan_files(files, telling))

    if published is None:
        published = _new(out)
    made = published.write_tree(files)
    begins = tip is None
    changed = begins or made != published.git("rev-parse", f"{tip}^{{tree}}")
    if changed:
        tip = published.write_commit(made, [tip] if tip else [],
                                     _message(lab, commit), date)
    assert tip is not None
    result = scan(published, telling)
    _refuse(result.leaks)
    if changed:
        published.git("reset", "--quiet", "--hard", tip)
    return Release(tip, changed, result, begins)


def _published(out: Path, lab: int) -> tuple[Optional[Repository], Optional[str]]:
    """The repository of an earlier release and its last commit, if it may be
    built upon."""
    if not out.exists() or out.is_dir() and not any(out.iterdir()):
        return None, None
    if not (out / ".git").is_dir():
        raise TreeError(f"{out} is not empty and no git repository; name a directory "
                        "that is new, or that holds an earlier release.")
    published = Repository(out)
    tip = published.commit_of("HEAD")
    if tip is None:
        return published, None
    if not published.made_here(tip):
        raise TreeError(
            f"{out} holds somebody's work: its last commit, {tip[:10]}, was not made by "
            "this tool. Nothing was changed; release into the repository that students "
            "pull from, or into a new directory.")
    if published.dirty():
        raise TreeError(f"{out} has changes that are not committed. Nothing was "
                        "changed.")
    last = published.git("show", "-s",
                         f"--format=%(trailers:key={TRAILER},valueonly)", tip).strip()
    if not last.isdecimal():
        raise TreeError(f"{out} holds no release, but one of the labs' branches.")
    if int(last) > lab:
        raise TreeError(f"{out} holds the release for lab {last} already: what is "
                        f"published cannot be taken back to lab {lab}.")
    return published, tip


def _new(out: Path) -> Repository:
    out.mkdir(parents=True, exist_ok=True)
    published = Repository(out)
    published.git("init", "--quiet", f"--initial-branch={BRANCH}")
    return published


def _message(lab: int, commit: str) -> str:
    if lab in LABS:
        subject = f"{LABS[lab].name}: release lab {lab}"
    else:
        subject = "all: release the last solution"
    # One paragraph, or git takes the last line only for trailers.
    return message(subject, commit).rstrip("\n") + f"\n{TRAILER}: {lab}\n"


def _refuse(leaks: Iterable[Leak]) -> None:
    if leaks := list(leaks):
        raise TreeError("Lines of a solution that is not released yet would be "
                        "published. Nothing was:\n" + "\n".join(map(str, leaks[:20])))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--lab", type=int, choices=[*LABS, tree.ALL_SOLVED],
                        help="the next lab to do; one more than there "
                        "are releases the last solution, too")
    parser.add_argument("--out", metavar="DIR", default=os.environ.get("OUT"))
    options = parser.parse_args()
    if options.lab is None or not options.out:
        print("make release: say which lab is the next and where to put it: "
              "make release LAB=2 OUT=../students", file=sys.stderr)
        return 2
    out = Path(os.path.abspath(options.out))
    try:
        done = release(Repository(tree.TREE), options.lab, out)
    except (TreeError, cut.Malformed) as error:
        print(f"make release: {error}", file=sys.stderr)
        return 1
    print(f"{out}: {'released' if done.changed else 'as before'}, "
          f"{done.commit[:10]}. Lines of later solutions looked for: "
          f"{done.scan.telling}, in {done.scan.objects} objects; none is there.")
    if done.begins and options.lab > min(LABS):
        print(f"A new history begins here. Students who have an earlier release cannot "
              f"pull it (\"unrelated histories\"): for them, release lab {options.lab} "
              "into the repository that they pull from.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
