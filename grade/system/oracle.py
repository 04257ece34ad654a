"""Linux on this host says what a call answers: `make oracle`.

    make oracle SEED=7            the calls of one seed
    make oracle SEED=1..200       of many; CALLS=1000 of them each

programs/oracle.c makes calls that the seed draws, natively and on the kernel. The
first line in which the two differ names the call and says what each has answered.
Natively it runs as user 0 in a root of its own (bubblewrap), in which /tmp is empty
as it is here, with as many descriptors as a process has here.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Optional, Sequence

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "grade"))
# pylint: disable=wrong-import-position
from machine import deadlines, headers  # noqa: E402
from machine.programs import Programs, archive_with  # noqa: E402
from machine.qemu import run  # noqa: E402

CALLS = 400
# Lines that are shown before the one that differs.
CONTEXT = 6
SEEDS = re.compile(r"(\d+)(?:\.\.(\d+))?\Z")


class NoOracle(Exception):
    """Why this host cannot be asked, in a sentence."""


@dataclass(frozen=True)
class Difference:
    """The first line that differs.

    before      the lines that led there, on both.
    there, here the line on Linux and on this kernel; None: it has ended.
    """

    seed: int
    before: tuple[str, ...]
    there: Optional[str]
    here: Optional[str]

    def __str__(self) -> str:
        ended = "(no line: it has ended)"
        return "\n".join([
            f"seed {self.seed}: line {len(self.before) + 1} differs, after",
            *(f"        {line}" for line in self.before[-CONTEXT:]),
            f"Linux:  {ended if self.there is None else self.there}",
            f"here:   {ended if self.here is None else self.here}"])


def _on_linux(program: Path, *arguments: str) -> list[str]:
    """The lines that the program prints on this host. Raises NoOracle."""
    descriptors = headers.constants(TREE / "kernel/sched.h")["NFILE_PER_PROC"]
    command = ["prlimit", f"--nofile={descriptors}", "bwrap", "--unshare-all",
               "--die-with-parent", "--uid", "0", "--gid", "0", "--cap-add", "ALL",
               "--ro-bind", str(program), "/oracle",
               "--perms", "1777", "--dir", "/tmp", "/oracle", *arguments]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=deadlines.host())
    except FileNotFoundError as error:
        raise NoOracle(f"{error.filename} is not installed") from error
    if result.returncode:
        raise NoOracle(f"it ended with {result.returncode}: {result.stderr.strip()}")
    return result.stdout.splitlines()


def _here(program: Path, archive: Path, *arguments: str) -> list[str]:
    """The lines that it prints on the kernel; its archive is written to `archive`."""
    initrd = archive_with({"bin/oracle": program.read_bytes()}, archive)
    result = run(" ".join(["/bin/oracle", *arguments]), initrd=initrd)
    return [line for line in result.console.splitlines()
            if line != "oracle: exit status 0"]


def difference(program: Path, seed: int, calls: int = CALLS) -> Optional[Difference]:
    """Where the calls of this seed first differ; None if they do not. Raises
    NoOracle."""
    arguments = (str(seed), str(calls))
    there = _on_linux(program, *arguments)
    with tempfile.TemporaryDirectory() as scratch:
        here = _here(program, Path(scratch, "initrd.cpio"), *arguments)
    for at, (mine, theirs) in enumerate(zip_longest(here, there)):
        if mine != theirs:
            return Difference(seed, tuple(there[:at]), theirs, mine)
    return None


def seeds(text: str) -> Sequence[int]:
    """The seeds that "7" or "1..200" names."""
    match = SEEDS.match(text)
    if not match or (match[2] and int(match[2]) < int(match[1])):
        raise argparse.ArgumentTypeError(
            f"{text} is neither a seed nor a range of them, as 1..200")
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def main() -> int:
    """0: all the same; 1: a difference; 2: Linux could not be asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=seeds, default=seeds("1..20"))
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    found = 0
    with tempfile.TemporaryDirectory() as scratch, \
            concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        program = Programs(Path(scratch)).path("oracle")
        try:
            for one in pool.map(
                    lambda seed: difference(program, seed, options.calls),
                    options.seed):
                found += one is not None
                print(one if one else ".", end="\n" if one else "", flush=True)
        except NoOracle as reason:
            print(f"oracle: Linux could not be asked: {reason}", file=sys.stderr)
            return 2
    total = len(options.seed)
    print(f"\n{total - found} of {total} seeds answer as Linux does, "
          f"{options.calls} calls each")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
