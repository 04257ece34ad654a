"""A file that is no proper program is refused with one error, for nothing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from machine.programs import Programs, archive_with
from machine.qemu import run
from malformed_elf import GOOD, GOOD_ANYWHERE, MALFORMED, STATUS

# A range of addresses that is legal but larger than memory may also be refused
# for that.
ALSO_NO_MEMORY = {"huge-memory-size", "huge-file-size"}


@pytest.fixture(scope="module")
def initrd(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {f"elf/{name}": data for name, data in MALFORMED.items()}
    return archive_with(
        {**files, "elf/good": GOOD, "elf/good-anywhere": GOOD_ANYWHERE,
         "bin/tryexec": programs["tryexec"]},
        tmp_path_factory.mktemp("elf") / "initrd.cpio")


@pytest.mark.parametrize("name", ["good", "good-anywhere"])
def test_the_good_file_runs(name: str, initrd: Path) -> None:
    assert run(f"/elf/{name}", initrd=initrd).status == STATUS


def test_there_are_more_than_twenty_kinds() -> None:
    assert len(MALFORMED) > 20


@pytest.mark.parametrize("name", MALFORMED)
def test_it_is_refused_and_costs_no_page(name: str, initrd: Path) -> None:
    result = run(f"/bin/tryexec /elf/{name}", initrd=initrd)
    allowed = {errno.ENOEXEC}
    if name in ALSO_NO_MEMORY:
        allowed.add(errno.ENOMEM)
    expected = {
        f"/elf/{name}: error {e}, in a child {e}, pages lost 0" for e in allowed}
    assert expected & set(result.console.splitlines()), result.report


def test_the_shell_says_one_line_and_goes_on(initrd: Path) -> None:
    result = run("/bin/sh -c '/elf/cut-in-header; echo still here'",
                 initrd=initrd)
    lines = result.console.splitlines()
    refusals = [line for line in lines if "/elf/cut-in-header" in line]
    assert len(refusals) == 1, result.report
    assert "still here" in lines, result.report
