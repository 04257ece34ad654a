"""The tree in which a lab of somebody else's is graded, with all that does not
depend on the submission built once.

Of the solved tree it is the release of that lab, cut by the tool that cuts
releases: labs before it solved, it and all later ones empty. No solution that is
not out is in any file of it, because none was there when it was built. A tree that
students have is what it is: it holds nothing that they may not see.

It lies in build/grade under a name made from the content of all that it comes from,
and is whole when it is there. Who grades in it holds a lock; what nobody holds and
nobody has used lately is removed.
"""

from __future__ import annotations

import dataclasses
import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional

import labs
from machine import deadlines
from machine.archive import pack
from machine.environment import without_make
from machine.names import LAYOUTS, keep_layouts
from machine.qemu import TREE, run

from .error import GraderError
from .objects import names_of

PRODUCTS = TREE / "build/grade"
FACTS = "build/trusted.json"
# Trees that nobody used for so long are removed, in seconds.
UNUSED = 2 * 3600.0
# The tool that cuts; where it is missing, the tree is a student's.
CUTTER = "labs/tree.py"
# All that is in the tree of a lab, which submissions may lie beside; what is tested
# in place needs only a kernel.
SOURCES, OWN_SOURCES = ("Makefile", "kernel", "user", "grade", "labs/answers.toml"), (
    "Makefile", "kernel")
# What decides how it is cut.
CUTTERS = ("labs/cut.py", CUTTER, "labs/teacher-only.txt")
NOT_SOURCES = re.compile(r"grade/(?:system|known_wrong)/|"
                         r"(?:^|/)(?:__pycache__|\.[^/]*)(?:/|$)|\.(?:md|svg)$")
# What the compiler is kept from, so far as it knows the flag: more files in files than
# a lab needs. One error is all that a student is told at a time.
BOUNDS = ("-fmax-include-depth=20", "-fmax-errors=1", "-Wfatal-errors",
          "-fdiagnostics-color=never")
INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Trusted:
    """A tree that is ready.

    lab         the lab that is graded in it; None for this tree as it is.
    facts       what was found out when it was made: how make compiles and links,
                which objects there are, which names each gives, which rooms a
                lab's header is in, the lab's tests, and how its kernel boots.
    """

    directory: Path
    lab: Optional[int]
    facts: Mapping[str, Any]
    lock: int

    @property
    def files(self) -> tuple[str, ...]:
        """The files that a submission gives."""
        return labs.LABS[self.lab].files if self.lab else labs.FILES

    def rooms(self, name: str) -> list[str]:
        """The C files, not a lab's that is given, in which a header is."""
        return [room for room in self.facts["rooms"].get(name, [])
                if room not in self.files]


@functools.lru_cache(maxsize=None)
def tree_for(lab: Optional[int]) -> Trusted:
    """The tree in which a lab is graded; None: this one, whose other rooms are
    built apart from the labs' files."""
    _forget_old()
    name = f"lab{lab}-{_key(lab)}" if lab else f"own-{_key(lab)}"
    directory = PRODUCTS / name
    try:
        PRODUCTS.mkdir(parents=True, exist_ok=True)
        lock = os.open(PRODUCTS / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(lock, fcntl.LOCK_SH)
        facts = _facts_of(directory)
        if facts is None:
            # One makes it, the others wait; but nobody waits for those who are at
            # work in a tree that is damaged.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB * directory.exists())
            facts = _facts_of(directory) or _make(lab, directory)
            fcntl.flock(lock, fcntl.LOCK_SH)
        os.utime(directory)
    except BlockingIOError:
        raise GraderError(f"The trusted tree {directory} is damaged, and others are "
                          "using it: it is made anew when they have ended.") from None
    except OSError as error:
        raise GraderError(f"The trusted tree in {PRODUCTS} cannot be made: "
                          f"{error.strerror}.") from None
    return Trusted(directory, lab, facts, lock)


def _facts_of(directory: Path) -> Optional[dict[str, Any]]:
    """What was found out about a tree; None where it is not there, or not as it was
    made: what a full disk or a hand in the cache took away is made anew."""
    try:
        facts: dict[str, Any] = json.loads((directory / FACTS).read_text())
        sizes = {name: (directory / name).stat().st_size for name in facts["sizes"]}
        return facts if sizes == facts["sizes"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


# ---- its name ---------------------------------------------------------------

def _key(lab: Optional[int]) -> str:
    """A name for all that it is made from. This tree as it is does not depend on
    the labs' files: those are always given."""
    digest = hashlib.sha256(repr(_tools()).encode())
    cutters = [TREE / name for name in CUTTERS if (TREE / name).exists()]
    for path in (*_sources(lab), *cutters):
        name = str(path.relative_to(TREE))
        if lab is None and name in labs.FILES:
            continue
        data = path.read_bytes()
        digest.update(name.encode() + b"\0%d\0" % len(data) + data)
    return digest.hexdigest()[:20]


def _sources(lab: Optional[int]) -> Iterator[Path]:
    for part in SOURCES if lab else OWN_SOURCES:
        top = TREE / part
        if top.is_file():
            yield top
        for folder, directories, names in os.walk(top):
            directories.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if not NOT_SOURCES.search(str(path.relative_to(TREE))):
                    yield path


def _tools() -> list[tuple[str, int]]:
    """The tools that build: another version makes another tree."""
    chosen = os.environ.get("KERNEL_CC", "").split()[:1]  # make CC=clang-16
    found = [shutil.which(name) for name in ("gcc", "x86_64-linux-gnu-gcc", "ld",
                                             *chosen)]
    return [(path, os.stat(path).st_mtime_ns) for path in found if path]


# ---- making it --------------------------------------------------------------

def _make(lab: Optional[int], directory: Path) -> dict[str, Any]:
    """Makes it under another name first, so that it is whole under its own. Returns
    its facts."""
    new = directory.with_name(directory.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)
    try:
        if lab and (TREE / CUTTER).exists():
            _run([sys.executable, str(TREE / CUTTER), str(lab), str(new), *SOURCES],
                 TREE)
        else:
            _copy(lab, new)
        (new / "build").mkdir()
        (new / "build/tools-build").touch()
        _stage(new, lab)
        facts = {**_flags(new), "rooms": _rooms(new)}
        facts.update(_built(new, facts) if lab else _built_around(new, facts))
        facts["sizes"] = {str(path.relative_to(new)): path.stat().st_size
                          for path in sorted(new.rglob("*")) if path.is_file()}
        (new / FACTS).write_text(json.dumps(facts))
        os.rename(new, directory)
        return facts
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _built(new: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The kernel with its lab's hole, the grader's programs, and the tests."""
    _run(["make", "-s", "-j2", "build/kernel.elf"], new)
    _warm(new)
    keep_layouts(new / "build/kernel.elf", new / "build" / LAYOUTS.name)
    ends = boot(new / "build/kernel.elf")
    if not ends["console"] or ends["code"] <= 0:
        raise GraderError(f"The trusted kernel does not boot: {ends['console'][-200:]}")
    return {"names": _names(new, facts["KERNEL_OBJS"]), "plan": _plan(new),
            "script": names_of((new / "build/kernel.elf").read_bytes())["global"],
            "boot": ends}


def _built_around(new: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The objects of all rooms that no lab's file has a part in."""
    students = {*labs.FILES, *(room for rooms in facts["rooms"].values()
                               for room in rooms)}
    others = [name for name in facts["KERNEL_OBJS"]
              if name.removeprefix("build/").removesuffix(".o") not in students]
    _run(["make", "-s", "-j2", *others, "build/ksyms-first.o"], new)
    return {"names": _names(new, others), "script": []}


def _copy(lab: Optional[int], new: Path) -> None:
    """This tree's own files."""
    for path in _sources(lab):
        target = new / path.relative_to(TREE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)


def _stage(new: Path, lab: Optional[int]) -> None:
    """What a student's text may include, by itself: the kernel's headers but for
    those that the student gives, and the rooms that have one of these in them."""
    given = labs.LABS[lab].files if lab else labs.FILES
    stage = new / "build/headers/kernel"
    for path in sorted((new / "kernel").rglob("*.h")):
        if str(path.relative_to(new)) not in given:
            target = stage / path.relative_to(new / "kernel")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)


def _flags(new: Path) -> dict[str, Any]:
    """How the Makefile compiles and links the kernel."""
    names = ("CC", "LD", "NM", "OBJCOPY", "KERNEL_CFLAGS", "LDFLAGS", "KERNEL_OBJS")
    rule = "print-them: ; " + "".join(f"@echo $({name})\n" if not at else
                                      f"\t@echo $({name})\n"
                                      for at, name in enumerate(names))
    done = _run(["make", "-s", "--no-print-directory", "-f", "Makefile", "--eval",
                 rule, "print-them"], new)
    lines = [line.split() for line in done.split("\n")[:len(names)]]
    found = dict(zip(names, lines))
    if "-ffreestanding" not in found["KERNEL_CFLAGS"] or not found["KERNEL_OBJS"]:
        raise GraderError("The Makefile does not say how the kernel is built.")
    found["KERNEL_CFLAGS"] = [flag for flag in found["KERNEL_CFLAGS"]
                              if flag not in ("-MMD", "-MP")]
    found["BOUNDS"] = [flag for flag in BOUNDS if _takes(found["CC"], flag)]
    return found


def _takes(compiler: list[str], flag: str) -> bool:
    """Does a compiler know a flag? clang has no depth of includes to choose."""
    return subprocess.run([*compiler, "-Werror", flag, "-E", "-x", "c", "/dev/null"],
                          check=False,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=deadlines.host()).returncode == 0


def _rooms(new: Path) -> dict[str, list[str]]:
    """The C files that each lab's header is in, also by way of another header."""
    paths = {str(path.relative_to(new)): path for path in (new / "kernel").rglob("*")
             if path.suffix in (".c", ".h")}
    included = {name: {f"{place}/{found.decode(errors='replace')}"
                       for found in INCLUDE.findall(path.read_bytes())
                       for place in ("kernel", os.path.dirname(name))}
                for name, path in paths.items()}

    def reaches(name: str, header: str, seen: set[str]) -> bool:
        if name in seen:
            return False
        seen.add(name)
        return header in included.get(name, ()) or any(
            reaches(other, header, seen) for other in included.get(name, ()))

    return {header: sorted(name for name in paths if name.endswith(".c")
                           and reaches(name, header, set()))
            for header in labs.FILES if header.endswith(".h")}


def _names(new: Path, objects: list[str]) -> dict[str, Any]:
    """The names that each object gives."""
    return {name.removeprefix("build/").removesuffix(".o"):
            names_of((new / name).read_bytes()) for name in objects}


def _warm(new: Path) -> None:
    """Builds the grader's programs, so that no grading has to: every one."""
    environment = {**without_make(), "PYTHONPATH": str(new / "grade")}
    _run([sys.executable, "-c", "from judge import probes; probes.keep()"], new,
         environment)


def _plan(new: Path) -> list[Mapping[str, Any]]:
    """All tests that there are. To find them compiles every module as well."""
    results = new / "build/plan"
    environment = {name: value for name, value in without_make().items()
                   if name != "PYTHONDONTWRITEBYTECODE"}
    _run([sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "--collect-only",
          "-p", "no:cacheprovider", "-c", "grade/pytest.ini", "--rootdir", "grade",
          "--seed=0", f"--grade-results={results}",
          *(f"grade/{file}" for lab in labs.LABS.values() for file in lab.tests)], new,
         {**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    tests: list[Mapping[str, Any]] = json.loads(
        results.read_text().split("\n")[0])["plan"]
    if not tests:
        raise GraderError("There are no tests.")
    return tests


def boot(kernel: Path) -> dict[str, Any]:
    """How a trusted kernel's run ends, by counted instructions: always alike. With
    its lab's hole it ends with a sentence."""
    archive = kernel.with_name("nothing.cpio")
    archive.write_bytes(pack({"bin/": b""}))
    try:
        result = run("/bin/nothing", kernel=kernel, initrd=archive,
                     icount="shift=0,sleep=off", deadline=deadlines.trace())
    except OSError as error:
        return {"code": -1, "console": f"QEMU does not run: {error}"}
    return {"code": result.code, "console": result.console[-2000:]}


def _run(command: list[str], directory: Path,
         environment: Optional[Mapping[str, str]] = None) -> str:
    """Runs a tool on trusted files: if it fails, that is the machine's fault."""
    try:
        done = subprocess.run(
            command, cwd=directory, env=environment or without_make(), text=True,
            stdin=subprocess.DEVNULL, capture_output=True, errors="replace",
            timeout=deadlines.host())
    except (OSError, subprocess.SubprocessError) as error:
        raise GraderError(f"{Path(command[0]).name} does not run: {error}.") from None
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).split("\n")
        told = next((line for line in lines if re.search("[Ee]rror: |not found", line)),
                    lines[-1])
        raise GraderError(f"The trusted tree cannot be built: {told[:300]}")
    return done.stdout


# ---- removing it ------------------------------------------------------------

def _forget_old() -> None:
    """Removes the trees that nobody holds and nobody has used lately, and what is
    left of one whose making was killed."""
    for lock_file in PRODUCTS.glob("*.lock"):
        directory = lock_file.with_suffix("")
        new = directory.with_name(directory.name + ".new")
        try:
            lock = os.open(lock_file, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(new, ignore_errors=True)
            if (directory.exists()
                    and time.time() - directory.stat().st_mtime > UNUSED):
                shutil.rmtree(directory, ignore_errors=True)
        except OSError:
            pass
        finally:
            os.close(lock)
