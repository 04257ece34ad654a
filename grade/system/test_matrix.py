"""What README says is tested was run: make matrix has written both."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from machine.qemu import TREE

sys.path.insert(0, str(TREE / "labs"))
import matrix  # noqa: E402  pylint: disable=wrong-import-position


def result(suite: str, **steps: bool) -> dict[str, Any]:
    """What make matrix would write of a suite."""
    return {"suite": suite, "commit": "abc", "date": "2026-11-26", "made": True,
            "make_seconds": 50, "lacks": "",
            "versions": {"system": f"Debian ({suite})", "compiler": "14.2.0"},
            "steps": [{"name": name, "passed": passed, "told": "", "seconds": 1}
                      for name, passed in steps.items()]}


def test_readme_says_what_was_run() -> None:
    results = json.loads(matrix.RESULTS.read_text())
    text = matrix.README.read_text()
    assert matrix.SECTION.search(text)
    assert matrix.readme_with(results, text) == text


def test_a_step_that_failed_is_told_as_one() -> None:
    text = matrix.section([result("trixie", check=True, grade=True),
                           result("sid", check=True, grade=False)])
    trixie, sid = text.strip().splitlines()[-2:]
    assert trixie.startswith("| Debian (trixie) | 14.2.0 |")
    assert trixie.endswith("| check, grade | – | 2026-11-26 |")
    assert sid.endswith("| check | grade | 2026-11-26 |")


def test_a_newer_result_takes_the_older_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "RESULTS", tmp_path / "tested-on.json")
    monkeypatch.setattr(matrix, "README", tmp_path / "README.md")
    matrix.README.write_text("# A\n<!-- tested on: by hand -->\nold\n<!-- end -->\nB\n")
    matrix.keep([result("sid", check=True), result("trixie", check=True)])
    matrix.keep([result("trixie", check=False)])
    kept = json.loads(matrix.RESULTS.read_text())
    assert [(r["suite"], matrix.passed(r)) for r in kept] == [("trixie", False),
                                                               ("sid", True)]
    text = matrix.README.read_text()
    assert text.startswith("# A\n<!-- tested on: by hand -->\n")
    assert text.endswith("<!-- end -->\nB\n")
    assert "(sid)" in text and "| – | check |" in text and "old" not in text


@pytest.mark.parametrize("name, text", [
    ("sources.list.d/debian.sources",
     "Types: deb\nURIs: http://mirror.invalid/debian\nSuites: bookworm\n"),
    ("sources.list", "# deb http://no.invalid/debian x\n"
     "deb http://mirror.invalid/debian-security x/updates main\n"
     "deb [signed-by=/a] http://mirror.invalid/debian bookworm main\n"),
])
def test_the_mirror_is_that_of_apt(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert matrix.mirror_of_apt(tmp_path) == "http://mirror.invalid/debian"


def test_where_no_root_can_be_made_it_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(matrix, "LOGS", tmp_path)
    monkeypatch.setattr(matrix.os, "geteuid", lambda: 1000)
    assert matrix.main(["--short", "--if-possible"]) == 0
    assert matrix.main(["trixie"]) == 1
    last = capsys.readouterr().out.splitlines()
    assert last == [f"matrix: {suite} was not tried: only root can make other systems' "
                    "roots: sudo make matrix." for suite in ("trixie", "sid", "trixie")]


def test_each_lab_has_wrong_solutions_in_it() -> None:
    chosen = matrix.some_wrong()
    assert len(chosen) == len(set(chosen)) >= 40
