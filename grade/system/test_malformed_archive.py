"""An archive that is none, or lacks what is needed, is told in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from machine import archive
from machine.qemu import INITRD, STATUS_PANIC, run

GOOD = INITRD.read_bytes()


def first_header(offset: int, digits: bytes) -> bytes:
    """GOOD with digits of its first header replaced."""
    return GOOD[:offset] + digits + GOOD[offset + len(digits):]


MALFORMED = {
    "text": b"this is no archive\n" * 100,
    "bad-magic": first_header(0, b"070707"),
    "not-hexadecimal": first_header(6 + 8 * 6, b"12G45678"),
    "huge-file": first_header(6 + 8 * 6, b"FFFFFFF0"),
    "huge-name": first_header(6 + 8 * 11, b"FFFFFFF0"),
    "no-name": first_header(6 + 8 * 11, b"00000000"),
    "cut-in-first-header": GOOD[:60],
    "cut-in-a-file": GOOD[:len(GOOD) // 2],
    "no-trailer": archive.pack(archive.unpack(GOOD), trailer=False),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_archive_is_named_as_the_cause(name: str, tmp_path: Path
                                                   ) -> None:
    initrd = tmp_path / "initrd.cpio"
    initrd.write_bytes(MALFORMED[name])
    result = run("/bin/hello", initrd=initrd)
    assert result.status == STATUS_PANIC, result.report
    assert "panic: initrd: " in result.console, result.report


def test_a_missing_first_program_is_named(tmp_path: Path) -> None:
    initrd = tmp_path / "initrd.cpio"
    initrd.write_bytes(archive.pack({"etc/": b"", "etc/motd": b"hello\n"}))
    result = run(initrd=initrd)
    assert result.status == STATUS_PANIC, result.report
    assert "/bin/init" in result.console, result.report


def test_names_may_start_with_a_dot(tmp_path: Path) -> None:
    files = archive.unpack(GOOD)
    initrd = tmp_path / "initrd.cpio"
    initrd.write_bytes(archive.pack({f"./{n}": d for n, d in files.items()}))
    assert run("/bin/hello", initrd=initrd).status == 0
