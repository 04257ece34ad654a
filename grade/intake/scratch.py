"""Directories that are gone when their process is, even one that was killed; and files
that appear whole or not at all.

Each is locked by the process that made it, for as long as that lives. Whoever makes
the next one first removes those that nobody holds any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Iterator

from .error import GraderError


# Those of this process.
_own: set[Path] = set()


def abandon() -> None:
    """Removes all of this process's, which is about to end."""
    for path in list(_own):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A private directory, removed in the end."""
    try:
        with _place() as place:
            _sweep(place)
            path = Path(tempfile.mkdtemp(prefix="run-", dir=place))
            holder = _held(path)
        assert holder is not None
    except OSError as error:
        raise GraderError(f"There is no room for temporary files in "
                          f"{tempfile.gettempdir()}: {error.strerror}.") from None
    _own.add(path)
    try:
        yield path
    finally:
        _own.discard(path)
        shutil.rmtree(path, ignore_errors=True)
        os.close(holder)


@contextlib.contextmanager
def _place() -> Iterator[Path]:
    """Where all of them lie, locked."""
    place = Path(tempfile.gettempdir()) / f"threshold-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    about = place.lstat()
    if place.is_symlink() or about.st_uid != os.getuid() or about.st_mode & 0o77:
        raise GraderError(f"{place} is somebody else's; remove it.")
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield place
    finally:
        os.close(handle)


def _held(path: Path) -> int | None:
    """Locks a directory for this process, if nobody holds it. No child has the lock,
    for it goes where a program is started."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _sweep(place: Path) -> None:
    for path in place.glob("run-*"):
        try:
            holder = _held(path)
        except OSError:
            continue
        if holder is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(holder)


# ---- whole files ------------------------------------------------------------

PART = ".new-"


def write_whole(path: Path, text: str) -> None:
    """Writes a file, which nobody ever reads half. What a writer who was killed has left
    beside it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent):
        for left in path.parent.glob(f"{PART}*"):
            _remove_unless_held(left)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=PART)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fchmod(handle, 0o644)
            os.rename(temporary, path)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _remove_unless_held(path: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(handle)
