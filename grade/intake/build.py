"""From the labs' files that somebody handed in to a kernel.

All else is this tree's. They are looked through before the compiler may open
anything for them, and compiled under limits.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Mapping, Sequence

import labs
from machine import deadlines, toolchain
from machine.qemu import TREE

from .error import SubmissionError
from .vet import vet_assembly, vet_preprocessed, vet_source

PRODUCTS = TREE / "build/grade"

# One run of the compiler: seconds of CPU, blocks of 512 bytes, KB.
LIMITS = "ulimit -t 10; ulimit -f 65536; ulimit -v 2000000; ulimit -c 0; exec \"$@\""
# What the compiler may say, in characters.
MESSAGE_LIMIT = 300


def build(files: Mapping[str, bytes]) -> Path:
    """The kernel made of this tree and these files; built only once for the
    same content. SubmissionError if it cannot be."""
    headers = frozenset(str(path.relative_to(TREE / "kernel"))
                        for path in (TREE / "kernel").rglob("*.h"))
    for name, data in files.items():
        vet_source(name, data.decode(), headers)

    trusted = _trusted_key()
    digest = hashlib.sha256(trusted.encode())
    for name in sorted(files):
        digest.update(name.encode() + b"\0%d\0" % len(files[name]) + files[name])
    kernel = PRODUCTS / f"kernel-{digest.hexdigest()[:20]}.elf"
    if kernel.exists():
        os.utime(kernel)
        return kernel

    base = _base(trusted)
    tree = Path(tempfile.mkdtemp(prefix="tree-", dir=PRODUCTS))
    try:
        shutil.copytree(base, tree, symlinks=True, dirs_exist_ok=True)
        changed = _lay_over(tree, files)
        flags = toolchain.kernel_flags(tree)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: _vet_compiled(tree, name, flags, headers),
                          _compiled_from(tree, changed)))
        done = _run(["make", "-j2", "build/kernel.elf"], tree, "the kernel")
        if done.returncode:
            raise first_error(done.stderr + done.stdout)
        os.rename(tree / "build/kernel.elf", kernel)
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    _forget_old()
    return kernel


def _trusted_sources() -> list[str]:
    """All that a kernel is made of, but for the labs' files."""
    names = [str(path.relative_to(TREE)) for path in (TREE / "kernel").rglob("*")
             if path.suffix in (".c", ".h", ".S", ".ld", ".sh")]
    names += ["Makefile"]
    return sorted(name for name in names if name not in labs.FILES)


def _trusted_key() -> str:
    digest = hashlib.sha256()
    for name in _trusted_sources():
        data = (TREE / name).read_bytes()
        digest.update(name.encode() + b"\0%d\0" % len(data) + data)
    gcc = shutil.which(f"{toolchain.tool_prefix()}gcc") or ""
    if gcc:
        digest.update(f"{gcc} {os.stat(gcc).st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _base(key: str) -> Path:
    """A copy of the tree with the objects of all rooms that are not a lab's.
    Whatever labs' files it was first made with, a submission's replace them."""
    base = PRODUCTS / f"base-{key}"
    if base.exists():
        return base
    PRODUCTS.mkdir(parents=True, exist_ok=True)
    tree = Path(tempfile.mkdtemp(prefix="base-new-", dir=PRODUCTS))
    for name in (*_trusted_sources(), *labs.FILES):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        if (TREE / name).is_file():
            shutil.copy2(TREE / name, tree / name)
    (tree / "build").mkdir()
    (tree / "build/tools-build").touch()
    _run(["make", "-k", "-j2", "build/kernel.elf"], tree, "the kernel")
    # Anything that did not build is the submission's, and is told for it.
    try:
        os.rename(tree, base)
    except OSError:  # another run was faster
        shutil.rmtree(tree, ignore_errors=True)
    return base


def _lay_over(tree: Path, files: Mapping[str, bytes]) -> list[str]:
    """Puts a submission's files into a tree; gives those that differ."""
    changed = []
    for name in labs.FILES:
        path = tree / name
        if not path.exists() or path.read_bytes() != files[name]:
            path.write_bytes(files[name])
            changed.append(name)
    # An object that is newer than its source only by the clock's grain stays.
    for name in changed:
        (tree / f"build/{name}.o").unlink(missing_ok=True)
    return changed


def _compiled_from(tree: Path, changed: Sequence[str]) -> list[str]:
    """The C files in which a changed file ends up, the labs' own first."""
    files = [name for name in changed if name.endswith(".c")]
    for name in changed:
        if name.endswith(".h"):
            files += sorted(
                source for source in (str(path.relative_to(tree))
                                      for path in (tree / "kernel").rglob("*.c"))
                if source not in files and _mentions(tree, source, Path(name).name))
    return files


def _mentions(tree: Path, source: str, header: str) -> bool:
    """Does a C file include a header, or one of the headers that it includes?"""
    seen: set[str] = set()
    todo = [source]
    while todo:
        path = tree / todo.pop()
        included = re.findall(r'#\s*include\s*"([\w./]+)"',
                              path.read_text(errors="replace"))
        for name in included:
            if name == header:
                return True
            if name not in seen and (tree / "kernel" / name).is_file():
                seen.add(name)
                todo.append(f"kernel/{name}")
    return False


def _vet_compiled(tree: Path, name: str, flags: Sequence[str],
                  headers: frozenset[str]) -> None:
    """Compiles a file as far as assembly, and looks at both steps' results."""
    compiler = [f"{toolchain.tool_prefix()}gcc", *flags, "-fmax-include-depth=20",
                "-Wfatal-errors", "-fno-working-directory"]
    before = tree / f"build/{name}.i"
    done = _run([*compiler, "-E", "-o", str(before), name], tree, name)
    if done.returncode:
        raise first_error(done.stderr)
    vet_preprocessed(name, before.read_text(errors="replace"), headers)
    after = tree / f"build/{name}.s"
    done = _run([*compiler, "-S", "-o", str(after), name], tree, name)
    if done.returncode:
        raise first_error(done.stderr)
    vet_assembly(name, after.read_text(errors="replace"))


def _run(command: Sequence[str], tree: Path, what: str
         ) -> subprocess.CompletedProcess[str]:
    """Runs a tool under limits, in a process group that is killed whole."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TOOLPREFIX")
                   if name in os.environ}
    environment.update(LC_ALL="C", TMPDIR=str(tree / "build"))
    with tempfile.TemporaryFile("w+", errors="replace") as output, \
            subprocess.Popen(
                ["sh", "-c", LIMITS, "sh", *command], cwd=tree, env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output,
                start_new_session=True, text=True, errors="replace") as process:
        try:
            stdout, _ = process.communicate(timeout=deadlines.compilation())
        except subprocess.TimeoutExpired:
            raise SubmissionError(
                f"The compiler did not come to an end with {what}.",
                what if "/" in what else None) from None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        output.seek(0)
        stderr = output.read(100_000)
    if process.returncode and re.search(
            r"Killed|CPU time limit|[Ff]ile size limit|out of memory|virtual memory "
            r"exhausted|terminated signal|cannot allocate", stderr) or (
                process.returncode < 0 or process.returncode > 128):
        raise SubmissionError(
            f"The compiler needs too much time, memory or space for {what}.",
            what if "/" in what else None)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def first_error(text: str) -> SubmissionError:
    """The first error of the compiler, assembler or linker as a sentence."""
    match = re.search(r"^([\w./-]+):(\d+)(?::\d+)?: (?:fatal )?[Ee]rror: (.*)$", text,
                      re.MULTILINE)
    if match:
        file, line, message = match[1], int(match[2]), match[3]
        return SubmissionError(
            f"{file} line {line} does not compile: {_plain(message)}", file, line)
    # A tool that gives up as a whole, as for a file that it cannot open, names no line;
    # "compilation terminated" comes behind.
    match = re.search(r"^(\S*(?:cc1|gcc|clang|as)): (?:fatal )?error: (.*)$", text,
                      re.MULTILINE)
    if match:
        return SubmissionError(
            f"The kernel does not build: {Path(match[1]).name} says: {_plain(match[2])}")
    # GNU ld says file:line: or, since 2.44, file:line:(section+offset):
    match = re.search(r"^(?:\S*ld: )?([\w./-]+):(\d+):(?:\([^)]*\):)? "
                      r"(undefined reference to .*|multiple definition of .*)$", text,
                      re.MULTILINE)
    if match:
        file, line, message = match[1], int(match[2]), match[3]
        file = file[file.find("kernel/"):] if "kernel/" in file else file
        return SubmissionError(
            f"{file} line {line} does not link: {_plain(message)}", file, line)
    match = re.search(r"undefined reference to .*|multiple definition of .*|"
                      r"^\S*ld: .*$", text, re.MULTILINE)
    if match:
        file_match = re.search(r"kernel/[\w.]+?\.[chS](?=\.o|:)", text)
        file_name = file_match[0] if file_match else None
        return SubmissionError(f"The kernel does not link: {_plain(match[0])}",
                               file_name)
    last = [line for line in text.splitlines() if line.strip()][-1:] or ["no message"]
    return SubmissionError(f"The kernel does not build: {_plain(last[0])}")


def _plain(message: str) -> str:
    """A message without what makes no sense to a student, and not too long."""
    message = re.sub(r"\s*\[-W[^\]]*\]$", "", message.strip())
    message = re.sub(r"`([^`']*)'", r"'\1'", message)
    message = "".join(c if c.isprintable() else "?" for c in message)
    return message[:MESSAGE_LIMIT] + ("…" if len(message) > MESSAGE_LIMIT else ".")


def _forget_old(keep: int = 16) -> None:
    """Removes kernels, bases and left-over trees that nobody used lately."""
    hour_ago = time.time() - 3600
    for pattern, number in (("kernel-*.elf", keep), ("base-*", 4), ("tree-*", 0)):
        found = sorted(PRODUCTS.glob(pattern), key=_age, reverse=True)
        for path in found[number:]:
            if _age(path) < hour_ago:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
