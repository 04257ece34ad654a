"""What a chapter of the book has: the programs that it runs, the recorded calls that it
plays, and how many exercises. Read from the chapters, for the table on the front page
and for the test that none is without one of the three.

    contents(TREE / "docs/chapters/7-files.md").programs == ("cat", "filetest")
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]

# A program is named in the comment of a block that is run, or typed in such a block.
IN_COMMENT = re.compile(r'<!-- run:[^>]*\bprog="([^"]+)"')
TYPED = re.compile(r"^\$ (?:make \w+ PROG=\"?|build/user/)(?:/bin/)?([\w ]+)", re.MULTILINE)
PLAY = re.compile(r"^```\{play\} (\S+) \S+$", re.MULTILINE)
EXERCISE = re.compile(r"^~~~\{exercise\} ", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Contents:
    """Of one chapter, each in the order in which it comes, once."""

    title: str
    programs: tuple[str, ...]
    traces: tuple[str, ...]
    exercises: int


def chapters() -> list[Path]:
    """The chapters in their order."""
    return sorted((TREE / "docs/chapters").glob("*.md"),
                  key=lambda path: int(path.name.partition("-")[0]))


def contents(path: Path) -> Contents:
    """What a chapter has."""
    text = path.read_text(encoding="utf-8")
    lines = [match[1] for match in sorted(
        [*IN_COMMENT.finditer(text), *TYPED.finditer(text)], key=lambda match: match.start())]
    programs = dict.fromkeys(line.split()[0].rpartition("/")[2] for line in lines)
    return Contents(text.partition("\n")[0].removeprefix("# "), tuple(programs),
                    tuple(dict.fromkeys(PLAY.findall(text))), len(EXERCISE.findall(text)))
