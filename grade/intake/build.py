"""From the text of the labs' files to objects.

What compiles a text reads the toolchain, the kernel's headers and that text, and
writes nothing but its object. Each text is compiled once.
"""

from __future__ import annotations

import concurrent.futures
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Mapping

import labs
from machine import deadlines
from machine.qemu import TREE

from . import bounded
from .error import GraderError, SubmissionError
from .message import first_error
from .objects import OBJECT_LIMIT, check, link
from .sandbox import NONE, Sandbox
from .scratch import scratch
from .trusted import Trusted, tree_for

# Seconds of CPU, bytes of memory and of one file.
# A compiler and an assembler that use all their CPU are ended by that, long before
# their time is over: who is late had no CPU.
LIMITS = bounded.Limits(cpu=4, memory=2_000_000_000, file=2 * OBJECT_LIMIT)
# A compiler that was ended for what it used, and one that somebody else ended.
EXHAUSTED = re.compile(r"CPU time limit|[Ff]ile size limit|out of memory|virtual "
                       r"memory exhausted|No space left on device|[Cc]annot allocate|"
                       r"memory exhausted|Segmentation fault|internal compiler error")
ENDED = re.compile(r"\b(?:Killed|Terminated) signal terminated|Bus error")


def kernel(files: Mapping[str, bytes], place: Path) -> Path:
    """A kernel of this tree with some of the labs' files, made in `place`, for one
    who trusts them."""
    tree = tree_for(None)
    missing = set(labs.FILES) - set(files)
    files = {**files, **{name: (TREE / name).read_bytes() for name in missing}}
    with scratch() as own:
        objects = compiled(tree, files, Sandbox(NONE, own))
    for source, data in objects.items():
        check(source, data, tree.facts, tree.files)
    return link(objects, tree.directory, tree.facts, tree.files, place, False)


def compiled(tree: Trusted, files: Mapping[str, bytes], sandbox: Sandbox
             ) -> dict[str, bytes]:
    """The objects of a submission's files, and of the rooms that have a header of
    it in them, by their sources."""
    texts = {name: data for name, data in files.items() if name.endswith(".c")}
    headers = {name: data for name, data in files.items() if name.endswith(".h")}
    rooms = {room for header in headers for room in tree.rooms(header)}
    for room in rooms:
        texts[room] = (tree.directory / room).read_bytes()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        objects = pool.map(lambda name: _compile(tree, name, texts[name], headers,
                                                 sandbox), texts)
        return dict(zip(texts, objects))

# A compiler's environment: its words in English, and __DATE__ and __TIME__ never change.
ALWAYS_ALIKE = {"LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"}


def _compile(tree: Trusted, name: str, text: bytes, headers: Mapping[str, bytes],
             sandbox: Sandbox) -> bytes:
    """The object of one text."""
    try:
        with tempfile.TemporaryDirectory(dir=sandbox.scratch) as directory:
            source = Path(directory) / "src"
            shutil.copytree(tree.directory / "build/headers", source)
            for file, data in {**headers, name: text}.items():
                (source / file).write_bytes(data)
            done = bounded.run(_command(tree, name, source, sandbox),
                               Path(directory), {"PATH": "/usr/bin:/bin"},
                               deadlines.compilation(), 2 * OBJECT_LIMIT)
    except OSError as error:
        raise GraderError(f"{name} cannot be compiled: {error.strerror}.") from None
    _complain(name, done)
    if sandbox.kind == NONE and name in labs.FILES:
        sys.stderr.write(done.errors)  # warnings, to whose file it is
    return done.output


def _command(tree: Trusted, name: str, source: Path, sandbox: Sandbox) -> list[str]:
    compiler = [*tree.facts["CC"], *tree.facts["KERNEL_CFLAGS"],
                *tree.facts["BOUNDS"], *(["-w"] if sandbox.kind != NONE else [])]
    # The assembler wants to seek in what it writes.
    script = '"$@" -c -o "$TMPDIR/object.o" && cat "$TMPDIR/object.o"'
    own = Sandbox(sandbox.kind, source.parent)
    return own.command([*LIMITS.command(), "sh", "-c", script, "sh", *compiler, name],
                       {"/src": source}, "/src", ALWAYS_ALIKE)


def _complain(name: str, done: bounded.Done) -> None:
    """Raises what a compiler's end means, unless it has made an object."""
    if done.late:
        raise GraderError(f"The compiler came to no end with {name}: the machine is "
                          "too busy.")
    if done.status and ENDED.search(done.errors):
        raise GraderError(f"The compiler was ended from outside with {name}.")
    if done.flooded or done.status and EXHAUSTED.search(done.errors):
        raise SubmissionError(
            f"The compiler needs too much time, memory or space for {name}.", name)
    if done.status in (126, 127) or done.status < 0 or done.status > 128:
        said = done.errors.strip().split("\n")[-1]
        raise GraderError(f"The compiler does not run, or was ended: "
                          f"{said[:200] or done.status}.")
    if done.status:
        raise _placed(name, first_error(done.errors))


def _placed(name: str, error: SubmissionError) -> SubmissionError:
    """An error at its place in the kernel; the assembler's own file is nobody's, and
    a tool that names no place read only this text."""
    if error.file and error.file.startswith("kernel/"):
        return error
    said = error.message.partition(": ")[2]
    if error.file:
        said = f"the assembler says: {said}"
    return SubmissionError(f"{name} does not compile: {said}", name)
