"""Tries this tree on other systems: `make matrix`, as root.

    SUITE="trixie sid"  not all of them
    GRADES=10           make grade so many times
    SHORT=1             what CI runs: no make check, but a session of each kind

For each of Debian's suites a root is made once, by debootstrap from the mirror that
this machine's apt uses, and kept under MATRIX_DIR. A clone of the commit that is
checked out goes into it, and there both commands of the README are typed; then the
solved labs are graded, and wrong solutions of each. What each suite has and what came
of it is a table, and docs/tested-on.json, from which README says what is tested.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

TREE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TREE / "grade"))
# pylint: disable=wrong-import-position
from known_wrong import entries  # noqa: E402
from labs import LABS  # noqa: E402

RESULTS = TREE / "docs/tested-on.json"
README = TREE / "README.md"
LOGS = TREE / "build/matrix"
SECTION = re.compile(r"(<!-- tested on: [^\n]*-->\n).*?(<!-- end -->\n)", re.DOTALL)

# A root holds this file once it is whole.
STAMP = "etc/threshold-matrix"
# Where the tree lies in it.
CLONE = "root/threshold"
# Seconds: a step that takes longer hangs; a suite is not begun with less left.
STEP_LIMIT = 3600.0
SUITE_NEEDS = 420.0
WRONG_OF_A_LAB = 10


class CannotMakeRoots(Exception):
    """Why there can be no root here, in a sentence."""


@dataclasses.dataclass(frozen=True)
class Step:
    """Something that is typed in the tree; it succeeds if its status is 0 and its
    output has `shows`, which is also what the table tells of it.

    waits_for, then  what has to appear before `then` is typed.
    """

    name: str
    command: str
    shows: str = ""
    waits_for: bytes = b""
    then: bytes = b""


@dataclasses.dataclass(frozen=True)
class Suite:
    """One of Debian's.

    moves    it changes daily: what fails there is told, and fails nothing.
    clang    the package of a clang 16 or newer, where it has one.
    lacks    what is not tried there, and why.
    stand_in a Python module that this machine lends it.
    """

    name: str
    moves: bool = False
    clang: str = ""
    lacks: str = ""
    stand_in: str = ""


SUITES = (
    Suite("bullseye", stand_in="tomllib", lacks=(
        "make check: its GDB 10 sends no packets, and it has no Furo")),
    Suite("bookworm", clang="clang-16"),
    Suite("trixie", clang="clang"),
    Suite("sid", clang="clang", moves=True),
)
SHORT = ("trixie", "sid")

FULL_MARKS = r"(?P<points>\d+) of (?P=points) points"
TESTS = r"(\d+ failed, )?\d+ passed.*? in "
QEMU = Step("qemu", "make qemu", r"init: exit status 0", rb"\n\$ $", b"exit\n")
REGS = Step("regs", 'make run PROG="/bin/regs 42"', r"\d+ checks, all held")


def pytest_step(name: str, *files: str) -> Step:
    """Some of the tests of make check."""
    paths = " ".join(f"grade/system/test_{file}.py" for file in files)
    return Step(name, f"/usr/bin/python3 -m pytest -q -n 2 {paths}", TESTS)


def short_steps() -> list[Step]:
    """What CI has the time for."""
    return [
        Step("install", "make build/tools-book"),
        Step("build", "make all WERROR=1"),
        REGS,
        Step("grade", "make grade", FULL_MARKS),
        pytest_step("gdb", "gdb_step", "gdb_frame"),
        pytest_step("trace", "trace"),
        pytest_step("rewind", "rewind"),
        Step("book", "make book", r"\d+ pages"),
    ]


def whole_steps(suite: Suite, grades: int) -> list[Step]:
    """Both commands of the README, and more."""
    steps = [QEMU]
    if suite.lacks:
        steps += [REGS, Step("install", "make build/tools-grade")]
    else:
        steps.append(Step("check", "make check", TESTS))
    steps += [
        Step("grade", f"for n in $(seq {grades}); do make grade || exit; done",
             FULL_MARKS),
        Step("known-wrong", f"make known-wrong ID='{' '.join(some_wrong())}'",
             r"(?P<all>\d+) of (?P=all) mistakes caught"),
    ]
    if not suite.lacks:
        steps.append(Step("book", "make book", r"\d+ pages"))
    if suite.clang:
        steps.append(Step(
            "clang", f"apt-get install -qy --no-install-recommends {suite.clang} && "
            f"make clean && make run CC={suite.clang} PROG='/bin/regs 42' && "
            f"make grade CC={suite.clang}", FULL_MARKS))
    return steps


def some_wrong() -> list[str]:
    """Known-wrong solutions of each lab, spread over all that it has."""
    chosen = []
    for lab in LABS:
        names = [entry.id for entry in entries.entries()
                 if entry.lab == lab and not entry.accept]
        chosen += [names[len(names) * n // WRONG_OF_A_LAB]
                   for n in range(min(WRONG_OF_A_LAB, len(names)))]
    return chosen


# ---- roots -------------------------------------------------------------------

# What runs in a mount and process namespace of its own: all that it mounts goes,
# and all that it starts dies, with it. The root takes the old one's place: from where
# chroot leads, the kernel lets nobody make the namespaces of a sandbox.
INSIDE = """
mount --bind "$1" "$1" && mount --rbind /dev "$1/dev" &&
mount -t proc proc "$1/proc" && cd "$1" && pivot_root . . && umount -l . && cd / &&
exec env -i HOME=/root TERM=xterm LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    DEBIAN_FRONTEND=noninteractive sh -c "$2"
"""
# apt's settings that say how a mirror is reached.
CARRIED = re.compile(r"Acquire::(https?|Retries|Check-(Valid-Until|Date)|ForceIPv[46])\b")


class Root:
    """A suite's root under a directory."""

    def __init__(self, suite: Suite, directory: Path) -> None:
        self.suite = suite
        self.path = directory / suite.name

    def make(self, mirror: str, log: Path) -> bool:
        """Makes the root unless it is there; true if it had to."""
        if (self.path / STAMP).exists():
            self._carry_settings()
            return False
        part = self.path.with_name(self.path.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            done = subprocess.run(
                ["debootstrap", "--variant=minbase", self.suite.name, str(part), mirror],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False,
                timeout=STEP_LIMIT)
        if done.returncode:
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise CannotMakeRoots(f"debootstrap makes no {self.suite.name}: "
                                  f"{' '.join(last) or 'it says nothing'}")
        shutil.rmtree(self.path, ignore_errors=True)
        part.rename(self.path)
        self._carry_settings()
        # A newcomer has git and make, says the README. A Python that is lent a module
        # has to be there before.
        packages = "git make" + (" python3" if self.suite.stand_in else "")
        if self.run("apt-get update -q && apt-get install -qy --no-install-recommends "
                    + packages, log).status:
            raise CannotMakeRoots(f"apt-get installs no git in {self.path}: see {log}")
        if self.suite.stand_in:
            self._lend(self.suite.stand_in)
        (self.path / STAMP).write_text(f"{self.suite.name}\n")
        return True

    def _carry_settings(self) -> None:
        """How this machine reaches its mirror, for the root to do alike."""
        for name in ("resolv.conf", "hosts"):
            (self.path / "etc" / name).write_bytes(Path("/etc", name).read_bytes())
        settings = subprocess.run(["apt-config", "dump"], check=True, text=True,
                                  capture_output=True, timeout=60).stdout
        (self.path / "etc/apt/apt.conf.d/90matrix").write_text("".join(
            f"{line}\n" for line in settings.splitlines() if CARRIED.match(line)))

    def clone(self) -> str:
        """Puts a fresh clone of the tree's commit there; gives the commit."""
        clone = self.path / CLONE
        shutil.rmtree(clone, ignore_errors=True)
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(TREE), str(clone)],
                       check=True, timeout=300)
        return subprocess.run(["git", "-C", str(clone), "rev-parse", "--short", "HEAD"],
                              check=True, capture_output=True, text=True,
                              timeout=60).stdout.strip()

    def _lend(self, module: str) -> None:
        """Copies a module of this Python's for one that is too old to have it, by
        the name that it has as a package."""
        source = Path(__import__(module).__file__ or "").parent
        name = {"tomllib": "tomli"}.get(module, module)
        for place in sorted((self.path / "usr/local/lib").glob("python3.*")):
            shutil.copytree(source, place / "dist-packages" / name, dirs_exist_ok=True)

    def run(self, command: str, log: Path, step: Optional[Step] = None,
            limit: float = STEP_LIMIT) -> Ran:
        """Runs a shell's command in the root, its output at the end of `log`."""
        begin = time.monotonic()
        with subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
                 INSIDE, "sh", str(self.path), command],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True) as process, log.open("ab", 0) as file:
            try:
                assert process.stdin
                output = b""
                if not (step and step.then):
                    process.stdin.close()
                for part in _parts_of(process, begin + limit):
                    file.write(part)
                    output += part
                    if step and step.then and re.search(step.waits_for, output):
                        process.stdin.write(step.then)
                        process.stdin.flush()
                        step = None
                status = process.wait(timeout=60)
            except (TimeoutError, subprocess.TimeoutExpired):
                status = 124
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return Ran(status, output.decode(errors="replace"), time.monotonic() - begin)

    def versions(self, log: Path) -> dict[str, str]:
        """What the suite has of each tool, by the doctor and by Python."""
        found = {"system": _pretty_name(self.path / "etc/os-release")}
        modules = ("sphinx", "furo")
        told = self.run(
            f"cd /{CLONE} && sh kernel/host/doctor.sh report; " + "".join(
                f"printf '{name} '; /usr/bin/python3 -c 'import importlib.metadata as m;"
                f'print(m.version("{name}"))\' 2> /dev/null || echo; '
                for name in modules), log).output
        for tool in ("compiler", "qemu", "gdb", "python", "pytest", "capstone", *modules):
            line = re.search(rf"^{tool} .*?(\d+\.\d+(?:\.\d+)?)", told, re.MULTILINE)
            if line:
                found[tool] = line[1]
        return found


@dataclasses.dataclass(frozen=True)
class Ran:
    """What came of a command: its status (124: it was too long), its output, and its
    seconds."""

    status: int
    output: str
    seconds: float


def _parts_of(process: subprocess.Popen[bytes], until: float) -> Iterator[bytes]:
    """A process's output as it comes; TimeoutError at the time given."""
    assert process.stdout
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if not select.select([process.stdout], [], [], min(left, 1.0))[0]:
            continue
        part = os.read(process.stdout.fileno(), 65536)
        if not part:
            return
        yield part


def _pretty_name(path: Path) -> str:
    found = re.search(r'^PRETTY_NAME="(.*)"$', path.read_text(), re.MULTILINE)
    return found[1].replace("GNU/Linux ", "") if found else "?"


def mirror_of_apt(directory: Path = Path("/etc/apt")) -> str:
    """The mirror of Debian that this machine's apt uses."""
    for path in (directory / "sources.list", *sorted(
            (directory / "sources.list.d").glob("*"))):
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        for line in path.read_text().splitlines():
            found = re.match(r"(?:URIs:|deb(?: \[.*?\])?)\s+(\S+/debian/?)(?:\s|$)", line)
            if found:
                return found[1]
    raise CannotMakeRoots("apt's sources name no mirror of Debian")


def check_possible() -> str:
    """The mirror to make roots from; CannotMakeRoots where that cannot be."""
    if os.geteuid() != 0:
        raise CannotMakeRoots("only root can make other systems' roots: sudo make matrix")
    for tool in ("debootstrap", "unshare", "apt-config"):
        if not shutil.which(tool):
            raise CannotMakeRoots(f"there is no {tool} on this machine")
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False,
                          capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise CannotMakeRoots("this container may not mount: "
                              + (done.stderr.strip() or "unshare fails"))
    return mirror_of_apt()


# ---- what came of it ---------------------------------------------------------

def try_suite(root: Root, steps: Sequence[Step], mirror: str, until: float
              ) -> dict[str, Any]:
    """One suite, as docs/tested-on.json has it. Stops at a step that fails where the
    rest cannot do without it, which is none: each step is told apart."""
    log = LOGS / f"{root.suite.name}.log"
    begin = time.monotonic()
    made = root.make(mirror, log)
    seconds = time.monotonic() - begin
    result: dict[str, Any] = {
        "suite": root.suite.name, "commit": root.clone(),
        "date": datetime.date.today().isoformat(), "made": made,
        "make_seconds": round(seconds), "lacks": root.suite.lacks, "steps": []}
    print(f"{root.suite.name}: its root was " + (
        f"made in {seconds:.0f} s" if made else "there"), flush=True)
    for step in steps:
        with log.open("a") as file:
            file.write(f"\n==== {step.name}: {step.command}\n")
        ran = root.run(f"cd /{CLONE} && {step.command}", log, step,
                       max(0.0, min(STEP_LIMIT, until - time.monotonic())))
        shown = [match[0] for match in re.finditer(step.shows, ran.output)]
        passed = ran.status == 0 and bool(shown)
        told = shown[-1].removesuffix(" in ") if shown and step.shows else ""
        if told and len(shown) > 1 and step.shows == FULL_MARKS:
            told += f", {len(shown)} times"
        result["steps"].append({"name": step.name, "passed": passed, "told": told,
                                "seconds": round(ran.seconds)})
        print(f"{root.suite.name}: {step.name}: "
              + ("ok" if passed else f"FAILS (status {ran.status})")
              + f" {told}, {ran.seconds:.0f} s", flush=True)
        if not passed:
            for line in ran.output.splitlines()[-15:]:
                print(f"    {line}", flush=True)
    result["versions"] = root.versions(log)
    return result


def passed(result: dict[str, Any]) -> bool:
    """Did every step of a suite pass?"""
    return all(step["passed"] for step in result["steps"])


COLUMNS = (("system", "system"), ("GCC", "compiler"), ("QEMU", "qemu"), ("GDB", "gdb"),
           ("Python", "python"), ("pytest", "pytest"), ("Sphinx", "sphinx"))


def table(results: Sequence[dict[str, Any]]) -> list[str]:
    """The suites, what each has, and what was run there, as Markdown."""
    lines = ["| " + " | ".join(name for name, _ in COLUMNS) + " | passed | failed | on |",
             "| " + "--- | " * (len(COLUMNS) + 3)]
    lines[1] = lines[1].rstrip()
    for result in results:
        cells = [result["versions"].get(key, "–") for _, key in COLUMNS]
        steps = [", ".join(step["name"] for step in result["steps"]
                           if step["passed"] is good) or "–" for good in (True, False)]
        lines.append("| " + " | ".join([*cells, *steps, result["date"]]) + " |")
    return lines


def section(results: Sequence[dict[str, Any]]) -> str:
    """What README says: each suite that was tried, what passed and what did not."""
    if not results:
        return ""
    lines = ["", "What `make matrix` ran, and what came of it:", "", *table(results), ""]
    for result in results:
        if result["lacks"]:
            lines += [f"{result['versions']['system']} without {result['lacks']}.", ""]
    return "\n".join(lines)


def readme_with(results: Sequence[dict[str, Any]], text: str) -> str:
    """README's text with the section that belongs to these results."""
    return SECTION.sub(lambda match: match[1] + section(results) + match[2], text)


def keep(results: Sequence[dict[str, Any]]) -> None:
    """Writes what was run into docs/tested-on.json, a suite in its older result's
    place, and README's section from it."""
    old = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    by_name = {result["suite"]: result for result in (*old, *results)}
    kept = [by_name[suite.name] for suite in SUITES if suite.name in by_name]
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    README.write_text(readme_with(kept, README.read_text()))


def print_table(results: Sequence[dict[str, Any]]) -> None:
    """The results for a terminal: a suite, its tools, and a line a step."""
    for result in results:
        has = ", ".join(f"{name} {result['versions'].get(key, '–')}"
                        for name, key in COLUMNS[1:])
        print(f"\n{result['versions']['system']}: {has}")
        if result["made"]:
            print(f"  {'root':12} made  {result['make_seconds']:5} s")
        for step in result["steps"]:
            print(f"  {step['name']:12} {'ok' if step['passed'] else 'FAILS':5} "
                  f"{step['seconds']:5} s  {step['told']}")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="matrix", description=__doc__.split("\n")[0])
    parser.add_argument("suites", nargs="*", metavar="suite",
                        help="of " + ", ".join(s.name for s in SUITES))
    parser.add_argument("--short", action="store_true", help="what CI runs")
    parser.add_argument("--grades", type=int, default=1, help="how often make grade (1)")
    parser.add_argument("--within", type=float, default=24 * 3600.0, metavar="SECONDS",
                        help="for all that is run")
    parser.add_argument("--if-possible", action="store_true",
                        help="where no root can be made, say so and succeed")
    parser.add_argument("--dir", type=Path, default=Path("/var/cache/threshold-matrix"))
    options = parser.parse_args(arguments)
    unknown = set(options.suites) - {suite.name for suite in SUITES}
    if unknown:
        parser.error(f"no suite is called {', '.join(sorted(unknown))}")
    until = time.monotonic() + options.within
    names = options.suites or (SHORT if options.short else [s.name for s in SUITES])
    LOGS.mkdir(parents=True, exist_ok=True)
    results, failed, why = [], [], ""
    for suite in (suite for suite in SUITES if suite.name in names):
        (LOGS / f"{suite.name}.log").unlink(missing_ok=True)
        try:
            mirror = check_possible()
            if until - time.monotonic() < SUITE_NEEDS:
                raise CannotMakeRoots("there is too little time left")
            steps = short_steps() if options.short else whole_steps(suite, options.grades)
            results.append(try_suite(Root(suite, options.dir), steps, mirror, until))
        except CannotMakeRoots as reason:
            why = f"{why}matrix: {suite.name} was not tried: {reason}.\n"
            continue
        if not passed(results[-1]) and not suite.moves:
            failed.append(suite.name)
    print_table(results)
    if not options.short and results:
        keep(results)
    for result in results:
        if not passed(result):
            print(f"matrix: not all is well on {result['suite']}"
                  + ("" if result["suite"] in failed else ", which moves: told, no more")
                  + f"; see {LOGS.relative_to(TREE)}/{result['suite']}.log")
    print(why, end="")
    return 1 if failed or (why and not options.if_possible) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
