"""The archive that a student hands in: a lab's files, the answers, the commit
they come from, and the grade that the student has seen.

Only the names that an archive may have are ever taken from it, each as so many
bytes at most, whatever it says of itself; nothing is extracted by its own name.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import Path
from typing import Mapping

import labs
from . import answers
from .error import SubmissionError
from .read import SIZE_LIMIT

COMMIT = "commit"
GRADE = "grade.json"

# A handed-in archive has some 20 KB; the grade is most of it.
ARCHIVE_LIMIT = 4 << 20
ENTRY_LIMIT = 200


def pack(path: Path, files: Mapping[str, bytes]) -> None:
    """Writes an archive. The same files make the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, whose modes follow
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, files[name])


def unpack(path: Path, directory: Path) -> None:
    """Writes what is known of an archive into a directory."""
    try:
        if path.stat().st_size > ARCHIVE_LIMIT:
            raise SubmissionError(
                f"{path.name} has more than {ARCHIVE_LIMIT >> 20} MB; a lab's files "
                "have a few KB.")
        with zipfile.ZipFile(path) as archive:
            files = {name: _take(archive, entry)
                     for name, entry in _entries(archive, path.name).items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError,
            ValueError, NotImplementedError) as error:
        raise SubmissionError(
            f"{path.name} cannot be read as a zip archive, such as `make handin` "
            f"makes: {_first_line(error)}.") from None
    for name, data in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)


def _entries(archive: zipfile.ZipFile, name: str) -> Mapping[str, zipfile.ZipInfo]:
    """The entries that are wanted. Refuses what no honest archive has."""
    entries = archive.infolist()
    if len(entries) > ENTRY_LIMIT:
        raise SubmissionError(f"{name} holds {len(entries)} files; a lab has a few.")
    wanted: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        shown = repr(entry.filename[:60])
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if entry.filename.startswith(("/", "\\")) or ".." in Path(
                entry.filename.replace("\\", "/")).parts:
            raise SubmissionError(
                f"{name} holds {shown}, which leads out of the archive.")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise SubmissionError(
                f"{name} holds {shown}, which is a link or the like and not an "
                "ordinary file.")
        if entry.filename in wanted:
            raise SubmissionError(f"{name} holds {shown} twice.")
        if entry.filename in (*labs.FILES, answers.FILE, COMMIT):
            wanted[entry.filename] = entry
    if not any(found in labs.FILES for found in wanted):
        raise SubmissionError(
            f"{name} holds no lab's file: {labs.FILES[0]} and the others stand "
            "under these names at the archive's top.")
    return wanted


def _take(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The content of an entry; of one that grows too large only the beginning,
    which is enough for whoever reads it to refuse it."""
    with archive.open(entry) as stream:
        return stream.read(SIZE_LIMIT + 1)


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0] or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in text)[:120].rstrip(".")
