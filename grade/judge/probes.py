"""The grader's own programs: each grade/probes/NAME.c, linked with user/lib.

They are what a submission's kernel is asked to run, in an archive that holds
nothing else. Products lie in build/probes under names made from the content of
all their sources, so that nothing is built twice and several test runs may
build at the same time.
"""

from __future__ import annotations

import concurrent.futures
import functools
import hashlib
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Collection, Mapping, Optional, Sequence

from machine import archive, deadlines, toolchain
from machine.qemu import TREE
from machine.symbols import Symbols

SOURCES = TREE / "grade/probes"
LIBRARY = TREE / "user/lib"
PRODUCTS = TREE / "build/probes"
# In a tree in which nothing changes any more: which product is whose, so that neither
# the Makefile nor a source has to be asked.
KEPT = PRODUCTS / "kept.json"
ARCHIVE = "the archive"


def _compiler() -> list[str]:
    """As the Makefile compiles user programs."""
    return [f"{toolchain.tool_prefix()}gcc", *toolchain.user_flags(),
            *toolchain.strict()]


def _linker() -> list[str]:
    """As the Makefile links them."""
    return [f"{toolchain.tool_prefix()}ld", *toolchain.link_flags(), "-e", "_start"]


class ProbeError(Exception):
    """A probe does not build: a fault of the grader's own."""


def names() -> list[str]:
    """The names of all probes."""
    return sorted(path.stem for path in SOURCES.glob("*.c"))


@functools.lru_cache(maxsize=None)
def program(name: str) -> Path:
    """A probe as it was linked, with its symbols."""
    source = SOURCES / f"{name}.c"
    if not source.exists():
        raise ProbeError(f"there is no grade/probes/{name}.c")
    if name in _kept():
        return PRODUCTS / _kept()[name]
    target = PRODUCTS / f"{name}-{_key(source)}"
    if not target.exists():
        library = [_object(path) for path in _library_sources()]
        _make([*_linker(), str(_object(source)),
               *map(str, library)], target)
    return target


@functools.lru_cache(maxsize=None)
def symbols(name: str) -> Symbols:
    """Names and addresses of a probe."""
    return Symbols(program(name))


@functools.lru_cache(maxsize=None)
def base_archive() -> Path:
    """The archive of all probes, as bin/NAME."""
    if ARCHIVE in _kept():
        return PRODUCTS / _kept()[ARCHIVE]
    programs = _built()
    key = hashlib.sha256(" ".join(path.name for path in programs.values())
                         .encode()).hexdigest()[:16]
    target = PRODUCTS / f"archive-{key}.cpio"
    if not target.exists():
        PRODUCTS.mkdir(parents=True, exist_ok=True)
        files = {"bin/": b"", "etc/": b"", "etc/motd": b"Graded.\n"}
        for name, path in programs.items():
            stripped = PRODUCTS / f"stripped-{path.name}"
            if not stripped.exists():
                _make([f"{toolchain.tool_prefix()}objcopy", "--strip-all", str(path)],
                      stripped, output_flag=False)
            files[f"bin/{name}"] = stripped.read_bytes()
        _write(target, archive.pack(files))
    return target


def keep() -> None:
    """Builds all probes, and writes down which product is whose."""
    KEPT.write_text(json.dumps({ARCHIVE: base_archive().name, **{
        name: program(name).name for name in names()}}))


@functools.lru_cache(maxsize=None)
def _kept() -> Mapping[str, str]:
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def archive_with(files: Mapping[str, bytes], directory: Path) -> Path:
    """An archive of all probes and more files, in a file of its own."""
    handle, path = tempfile.mkstemp(suffix=".cpio", dir=directory)
    with os.fdopen(handle, "wb") as file:
        file.write(archive.with_files(base_archive().read_bytes(), files))
    return Path(path)


def require(init: str, others: Collection[str]) -> None:
    """Raises ProbeError if a command line for init= starts a program that is
    neither a probe that builds nor one of `others` ("bin/x")."""
    for command in re.sub("'[^']*'", "quoted", init).split(","):
        path = (command.split() or [""])[0]
        name = path.rpartition("/")[2]
        if path.lstrip("/") not in others:
            program(name)


def _built() -> dict[str, Path]:
    """Builds all probes, two at a time. One that does not build is left out:
    only a test that asks for it fails, with the compiler's message."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(_object, _library_sources()))
        programs = pool.map(_program_or_none, names())
        return {name: path for name, path in zip(names(), programs) if path}


def _program_or_none(name: str) -> Optional[Path]:
    try:
        return program(name)
    except ProbeError:
        return None


def _library_sources() -> list[Path]:
    return sorted([*LIBRARY.glob("*.c"), *LIBRARY.glob("*.S")])


def _object(source: Path) -> Path:
    target = PRODUCTS / f"{source.stem}-{_key(source)}.o"
    if not target.exists():
        _make([*_compiler(), "-c", str(source)], target)
    return target


@functools.lru_cache(maxsize=None)
def _shared_key() -> bytes:
    """All that several programs are made from, and how."""
    headers = sorted([*LIBRARY.glob("*.[chS]"), *SOURCES.glob("*.h")])
    digest = hashlib.sha256(repr((_compiler(), _linker())).encode())
    for path in headers:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.digest()


@functools.lru_cache(maxsize=None)
def _key(source: Path) -> str:
    digest = hashlib.sha256(_shared_key())
    digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def _make(command: Sequence[str], target: Path, output_flag: bool = True) -> None:
    """Runs a tool; its product appears under its name only when it is whole."""
    PRODUCTS.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=PRODUCTS)
    os.close(handle)
    output = ["-o", temporary] if output_flag else [temporary]
    done = subprocess.run([*command, *output], capture_output=True, text=True,
                          cwd=TREE, timeout=deadlines.host())
    if done.returncode:
        os.unlink(temporary)
        raise ProbeError(done.stderr)
    os.rename(temporary, target)


def _write(target: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.rename(temporary, target)
