"""The labs' files of a directory that somebody handed in: ordinary files of text,
of bounded size, reached without following a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Optional

import labs
from machine.qemu import TREE

from .error import SubmissionError

# The solved files have 1 to 4 KB.
SIZE_LIMIT = 200_000


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
