"""What is handed in: a directory, or an archive of one, as students pack it and as
learning systems give it out again.

Only the names that a submission may have are ever taken from it, each as so many
bytes at most, whatever it says of itself; nothing is extracted by its own name. A
learning system puts a directory around, and an archive into a directory; both are
looked through. Who hands in gdt.c instead of kernel/gdt.c is understood, unless there
is a file with its whole name.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import posixpath
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Iterator, Mapping, Optional

import labs

from . import answers
from .error import GraderError, SubmissionError
from .read import SIZE_LIMIT, open_and_read

COMMIT = "commit"
GRADE = "grade.json"
WANTED = (*labs.FILES, answers.FILE, COMMIT)

# What each is called in a submission: as in the tree, or else without its directory.
Names = Mapping[str, str]
WHOLE: Names = {name: name for name in WANTED}
BARE: Names = {name: posixpath.basename(name) for name in WANTED}
# What a submission has at least one of, in words.
NEEDED = f"lab's file, {labs.FILES[0]} or another, such as make handin packs"

# A handed-in archive has some 20 KB; the grade is most of it.
ARCHIVE_LIMIT = 4 << 20
ENTRY_LIMIT = 2000
# What an archive may become, where all before an entry has to be unpacked, in bytes.
UNPACKED_LIMIT = 64 << 20
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
# How deep a directory of a submission is looked into for the labs' files.
DEPTH = 3

Entry = tuple[str, int, Optional[object]]  # name, mode's kind, what opens it


class NothingToGrade(GraderError):
    """There is no lab's file in what was handed in."""


# ---- packing ----------------------------------------------------------------

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


# ---- finding ----------------------------------------------------------------

def is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVES)


def stem(path: Path) -> str:
    """An archive's name without what says that it is one."""
    for suffix in sorted(ARCHIVES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return path.name[:-len(suffix)]
    return path.name


def opened(path: Path, scratch: Path) -> Path:
    """The directory in which a submission's files lie, under their names in the
    tree; what was packed is unpacked into `scratch`."""
    try:
        if path.is_dir():
            found, names = _below(path)
            if found is None:
                raise NothingToGrade(f"There is nothing to grade in {path.name}: it "
                                     f"holds no {NEEDED}.")
            if names is BARE:
                return _gathered(found, scratch)
            return found if found.is_dir() else _unpacked(found, scratch)
        if path.exists():
            return _unpacked(path, scratch)
    except OSError as error:
        raise GraderError(f"{path.name} cannot be read: {error.strerror}.") from None
    raise GraderError(f"There is no {path}.")


def _unpacked(path: Path, scratch: Path) -> Path:
    unpack(path, scratch)
    return scratch


def _gathered(directory: Path, scratch: Path) -> Path:
    """A directory's files without theirs, written under their names in the tree."""
    for name, bare in BARE.items():
        data = open_and_read(directory, bare, SIZE_LIMIT)
        if data is not None:
            _write(scratch / name, data)
    return scratch


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _below(directory: Path) -> tuple[Optional[Path], Names]:
    """The directory with the labs' files in a directory, or the one archive in it;
    and what the files are called there."""
    for names in (WHOLE, BARE):
        if found := _nearest(directory, names):
            return found, names
    return None, WHOLE


def _nearest(directory: Path, names: Names) -> Optional[Path]:
    """The nearest counts, and the first by name of those as near."""
    level = [directory]
    archives: list[Path] = []
    for _ in range(DEPTH + 1):
        for place in level:
            if any(os.path.lexists(place / names[file]) for file in labs.FILES):
                return place
        inside = [path for place in level for path in sorted(place.iterdir())
                  if not path.is_symlink()]
        archives += [path for path in inside if path.is_file() and is_archive(path)]
        if archives:
            return archives[0]
        level = [path for path in inside if path.is_dir()
                 and not path.name.startswith(".")]
    return None


def fingerprint(path: Path) -> Optional[str]:
    """A name for all that would be graded of a submission; None where it cannot be
    read. No clock has a part in it."""
    digest = hashlib.sha256()
    try:
        found, names = _below(path) if path.is_dir() else (path, WHOLE)
        if found is None:
            return None
        for file in ([found / names[name] for name in WANTED] if found.is_dir()
                     else [found]):
            digest.update(_content(file))
    except OSError:
        return None
    return digest.hexdigest()[:32]


def _content(file: Path) -> bytes:
    if not stat.S_ISREG(file.lstat().st_mode) if os.path.lexists(file) else True:
        return b"none\0"
    with file.open("rb") as stream:
        data = stream.read(ARCHIVE_LIMIT + 1)
    return b"%d\0" % len(data) + data


# ---- unpacking --------------------------------------------------------------

def unpack(path: Path, directory: Path) -> None:
    """Writes what is known of an archive into a directory."""
    if path.stat().st_size > ARCHIVE_LIMIT:
        raise SubmissionError(
            f"{path.name} has more than {ARCHIVE_LIMIT >> 20} MB; a lab's files "
            "have a few KB.")
    with path.open("rb") as file:
        data = file.read(ARCHIVE_LIMIT + 1)
    try:
        files = _of_zip(data, path.name) if data[:2] == b"PK" else _of_tar(
            data, path.name)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError,
            RuntimeError, ValueError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO):
            raise
        raise SubmissionError(
            f"{path.name} cannot be read as an archive, such as `make handin` "
            f"makes: {_first_line(error)}.") from None
    for name, content in files.items():
        _write(directory / name, content)


def _of_zip(data: bytes, name: str) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        _count(name, len(entries))
        wanted = _wanted(name, [(entry.filename, stat.S_IFMT(entry.external_attr >> 16),
                                 entry) for entry in entries])
        files = {}
        for place, entry in wanted.items():
            with archive.open(entry) as stream:  # type: ignore[call-overload]
                files[place] = _beginning(stream)
        return files


def _of_tar(data: bytes, name: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
        entries = list(_members(archive, name))
        wanted = _wanted(name, [(entry.name, _kind(entry), entry)
                                for entry in entries])
        files = {}
        for place, entry in wanted.items():
            stream = archive.extractfile(entry)  # type: ignore[arg-type]
            files[place] = _beginning(stream) if stream else b""
        return files


def _members(archive: tarfile.TarFile, name: str) -> Iterator[tarfile.TarInfo]:
    """A tar archive's entries, as long as it does not become too large."""
    for number, entry in enumerate(archive, start=1):
        _count(name, number)
        if archive.offset > UNPACKED_LIMIT:
            raise SubmissionError(f"{name} becomes more than "
                                  f"{UNPACKED_LIMIT >> 20} MB when it is unpacked.")
        yield entry


def _kind(entry: tarfile.TarInfo) -> int:
    return (stat.S_IFREG if entry.isreg() else stat.S_IFDIR if entry.isdir()
            else stat.S_IFLNK)


def _count(name: str, number: int) -> None:
    if number > ENTRY_LIMIT:
        raise SubmissionError(f"{name} holds more than {ENTRY_LIMIT} files; a lab has "
                              "a few.")


def _wanted(name: str, entries: list[Entry]) -> dict[str, object]:
    """What opens each file that is wanted, by its name in the tree. Refuses what no
    honest archive has."""
    for filename, _, _ in entries:
        if filename.startswith(("/", "\\")) or ".." in filename.replace(
                "\\", "/").split("/"):
            raise SubmissionError(
                f"{name} holds {_shown(filename)}, which leads out of the archive.")
    for names in (WHOLE, BARE):
        wanted = _wanted_as(names, name, entries)
        if any(place in labs.FILES for place in wanted):
            return wanted
    inner = next((_shown(filename) for filename, _, _ in entries
                  if filename.lower().endswith(ARCHIVES)), None)
    raise NothingToGrade(f"There is nothing to grade in {name}: it holds no {NEEDED}."
                         + (f" In it is another archive, {inner}: unpack it."
                            if inner else ""))


def _wanted_as(names: Names, name: str, entries: list[Entry]) -> dict[str, object]:
    """The same, where the files are called so."""
    top = _top([entry[0] for entry in entries], names)
    places = {top + called: place for place, called in names.items()}
    wanted: dict[str, object] = {}
    for filename, kind, opens in entries:
        place = places.get(posixpath.normpath(filename))
        if place is None:
            continue
        if kind not in (0, stat.S_IFREG):
            raise SubmissionError(
                f"{name} holds {_shown(filename)}, which is a link or the like and not "
                "an ordinary file.")
        if place in wanted:
            raise SubmissionError(f"{name} holds {_shown(filename)} twice.")
        wanted[place] = opens
    return wanted


def _shown(filename: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in repr(filename[:60]))


def _top(filenames: list[str], names: Names) -> str:
    """The directory, with a slash, in which an archive has the labs' files."""
    tops = {posixpath.normpath(filename)[:-len(names[file])] for filename in filenames
            for file in labs.FILES
            if f"/{posixpath.normpath(filename)}".endswith(f"/{names[file]}")}
    return min(tops, key=lambda top: (top.count("/"), top), default="")


def _beginning(stream: IO[bytes]) -> bytes:
    """A file's content; of one that is too large only the beginning, which is enough
    for whoever reads it to refuse it."""
    return stream.read(SIZE_LIMIT + 1)


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0] or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in text)[:120].rstrip(".")
