"""newc archives (cpio), the form in which files reach the kernel."""

from __future__ import annotations

import stat
from pathlib import PurePosixPath
from typing import Mapping

MAGIC = b"070701"
TRAILER = "TRAILER!!!"


def pack(files: Mapping[str, bytes], trailer: bool = True) -> bytes:
    """An archive of the named files. A name ending in a slash is a directory;
    names are without a leading slash, as in "bin/ls". All are executable."""
    entries = [_entry(number, name, data)
               for number, (name, data) in enumerate(files.items(), start=1)]
    if trailer:
        entries.append(_entry(0, TRAILER, b""))
    return b"".join(entries)


def unpack(archive: bytes) -> dict[str, bytes]:
    """The files and directories of an archive; ValueError if it is none."""
    files: dict[str, bytes] = {}
    at = 0
    while True:
        header = archive[at:at + 110]
        if header[:6] != MAGIC:
            raise ValueError(f"no entry at byte {at}")
        field = [int(header[6 + 8 * i:14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = field[1], field[6], field[11]
        name = archive[at + 110:at + 110 + name_size - 1].decode()
        if name == TRAILER:
            return files
        data = at + _padded(110 + name_size)
        slash = "/" if stat.S_ISDIR(mode) else ""
        files[name + slash] = archive[data:data + size]
        at = data + _padded(size)


def with_files(archive: bytes, files: Mapping[str, bytes]) -> bytes:
    """An archive with more files in it ("bin/name"), and the directories that they
    lie in."""
    contents = unpack(archive)
    for name, data in files.items():
        for parent in list(PurePosixPath(name).parents)[-2::-1]:
            contents.setdefault(f"{parent}/", b"")
        contents[name] = data
    return pack(contents)


def _entry(number: int, name: str, data: bytes) -> bytes:
    """One header, its name and its data, each padded to four bytes."""
    directory = name.endswith("/")
    name = name.rstrip("/")
    mode = stat.S_IFDIR | 0o755 if directory else stat.S_IFREG | 0o755
    fields = (number, mode, 0, 0, 2 if directory else 1, 0, len(data),
              0, 0, 0, 0, len(name) + 1, 0)
    header = MAGIC + b"".join(b"%08X" % field for field in fields)
    head = header + name.encode() + b"\0"
    return (head.ljust(_padded(len(head)), b"\0")
            + data.ljust(_padded(len(data)), b"\0"))


def _padded(size: int) -> int:
    return (size + 3) & ~3
