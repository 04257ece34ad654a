"""The labs' files of a directory that somebody handed in: ordinary files of text,
of bounded size, reached without following a link."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Optional, Sequence

import labs

from .error import GraderError, SubmissionError

# The solved files have 1 to 4 KB.
SIZE_LIMIT = 200_000
COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
REFERENCE = re.compile(r"ref: (refs/[\w./-]+)")


def collect(directory: Path, names: Sequence[str] = labs.FILES) -> dict[str, bytes]:
    """These files of a submission, each by its name in the tree."""
    return {name: read(directory, name) for name in names}


def labs_in(directory: Path) -> list[int]:
    """The labs of which a submission has any file."""
    return [lab.number for lab in labs.LABS.values()
            if any(os.path.lexists(directory / name) for name in lab.files)]


def read(directory: Path, name: str, limit: int = SIZE_LIMIT) -> bytes:
    """One file of a submission, a text of so many bytes at most."""
    data = open_and_read(directory, name, limit)
    if data is None:
        raise SubmissionError(f"{name} is missing from the submission.", name)
    return _checked(name, data, limit)


def commit(directory: Path) -> Optional[str]:
    """The commit that a directory has checked out, or that was handed in with it.
    Its .git is not trusted: git is not run on it."""
    head = _line(directory, ".git/HEAD") or _line(directory, "commit")
    reference = REFERENCE.fullmatch(head)
    if reference and ".." not in reference[1]:
        head = _line(directory, f".git/{reference[1]}")
        if not head:
            packed = re.search(rf"^([0-9a-f]{{40}}) {re.escape(reference[1])}$",
                               _line(directory, ".git/packed-refs"), re.MULTILINE)
            head = packed[1] if packed else ""
    return head if COMMIT.fullmatch(head) else None


def _line(directory: Path, name: str) -> str:
    """A short text, or nothing where there is none that can be read."""
    try:
        data = open_and_read(directory, name, 1 << 20)
        return (data or b"").decode().strip()
    except (SubmissionError, GraderError, UnicodeDecodeError):
        return ""


def open_and_read(directory: Path, name: str, limit: int) -> Optional[bytes]:
    """One regular file below a directory, no link on the way, and at most one byte
    more than the limit; None where there is no such file."""
    *folders, base = name.split("/")
    places: list[int] = []
    try:
        places.append(os.open(directory, os.O_RDONLY | os.O_DIRECTORY))
        for folder in folders:
            places.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW,
                                  dir_fd=places[-1]))
        # O_NONBLOCK: opening a FIFO must not wait for who writes to it.
        file = os.open(base, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK,
                       dir_fd=places[-1])
        places.append(file)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise SubmissionError(f"{name} is not an ordinary file.", name)
        return _up_to(file, limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        # A link, a file where a directory should be: so it was handed in.
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise SubmissionError(f"{name} is not an ordinary file, but a link or the "
                                  "like.", name) from None
        raise GraderError(f"{name} of the submission cannot be read: "
                          f"{error.strerror}.") from None
    finally:
        for place in places:
            os.close(place)


def _up_to(file: int, limit: int) -> bytes:
    data = b""
    while len(data) < limit:
        part = os.read(file, limit - len(data))
        if not part:
            break
        data += part
    return data


def _checked(name: str, data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise SubmissionError(
            f"{name} has more than {limit // 1000} KB; a lab's file has a few.",
            name)
    if not data.strip():
        raise SubmissionError(f"{name} is empty.", name)
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise SubmissionError(f"{name} line {line} has a zero byte: that is no C, or it "
                              "was saved as UTF-16.", name, line)
    return data
