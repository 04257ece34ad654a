"""From a directory that somebody handed in to a kernel.

Only the labs' files are taken from it; all else is this tree's. They are read
without following links, looked through before the compiler may open anything
for them, and compiled under limits. Whatever is wrong is one SubmissionError:
a sentence for the student, with file and line.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Iterator, Mapping, Optional, Sequence

import labs
from judge import probes
from machine import deadlines
from machine.qemu import TREE

PRODUCTS = TREE / "build/grade"

# The solved files have 1 to 4 KB.
SIZE_LIMIT = 200_000
# What one file may reserve in the kernel's image, in bytes.
DATA_LIMIT = 1 << 20
# One run of the compiler: seconds of CPU, blocks of 512 bytes, KB.
LIMITS = "ulimit -t 10; ulimit -f 65536; ulimit -v 2000000; ulimit -c 0; exec \"$@\""
# What the compiler may say, in characters.
MESSAGE_LIMIT = 300

STANDARD_HEADERS = ("stdint.h", "stddef.h", "stdbool.h", "stdarg.h")

# Directives that a student's asm() may use, and those the compiler writes. None
# reads a file, and none repeats what it is given.
ASM_DIRECTIVES = frozenset(
    "globl global local hidden weak type size balign p2align align byte word value "
    "short hword long int quad octa ascii asciz string set equ code64 att_syntax "
    "loc text".split())
COMPILER_DIRECTIVES = ASM_DIRECTIVES | frozenset(
    "file section data bss comm ident zero skip uleb128 sleb128 version "
    "pushsection popsection previous internal protected nops 2byte 4byte 8byte "
    "stabs base64".split())


@dataclasses.dataclass
class SubmissionError(Exception):
    """Why there is no kernel to grade."""

    message: str
    file: Optional[str] = None
    line: Optional[int] = None

    def __str__(self) -> str:
        return self.message


# ---- collecting -------------------------------------------------------------

def collect(directory: Path, lab: Optional[int] = None) -> dict[str, bytes]:
    """The labs' files of a submission, each by its name in the tree. Where one
    lab is graded and no other's files are there, as in what `make handin` has
    packed, those are this tree's."""
    alone = lab and labs_in(directory) == [lab]
    needed = labs.LABS[lab].files if alone else labs.FILES
    return {name: read(directory if name in needed else TREE, name)
            for name in labs.FILES}


def labs_in(directory: Path) -> list[int]:
    """The labs of which a submission has any file."""
    return [lab.number for lab in labs.LABS.values()
            if any(os.path.lexists(directory / name) for name in lab.files)]


def read(directory: Path, name: str, limit: int = SIZE_LIMIT) -> bytes:
    """One file of a submission, of so many bytes at most."""
    try:
        root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SubmissionError(
            f"There is no directory {directory}: {error.strerror}.") from None
    try:
        return _read(root, name, limit)
    finally:
        os.close(root)


def _read(root: int, name: str, limit: int) -> bytes:
    """One regular file below an open directory, no link on the way."""
    folder, _, base = name.rpartition("/")
    place = root
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW,
                        dir_fd=root)
        # O_NONBLOCK: opening a FIFO must not wait for who writes to it.
        file = os.open(base, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK,
                       dir_fd=place)
    except FileNotFoundError:
        raise SubmissionError(f"{name} is missing from the submission.",
                              name) from None
    except OSError as error:
        raise SubmissionError(
            f"{name} cannot be read ({error.strerror}); it has to be an ordinary "
            "file, not a link.", name) from None
    finally:
        if place != root:
            os.close(place)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise SubmissionError(f"{name} is not an ordinary file.", name)
    with os.fdopen(file, "rb") as stream:
        data = stream.read(limit + 1)
    return _checked(name, data, limit)


def _checked(name: str, data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise SubmissionError(
            f"{name} has more than {limit // 1000} KB; a lab's file has a few.",
            name)
    if not data.strip():
        raise SubmissionError(f"{name} is empty.", name)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SubmissionError(
            f"{name} line {line} is not text in UTF-8: byte "
            f"0x{data[error.start]:02x}.", name, line) from None
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise SubmissionError(f"{name} line {line} has a zero byte.", name, line)
    return data


# ---- looking through the source ---------------------------------------------

def vet_source(name: str, text: str, headers: frozenset[str]) -> None:
    """Refuses preprocessor lines that read what is not the kernel's."""
    for line, directive in _directives(text):
        word, _, rest = directive.partition(" ")
        problem = None
        if word == "include":
            match = re.fullmatch(r'"([^"]*)"|<([^>]*)>', rest.strip())
            wanted = (match[1] or match[2] or "") if match else ""
            if wanted not in headers and wanted not in STANDARD_HEADERS:
                problem = (f"includes {rest.strip()[:80]}; only the kernel's own "
                           "headers and " + ", ".join(STANDARD_HEADERS)
                           + " may be included, by their literal names")
            elif f"kernel/{wanted}" == name:
                problem = "includes itself"
        elif word in ("include_next", "import", "embed", "line", "ident", "sccs",
                      "assert", "unassert") or word[:1].isdigit():
            problem = f"uses #{word}, which the kernel has no use for"
        elif word == "pragma" and rest.split()[:1] != ["once"]:
            problem = "uses #pragma, which the kernel has no use for"
        if problem:
            raise SubmissionError(f"{name} line {line} {problem}.", name, line)
    for forbidden in ("__has_include", "_Pragma", "__has_embed"):
        if forbidden in text.replace("\\\n", ""):
            line = text[:text.find(forbidden[:4])].count("\n") + 1
            raise SubmissionError(
                f"{name} uses {forbidden}, which the kernel has no use for.",
                name, line)


def _directives(text: str) -> Iterator[tuple[int, str]]:
    """The preprocessor's lines as (line number, "word rest"): as the compiler
    sees them, with lines joined and comments gone."""
    token = re.compile(
        r'//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?',
        re.DOTALL)
    # A joined line keeps its newlines at its end, so that numbers stay right.
    joined = re.sub(r"(?:[^\n]*\\[ \t]*\r?\n)+[^\n]*(?:\n|\Z)", lambda match: re.sub(
        r"\\[ \t]*\r?\n", "", match[0]) + "\n" * match[0].count("\\\n"), text)

    def blank(match: re.Match[str]) -> str:
        if match[0].startswith("/"):
            return " " + "\n" * match[0].count("\n")
        return match[0]

    for number, line in enumerate(token.sub(blank, joined).split("\n"), start=1):
        match = re.match(r"\s*(?:#|%:|\?\?=)\s*(\w+)\s*(.*)", line)
        if match:
            yield number, f"{match[1]} {match[2]}"


def vet_preprocessed(name: str, text: str, headers: frozenset[str]) -> None:
    """Refuses a file whose preprocessing opened what is not the kernel's."""
    allowed = {f"kernel/{header}" for header in headers} | {
        name, "<built-in>", "<command-line>", "/usr/include/stdc-predef.h"}
    for match in re.finditer(r'^# \d+ "((?:[^"\\]|\\.)*)"', text, re.MULTILINE):
        opened = match[1]
        standard = (opened.rpartition("/")[2] in (*STANDARD_HEADERS,
                                                  "stdint-gcc.h")
                    and "/gcc" in opened and opened.startswith("/usr/"))
        if opened not in allowed and not standard:
            raise SubmissionError(
                f"{name} makes the compiler open {opened[:80]}, which is not "
                "part of the kernel.", name)


def vet_assembly(name: str, text: str) -> None:
    """Refuses assembly that reads files, repeats itself, leaves its section or
    fills the image."""
    inside = False  # between #APP and #NO_APP: what the student wrote
    line = None
    reserved = 0
    for statement in _statements(text):
        if statement in ("#APP", "#NO_APP"):
            inside = statement == "#APP"
            continue
        marker = re.match(r'# (\d+) "([^"]*)"', statement)
        if marker:
            line = int(marker[1]) or line
            continue
        while True:  # labels
            bare = re.sub(r'^(?:[\w.$]+|"[^"]*")\s*:\s*', "", statement)
            if bare == statement:
                break
            statement = bare
        match = re.match(r"\.(\w+)(.*)", statement, re.DOTALL)
        if not match:
            continue
        directive, rest = match[1].lower(), match[2]
        allowed = ASM_DIRECTIVES if inside else COMPILER_DIRECTIVES
        if directive not in allowed and not directive.startswith("cfi_"):
            raise SubmissionError(
                f"{name}{f' line {line}' if line else ''} uses the assembler's "
                f".{directive}, which a lab has no use for.", name, line)
        reserved += _reserved(directive, rest)
        if reserved > DATA_LIMIT:
            raise SubmissionError(
                f"{name} asks for {reserved:,} bytes of data; the kernel's image "
                "has no room for that.", name)


def _reserved(directive: str, rest: str) -> int:
    """The bytes that a directive reserves by a number of its own."""
    numbers = re.findall(r"(?<![\w.$])(0[xX][0-9a-fA-F]+|\d+)", rest)
    if directive in ("zero", "skip", "comm", "nops") and numbers:
        return int(numbers[0], 0)
    if directive in ("balign", "p2align", "align") and numbers:
        number = int(numbers[0], 0)
        return 1 << min(number, 64) if directive == "p2align" else number
    return 0


def _statements(text: str) -> Iterator[str]:
    """The assembler's statements; strings are kept, comments after code go."""
    pattern = re.compile(
        r'"(?:\\.|[^"\\])*"?|/\*.*?(?:\*/|\Z)|[;\n]|#[^\n]*|[^";\n#/]+|/', re.DOTALL)
    statement = ""
    for match in pattern.finditer(text):
        piece = match[0]
        if piece in (";", "\n"):
            if statement.strip():
                yield statement.strip()
            statement = ""
        elif piece.startswith("#"):
            if statement.strip():
                yield statement.strip()
                statement = ""
            yield piece.strip()
        elif piece.startswith("/*"):
            statement += " "
        else:
            statement += piece
    if statement.strip():
        yield statement.strip()


# ---- building ---------------------------------------------------------------

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
        flags = _kernel_flags(tree)
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
    gcc = shutil.which(f"{probes.tool_prefix()}gcc") or ""
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


def _kernel_flags(tree: Path) -> list[str]:
    """How the Makefile compiles the kernel's C files."""
    done = _run(["make", "-s", "--no-print-directory", "-f", "Makefile", "--eval",
                 "print-flags: ; @echo $(KERNEL_CFLAGS)", "print-flags"],
                tree, "the Makefile")
    flags = done.stdout.split()
    if done.returncode or "-ffreestanding" not in flags:
        raise RuntimeError(f"the Makefile gives no flags: {done.stderr}")
    return [flag for flag in flags if flag not in ("-MMD", "-MP")]


def _vet_compiled(tree: Path, name: str, flags: Sequence[str],
                  headers: frozenset[str]) -> None:
    """Compiles a file as far as assembly, and looks at both steps' results."""
    compiler = [f"{probes.tool_prefix()}gcc", *flags, "-fmax-include-depth=20",
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
    match = re.search(r"^(?:\S*ld: )?([\w./-]+):(\d+): (undefined reference to .*|"
                      r"multiple definition of .*)$", text, re.MULTILINE)
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
