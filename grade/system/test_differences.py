"""docs/differences.md says what comes out differently from Linux, and nothing else."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path

import pytest

from machine import deadlines
from machine.programs import Programs, archive_with
from machine.qemu import TREE, run

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the host is no x86-64 Linux: it cannot run the same program")

Results = dict[str, str]


def results(output: str) -> Results:
    """What came of each try, from the program's "try: result" lines."""
    return dict(re.findall(r"^([a-z0-9 ]+): (.*)$", output, re.MULTILINE))


@pytest.fixture(scope="module")
def table() -> dict[str, tuple[str, str, str]]:
    """The page's rows: on Linux, here, why."""
    text = (TREE / "docs/differences.md").read_text()
    rows = re.findall(r"^\| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    return {what: (linux, here, why) for what, linux, here, why in rows
            if what not in ("try", "---")}


@pytest.fixture(scope="module")
def on_linux(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Results:
    directory = tmp_path_factory.mktemp("differences")
    return results(subprocess.run(
        [programs.path("differences"), str(directory)], capture_output=True,
        text=True, check=True, timeout=deadlines.host()).stdout)


@pytest.fixture(scope="module")
def here(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Results:
    initrd = archive_with(
        {"bin/differences": programs["differences"]},
        tmp_path_factory.mktemp("archive") / "initrd.cpio")
    result = run("/bin/differences /tmp", initrd=initrd)
    assert result.status == 0, result.report
    return {what: came for what, came in results(result.console).items()
            if what != "differences"}


def test_each_row_is_what_comes_out(
    table: dict[str, tuple[str, str, str]], on_linux: Results, here: Results
) -> None:
    assert on_linux.keys() == here.keys() == table.keys()
    assert {what: (on_linux[what], here[what]) for what in here} == {
        what: row[:2] for what, row in table.items()}


def test_what_comes_out_alike_is_no_row(on_linux: Results, here: Results) -> None:
    assert not [what for what in here if here[what] == on_linux[what]]


def test_each_row_has_a_reason(table: dict[str, tuple[str, str, str]]) -> None:
    assert len(table) >= 20
    assert not [what for what, row in table.items() if len(row[2]) < 10]
