"""Which hand-ins of a lab look alike: for a person to look at, never a mark.

What is compared is what the student wrote: the lines that the release did not give.
Debian's similarity tester does it, twice. As code, where names, comments and layout
count nothing, so that a copy with other names is found; and as words, where a kept
comment or an odd name shows. Honest solutions of a short task are alike, and like the
released solution. So a pair is ranked by how much more alike its two are than each is
to the rest of the class: what everybody shares cancels out.

A stub's instructions are strings of asm(), which the tester takes for equal. Here each
becomes a call with the instruction's name before it is compared.
"""

from __future__ import annotations

import bisect
import dataclasses
import difflib
import itertools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Mapping, Sequence

from machine import deadlines

PACKAGE = "similarity-tester"
# -r: how many tokens, or words, on end count as shared. Fewer stand anywhere by chance.
TOOLS = {"code": ("sim_c", "-F", "-r", "10"), "words": ("sim_text", "-r", "4")}
# Each file with each other (-e, -a). Unsorted (-u): to sort a line for each of 80,000
# pairs takes the tester hours.
EVERY_PAIR = ("-p", "-e", "-a", "-u", "-T", "-t", "1", "-i")

# What a pair has to have in common before it stands out, in percent, and how much of
# it above what its two share with the rest. Of 400 honest solutions of lab 5 the two
# most alike had 95 of their code and 76 of their words.
CODE, WORDS, ABOVE = 97, 85, 25
# What a student may have written, in characters: the solved files have 1 to 4 KB, and
# the tester's time grows with the square.
MOST = 16_000

SOLUTION = "(the solution)"


class CannotCompare(Exception):
    """Why there is no list, in a sentence."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two hand-ins, and in percent what of their code and of their words is also in
    the other; `above` says how much of these is above the usual."""
    first: str
    second: str
    code: float
    words: float
    above_code: float
    above_words: float

    @property
    def stands_out(self) -> bool:
        return (self.code >= CODE and self.above_code >= ABOVE
                or self.words >= WORDS and self.above_words >= ABOVE)


# ---- what is compared -------------------------------------------------------

def written(text: str, given: str) -> str:
    """The lines of a file that the release's file did not give."""
    lines, before = text.split("\n"), [_bare(line) for line in given.split("\n")]
    matcher = difflib.SequenceMatcher(None, before, [_bare(line) for line in lines],
                                      autojunk=False)
    own: list[str] = []
    for kind, _, _, start, end in matcher.get_opcodes():
        if kind in ("insert", "replace"):
            own += lines[start:end]
    return "\n".join(own).strip("\n") + "\n"


def _bare(line: str) -> str:
    return "".join(line.split())


def as_calls(text: str) -> str:
    """asm("movq %rax, %rbx") as movq(rax, rbx), which a C tokenizer understands."""
    def calls(match: re.Match[str]) -> str:
        said = "".join(text or macro for text, macro in re.findall(
            r'"((?:[^"\\]|\\.)*)"|\b([A-Z_]{4,})\b', match[1]))
        return "".join(map(_call, re.split(r"\\[nt]|;", said)))
    return re.sub(r"\basm\s*(?:volatile\s*)?\(((?:[^()]|\([^()]*\))*)\)\s*;", calls, text)


def _call(instruction: str) -> str:
    words = [re.sub(r"\W", "_", word) for word in re.findall(
        r"[A-Za-z_.$][\w.$]*|-?\w+", instruction)]
    return f"{words[0]}({', '.join(words[1:])}); " if words else ""


# ---- comparing --------------------------------------------------------------

def pairs(texts: Mapping[str, str]) -> list[Pair]:
    """The pairs of a class: first those that stand out, each part by its code.
    `texts` has what each wrote. Raises CannotCompare."""
    names = sorted(name for name, text in texts.items() if text.strip())
    code = compared("code", {name: as_calls(texts[name]) for name in names})
    words = compared("words", {name: texts[name] for name in names})
    above_code, above_words = above(code, names), above(words, names)
    found = [Pair(*pair, code.get(pair, 0), words.get(pair, 0), above_code[pair],
                  above_words[pair]) for pair in itertools.combinations(names, 2)]
    return sorted(found, key=lambda p: (not p.stands_out, -p.above_code, -p.above_words,
                                        p.first, p.second))


def compared(how: str, texts: Mapping[str, str]) -> dict[tuple[str, str], float]:
    """For each pair in which anything is alike, the mean of its two percentages: what
    of each is in the other."""
    found: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory(prefix="threshold-") as directory:
        # By number: a hand-in's name is no file's name.
        names = {f"{number}.c": name for number, name in enumerate(texts)}
        for file, name in names.items():
            (Path(directory) / file).write_text(texts[name], encoding="utf-8",
                                                errors="replace")
        said = _tester(how, names, directory)
    for one, percent, other in re.findall(
            r"^(\d+\.c) consists for (\d+) % of (\d+\.c) material$", said, re.MULTILINE):
        a, b = sorted((names[one], names[other]))
        found[a, b] = found.get((a, b), 0.0) + float(percent) / 2
    return found


def _tester(how: str, files: Sequence[str] | Mapping[str, str], directory: str) -> str:
    tool = shutil.which(TOOLS[how][0])
    if tool is None:
        raise CannotCompare(f"{TOOLS[how][0]} is not installed; Debian's package is "
                            f"{PACKAGE}.")
    try:
        return subprocess.run(
            [tool, *TOOLS[how][1:], *EVERY_PAIR], cwd=directory, check=True, text=True,
            input="".join(f"{file}\n" for file in files), capture_output=True,
            errors="replace", timeout=deadlines.host()).stdout
    except subprocess.TimeoutExpired:
        raise CannotCompare(f"{TOOLS[how][0]} did not come to its end with "
                            f"{len(files)} hand-ins.") from None
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotCompare(f"{TOOLS[how][0]} failed: {error}.") from None


def above(measured: Mapping[tuple[str, str], float], names: Sequence[str]
          ) -> dict[tuple[str, str], float]:
    """Of each pair the percent above what its two usually share with the rest: the
    median, the pair itself left out."""
    def shared(a: str, b: str) -> float:
        return measured.get((min(a, b), max(a, b)), 0.0)
    of = {name: sorted(shared(name, other) for other in names if other != name)
          for name in names}
    return {(a, b): max(0.0, shared(a, b) - max(_median_without(of[a], shared(a, b)),
                                                _median_without(of[b], shared(a, b))))
            for a, b in itertools.combinations(names, 2)}


def _median_without(ordered: Sequence[float], value: float) -> float:
    """The median of an ordered list from which one such value is taken."""
    if len(ordered) < 2:
        return 0.0
    middle, at = (len(ordered) - 1) // 2, bisect.bisect_left(ordered, value)
    return ordered[middle + (at <= middle)]
