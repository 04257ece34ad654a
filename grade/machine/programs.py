"""Programs that the tests bring along, and archives with them.

They are C programs for Linux, compiled with musl's C library into static
executables: the same file runs on this kernel and on the host.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Mapping

from . import archive, deadlines, toolchain
from .qemu import INITRD, TREE


def compile_static(source: Path, directory: Path) -> Path:
    """Compiles one C file; gives the program, which it makes only once."""
    program = directory / source.stem
    if not program.exists():
        subprocess.run(
            ["musl-gcc", "-static", "-O2", "-Wall", "-Wextra", *toolchain.strict(),
             "-o", str(program), str(source)],
            check=True, timeout=deadlines.host())
    return program


def archive_with(files: Mapping[str, bytes], path: Path) -> Path:
    """Writes the archive of make, with more files in it ("bin/name"), to
    `path`."""
    path.write_bytes(archive.with_files(INITRD.read_bytes(), files))
    return path


class Programs:
    """The C programs in grade/system/programs, compiled when first asked for."""

    SOURCES = TREE / "grade/system/programs"

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, name: str) -> Path:
        return compile_static(self.SOURCES / f"{name}.c", self._directory)

    def __getitem__(self, name: str) -> bytes:
        return self.path(name).read_bytes()
